import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { readRows } from '../../../src/lib/reference/rows.ts';

test('a lookup is read from CSV, JSON, NDJSON and Parquet alike, with numbers as they are written', async () => {
  const expected = [
    { id: '9007199254740993', name: 'a' },
    { id: '2', name: null },
  ];
  const json = '[{"id":9007199254740993,"name":"a"},{"id":2,"name":null}]';
  expect(await readRows('r.csv', Buffer.from('\uFEFFid,name\r\n9007199254740993,a\r\n2,\n'))).toEqual(
    expected,
  );
  expect(await readRows('r.json', Buffer.from(json))).toEqual(expected);
  expect(await readRows('r.ndjson', Buffer.from(json.slice(1, -1).replace('},{', '}\n{')))).toEqual(expected);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-rows-'));
  try {
    const file = join(folder, 'r.parquet');
    const db = await (await DuckDBInstance.create(':memory:')).connect();
    await db.run(
      `COPY (SELECT * FROM (VALUES (9007199254740993, 'a'), (2, NULL)) v(id, name)) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`,
    );
    expect(await readRows('r.parquet', readFileSync(file))).toEqual(expected);
  } finally {
    rmSync(folder, { recursive: true });
  }
  await expect(readRows('r.json', Buffer.from('{}'))).rejects.toThrow('r.json: is not a JSON array');
  await expect(readRows('r.xml', Buffer.from(''))).rejects.toThrow('a lookup ends in .csv');
  await expect(readRows('r.parquet', Buffer.from('PAR'))).rejects.toThrow('cannot be read as Parquet');
});
