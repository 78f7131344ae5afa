import { expect, test } from '@jest/globals';
import { parseDdl } from '../../offline/athena/ddlParser.ts';
import { checkQuery } from '../../offline/athena/guard.ts';
import { javaDouble } from '../../offline/athena/values.ts';
import { sampleStatement } from '../../scripts/report.ts';
import { expectationQuery, judgeExpectations } from '../../src/lib/compiler/expectations.ts';
import { loadContracts, parseContract } from '../../src/lib/contract/load.ts';
import * as athena from '../../src/lib/dialect/athenaNames.ts';
import * as duckdb from '../../src/lib/dialect/duckdbNames.ts';
import * as spark from '../../src/lib/dialect/sparkSet.ts';
import { contractWith, datasetsFolder } from '../support/embedded.ts';

const contracts = [...loadContracts(datasetsFolder).values()];
const batchOf = (published: number, lastBatches: number[] = []) => ({
  published,
  now: new Date('2025-10-07T00:00:00Z'),
  lastBatches,
});
const staging = { table: 'staging_x', column: 'run', value: 'b-1' };

test('names and texts cannot leave their quotes', () => {
  for (const dialect of [athena, duckdb]) {
    expect(dialect.identifier('a"; DROP TABLE x; --')).toBe('"a""; DROP TABLE x; --"');
    expect(dialect.literal("a'; DROP TABLE x; --")).toBe("'a''; DROP TABLE x; --'");
  }
  expect(spark.identifier('a`; DROP TABLE x; --')).toBe('`a``; DROP TABLE x; --`');
  expect(spark.literal("a\\'; DROP TABLE x; --")).toBe("'a\\\\\\'; DROP TABLE x; --'");
});

test('all expectations of a contract are one scan, which the local Athena answers', () => {
  for (const contract of contracts) {
    const sql = expectationQuery(contract, staging);
    expect(sql.match(/FROM/g)).toHaveLength(1);
    expect(checkQuery(sql).tables).toEqual([{ database: null, table: 'staging_x' }]);
  }
});

test('rows of a dataset named order with columns named from and to can be asked for', () => {
  const contract = parseContract(
    'order.yml',
    `dataset: order
source: { prefix: order/, formats: [ndjson] }
columns:
  - { name: from, path: f, type: timestamp, required: true, formats: [iso8601] }
  - { name: to, path: t, type: string, required: true }
  - { name: select, path: s, type: string }
dedupe: { key: [to] }
partitionBy:
  - { name: group, of: from, part: year }`,
  );
  const sql = sampleStatement(contract);
  expect(sql).toBe('SELECT "from", "to", "select" FROM "order" ORDER BY "from", "to", "select" LIMIT 3');
  expect(checkQuery(sql).tables).toEqual([{ database: null, table: 'order' }]);
});

test('an outcome says what was found and what was expected', () => {
  const social = contracts.find((c) => c.dataset === 'social_media');
  if (!social) throw new Error('social_media is gone');
  const names = judgeExpectations(social, batchOf(10), {}).map((o) => o.name);
  const row = Object.fromEntries(names.map((_, i) => [`check_${i}_0`, '0']));
  const share = names.indexOf('matched_share(district)');
  const outcomes = judgeExpectations(social, batchOf(10), {
    ...row,
    check_0_0: '9',
    [`check_${share}_0`]: '100',
    [`check_${share}_1`]: '48',
  });
  expect(outcomes.filter((o) => !o.passed)).toEqual([
    {
      name: 'row_count',
      severity: 'hold',
      passed: false,
      found: '9 rows',
      expected: '10 rows, as the transform counted',
    },
    {
      name: 'matched_share(district)',
      severity: 'hold',
      passed: false,
      found: '0.480 of 100',
      expected: 'at least 0.5 of the rows with latitude',
    },
  ]);
});

test('sets, shares of nulls and row counts are asked in the same scan', () => {
  const contract = contractWith(
    '  - { name: lang, path: lang, type: string }',
    `expectations:
  - { check: in_set, column: lang, values: [en, "it's"] }
  - { check: null_share, column: lang, max: 0.25, severity: warn }
  - { check: row_count, min: 5 }`,
  );
  const sql = expectationQuery(contract, staging);
  expect(checkQuery(sql).tables).toHaveLength(1);
  expect(sql).toContain(`count_if("lang" NOT IN ('en', 'it''s'))`);
  const own = judgeExpectations(contract, batchOf(4), {}).length - 3;
  const outcomes = judgeExpectations(contract, batchOf(4), {
    [`check_${own}_0`]: '1',
    [`check_${own + 1}_0`]: '4',
    [`check_${own + 1}_1`]: '1',
    [`check_${own + 2}_0`]: '4',
  }).slice(own);
  expect(outcomes.map((o) => [o.name, o.severity, o.passed, o.found])).toEqual([
    ['in_set(lang)', 'hold', false, '1 rows'],
    ['null_share(lang)', 'warn', true, '0.250 of 4'],
    ['row_count(published)', 'hold', false, '4 rows'],
  ]);
});

test('what DuckDB would answer otherwise than Athena is refused by name', () => {
  const refused = (sql: string) => {
    try {
      checkQuery(sql);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(refused('SELECT a / b FROM t')).toContain(
    'NOT_SUPPORTED: the local Athena does not answer a division',
  );
  expect(refused('SELECT a / 2, b % NULLIF(c, 0) FROM t')).toBeNull();
  expect(refused("SELECT date_format(a, '%i') FROM t")).toContain('date_format with the format %i');
  expect(refused('SELECT stddev(a) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused('SELECT CAST(a AS varchar) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused('SELECT concat(a, b) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused('SELECT read_text(a) FROM t')).toContain('NOT_SUPPORTED');
  expect(refused("SELECT * FROM read_csv('/etc/passwd')")).toContain('NOT_SUPPORTED');
  expect(refused("SELECT * FROM '/etc/passwd'")).toContain('is not the name of a table');
  expect(refused('SELEC 1')).toMatch(/^(SYNTAX_ERROR|NOT_SUPPORTED)/);
  expect(
    checkQuery('WITH a AS (SELECT * FROM db.t) SELECT count(*) FROM a JOIN u ON a.id = u.id').tables,
  ).toEqual(
    expect.arrayContaining([
      { database: 'db', table: 't' },
      { database: null, table: 'u' },
    ]),
  );
});

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

test('doubles are written as Java writes them', () => {
  expect([1, 0.1, 1e7, 1.5e-5, -0, 123456.789, 1e21].map(javaDouble)).toEqual([
    '1.0',
    '0.1',
    '1.0E7',
    '1.5E-5',
    '-0.0',
    '123456.789',
    '1.0E21',
  ]);
});
