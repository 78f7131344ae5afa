/** Names and values as an adversary, or chance, would choose them: they cost a row or a file, never a batch. */
import { expect, test } from '@jest/globals';
import { shapeOf, shapeOfAll, toHiveType, toStructType } from '../../../src/lib/catalog/infer.ts';
import { missingFields, requireReadable } from '../../../src/lib/catalog/rawSchema.ts';
import { compile } from '../../../src/lib/compiler/compile.ts';
import { resolveContract } from '../../../src/lib/compiler/resolve.ts';
import { formatPath, parsePath } from '../../../src/lib/contract/path.ts';
import { shapeOfContent } from '../../../src/lib/flow/batch/profile.ts';
import { draftContract } from '../../../src/lib/infer/infer.ts';
import { concatenatedObjects } from '../../../src/lib/json.ts';
import { formatHiveType, parseHiveType } from '../../../src/lib/model/hiveType.ts';
import { loadLookup } from '../../../src/lib/reference/lookup.ts';
import { readRows } from '../../../src/lib/reference/rows.ts';
import { contractWith, record, transform } from '../../support/embedded.ts';

const hostileNames = [
  'br[*]',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'source',
  'id ',
  ' id',
  'ID',
  'a.b',
  'a-b',
  'a b',
  'a_b',
  '*',
  '**',
  '?',
  '$',
  '"quoted"',
  "it's",
  'back\\slash',
  'x:y',
  'x,y',
  'x<y',
  'x>y',
  'x(y',
  '',
  ' ',
  '\u0000',
  '\n',
  '桜',
  '😋',
  'e'.repeat(300),
  `${'e'.repeat(299)}f`,
  'day',
  '_batch',
  '_object',
  '_rescued',
  '__doc',
  'array',
];
const hostile = Object.fromEntries(hostileNames.map((name, i) => [name, i]));

test('drift passthrough: no field name fails a batch, and each field that a path can lead to has its column', async () => {
  const contract = contractWith('', 'drift: passthrough');
  const { rows, summary } = await transform(contract, { 'test/a.json': record(hostile) });
  expect(summary).toMatchObject({ rowsRead: 1, published: 1 });
  const found = new Set(Object.values(rows[0] ?? {}).map(Number));
  const lost = hostileNames.filter((_, i) => !found.has(i));
  // Fields that no path can reach, and fields that a column reads already in another case.
  expect(lost).toEqual(['ID', '*', '"quoted"', 'back\\slash', '', '\u0000'].filter((n) => lost.includes(n)));
  expect(rows[0]).toMatchObject({ id: 1n, proto: 1, constructor: 2, a_b: 12 });
  expect(Object.keys(rows[0] ?? {}).filter((name) => /^source_[0-9a-f]{8}$/.test(name))).toHaveLength(1);
});

test('drift passthrough: a field has the same column whatever other fields come with it', () => {
  const contract = contractWith('', 'drift: passthrough');
  const namesOf = (type: string) =>
    new Map(
      resolveContract(contract, { name: 'raw', record: struct(type) }).columns.map((c) => [c.path, c.name]),
    );
  const alone = namesOf('struct<a-b:int,source:int>');
  const later = namesOf('struct<a-b:int,source:int,a b:int>');
  const exact = namesOf('struct<a-b:int,source:int,a_b:int>');
  expect(alone.get('a-b')).toBe('a_b');
  expect(later.get('a-b')).toBe('a_b');
  expect(later.get('"a b"')).toMatch(/^a_b_[0-9a-f]{8}$/);
  expect([later.get('source'), exact.get('source')]).toEqual([alone.get('source'), alone.get('source')]);
  expect(exact.get('a_b')).toBe('a_b');
});

test('flatten: no field name below the object fails a batch, however deep and long', async () => {
  const contract = contractWith('', 'flatten: [{ path: user, prefix: user_ }, { path: more, prefix: "" }]');
  const long = 'n'.repeat(60);
  const files = {
    'test/a.json': record({ user: hostile, more: { id: 7, [long]: { [long]: { [long]: 8 } } } }),
    'test/b.json': record({ id: 2, user: null }),
  };
  const { rows, summary } = await transform(contract, files);
  expect(summary).toMatchObject({ rowsRead: 2, published: 2 });
  const names = Object.keys(rows.find((r) => r.id === 1n) ?? {});
  expect(names.every((name) => name.length <= 63)).toBe(true);
  expect(names).toContain('user_proto');
});

test('drift rescue keeps, and reject names, a field with any name', async () => {
  const rescued = await transform(contractWith('', 'drift: rescue'), { 'test/a.json': record(hostile) });
  const kept: object = JSON.parse(String(rescued.rows[0]?._rescued));
  expect(Object.keys(kept).sort()).toEqual([...hostileNames].sort());
  const refused = await transform(contractWith('', 'drift: reject'), { 'test/a.json': record(hostile) });
  expect(refused.summary.reasons).toEqual({ unexpected_field: 1 });
});

test('a path through constructor, toString or __proto__ reads the field of that name, and changes no other object', async () => {
  const paths = ['constructor.name', 'toString', '__proto__.x', 'a.__proto__.polluted', 'valueOf.call.apply'];
  const columns = paths.map((path, i) => `  - { name: c${i}, path: ${path}, type: string }`).join('\n');
  const { rows } = await transform(contractWith(columns), {
    'test/a.json':
      '{"id":1,"at":"2025-10-06T05:40:00Z","constructor":{"name":"n"},"toString":"t","__proto__":{"x":"p"},"a":{"__proto__":{"polluted":"q"}}}\n{"id":2,"at":"2025-10-06T05:40:00Z"}',
  });
  expect(rows.map((r) => [r.c0, r.c1, r.c2, r.c3, r.c4].map((v) => v ?? null))).toEqual([
    ['n', 't', 'p', 'q', null],
    [null, null, null, null, null],
  ]);
  expect(Object.keys(Object.prototype)).toEqual([]);
  expect(Reflect.get({}, 'polluted') ?? Reflect.get({}, 'x')).toBeUndefined();
});

test('records below a path through what objects inherit are none', () => {
  const source = { prefix: 'x/', formats: ['json_document' as const], records: 'constructor.prototype' };
  const look = { layout: 'document' as const, header: null };
  expect(shapeOfContent(source, look, Buffer.from('{"a":[{"b":1}]}'), false)).toEqual({ kind: 'unknown' });
});

test('a required column below a name that the Catalog cannot hold is left to the rows, and starts no crawl', () => {
  const contract = contractWith('  - { name: v, path: \'user."a:b"\', type: int, required: true }');
  const seen = toStructType(
    shapeOf({ id: 1, at: 'x', user: { 'a:b': 1, ok: 2 }, 'c,d': 3 }) as Parameters<typeof toStructType>[0],
  );
  const known = struct('struct<id:bigint,at:string,user:struct<ok:int>>');
  expect(missingFields(known, seen)).toEqual([]);
  expect(() => requireReadable(contract, { name: 'raw', record: known })).not.toThrow();
  expect(formatHiveType(toHiveType(shapeOf({ 'a:b': 1, 'c ': 2, 'd(': 3, 'e (f)': 4 })))).toBe(
    'struct<e (f):int>',
  );
});

test('JSON that is nested without end has a type with one, and a record of it is read', async () => {
  const deep = `${'[{"a":'.repeat(20_000)}1${'}]'.repeat(20_000)}`;
  const type = toHiveType(shapeOf(JSON.parse(deep)));
  expect(parseHiveType(formatHiveType(type))).toEqual(type);
  const contract = contractWith('  - { name: deep, path: deep, type: json }', 'drift: passthrough');
  const { summary } = await transform(contract, {
    'test/a.json': `${record({}).slice(0, -1)},"deep":${deep},"other":${deep}}\n${record({ id: 2 })}`,
  });
  expect(summary.rowsRead).toBe(2);
});

test.each(['rescue', 'reject'])('drift %s: nesting without end does not end the process', async (drift) => {
  const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
  const files = { 'test/a.json': `${record({}).slice(0, -1)},"n":null,"id ":1.0,"deep":${deep}}` };
  const { rows, quarantine } = await transform(contractWith('', `drift: ${drift}`), files);
  const rest = drift === 'rescue' ? rows[0]?._rescued : quarantine[0]?.value;
  expect(String(rest).slice(0, 40)).toBe('{"n":null,"id ":1.0,"deep":[[[[[[[[[[[[[');
  expect(String(rest)).toHaveLength(2_000_028);
});

test('a record whose every field is new makes a bounded number of columns, the first in the Catalog', () => {
  const fields = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => [`field${i}`, i]));
  const raw = toHiveType(shapeOf({ id: 1, at: 'x', ...fields }));
  if (raw.kind !== 'struct') throw new Error('no struct');
  const { columns } = resolveContract(contractWith('', 'drift: passthrough'), { name: 'raw', record: raw });
  expect([columns.length, columns.at(-1)?.name]).toEqual([2 + 1000, 'field999']);
});

test('property of cost: what looks like the start of many strings is scanned once', async () => {
  const escapes = '\\"'.repeat(2_000_000);
  expect(concatenatedObjects(`{"a":1}${escapes}`)).toEqual([{ a: 1 }]);
  const document = { prefix: 'x/', formats: ['json_document' as const], records: 'a' };
  const look = { layout: 'document' as const, header: null };
  expect(shapeOfContent(document, look, Buffer.from(`{"a":[${escapes}`), true)).toEqual({ kind: 'unknown' });
  const contract = contractWith('').source;
  const concatenated = {
    ...contractWith(''),
    source: { ...contract, formats: ['json_concatenated' as const] },
  };
  const { summary } = await transform(concatenated, {
    'test/a.json': `${record({})}${'\\"'.repeat(200_000)}\\`,
  });
  expect(summary).toMatchObject({ rowsRead: 2, published: 1, reasons: { invalid_json: 1 } });
}, 20_000);

test('records whose every field is new are merged in one pass', () => {
  const records = Array.from({ length: 100_000 }, (_, i) => ({ [`field${i}`]: i }));
  const shape = shapeOfAll(records);
  if (shape.kind !== 'struct') throw new Error('no struct');
  const type = toStructType(shape);
  expect(type.fields).toHaveLength(100_000);
  expect(missingFields(type, type)).toEqual([]);
}, 10_000);

test('a key is written as a path only when the path leads to it', () => {
  for (const name of hostileNames) {
    const path = formatPath([
      { kind: 'key', key: 'a' },
      { kind: 'key', key: name },
      { kind: 'index', index: 3 },
      { kind: 'key', key: name },
    ]);
    if (path !== null)
      expect(parsePath(path)).toEqual([
        { kind: 'key', key: 'a' },
        { kind: 'key', key: name },
        { kind: 'index', index: 3 },
        { kind: 'key', key: name },
      ]);
  }
  expect(formatPath([{ kind: 'key', key: 'a.[b' }])).toBe('"a.[b"');
});

test('a Catalog type that no column can have makes a text, or JSON', () => {
  const contract = contractWith('', 'drift: passthrough');
  const record = struct('struct<a:decimal(2,9),b:map<string,int>,c:decimal(40,2),d:interval>');
  const plan = compile(
    contract,
    { name: 'raw', record: { ...record, fields: [...record.fields, ...known] } },
    [],
  );
  expect(plan.columns.slice(2, 6)).toEqual([
    { name: 'a', type: 'string' },
    { name: 'b', type: 'string' },
    { name: 'c', type: 'string' },
    { name: 'd', type: 'string' },
  ]);
});

const known = struct('struct<id:bigint,at:string>').fields;

function struct(text: string) {
  const type = parseHiveType(text);
  if (type.kind !== 'struct') throw new Error(`${text} is no struct`);
  return type;
}

test('a lookup may have columns that objects inherit, and lacks those that it has not', async () => {
  const rows = await readRows('f.csv', Buffer.from('id,constructor\n1,a\n'));
  expect(loadLookup('f.csv', rows, { id: 'bigint' }, ['constructor'])).toEqual({
    columns: { id: 'BIGINT', constructor: 'VARCHAR' },
    ndjson: '{"id":"1","constructor":"a"}',
  });
  expect(() => loadLookup('f.csv', rows, { id: 'bigint' }, ['toString'])).toThrow('has no column toString');
});

test('one odd row changes a type in the Catalog for good, and fails no later batch', () => {
  const contract = contractWith(
    '  - { name: user_id, path: user.id, type: bigint, required: true }\n  - { name: tag, path: "tags[*]", type: array<string> }',
    'explode: items',
  );
  const good = { id: 1, at: 'x', user: { id: 2 }, tags: ['a'], items: [{}] };
  const seen = typeOf(good);
  for (const odd of [
    { user: 'none', tags: 'none', items: 'none' },
    { user: 7, tags: {}, items: {} },
    { user: [1], tags: 3, items: 4 },
    { id: { is: 'odd' }, at: [] },
  ]) {
    // Alone it is all that the Catalog knows; with others it is a string there.
    for (const record of [typeOf({ ...good, ...odd }), typeOf(good, odd)])
      expect(() => requireReadable(contract, { name: 'raw', record, seen })).not.toThrow();
    expect(() => requireReadable(contract, { name: 'raw', record: typeOf(good, odd) })).not.toThrow();
  }
  const missing = typeOf({ id: 1, at: 'x' });
  expect(() => requireReadable(contract, { name: 'raw', record: missing, seen: missing })).toThrow(
    'required column "user_id" (bigint, from user.id) is not in',
  );
});

test('flatten: an object that is something else in one odd row keeps its columns in all others', async () => {
  const contract = contractWith('', 'flatten: [{ path: user, prefix: user_ }]');
  const { rows } = await transform(contract, {
    'test/a.json': [
      record({ id: 1, user: { name: 'a', home: { city: 'b' } } }),
      record({ id: 2, user: 'none' }),
      record({ id: 3, user: { name: 'c', home: 7 } }),
      record({ id: 4, user: [] }),
    ].join('\n'),
  });
  expect(rows.map((r) => [r.id, r.user_name ?? null, r.user_home_city ?? null])).toEqual([
    [1n, 'a', 'b'],
    [2n, null, null],
    [3n, 'c', null],
    [4n, null, null],
  ]);
});

test('drift passthrough: a published column keeps its type, whatever the Catalog has since learned of its field', () => {
  const contract = contractWith('', 'drift: passthrough');
  const record = struct(
    'struct<id:bigint,at:string,n:string,s:int,o:string,l:string,d:double,x:struct<a:int>>',
  );
  const seen = typeOf({ o: { a: 1 }, l: [1] });
  const published = new Map(
    Object.entries({ n: 'int', s: 'string', o: 'string', l: 'array<int>', d: 'odd<type>', x: 'string' }),
  );
  const { columns } = resolveContract(contract, { name: 'raw', record, seen }, published);
  expect(columns.slice(2).map((c) => [c.name, c.path, c.type])).toEqual([
    ['n', 'n', 'int'],
    ['s', 's', 'string'],
    ['o', 'o', 'json'],
    ['l', 'l[*]', 'array<int>'],
    ['d', 'd', 'double'],
    ['x', 'x', 'json'],
  ]);
});

test('a draft leaves out the fields that no path can lead to, and reads no other in their place', () => {
  const { contract, left } = draftContract('x', {
    source: { formats: ['ndjson'] },
    records: [{ id: 1, '"id"': 2, '*': 3, a: { '': 4, b: 5 } }],
  });
  expect(left).toEqual(['*', 'a.']);
  expect(contract.columns).toMatchObject([
    { name: 'id', path: 'id' },
    { name: 'id_2', path: '"\\"id\\""' },
    { name: 'a_b', path: 'a.b' },
  ]);
});

function typeOf(...records: readonly object[]) {
  const type = toHiveType(shapeOfAll(records));
  if (type.kind !== 'struct') throw new Error('no struct');
  return type;
}
