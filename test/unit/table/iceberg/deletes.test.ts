/** Rows that other writers have deleted stay deleted: files of deletes decide which objects may be read or replaced. */
import { expect, test } from '@jest/globals';
import { TableConflict } from '../../../../src/lib/errors.ts';
import {
  commit,
  createTable,
  requireTable,
  type TableDeps,
} from '../../../../src/lib/table/iceberg/commit.ts';
import {
  contents,
  type DataFile,
  type ManifestEntry,
  statuses,
  writeManifest,
  writeManifestList,
} from '../../../../src/lib/table/iceberg/manifest.ts';
import {
  currentSnapshot,
  schemaOf,
  specOf,
  withSnapshot,
} from '../../../../src/lib/table/iceberg/metadata.ts';
import { publishChange } from '../../../../src/lib/table/iceberg/operations.ts';
import { dataEntries, manifestsOf, mayDelete } from '../../../../src/lib/table/iceberg/snapshot.ts';
import {
  changing,
  depsOf,
  fakeFile,
  fakeObject,
  icebergAws,
  plainTable,
  readable,
} from '../../../support/iceberg.ts';

const path = 's3://processed/t/day=06/a-long-name.parquet';
const in06 = new Map([[1000, '06']]);
/** The reserved field id of the paths in files of position deletes. */
const pathField = 2147483546;
const bound = (text: string) => new Map([[pathField, Buffer.from(text)]]);
const entry = (sequenceNumber: bigint | undefined, file: DataFile): ManifestEntry => ({
  status: statuses.added,
  snapshotId: 1n,
  sequenceNumber,
  fileSequenceNumber: sequenceNumber,
  file,
});
const data = entry(5n, fakeObject(path, { partition: in06 }));
const positions = (of: Partial<DataFile> = {}) =>
  fakeObject('d', { content: contents.positionDeletes, ...of });
const equality = (partition: DataFile['partition'] = in06) =>
  fakeObject('d', { content: contents.equalityDeletes, partition });

test.each([
  ['positions of a later commit', 6n, positions(), true],
  ['positions of the same commit', 5n, positions(), true],
  ['positions of an earlier commit', 4n, positions(), false],
  ['positions of an unknown time', undefined, positions(), true],
  ['positions in the object alone', 6n, positions({ referencedDataFile: path }), true],
  ['positions in another object alone', 6n, positions({ referencedDataFile: 'other' }), false],
  [
    'positions in exactly this object',
    6n,
    positions({ lowerBounds: bound(path), upperBounds: bound(path) }),
    true,
  ],
  ['positions in objects before', 6n, positions({ upperBounds: bound('s3://processed/t/day=05/z') }), false],
  ['positions in objects after', 6n, positions({ lowerBounds: bound('s3://processed/t/day=07/a') }), false],
  ['positions up to a bound that was cut', 6n, positions({ upperBounds: bound(path.slice(0, 16)) }), true],
  ['values of a later commit', 6n, equality(), true],
  ['values of the same commit', 5n, equality(), false],
  ['values of an earlier commit', 4n, equality(), false],
  ['values of an unknown time', undefined, equality(), true],
  ['values in another partition', 6n, equality(new Map([[1000, '07']])), false],
  ['values in the partition without a value', 6n, equality(new Map([[1000, null]])), false],
  ['values in all partitions', 6n, equality(new Map()), true],
  ['values under another spec', 6n, equality(new Map([[1001, 3]])), false],
])('whether deletes by %s may concern an object', (_, sequenceNumber, file, may) => {
  expect(mayDelete(entry(sequenceNumber, file), data)).toBe(may);
});

test('deletes in the partition without a value concern its objects', () => {
  const none = new Map([[1000, null]]);
  const there = entry(5n, fakeObject(path, { partition: none }));
  expect(mayDelete(entry(6n, equality(none)), there)).toBe(true);
});

/** Another engine deletes rows of an object, as Athena and Trino do: by position, in a file of its own. */
const deleteRowsOf = (deps: TableDeps, name: string) =>
  commit(deps, 't', {
    author: undefined,
    async apply(metadata) {
      const parent = currentSnapshot(metadata);
      const sequenceNumber = metadata['last-sequence-number'] + 1n;
      const [id, folder] = [sequenceNumber + 1000n, 's3://processed/t/metadata/'];
      const deletes = {
        ...positions({
          path: `s3://processed/t/deletes-${id}.parquet`,
          referencedDataFile: fakeFile(name).path,
        }),
      };
      const context = { spec: specOf(metadata), schema: schemaOf(metadata), schemas: metadata.schemas };
      const { bytes, manifest } = writeManifest([entry(undefined, deletes)], {
        ...context,
        content: 1,
        snapshotId: id,
      });
      await deps.files.write(`${folder}${id}-m.avro`, bytes);
      const manifests = [
        manifest(`${folder}${id}-m.avro`, sequenceNumber),
        ...(await manifestsOf(deps.files, parent)),
      ];
      const list = `${folder}snap-${id}.avro`;
      await deps.files.write(
        list,
        writeManifestList(manifests, { id, parent: parent?.['snapshot-id'], sequenceNumber }),
      );
      return withSnapshot(metadata, {
        'snapshot-id': id,
        ...(parent ? { 'parent-snapshot-id': parent['snapshot-id'] } : {}),
        'sequence-number': sequenceNumber,
        'timestamp-ms': metadata['last-updated-ms'],
        'manifest-list': list,
        summary: { operation: 'delete', 'total-records': 'many', 'total-delete-files': '1' },
      });
    },
  });

test('an object with deleted rows is neither read for keys nor replaced, and others are', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  const by = (batch: string) => ({ dataset: 'feed', fence: 1, batch });
  await createTable(deps, plainTable);
  await publishChange(deps, 't', by('one'), changing(['a']));
  await publishChange(deps, 't', by('two'), changing(['b']));
  await deleteRowsOf(deps, 'a');
  const keys = async () => dataEntries(deps.files, (await requireTable(deps, 't')).metadata);
  await expect(keys()).rejects.toThrow(TableConflict);
  await expect(publishChange(deps, 't', by('three'), changing(['c'], ['a']))).rejects.toThrow(
    /rows of .*\/a\.parquet/,
  );
  await publishChange(deps, 't', by('four'), changing(['c'], ['b']));
  expect(await readable(deps)).toEqual(['a', 'c', 'deletes-1003']);
  // The rows go with their object: nothing brings the deleted ones back.
  await publishChange(deps, 't', by('five'), { ...changing([], ['a']), dropped: 'gone' });
  expect((await keys()).map(({ file }) => file.path)).toEqual([fakeFile('c').path]);
  const { metadata } = await requireTable(deps, 't');
  // A total that the other engine has not written as a number is not continued.
  expect(currentSnapshot(metadata)?.summary).not.toHaveProperty('total-records');
  expect(currentSnapshot(metadata)?.summary).toMatchObject({
    operation: 'delete',
    'total-delete-files': '1',
  });
});
