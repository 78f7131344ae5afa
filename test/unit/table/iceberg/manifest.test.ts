import { expect, test } from '@jest/globals';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import {
  contents,
  type ManifestEntry,
  readManifest,
  readManifestList,
  statuses,
  typedFields,
  writeManifest,
  writeManifestList,
} from '../../../../src/lib/table/iceberg/manifest.ts';
import { schemaOf, specOf } from '../../../../src/lib/table/iceberg/metadata.ts';
import { fakeFile, wanted } from '../../../support/iceberg.ts';

test('manifests and their lists are read back exactly, with snapshot ids of 63 bits', () => {
  const table = newMetadata(
    {
      ...wanted,
      partitionBy: [
        { column: 'day', transform: 'identity' },
        { column: 'price', transform: 'identity' },
        { column: 'id', transform: 'bucket[4]' },
      ],
    },
    1,
  );
  const spec = specOf(table);
  const snapshotId = 2n ** 62n + 1n;
  const partition = new Map<number, string | bigint | number | null>([
    [1000, null],
    [1001, -12345n],
    [1002, 3],
  ]);
  const file = {
    ...fakeFile('x', partition, 2n ** 60n),
    lowerBounds: new Map([[1, Buffer.from([1, 2, 3, 4])]]),
    columnSizes: new Map([[1, 2n ** 40n]]),
    splitOffsets: [4n, 2n ** 35n],
  };
  const entries: ManifestEntry[] = [
    { status: statuses.added, snapshotId, sequenceNumber: undefined, fileSequenceNumber: undefined, file },
    { status: statuses.existing, snapshotId: 5n, sequenceNumber: 3n, fileSequenceNumber: 3n, file },
  ];
  const { bytes, manifest } = writeManifest(entries, {
    spec,
    schema: schemaOf(table),
    schemas: table.schemas,
    content: contents.data,
    snapshotId,
  });
  const placed = manifest('s3://processed/t/metadata/m.avro', 7n);
  expect(placed).toMatchObject({
    addedFiles: 1,
    existingFiles: 1,
    minSequenceNumber: 3n,
    addedRows: 2n ** 60n,
  });
  const list = readManifestList(
    writeManifestList([placed], { id: snapshotId, parent: undefined, sequenceNumber: 7n }),
  );
  expect(list).toEqual([placed]);
  const [first, second] = readManifest(bytes, placed, typedFields(spec, table.schemas));
  expect(first).toEqual({ ...entries[0], sequenceNumber: 7n, fileSequenceNumber: 7n });
  expect(second).toEqual(entries[1]);
});
