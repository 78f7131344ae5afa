/** A comparison of two states counts keys as a person would, on rows of any type. */
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { separatePast } from '../../../offline/athena/asOf.ts';
import { athenaMacros } from '../../../offline/athena/duckdb.ts';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { comparisonOf, countsOf, firstKeys } from '../../../src/stage/diff.ts';

const contract = parseContract(
  'posts.yml',
  JSON.stringify({
    dataset: 'posts',
    table: { format: 'iceberg' },
    source: { prefix: 'posts/', formats: ['ndjson'] },
    columns: [
      { name: 'id', path: 'id', type: 'bigint' },
      { name: 'day', path: 'day', type: 'string' },
    ],
    partitionBy: [{ name: 'source', constant: "it's" }],
  }),
);
const columns = ['id', 'label', 'tags', 'score', 'source', 'day'].map((name) => ({ from: name, to: name }));
columns.splice(1, 1, { from: 'title', to: 'label' });

/** Rows: id, title, tags, score, source, day. */
const before = [
  `(1, 'same', ['a', NULL], 'nan'::DOUBLE, 'it''s', '06')`,
  `(2, 'old', [], 1.5, 'it''s', '06')`,
  `(3, 'gone', NULL, NULL, 'it''s', '06')`,
  `(4, 'twice', NULL, 0, 'it''s', '06')`,
  `(4, 'twice', NULL, 0, 'it''s', '06')`,
  `(5, 'moves', NULL, 0, 'it''s', '06')`,
  `(6, 'of another partition', NULL, 0, 'it''s', '09')`,
  `(7, 'of another dataset', NULL, 0, 'x', '06')`,
  `(NULL, 'without a key', NULL, 0, 'it''s', '06')`,
];
const after = [
  `(1, 'same', ['a', NULL], 'nan'::DOUBLE, 'it''s', '06')`,
  `(2, 'new', [], 1.5, 'it''s', '06')`,
  `(4, 'twice', NULL, 0, 'it''s', '06')`,
  `(5, 'moves', NULL, 0, 'it''s', '07')`,
  `(8, 'came', NULL, 0, 'it''s', '07')`,
  `(NULL, 'without a key', NULL, 0, 'it''s', '06')`,
];

async function compare(key: readonly string[], partitions: Parameters<typeof comparisonOf>[0]['partitions']) {
  const compared = comparisonOf({ contract, from: { id: '1' }, to: { id: '2' }, key, columns, partitions });
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    for (const macro of athenaMacros) await db.run(`CREATE MACRO ${macro}`);
    const table = (name: string, label: string, rows: readonly string[]) =>
      db.run(
        `CREATE TABLE ${name} AS FROM (VALUES ${rows.join(', ')}) t(id, ${label}, tags, score, source, day)`,
      );
    await table('state_0_of_posts', 'title', before);
    await table('state_1_of_posts', 'label', after);
    const ask = async (sql: string) => {
      const { sql: separate } = separatePast(sql);
      checkQuery(separate);
      return (await db.runAndReadAll(separate)).getRows().map((row) => row.map(String));
    };
    return [await ask(`${compared} ${countsOf}`), await ask(`${compared} ${firstKeys(key, 10)}`)];
  } finally {
    db.closeSync();
    instance.closeSync();
  }
}

const partitions = ['06', '07'].map((day) => ({ source: "it's", day }));

test('a key whose rows differ has changed, wherever they are; one without rows on a side was added or removed', async () => {
  expect(await compare(['id'], partitions)).toEqual([
    [['1', '1', '3']],
    [
      ['changed', '2'],
      ['removed', '3'],
      ['changed', '4'],
      ['changed', '5'],
      ['added', '8'],
    ],
  ]);
});

test('without partitions the whole table is compared, and without a key each row is its own', async () => {
  expect((await compare(['id'], undefined))[0]).toEqual([['1', '2', '3']]);
  expect(
    (
      await compare(
        columns.map((c) => c.to),
        partitions,
      )
    )[0],
  ).toEqual([['3', '3', '1']]);
});
