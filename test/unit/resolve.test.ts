import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { resolveContract } from '../../src/lib/compiler/resolve.ts';
import { loadContracts } from '../../src/lib/contract/load.ts';
import { parseHiveType, type StructType } from '../../src/lib/model/hiveType.ts';
import { readRows } from '../../src/lib/reference/rows.ts';
import { contractWith, record, transform } from '../support/embedded.ts';

const rawTable = (type: string) => ({ name: 'raw', record: parseHiveType(type) as StructType });
const columnsOf = (contract: ReturnType<typeof contractWith>, type: string) =>
  resolveContract(contract, rawTable(type))
    .columns.slice(contract.columns.length)
    .map((c) => [c.name, c.path, c.type]);

test('flatten makes a column of every field below an object, with the type of the Catalog', () => {
  const contract = contractWith(
    '  - { name: city, path: user.home.city, type: string }',
    'flatten: [{ path: user, prefix: user_, except: [secret] }]',
  );
  const type =
    'struct<id:bigint,user:struct<screenName:string,secret:string,home:struct<city:string,zip:int>,tags:array<string>,links:array<struct<url:string>>,score:double>>';
  expect(columnsOf(contract, type)).toEqual([
    ['user_screen_name', 'user.screenName', 'string'],
    ['user_home_zip', 'user.home.zip', 'int'],
    ['user_tags', 'user.tags[*]', 'array<string>'],
    ['user_links', 'user.links', 'json'],
    ['user_score', 'user.score', 'double'],
  ]);
});

test('passthrough makes a column of every field that nothing reads', async () => {
  const contract = contractWith('', 'drift: passthrough');
  const type =
    'struct<id:bigint,at:string,extra:int,deep:struct<a:int>,"odd name":boolean,ratio:decimal(8,2)>';
  expect(columnsOf(contract, type.replaceAll('"', ''))).toEqual([
    ['extra', 'extra', 'int'],
    ['deep', 'deep', 'json'],
    ['odd_name', '"odd name"', 'boolean'],
    ['ratio', 'ratio', 'decimal(8,2)'],
  ]);
  const { rows } = await transform(contract, { 'test/a.json': record({ extra: 7, deep: { a: 1 } }) });
  expect(rows).toEqual([expect.objectContaining({ id: 1n, extra: 7, deep: '{"a":1}' })]);
});

test('a field that would be a second column of one name gets a name of its own, made from its path', () => {
  const contract = contractWith(
    '  - { name: user_id, path: owner, type: string }',
    'flatten: [{ path: user, prefix: user_ }]',
  );
  expect(columnsOf(contract, 'struct<id:bigint,user:struct<id:int,n:int>>')).toEqual([
    ['user_id_f4f09501', 'user.id', 'int'],
    ['user_n', 'user.n', 'int'],
  ]);
});

test('contracts of one table must agree, and be kept apart by a constant', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-agree-'));
  const write = (dataset: string, type: string, constant: string) =>
    writeFileSync(
      join(folder, `${dataset}.yml`),
      JSON.stringify({
        dataset,
        table: 'posts',
        source: { prefix: `${dataset}/`, formats: ['ndjson'] },
        columns: [{ name: 'id', path: 'id', type }],
        partitionBy: [{ name: 'data_source', constant }],
      }),
    );
  try {
    write('a', 'bigint', 'a');
    write('b', 'bigint', 'b');
    expect([...loadContracts(folder).keys()]).toEqual(['a', 'b']);
    write('b', 'string', 'b');
    expect(() => loadContracts(folder)).toThrow('the column "id" is bigint in a and string in b');
    write('b', 'bigint', 'a');
    expect(() => loadContracts(folder)).toThrow('no constant in partitionBy keeps the rows of a and b apart');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a lookup is read from CSV, JSON, NDJSON and Parquet alike, with numbers as they are written', async () => {
  const expected = [
    { id: '9007199254740993', name: 'a' },
    { id: '2', name: null },
  ];
  const json = '[{"id":9007199254740993,"name":"a"},{"id":2,"name":null}]';
  expect(await readRows('r.csv', Buffer.from('\uFEFFid,name\n9007199254740993,a\n2,\n'))).toEqual(expected);
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
  await expect(readRows('r.json', Buffer.from('{}'))).rejects.toThrow('r.json: is no JSON array');
  await expect(readRows('r.xml', Buffer.from(''))).rejects.toThrow('a lookup ends in .csv');
  await expect(readRows('r.parquet', Buffer.from('PAR'))).rejects.toThrow('cannot be read as Parquet');
});
