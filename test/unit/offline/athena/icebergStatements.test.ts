/** Athena's statements about Iceberg tables in Trino's syntax. */
import { expect, test } from '@jest/globals';
import {
  changeIcebergTable,
  createIcebergTable,
  icebergSettings,
  icebergTarget,
} from '../../../../offline/athena/icebergStatements.ts';
import { SqlReader } from '../../../../offline/athena/sqlReader.ts';

test.each([
  ['ALTER TABLE `d`.`t` RENAME TO `d`.`u`', ['ALTER TABLE "iceberg"."d"."t" RENAME TO "iceberg"."d"."u"']],
  [
    'ALTER TABLE t CHANGE a b bigint',
    [
      'ALTER TABLE "iceberg"."now"."t" ALTER COLUMN "a" SET DATA TYPE bigint',
      'ALTER TABLE "iceberg"."now"."t" RENAME COLUMN "a" TO "b"',
    ],
  ],
  [
    "ALTER TABLE t CHANGE COLUMN a a int COMMENT 'why'",
    [
      'ALTER TABLE "iceberg"."now"."t" ALTER COLUMN "a" SET DATA TYPE integer',
      `COMMENT ON COLUMN "iceberg"."now"."t"."a" IS 'why'`,
    ],
  ],
  [
    "ALTER TABLE t ADD COLUMNS (m map<string,array<struct<a:int,b:string>>> COMMENT 'of all', n bigint)",
    [
      `ALTER TABLE "iceberg"."now"."t" ADD COLUMN "m" map(varchar, array(row("a" integer, "b" varchar))) COMMENT 'of all'`,
      'ALTER TABLE "iceberg"."now"."t" ADD COLUMN "n" bigint',
    ],
  ],
])('%s', (sql, statements) => {
  expect(changeIcebergTable(sql, 'now')).toEqual(statements);
});

test('the number of buckets may come first or last, and the catalog may be named', () => {
  const settings = (text: string) =>
    icebergSettings(
      new SqlReader(
        `(table_type = 'ICEBERG', is_external = false, location = 's3://b/t/', ${text})`,
      ).properties(),
    ).find((setting) => setting.startsWith('partitioning'));
  const bucket = "partitioning = ARRAY['bucket(id, 16)']";
  expect(settings("partitioning = ARRAY['bucket(16, id)']")).toBe(bucket);
  expect(settings("partitioning = ARRAY['bucket(id, 16)']")).toBe(bucket);
  const sql =
    "CREATE TABLE awsdatacatalog.d.t (id int) LOCATION 's3://b/t' TBLPROPERTIES ('table_type' = 'iceberg')";
  expect(createIcebergTable(sql, 'now')?.join()).toContain('CREATE TABLE "iceberg"."d"."t"');
  expect(icebergTarget('DELETE FROM "awsdatacatalog"."d"."t" WHERE id = 1')).toEqual({
    database: 'd',
    table: 't',
  });
});
