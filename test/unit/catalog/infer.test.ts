import { expect, test } from '@jest/globals';
import { shapeOfAll, toHiveType } from '../../../src/lib/catalog/infer.ts';
import { formatHiveType } from '../../../src/lib/model/hiveType.ts';

const inferred = (...values: unknown[]) => formatHiveType(toHiveType(shapeOfAll(values)));

test("types are named as Glue's JSON classifier names them", () => {
  expect(inferred({ a: 1, b: 2 ** 40, c: 1.5, d: true, e: 'x', f: null, g: [], h: [{ i: 1 }] })).toBe(
    'struct<a:int,b:bigint,c:double,d:boolean,e:string,f:string,g:array<string>,h:array<struct<i:int>>>',
  );
  expect(inferred({ a: 1 }, { a: 2 ** 40 }, { b: 1 })).toBe('struct<a:bigint,b:int>');
  expect(inferred({ a: 1 }, { a: 'x' })).toBe('struct<a:string>');
  expect(inferred({ a: null }, { a: { b: 1 } })).toBe('struct<a:struct<b:int>>');
});
