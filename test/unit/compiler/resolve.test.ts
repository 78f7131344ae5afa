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

test.each([
  ['tinyint', 'int'],
  ['smallint', 'int'],
  ['int', 'int'],
  ['bigint', 'bigint'],
  ['float', 'double'],
  ['double', 'double'],
  ['boolean', 'boolean'],
  ['date', 'date'],
  ['timestamp', 'timestamp'],
  ['decimal(8,2)', 'decimal(8,2)'],
  ['binary', 'string'],
  ['map<string,int>', 'json'],
  ['uniontype<int,string>', 'json'],
  ['array<int>', 'array<int>'],
  ['array<timestamp>', 'array<string>'],
  ['array<decimal(8,2)>', 'array<string>'],
  ['array<array<int>>', 'json'],
  ['struct<a:int>', 'json'],
])('a field that the Catalog calls %s becomes a column of the type %s', (hive, type) => {
  const contract = contractWith('', 'drift: passthrough');
  const { columns } = resolveContract(contract, rawTable(`struct<id:bigint,at:string,x:${hive}>`));
  const [found] = columns.slice(contract.columns.length);
  expect(found).toMatchObject({ name: 'x', path: type.startsWith('array<') ? 'x[*]' : 'x', type });
  expect(found?.formats).toEqual(type === 'timestamp' ? ['iso8601', 'iso8601_date'] : undefined);
});

test('a column of the table keeps its type, but for one that became nested', () => {
  const contract = contractWith('', 'drift: passthrough');
  const of = (hive: string, published: string) =>
    resolveContract(
      contract,
      rawTable(`struct<id:bigint,at:string,x:${hive}>`),
      new Map([['x', published]]),
    ).columns.at(-1)?.type;
  expect([
    of('int', 'string'),
    of('bigint', 'int'),
    of('struct<a:int>', 'string'),
    of('array<int>', 'string'),
  ]).toEqual(['string', 'int', 'json', 'json']);
  expect(of('int', 'interval')).toBe('int');
});

test('names are at most 63 characters long, and a field has its own name before one whose name is made', () => {
  const contract = contractWith('', 'drift: passthrough');
  const names = (type: string, of = contract) =>
    resolveContract(of, rawTable(type))
      .columns.slice(of.columns.length)
      .map((c) => c.name);
  const long = 'a'.repeat(58);
  const below = (prefix: string) =>
    names(
      `struct<id:bigint,at:string,u:struct<${long}:int>>`,
      contractWith('', `flatten: [{ path: u, prefix: ${prefix} }]`),
    );
  expect(below('user_')).toEqual([`user_${long}`]);
  expect(below('users_')).toEqual([expect.stringMatching(/^users_a{48}_[0-9a-f]{8}$/)]);
  expect(names('struct<id:bigint,at:string,oddName:int,odd_name:int>')).toEqual([
    expect.stringMatching(/^odd_name_[0-9a-f]{8}$/),
    'odd_name',
  ]);
  // A record that nobody knows, and a contract that asks for nothing, stay as they are.
  expect(resolveContract(contract, null)).toBe(contract);
  const plain = contractWith('');
  expect(resolveContract(plain, rawTable('struct<id:bigint,x:int>'))).toBe(plain);
});

test('a field that a column reads, in whatever case, gets no second one, nor does an array and its elements', () => {
  const contract = contractWith(
    '  - { name: city, path: user.City, type: string }\n  - { name: tags, path: "user.tags[*]", type: "array<string>" }',
    'flatten: [{ path: user, prefix: u_, except: [secret] }]',
  );
  const type =
    'struct<id:bigint,user:struct<city:string,tags:array<string>,deep:struct<secret:int>,secret:int>>';
  // Only fields directly below are left out by name.
  expect(columnsOf(contract, type)).toEqual([['u_deep_secret', 'user.deep.secret', 'int']]);
  expect(columnsOf(contract, 'struct<id:bigint,user:string>')).toEqual([]);
  expect(columnsOf(contract, 'struct<id:bigint>')).toEqual([]);
});

test('names of derived and unpublished columns and of partitions are taken', () => {
  const contract = contractWith(
    '  - { name: hidden, path: other, type: string, publish: false }',
    'derive: [{ name: twice, type: bigint, expression: "id * 2" }]\ndrift: passthrough',
  );
  const names = columnsOf(
    contract,
    'struct<id:bigint,at:string,hidden:int,twice:int,day:int,source:int,free:int>',
  );
  expect(names.map(([name]) => String(name).replace(/_[0-9a-f]{8}$/, '_#'))).toEqual([
    'hidden_#',
    'twice_#',
    'day_#',
    'source_#',
    'free',
  ]);
});

test('a thousand fields become columns at most, the first ones', () => {
  const fields = Array.from({ length: 1001 }, (_, i) => `f${i}:int`).join(',');
  const names = columnsOf(contractWith('', 'drift: passthrough'), `struct<id:bigint,at:string,${fields}>`);
  expect([names.length, names[0]?.[0], names.at(-1)?.[0]]).toEqual([1000, 'f0', 'f999']);
});
