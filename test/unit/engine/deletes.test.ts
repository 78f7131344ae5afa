/** Delete files: written for rows that leave, and applied by everything that reads an object. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { hideRows } from '../../../src/lib/engine/deletes.ts';
import { mergeFiles } from '../../../src/lib/engine/merge.ts';
import { rewriteWithout } from '../../../src/lib/engine/rewrite.ts';
import { positionsIn } from '../../../src/lib/table/positions.ts';
import { readParquet } from '../../support/embedded.ts';

let folder = '';
let db: DuckDBConnection;
const at = (name: string) => join(folder, `${name}.parquet`);
const write = (name: string, rows: string) => db.run(`COPY (${rows}) TO '${at(name)}' (FORMAT parquet)`);
const read = async (name: string) => (await readParquet(at(name))).map((row) => Object.values(row));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-deletes-test-'));
  db = await (await DuckDBInstance.create(':memory:')).connect();
  // 0 to 9, in two row groups.
  await write('a', "SELECT range::INTEGER AS id, 'o' AS _object, 'v' AS _version FROM range(10)");
  await write(
    'leaving',
    `FROM (VALUES ('s3://p/a', 7, 7::BIGINT), ('s3://p/a', 2, 2), ('s3://p/a', 2, 2), ('s3://p/b', 1, 1)) t(_path, id, _row)`,
  );
});

afterAll(async () => {
  db.closeSync();
  await rm(folder, { recursive: true });
});

const hiding = { at: 's3://p/a', rows: 10, most: 5 };

test('the positions of rows that leave are added to those that have left, with the field ids of the format', async () => {
  const files = [at('leaving')];
  expect(await hideRows([{ ...hiding, to: at('one') }], files)).toEqual([{ removed: 2, hidden: 2 }]);
  expect(await read('one')).toEqual([
    ['s3://p/a', 2n],
    ['s3://p/a', 7n],
  ]);
  const [, ...elements] = (
    await db.runAndReadAll(`SELECT name, field_id::INTEGER AS id FROM parquet_schema('${at('one')}')`)
  ).getRowObjectsJson();
  expect(elements).toEqual([
    { name: 'file_path', id: 2147483546 },
    { name: 'pos', id: 2147483545 },
  ]);
  await write('more', "FROM (VALUES ('s3://p/a', 0, 0::BIGINT)) t(_path, id, _row)");
  const later = [{ ...hiding, before: at('one'), to: at('two') }];
  expect(await hideRows(later, [at('more')])).toEqual([{ removed: 1, hidden: 3 }]);
  expect((await read('two')).map(([, pos]) => pos)).toEqual([0n, 2n, 7n]);
  const bytes = await readFile(at('two'));
  const slice = async (_: string, start: number, end: number) =>
    new Uint8Array(bytes.subarray(start, end)).buffer;
  const deletes = { address: 's3://p/d', bytes: (await stat(at('two'))).size, rows: 3 };
  expect(await positionsIn(slice, deletes)).toEqual(new Set([0, 2, 7]));
  expect(await positionsIn(slice, undefined)).toEqual(new Set());
});

test.each<[string, Partial<typeof hiding & { before: string }>, string]>([
  ['too many rows have left it', { most: 1 }, 'leaving'],
  ['no row leaves it', { at: 's3://p/z' }, 'leaving'],
  ['a row has left it before', { before: 'two' }, 'leaving'],
  ['a position is not in it', { rows: 7 }, 'leaving'],
  ['a position is unknown', {}, 'unknown'],
  ['an earlier release knew no positions', {}, 'old'],
])('an object is rewritten if %s', async (_, { before, ...more }, name) => {
  await write('unknown', "SELECT 's3://p/a' AS _path, 1 AS id, NULL::BIGINT AS _row");
  await write('old', "SELECT 's3://p/a' AS _path, 1 AS id");
  const own = before === undefined ? {} : { before: at(before) };
  expect(await hideRows([{ ...hiding, ...more, ...own, to: at('none') }], [at(name)])).toEqual([null]);
});

test('a rewritten object does not have the rows that had left it, and these are not counted', async () => {
  const columns = { object: '_object', version: '_version' };
  await write('keys', "FROM (VALUES ('s3://p/a', 7, 7::BIGINT), ('s3://p/a', 3, 3)) t(_path, id, _row)");
  const rewriting = { from: at('a'), deletes: at('two'), to: at('left'), columns, replacedAt: 's3://p/a' };
  expect(await rewriteWithout([rewriting], { origins: [], replaced: [at('keys')] })).toEqual([
    { kept: 6, removed: 1, replaced: 1 },
  ]);
  expect((await read('left')).map(([id]) => id)).toEqual([1, 4, 5, 6, 8, 9]);
  await write('changes', "FROM (VALUES ('s3://p/a', 1, 5), ('s3://p/a', 2, 5)) t(_path, id, until)");
  const changing = { ...rewriting, to: at('changed'), replacedAt: undefined, changedAt: 's3://p/a' };
  const changed = { files: [at('changes')], validTo: 'until', current: 'is_current' };
  expect(await rewriteWithout([changing], { origins: [], replaced: [], changed })).toEqual([
    { kept: 7, removed: 0, replaced: 0, changed: 1 },
  ]);
});

test('a merged object does not have the rows that had left its parts', async () => {
  await write('b', "SELECT range::INTEGER AS id, 'o' AS _object, 'v' AS _version FROM range(20, 22)");
  const [merged] = await mergeFiles([{ path: at('a'), deletes: at('two') }, { path: at('b') }], folder, [
    'id',
  ]);
  expect(merged?.rows).toBe(9);
  expect((await readParquet(merged?.path ?? '')).map(({ id }) => id)).toEqual([1, 3, 4, 5, 6, 8, 9, 20, 21]);
});
