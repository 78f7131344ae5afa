import { expect, test } from '@jest/globals';
import { usableMissing } from '../../../src/lib/catalog/usable.ts';
import { parseHiveType, type StructType } from '../../../src/lib/model/hiveType.ts';
import { contractWith } from '../../support/embedded.ts';

const struct = (text: string) => parseHiveType(text) as StructType;

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
  // A field above the one that is read; fields below a JSON column are part of its text.
  expect(missing('  - { name: n, path: geo.x, type: int }')).toEqual(['geo']);
  expect(missing('  - { name: n, path: user, type: json }')).toEqual([]);
  expect(missing('', 'drift: passthrough')).toEqual(['new', 'geo']);
  expect(missing('', 'flatten: [{ path: user, prefix: user_ }]')).toEqual(['user.Name', 'user.deep']);
  expect(missing('', 'flatten: [{ path: user, prefix: user_, except: [deep] }]')).toEqual(['user.Name']);
});
