import { expect, test } from '@jest/globals';
import type { TypeSignature } from '../../../../offline/athena/trinoClient.ts';
import { createdView, hiveType } from '../../../../offline/athena/trinoViews.ts';

const of = (rawType: string, ...args: TypeSignature['arguments']): TypeSignature => ({
  rawType,
  arguments: args,
});
const long = (value: number) => ({ kind: 'LONG' as const, value: String(value) });
const type = (value: TypeSignature) => ({ kind: 'TYPE' as const, value });
const named = (name: string, typeSignature: TypeSignature) => ({
  kind: 'NAMED_TYPE' as const,
  value: { fieldName: { name }, typeSignature },
});

test.each([
  [of('integer'), 'int'],
  [of('real'), 'float'],
  [of('varchar', long(2147483647)), 'string'],
  [of('varchar', long(5)), 'varchar(5)'],
  [of('decimal', long(12), long(2)), 'decimal(12,2)'],
  [of('timestamp', long(3)), 'timestamp'],
  [
    of('map', type(of('varchar', long(2147483647))), type(of('array', type(of('bigint'))))),
    'map<string,array<bigint>>',
  ],
  [of('row', named('a', of('double')), named('b', of('varbinary'))), 'struct<a:double,b:binary>'],
])('a column of a view has its type in the notation of the Data Catalog: %j', (signature, wanted) => {
  expect(hiveType(signature)).toBe(wanted);
});

test.each([
  ['-- new\nCREATE OR REPLACE VIEW "Latest" AS SELECT 1 AS a', { database: 'db', view: 'latest' }],
  ['create view `other`.`v` as select 1 as a', { database: 'other', view: 'v' }],
  ['CREATE TABLE view AS SELECT 1 AS a', null],
  ['SELECT 1', null],
])('%s creates a view or none', (sql, wanted) => {
  expect(createdView(sql, 'db')).toEqual(wanted);
});
