/** Earlier states in a statement: each gets a name of its own, and the rest of the statement stays as it is. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { separatePast, snapshotIn } from '../../../../offline/athena/asOf.ts';
import { createDuckDbEngine } from '../../../../offline/athena/duckdb.ts';
import { createTable, requireTable } from '../../../../src/lib/table/iceberg/commit.ts';
import { schemaOf } from '../../../../src/lib/table/iceberg/metadata.ts';
import { evolveTable, publishChange, tagSnapshot } from '../../../../src/lib/table/iceberg/operations.ts';
import type { Change } from '../../../../src/lib/table/iceberg/snapshot.ts';
import type { Schema } from '../../../../src/lib/table/iceberg/types.ts';
import { bucket, changing, depsOf, icebergAws, plainTable, putRows } from '../../../support/iceberg.ts';

const named = (sql: string) => {
  const { sql: separate, past } = separatePast(sql);
  return [separate, Object.fromEntries(past)];
};
const noon = Date.UTC(2025, 0, 2, 12);

test.each([
  ['SELECT a FROM t', 'SELECT a FROM t', {}],
  [
    'SELECT t.a FROM t FOR VERSION AS OF 9007199254740993',
    'SELECT t.a FROM "state_0_of_t" AS "t"',
    { state_0_of_t: { table: 't', state: { id: 9007199254740993n } } },
  ],
  [
    `SELECT * FROM db.t for version as of 'model' x JOIN "U" FOR TIMESTAMP AS OF TIMESTAMP '2025-01-02 12:00 UTC' ON x.a = u.a WHERE 1 = 1`,
    'SELECT * FROM "state_0_of_t" x JOIN "state_1_of_u" AS "u" ON x.a = u.a WHERE 1 = 1',
    {
      state_0_of_t: { table: 't', database: 'db', state: { ref: 'model' } },
      state_1_of_u: { table: 'u', state: { time: noon } },
    },
  ],
  [
    'WITH t AS (SELECT * FROM t FOR VERSION AS OF 1) SELECT 1 FROM t UNION ALL SELECT 2 FROM t FOR VERSION AS OF 2 AS b',
    'WITH t AS (SELECT * FROM "state_0_of_t" AS "t") SELECT 1 FROM t UNION ALL SELECT 2 FROM "state_1_of_t" AS b',
    { state_0_of_t: { table: 't', state: { id: 1n } }, state_1_of_t: { table: 't', state: { id: 2n } } },
  ],
  [
    `SELECT 'FROM t FOR VERSION AS OF 1' FROM t -- FOR VERSION AS OF 1`,
    `SELECT 'FROM t FOR VERSION AS OF 1' FROM t -- FOR VERSION AS OF 1`,
    {},
  ],
  [
    `SELECT 1 FROM t FOR TIMESTAMP AS OF TIMESTAMP '2025-01-02 14:00:00.000 +02:00'`,
    'SELECT 1 FROM "state_0_of_t" AS "t"',
    { state_0_of_t: { table: 't', state: { time: noon } } },
  ],
])('%s', (sql, separate, past) => {
  expect(named(sql)).toEqual([separate, past]);
});

test.each([
  'SELECT 1 FROM t FOR VERSION AS OF 1 + 1 - x(2)',
  'SELECT 1 FROM t FOR VERSION AS OF (SELECT 1)',
  "SELECT 1 FROM t FOR TIMESTAMP AS OF (current_timestamp - interval '1' day)",
  "SELECT 1 FROM t FOR TIMESTAMP AS OF TIMESTAMP '2025-01-02 12:00 Europe/London'",
  "SELECT 1 FROM t FOR TIMESTAMP AS OF DATE '2025-01-02'",
  'SELECT 1 FROM t FOR VERSION AS OF',
])('%s: a state that is computed is refused, or what is left is no query', (sql) => {
  const answer = () => {
    const { sql: separate } = separatePast(sql);
    expect(separate).toMatch(/\+ 1/);
    throw new Error('NOT_SUPPORTED');
  };
  expect(answer).toThrow('NOT_SUPPORTED');
});

test('a state is the snapshot of an id, of a tag, or the one that readers saw at a time', async () => {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, plainTable);
  const ids: bigint[] = [];
  for (const batch of ['a', 'b']) {
    aws.clock.advance(1000);
    const { metadata } = await publishChange(
      deps,
      't',
      { dataset: 'feed', batch, fence: 1 },
      changing([batch]),
    );
    ids.push(metadata['current-snapshot-id'] ?? 0n);
  }
  const [first = 0n, second] = ids;
  await tagSnapshot(deps, 't', { name: 'model', snapshotId: first });
  const { metadata } = await requireTable(deps, 't');
  const idOf = (state: Parameters<typeof snapshotIn>[2]) => snapshotIn(metadata, 't', state)['snapshot-id'];
  expect(idOf({ id: first })).toBe(first);
  expect(idOf({ ref: 'model' })).toBe(first);
  expect(idOf({ ref: 'main' })).toBe(second);
  const [firstAt = 0, secondAt = 0] = metadata.snapshots.map((s) => s['timestamp-ms']);
  expect(idOf({ time: firstAt })).toBe(first);
  expect(idOf({ time: secondAt - 1 })).toBe(first);
  expect(idOf({ time: secondAt })).toBe(second);
  expect(() => idOf({ time: firstAt - 1 })).toThrow('No version history table t at or before');
  expect(() => idOf({ id: 5n })).toThrow('Iceberg snapshot ID does not exist: 5');
  expect(() => idOf({ ref: 'constructor' })).toThrow('Cannot find snapshot with reference name: constructor');
});

test('DuckDB reads the rows and columns of an earlier state, beside those of now', async () => {
  const aws = icebergAws();
  const actor = aws.actor('writer');
  const deps = depsOf(actor, aws);
  const { metadata } = await createTable(deps, plainTable);
  const publish = async (batch: string, rows: string, schema: Schema, drop: Change['drop'] = []) => {
    const file = await putRows(aws, schema, { key: `t/${batch}.parquet`, rows, partition: new Map() });
    const change = { ...changing([]), add: [{ file, specId: 0 }], drop };
    return publishChange(deps, 't', { dataset: 'feed', batch, fence: 1 }, change);
  };
  const { metadata: first } = await publish('a', 'SELECT 1::BIGINT AS id', schemaOf(metadata));
  const wider = { ...plainTable, columns: [...plainTable.columns, { name: 'label', type: 'string' }] };
  const { metadata: evolved } = await evolveTable(deps, wider, { dataset: 'feed', fence: 1 });
  await publish('b', `SELECT 2::BIGINT AS id, 'two' AS label`, schemaOf(evolved), [
    { path: `s3://${bucket}/t/a.parquet` },
  ]);

  const folder = mkdtempSync(join(tmpdir(), 'sluice-as-of-'));
  try {
    const engine = await createDuckDbEngine({ s3: actor.s3, glue: actor.glue }, folder);
    const ask = async (sql: string) => {
      const signal = new AbortController().signal;
      const { rows } = await engine.run({ sql, database: 'db', parameters: [], tables: '', signal });
      return rows;
    };
    const id = first['current-snapshot-id'];
    expect(await ask(`SELECT * FROM t FOR VERSION AS OF ${id}`)).toEqual([['1']]);
    expect(await ask(`WITH "t" AS (SELECT * FROM "t" FOR VERSION AS OF ${id}) SELECT t.id FROM t`)).toEqual([
      ['1'],
    ]);
    expect(await ask(`SELECT n.id, n.label, p.id FROM t n, db.t FOR VERSION AS OF ${id} AS p`)).toEqual([
      ['2', 'two', '1'],
    ]);
    await expect(ask('SELECT * FROM t FOR VERSION AS OF 5')).rejects.toThrow(
      'Iceberg snapshot ID does not exist: 5',
    );
    await expect(ask(`SELECT label FROM t FOR VERSION AS OF ${id}`)).rejects.toThrow('COLUMN_NOT_FOUND');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
