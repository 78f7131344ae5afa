import { expect, test } from '@jest/globals';
import { resolveContract } from '../../../src/lib/compiler/resolve.ts';
import { parseHiveType, type StructType } from '../../../src/lib/model/hiveType.ts';
import { contractWith, record, transform } from '../../support/embedded.ts';

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
