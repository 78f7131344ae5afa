import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { shapeOfAll, toHiveType } from '../../src/lib/catalog/infer.ts';
import { missingFields, recordType, requireReadable } from '../../src/lib/catalog/rawSchema.ts';
import { usableMissing } from '../../src/lib/catalog/usable.ts';
import {
  formatHiveType,
  type HiveType,
  parseHiveType,
  type StructType,
} from '../../src/lib/model/hiveType.ts';
import { contractWith } from '../support/embedded.ts';

const inferred = (...values: unknown[]) => formatHiveType(toHiveType(shapeOfAll(values)));
const struct = (text: string) => parseHiveType(text) as StructType;

test("types are named as Glue's JSON classifier names them", () => {
  expect(inferred({ a: 1, b: 2 ** 40, c: 1.5, d: true, e: 'x', f: null, g: [], h: [{ i: 1 }] })).toBe(
    'struct<a:int,b:bigint,c:double,d:boolean,e:string,f:string,g:array<string>,h:array<struct<i:int>>>',
  );
  expect(inferred({ a: 1 }, { a: 2 ** 40 }, { b: 1 })).toBe('struct<a:bigint,b:int>');
  expect(inferred({ a: 1 }, { a: 'x' })).toBe('struct<a:string>');
  expect(inferred({ a: null }, { a: { b: 1 } })).toBe('struct<a:struct<b:int>>');
});

test('property: a Hive type is read back as it was written', () => {
  const type: fc.Arbitrary<HiveType> = fc.letrec<{ type: HiveType }>((tie) => ({
    type: fc.oneof(
      { depthSize: 'small' },
      fc
        .constantFrom('string', 'bigint', 'decimal(10,2)')
        .map((name): HiveType => ({ kind: 'scalar', name })),
      tie('type').map((element): HiveType => ({ kind: 'array', element })),
      fc
        .array(fc.tuple(fc.stringMatching(/^[a-z_]{1,5}$/), tie('type')), { minLength: 1, maxLength: 3 })
        .map(
          (fields): HiveType => ({ kind: 'struct', fields: fields.map(([name, t]) => ({ name, type: t })) }),
        ),
    ),
  })).type;
  fc.assert(
    fc.property(type, (t) => expect(parseHiveType(formatHiveType(t))).toEqual(t)),
    { seed: 2 },
  );
});

test('fields that the Catalog lacks are found at any depth', () => {
  const known = struct('struct<id:bigint,user:struct<id:int>,tags:array<struct<text:string>>>');
  const seen = struct(
    'struct<ID:bigint,user:struct<id:int,name:string>,tags:array<struct<text:string,at:int>>,new:int>',
  );
  expect(missingFields(known, seen)).toEqual([
    { keys: ['user', 'name'], isInArray: false },
    { keys: ['tags', 'at'], isInArray: true },
    { keys: ['new'], isInArray: false },
  ]);
  expect(missingFields(seen, known)).toEqual([]);
});

test('records stand below their path, or in the column array', () => {
  const document = [{ name: 'statuses', type: 'array<struct<id:bigint>>' }];
  expect(formatHiveType(recordType(document, 'statuses'))).toBe('struct<id:bigint>');
  const mixed = [
    { name: 'id', type: 'bigint' },
    { name: 'array', type: 'array<struct<id:bigint,extra:int>>' },
  ];
  expect(formatHiveType(recordType(mixed, undefined))).toBe('struct<id:bigint,extra:int>');
});

test('a required column that the Catalog lacks, or knows as something unreadable, refuses the batch by name', () => {
  const contract = contractWith('  - { name: flag, path: user.flag, type: boolean }');
  const check = (record: string) => () =>
    requireReadable(contract, { name: 'raw_test', record: struct(record) });
  expect(check('struct<id:bigint,at:string>')).not.toThrow();
  expect(check('struct<id:bigint,at:string,user:struct<flag:boolean>>')).not.toThrow();
  expect(check('struct<at:string>')).toThrow(
    'required column "id" (bigint, from id) is not in the Catalog table raw_test',
  );
  expect(check('struct<id:struct<x:int>,at:string>')).toThrow(
    'column "id" (bigint, from id) cannot be read from struct<…>',
  );
  expect(check('struct<id:bigint,at:boolean>')).toThrow(
    'column "at" (timestamp, from at) cannot be read from boolean',
  );
});

test('only fields that the contract can use are a reason for a crawl', () => {
  const known = struct('struct<id:bigint,at:string,user:struct<id:int>,tags:array<struct<text:string>>>');
  const seen = struct(
    'struct<ID:bigint,at:string,user:struct<id:int,Name:string,deep:struct<a:int>>,tags:array<struct<text:string,at:int>>,new:int,geo:struct<x:int>>',
  );
  const missing = (columns: string, more = '') =>
    usableMissing(contractWith(columns, more), known, seen).map((f) => f.keys.join('.'));
  expect(missing('')).toEqual([]);
  expect(missing('', 'drift: rescue')).toEqual([]);
  expect(missing('  - { name: n, path: user.name, type: string }')).toEqual(['user.Name']);
  expect(missing('  - { name: n, path: "tags[*].at", type: array<int> }')).toEqual(['tags.at']);
  // A field above the one that is read; what lies below a column of JSON is a part of its text.
  expect(missing('  - { name: n, path: geo.x, type: int }')).toEqual(['geo']);
  expect(missing('  - { name: n, path: user, type: json }')).toEqual([]);
  expect(missing('', 'drift: passthrough')).toEqual(['new', 'geo']);
  expect(missing('', 'flatten: [{ path: user, prefix: user_ }]')).toEqual(['user.Name', 'user.deep']);
  expect(missing('', 'flatten: [{ path: user, prefix: user_, except: [deep] }]')).toEqual(['user.Name']);
});
