/** The last partitions of a table, and which manifests are read for them. */
import { expect, test } from '@jest/globals';
import { createTable, requireTable, type TableDeps } from '../../../../src/lib/table/iceberg/commit.ts';
import { lastEntries } from '../../../../src/lib/table/iceberg/lastEntries.ts';
import {
  type Partition,
  readManifestList,
  writeManifestList,
} from '../../../../src/lib/table/iceberg/manifest.ts';
import { evolveTable, publishChange } from '../../../../src/lib/table/iceberg/operations.ts';
import { changing, depsOf, fakeFile, icebergAws, plainTable } from '../../../support/iceberg.ts';

const author = { dataset: 'feed', fence: 1 };
const table = {
  ...plainTable,
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'day', type: 'string' },
  ],
  partitionBy: [
    { column: 'id', transform: 'bucket[9]' },
    { column: 'day', transform: 'identity' },
  ],
};
type Place = readonly [number | null, string | null];

/** A table with a batch for each list of partitions; `last` gives the names of objects, and the number of manifests that were read. */
async function tableOf(batches: readonly (readonly Place[])[]) {
  const aws = icebergAws();
  const deps: TableDeps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, table);
  for (const [i, places] of batches.entries())
    await publishChange(
      deps,
      't',
      { ...author, batch: `b${i}` },
      {
        ...changing([]),
        add: places.map(([bucket, day], k) => {
          const partition: Partition = new Map<number, number | string | null>([
            [1000, bucket],
            [1001, day],
          ]);
          return { file: fakeFile(`${i}${'abc'[k]}`, partition), specId: 1 };
        }),
      },
    );
  const last = async (count: number) => {
    const { metadata } = await requireTable(deps, 't');
    const before = aws.calls('s3.GetObject');
    const found = await lastEntries(deps.files, metadata, count);
    const names = found.map(({ file }) => file.path.slice('s3://processed/t/'.length, -'.parquet'.length));
    // One of the calls reads the list.
    return [names.sort().join(' '), aws.calls('s3.GetObject') - before - 1];
  };
  return { deps, last };
}

test('partitions have the order of their values, one after the other; no value comes first', async () => {
  const { last } = await tableOf([[[1, '06']], [[1, '07']], [[2, null]], [[2, '01']], [[null, '09']]]);
  expect(await last(1)).toEqual(['3a', 1]);
  expect(await last(2)).toEqual(['2a 3a', 2]);
  expect(await last(3)).toEqual(['1a 2a 3a', 3]);
  expect(await last(4)).toEqual(['0a 1a 2a 3a', 4]);
  expect(await last(5)).toEqual(['0a 1a 2a 3a 4a', 5]);
  expect(await last(9)).toEqual(['0a 1a 2a 3a 4a', 5]);
});

test('objects of a last partition in another manifest are found, too', async () => {
  const { last } = await tableOf([
    [[1, '01']],
    [
      [8, '01'],
      [1, '01'],
    ],
    [[8, '01']],
    [
      [7, '01'],
      [7, '02'],
      [7, '03'],
    ],
  ]);
  expect(await last(1)).toEqual(['1a 2a', 2]);
  expect(await last(2)).toEqual(['1a 2a 3c', 3]);
  expect(await last(4)).toEqual(['1a 2a 3a 3b 3c', 3]);
  expect(await last(5)).toEqual(['0a 1a 1b 2a 3a 3b 3c', 4]);
});

test('an empty table has none, and one with two kinds of partitions is read whole', async () => {
  const { deps } = await tableOf([]);
  const { metadata } = await requireTable(deps, 't');
  expect(await lastEntries(deps.files, metadata, 3)).toEqual([]);
  const both = await tableOf([[[1, '01']], [[2, '01']]]);
  await evolveTable(both.deps, { ...table, partitionBy: table.partitionBy.slice(1) }, author);
  await publishChange(
    both.deps,
    't',
    { ...author, batch: 'other' },
    { ...changing([]), add: [{ file: fakeFile('x', new Map([[1001, '05']])), specId: 2 }] },
  );
  expect(await both.last(1)).toEqual(['0a 1a x', 3]);
});

test('a manifest of which nobody has said what partitions it has is always read', async () => {
  const { deps } = await tableOf([[[1, '01']], [[2, '01']], [[1, '02']]]);
  const { metadata } = await requireTable(deps, 't');
  const read: string[] = [];
  const files = {
    ...deps.files,
    read: async (path: string) => {
      read.push(path);
      const bytes = await deps.files.read(path);
      if (!path.includes('/snap-')) return bytes;
      const list = readManifestList(bytes).map((m, i) => (i === 2 ? { ...m, partitions: null } : m));
      return writeManifestList(list, { id: 1n, parent: undefined, sequenceNumber: 1n });
    },
  };
  const found = await lastEntries(files, metadata, 1);
  expect(found.map(({ file }) => file.path.slice(-10))).toEqual(['1a.parquet']);
  // The list, the oldest manifest, and that of the last partition.
  expect(read).toHaveLength(3);
});
