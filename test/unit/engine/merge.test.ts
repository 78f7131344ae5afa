import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { fieldIdsOf, fieldIdsOption } from '../../../src/lib/engine/fieldIds.ts';
import { mergeFiles } from '../../../src/lib/engine/merge.ts';

test('files with equal columns become one sorted file with all rows, types and ids; others are left', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-merge-test-'));
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  const rowsOf = async (sql: string) => (await db.runAndReadAll(sql)).getRowObjectsJson();
  try {
    const ids = {
      id: { id: 4 },
      'two words': { id: 9, element: 11 },
      at: { id: 5 },
      d: { id: 6 },
      _object: { id: 1 },
      _line: { id: 2 },
    };
    const write = async (name: string, values: string, type = 'BIGINT', with_ = ids) => {
      const path = join(folder, `it's ${name}.parquet`);
      await db.run(
        `COPY (SELECT id::${type} AS id, [t] AS "two words", TIMESTAMP '0001-01-01' AS at, 1.50::DECIMAL(38,2) AS d, o AS _object, l::BIGINT AS _line FROM (VALUES ${values}) AS v(id, t, o, l)) TO '${path.replaceAll("'", "''")}' (FORMAT parquet${fieldIdsOption(with_)})`,
      );
      return { path };
    };
    const files = [
      await write('a', "(3, 'x', 'f', 2), (NULL, NULL, 'f', 1)"),
      await write('b', "(1, 'y', 'g', 1), (3, 'x', 'e', 9), (3, 'x', 'e', 9)"),
      // Written before the column became wider, and under other ids.
      await write('c', "(7, 'z', 'h', 1)", 'INTEGER'),
      await write('d', "(8, 'z', 'h', 1)", 'BIGINT', { ...ids, id: { id: 40 } }),
      await write('e', "(9, 'z', 'h', 1)", 'INTEGER'),
    ];
    const merged = await mergeFiles(files, folder, ['id', 'gone']);
    expect(merged.map(({ of, rows }) => ({ of, rows }))).toEqual([
      { of: [0, 1], rows: 5 },
      { of: [2, 4], rows: 2 },
    ]);
    const [first, second] = merged;
    expect(
      await rowsOf(
        `SELECT id, _object, _line, "two words", d::VARCHAR AS d, "at"::VARCHAR AS "at" FROM '${first?.path}'`,
      ),
    ).toMatchObject([
      { id: '1', _object: 'g', _line: '1', 'two words': ['y'], d: '1.50', at: '0001-01-01 00:00:00' },
      { id: '3', _object: 'e' },
      { id: '3', _object: 'e' },
      { id: '3', _object: 'f', _line: '2' },
      { id: null, _line: '1', 'two words': [null] },
    ]);
    expect(await fieldIdsOf(db, first?.path ?? '')).toEqual(ids);
    const shape = `SELECT name, type, converted_type, logical_type, field_id FROM parquet_schema('$')`;
    for (const [merge, source] of [
      [first?.path, files[0]?.path],
      [second?.path, files[2]?.path],
    ])
      expect(await rowsOf(shape.replace('$', merge ?? ''))).toEqual(
        await rowsOf(shape.replace('$', (source ?? '').replaceAll("'", "''"))),
      );
    expect(await mergeFiles(files.slice(1, 3), folder, [])).toEqual([]);
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true });
  }
});
