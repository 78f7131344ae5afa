/** Manifests, metadata, and possible changes of a table. */
import { expect, test } from '@jest/globals';
import { TableConflict, TableMismatch } from '../../../../src/lib/errors.ts';
import { createTable, requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { evolve, newMetadata, type WantedTable } from '../../../../src/lib/table/iceberg/evolve.ts';
import { schemaOf, specOf } from '../../../../src/lib/table/iceberg/metadata.ts';
import { evolveTable, publishChange, tagSnapshot } from '../../../../src/lib/table/iceberg/operations.ts';
import { manifestsOf } from '../../../../src/lib/table/iceberg/snapshot.ts';
import {
  changing,
  depsOf,
  fakeFile,
  icebergAws,
  plainTable,
  readable,
  rollBackTo,
  wanted,
} from '../../../support/iceberg.ts';
import { thoroughTest } from '../../../support/thorough.ts';

const base = newMetadata(wanted, 1);

const withColumn = (name: string, change: Partial<WantedTable['columns'][number]>): WantedTable => ({
  ...wanted,
  columns: wanted.columns.map((column) => (column.name === name ? { ...column, ...change } : column)),
});

const fields = (metadata: typeof base) =>
  schemaOf(metadata).fields.map(({ id, name, type }) => ({ id, name, type }));

test('a contract that has not changed changes nothing', () => {
  expect(evolve(base, wanted)).toBe(base);
});

test('columns get wider, and keep their ids', () => {
  const wider = evolve(base, {
    ...wanted,
    columns: [
      { name: 'id', type: 'bigint' },
      { name: 'price', type: 'decimal(12,2)' },
      { name: 'tags', type: 'array<bigint>' },
      { name: 'day', type: 'string' },
    ],
  });
  expect(fields(wider)).toMatchObject([
    { id: 1, type: 'long' },
    { id: 2, type: 'decimal(12, 2)' },
    { id: 3, type: { element: 'long', 'element-id': 5 } },
    { id: 4 },
  ]);
  // An earlier contract still fits: its objects are read as the wider types.
  expect(fields(evolve(wider, wanted))).toEqual(fields(wider));
});

test('Spark reads row by row where a column of 64 bits has objects with 32, from before it got wider or from a narrower contract', () => {
  const property = 'read.parquet.vectorization.enabled';
  const [narrow, wide] = [withColumn('id', { type: 'int' }), withColumn('id', { type: 'bigint' })];
  const [ofInt, ofLong] = [newMetadata(narrow, 1), newMetadata(wide, 1)];
  for (const metadata of [ofInt, ofLong, evolve(ofLong, wide), evolve(ofInt, narrow)])
    expect(metadata.properties[property]).toBeUndefined();
  for (const metadata of [evolve(ofInt, wide), evolve(ofLong, narrow)])
    expect(metadata.properties[property]).toBe('false');
});

test.each([
  ['id', 'string'],
  ['id', 'double'],
  ['price', 'decimal(12,3)'],
  ['price', 'double'],
  ['tags', 'array<string>'],
  ['tags', 'string'],
  ['day', 'int'],
])('a column %s that becomes %s is refused by name', (name, type) => {
  expect(() => evolve(base, withColumn(name, { type }))).toThrow(TableMismatch);
  expect(() => evolve(base, withColumn(name, { type }))).toThrow(new RegExp(`the column ${name} is`));
});

test('a renamed column keeps its id, and objects with its old name are still read', () => {
  const renamed = evolve(base, withColumn('price', { name: 'amount', was: ['price'] }));
  expect(fields(renamed)[1]).toMatchObject({ id: 2, name: 'amount' });
  const mapping: unknown = JSON.parse(renamed.properties['schema.name-mapping.default'] ?? '');
  expect(mapping).toContainEqual({ 'field-id': 2, names: ['price', 'amount'] });
  // Asked again, it is already done.
  expect(evolve(renamed, withColumn('price', { name: 'amount', was: ['price'] }))).toBe(renamed);
});

const plain = { ...wanted, columns: wanted.columns.filter(({ name }) => name !== 'tags') };
const plainBase = newMetadata(plain, 1);
/** Columns in place of the price. */
const withPrices = (...columns: WantedTable['columns']): WantedTable => ({
  ...plain,
  columns: plain.columns.flatMap((column) => (column.name === 'price' ? columns : [column])),
});
const price = (name: string, ...was: string[]) => ({ name, type: 'decimal(10,2)', was });
const idsOf = (metadata: typeof base) =>
  Object.fromEntries(fields(metadata).map(({ id, name }) => [name, id]));
const mappingOf = (metadata: typeof base): unknown =>
  JSON.parse(metadata.properties['schema.name-mapping.default'] ?? '');

test('a chain of renames ends at the same column, in steps or at once, and goes back', () => {
  const once = evolve(plainBase, withPrices(price('amount', 'price')));
  const twice = evolve(once, withPrices(price('cost', 'amount')));
  expect(idsOf(twice)).toEqual({ id: 1, cost: 2, day: 3 });
  expect(mappingOf(twice)).toContainEqual({ 'field-id': 2, names: ['price', 'amount', 'cost'] });
  // The table has never been that of the contract between.
  expect(idsOf(evolve(plainBase, withPrices(price('cost', 'amount', 'price'))))).toEqual(idsOf(twice));
  const back = evolve(twice, withPrices(price('price', 'cost')));
  expect(idsOf(back)).toEqual({ id: 1, price: 2, day: 3 });
  expect(mappingOf(back)).toContainEqual({ 'field-id': 2, names: ['amount', 'cost', 'price'] });
});

test('a renamed column leaves its name to a new one: old objects have it as what it was', () => {
  const both = withPrices(price('amount', 'price'), price('price'));
  const evolved = evolve(plainBase, both);
  expect(idsOf(evolved)).toEqual({ id: 1, amount: 2, price: 4, day: 3 });
  expect(mappingOf(evolved)).toEqual(
    expect.arrayContaining([
      { 'field-id': 2, names: ['price', 'amount'] },
      { 'field-id': 4, names: [] },
    ]),
  );
  expect(evolve(evolved, both)).toBe(evolved);
  // In two steps it is the same.
  const first = evolve(plainBase, withPrices(price('amount', 'price')));
  expect(idsOf(evolve(first, both))).toEqual(idsOf(evolved));
  // Each of several columns moves on by one name.
  const moved = evolve(evolved, withPrices(price('cost', 'amount'), price('amount', 'price')));
  expect(idsOf(moved)).toEqual({ id: 1, cost: 2, amount: 4, day: 3 });
});

test('a name is not used twice where objects of Spark without ids may have it, or where nobody says what became of it', () => {
  const both = { ...withPrices(price('amount', 'price'), price('price')) };
  const arrays = { ...both, columns: [...both.columns, { name: 'tags', type: 'array<int>' }] };
  expect(() => evolve(base, arrays)).toThrow(/read by the names of columns/);
  const renamedByOthers = evolve(plainBase, withPrices(price('theirs', 'price')));
  expect(() => evolve(renamedByOthers, plain)).toThrow(/say by "was" which column it has become/);
});

test('a table with a column and its earlier name as two columns is refused', () => {
  const both = evolve(plainBase, withPrices(price('price'), price('amount')));
  expect(() => evolve(both, withPrices(price('amount', 'price')))).toThrow(/the table has both/);
  // Others have added the old name after the rename.
  const renamed = evolve(plainBase, withPrices(price('amount', 'price')));
  const theirs = evolve(renamed, withPrices(price('amount', 'price'), price('price')));
  expect(idsOf(evolve(theirs, withPrices(price('amount', 'price'))))).toEqual(idsOf(theirs));
});

test('the comment of a column follows the contract, and leaves with its description; that of others stays', () => {
  const docOf = (metadata: typeof base) => schemaOf(metadata).fields[0]?.doc;
  const described = withColumn('id', { doc: 'the number of the post' });
  const said = evolve(base, described);
  expect(docOf(said)).toBe('the number of the post');
  expect(said.schemas).toHaveLength(2);
  expect(evolve(said, described)).toBe(said);
  const { doc: _, ...id } = { ...wanted.columns[0], name: 'id', type: 'int' };
  const undescribed = { ...wanted, columns: [id, ...wanted.columns.slice(1)] };
  const silent = evolve(said, undescribed);
  expect(docOf(silent)).toBeUndefined();
  expect(evolve(silent, undescribed)).toBe(silent);
  const theirs = (metadata: typeof base) => ({
    ...metadata,
    schemas: metadata.schemas.map((schema) => ({
      ...schema,
      fields: schema.fields.map((field, i) => (i === 0 ? { ...field, doc: 'by a person' } : field)),
    })),
  });
  // Before, and instead of the contract's.
  for (const metadata of [silent, said]) {
    const kept = evolve(theirs(metadata), undescribed);
    expect(docOf(kept)).toBe('by a person');
    expect(docOf(evolve(kept, undescribed))).toBe('by a person');
  }
});

test('a name that a dropped column had is not given again: old objects would show its values', () => {
  const columns = wanted.columns.filter(({ name }) => name !== 'price');
  const dropped = evolve(base, { ...wanted, columns, dropped: ['price'] });
  expect(fields(dropped).map(({ name }) => name)).toEqual(['id', 'tags', 'day']);
  expect(() => evolve(dropped, wanted)).toThrow(/a column price before/);
});

test('a column of another writer stays, and one that makes partitions cannot be dropped', () => {
  const others = evolve(base, {
    ...wanted,
    columns: [...wanted.columns, { name: 'theirs', type: 'string' }],
  });
  expect(evolve(others, wanted)).toMatchObject({ 'last-column-id': 6 });
  expect(fields(evolve(others, wanted)).map(({ name }) => name)).toContain('theirs');
  const columns = wanted.columns.filter(({ name }) => name !== 'day');
  const byBucket = { ...wanted, columns, partitionBy: [{ column: 'id', transform: 'bucket[4]' }] };
  // Objects of before have it in their partitions.
  expect(() => evolve(base, { ...byBucket, dropped: ['day'] })).toThrow(/is or was partitioned by it/);
  expect(() => evolve(base, { ...wanted, columns, dropped: ['day'] })).toThrow(
    /no partition can be made of the column day/,
  );
});

test('the sort order follows the contract; without one, it stays as long as its columns do', () => {
  const orderOf = (metadata: typeof base) =>
    metadata['sort-orders']
      .find((order) => order['order-id'] === metadata['default-sort-order-id'])
      ?.fields.map((field) => field['source-id']);
  const sorted = evolve(base, { ...wanted, sortBy: ['price', 'id'] });
  expect(orderOf(sorted)).toEqual([2, 1]);
  expect(evolve(sorted, { ...wanted, sortBy: ['price', 'id'] })).toBe(sorted);
  expect(evolve(sorted, wanted)).toBe(sorted);
  const columns = wanted.columns.filter(({ name }) => name !== 'price');
  expect(orderOf(evolve(sorted, { ...wanted, columns, dropped: ['price'] }))).toEqual([]);
  expect(orderOf(evolve(sorted, { ...wanted, columns, dropped: ['price'], sortBy: ['id'] }))).toEqual([1]);
});

test('a partition field has the same id whenever it comes back', () => {
  const byBucket = evolve(base, { ...wanted, partitionBy: [{ column: 'id', transform: 'bucket[16]' }] });
  expect(specOf(byBucket)).toMatchObject({
    'spec-id': base['default-spec-id'] + 1,
    fields: [{ 'field-id': 1001, name: 'id_bucket_16', transform: 'bucket[16]', 'source-id': 1 }],
  });
  const back = evolve(byBucket, wanted);
  expect(specOf(back)).toEqual(specOf(base));
  expect(back['partition-specs']).toHaveLength(2);
  expect(back['last-partition-id']).toBe(1001);
});

const author = { dataset: 'feed', fence: 1 };

test('objects of an earlier partition spec can be replaced after the table has another one', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  const { metadata } = await createTable(deps, wanted);
  const inDay = (name: string, day: string) => ({
    file: fakeFile(name, new Map([[1000, day]])),
    specId: metadata['default-spec-id'],
  });
  const change = { drop: [], dropped: 'replaced' as const, summary: {} };
  await publishChange(
    deps,
    't',
    { ...author, batch: 'one' },
    { ...change, add: [inDay('a', '06'), inDay('b', '07')] },
  );
  await evolveTable(deps, { ...wanted, partitionBy: [{ column: 'id', transform: 'bucket[4]' }] }, author);
  await publishChange(
    deps,
    't',
    { ...author, batch: 'two' },
    {
      ...change,
      add: [{ file: fakeFile('c', new Map([[1001, 2]])), specId: metadata['default-spec-id'] + 1 }],
      drop: [{ path: fakeFile('a').path, partition: new Map([[1000, '06']]) }],
    },
  );
  expect(await readable(deps)).toEqual(['b', 'c']);
});

thoroughTest(
  'small manifests are merged, so that a commit reads and writes no more after many of them, nor for many objects',
  async () => {
    const aws = icebergAws();
    const deps = depsOf(aws.actor('writer'), aws);
    await createTable(deps, plainTable);
    const many = Array.from({ length: 2500 }, (_, i) => `earlier ${i}`);
    const full = await publishChange(deps, 't', { ...author, batch: 'many' }, changing(many));
    const [half] = await manifestsOf(deps.files, full.metadata.snapshots.at(-1));
    const batches = 120;
    for (let i = 0; i < batches; i++)
      await publishChange(deps, 't', { ...author, batch: String(i) }, changing([`f${i}`]));
    const { metadata } = await requireTable(deps, 't');
    const manifests = await manifestsOf(deps.files, metadata.snapshots.at(-1));
    expect(manifests.length).toBeLessThan(30);
    expect(await readable(deps)).toHaveLength(many.length + batches);
    // Each snapshot shows its own change, also that of a merge.
    const added = await Promise.all(
      metadata.snapshots.slice(1).map(async (snapshot) => {
        const list = await manifestsOf(deps.files, snapshot);
        return list.filter((m) => m.addedSnapshotId === snapshot['snapshot-id'] && m.addedFiles === 1).length;
      }),
    );
    expect(new Set(added)).toEqual(new Set([1]));
    // One that is half full is never written again, or a merge would rewrite the whole table.
    expect(manifests.map(({ path }) => path)).toContain(half?.path);
    const before = aws.calls();
    await publishChange(deps, 't', { ...author, batch: 'last' }, changing(['last']));
    // The pointer and list, because the metadata are known; a manifest, a list, metadata, the swap.
    expect(aws.calls() - before).toBe(6);
    const objects = Array.from({ length: 1000 }, (_, i) => `one of many ${i}`);
    const earlier = aws.calls();
    const { metadata: known } = await publishChange(
      deps,
      't',
      { ...author, batch: 'large' },
      changing(objects),
    );
    expect(aws.calls() - earlier).toBe(6);
    // What a writer remembers of its commits is what others read.
    expect((await requireTable(depsOf(aws.actor('other'), aws), 't')).metadata).toEqual(known);
  },
);

test('rollback and tags are commits; a snapshot that is not there is refused', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, plainTable);
  const one = await publishChange(deps, 't', { ...author, batch: 'one' }, changing(['a']));
  const snapshotId = one.metadata['current-snapshot-id'] ?? 0n;
  await publishChange(deps, 't', { ...author, batch: 'two' }, changing(['b'], ['a']));
  const tag = () => tagSnapshot(deps, 't', { name: 'model-1', snapshotId });
  expect((await tag()).how).toBe('committed');
  expect((await tag()).how).toBe('nothing to do');
  await rollBackTo(deps, 't', snapshotId);
  expect(await readable(deps)).toEqual(['a']);
  await expect(tagSnapshot(deps, 't', { name: 'none', snapshotId: 5n })).rejects.toThrow(TableConflict);
  await expect(tagSnapshot(deps, 't', { name: 'main', snapshotId })).rejects.toThrow(TableConflict);
});
