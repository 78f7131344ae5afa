import { expect, test } from '@jest/globals';
import { parseDdl } from '../../../../offline/athena/ddlParser.ts';

test('DDL is read as Hive writes it', () => {
  expect(parseDdl('SELECT 1')).toBeNull();
  expect(parseDdl('-- a comment\nmsck repair table `db`.t;')).toEqual({
    kind: 'repair',
    name: { database: 'db', table: 't' },
  });
  expect(
    parseDdl(
      "ALTER TABLE t ADD IF NOT EXISTS PARTITION (year='2025', month=10) LOCATION 's3://b/x' PARTITION (year='2026', month=1)",
    ),
  ).toMatchObject({
    kind: 'addPartitions',
    ifNotExists: true,
    partitions: [{ location: 's3://b/x' }, { location: undefined }],
  });
  expect(
    parseDdl(
      "CREATE EXTERNAL TABLE t (id bigint, tags array<struct<a:int,b:string>> COMMENT 'x', d decimal(10,2)) PARTITIONED BY (day string) STORED AS PARQUET LOCATION 's3://b/t/'",
    ),
  ).toMatchObject({
    columns: [
      { name: 'id', type: 'bigint' },
      { name: 'tags', type: 'array<struct<a:int,b:string>>' },
      { name: 'd', type: 'decimal(10,2)' },
    ],
    keys: [{ name: 'day', type: 'string' }],
    location: 's3://b/t/',
  });
  expect(parseDdl('INSERT INTO t VALUES (1)')).toBeNull();
  expect(() => parseDdl("CREATE EXTERNAL TABLE t (a int) STORED AS X LOCATION 's3://b/'")).toThrow(
    'NOT_SUPPORTED',
  );
});

test.each<[string, object]>([
  [
    'ALTER TABLE t CHANGE COLUMN a b bigint',
    { kind: 'changeColumn', old: 'a', column: { name: 'b', type: 'bigint' } },
  ],
  [
    "ALTER TABLE t CHANGE a a int COMMENT 'why'",
    { kind: 'changeColumn', column: { name: 'a', type: 'int', comment: 'why' } },
  ],
  [
    'ALTER TABLE t REPLACE COLUMNS (a int, b array<string>)',
    { kind: 'replaceColumns', columns: [{ name: 'a' }, { name: 'b', type: 'array<string>' }] },
  ],
  ['ALTER TABLE t RENAME TO u', { kind: 'otherChange', what: 'RENAME TO' }],
  [
    'DROP SCHEMA IF EXISTS `d` CASCADE',
    { kind: 'dropDatabase', database: 'd', ifExists: true, isCascade: true },
  ],
  ['DROP DATABASE d RESTRICT', { kind: 'dropDatabase', isCascade: false }],
  ['DROP TABLE "awsdatacatalog"."d"."t"', { kind: 'dropTable', name: { database: 'd', table: 't' } }],
])('%s', (sql, ddl) => {
  expect(parseDdl(sql)).toMatchObject(ddl);
});

test.each(['ALTER TABLE t CHANGE COLUMN a a int FIRST', 'DROP TABLE other.d.t'])(
  '%s is rejected by name',
  (sql) => {
    expect(() => parseDdl(sql)).toThrow('NOT_SUPPORTED');
  },
);
