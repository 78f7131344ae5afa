import { expect, test } from '@jest/globals';
import { missingFields, recordType, requireReadable } from '../../../src/lib/catalog/rawSchema.ts';
import { formatHiveType, parseHiveType, type StructType } from '../../../src/lib/model/hiveType.ts';
import { contractWith } from '../../support/embedded.ts';

const struct = (text: string) => parseHiveType(text) as StructType;

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
