/**
 * Statements with the answers of Athena's documentation and of Trino's functions and operators, for any engine behind the
 * local Athena: https://docs.aws.amazon.com/athena/latest/ug/functions.html, ddl-reference.html.
 */
export interface Statement {
  readonly sql: string;
  readonly parameters?: readonly string[];
  /** Athena's names of the result's types. */
  readonly types?: readonly string[];
  /** Values as Athena writes them. */
  readonly rows?: readonly (readonly (string | null)[])[];
  /** The start of the message of a failing statement. */
  readonly error?: string;
  /** The request itself is rejected, and there is no execution. */
  readonly isRefused?: boolean;
  /** It changes something, so only one engine runs it. */
  readonly isWrite?: boolean;
}

type Cell = string | null;

const rows = (sql: string, types: string, ...found: Cell[][]): Statement => ({
  sql,
  types: types.split(', '),
  rows: found,
});
/** One row with one column. */
const value = (sql: string, type: string, found: Cell): Statement => rows(`SELECT ${sql}`, type, [found]);
const error = (sql: string, message: string): Statement => ({ sql, error: message });
const refused = (sql: string, message: string): Statement => ({ sql, error: message, isRefused: true });
const write = (statement: Statement): Statement => ({ ...statement, isWrite: true });
const ddl = (sql: string, ...found: Cell[][]): Statement =>
  write({ sql, rows: found, types: found.length > 0 ? ['string'] : [] });

/** Creates the tables that the statements read. `place` is an address for their files. */
export const fixture = (place: string): string[] => [
  'CREATE DATABASE IF NOT EXISTS conformance',
  // A kept stage has them from its last use.
  ...['posts', 'numbers', 'texts', 'copies', 'unloaded', 'projected', 'timed'].map(
    (t) => `DROP TABLE IF EXISTS conformance.${t}`,
  ),
  `CREATE EXTERNAL TABLE conformance.posts (
     id bigint, name string, likes int, score double, price decimal(10,2), ok boolean, born date, seen timestamp,
     tags array<string>, place struct<city:string,zip:int>
   ) PARTITIONED BY (day string) STORED AS PARQUET LOCATION '${place}/posts/'`,
  `INSERT INTO conformance.posts VALUES
     (1, 'ana', 10, 1.5, DECIMAL '1.10', true, DATE '2025-10-06', TIMESTAMP '2025-10-06 10:00:00.123', ARRAY['a', 'b'], ROW('Rome', 100), '06'),
     (2, 'Bob', 3, -0.25, DECIMAL '20.00', false, DATE '2024-02-29', TIMESTAMP '2024-02-29 23:59:59.999', ARRAY[], ROW(NULL, NULL), '06'),
     (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '07'),
     (4, 'été 日本', -7, 1e10, DECIMAL '-3.33', true, DATE '1969-12-31', TIMESTAMP '1969-12-31 00:00:00', ARRAY['x', NULL], ROW('Oslo', 7), '07')`,
  `CREATE EXTERNAL TABLE conformance.numbers (n int, m bigint) STORED AS PARQUET LOCATION '${place}/numbers/'`,
  `CREATE EXTERNAL TABLE conformance.texts (a int) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' LOCATION '${place}/texts/'`,
  'INSERT INTO conformance.numbers VALUES (1, 10), (2, 20), (2, 30), (NULL, 40)',
];

export const statements = (place: string): readonly Statement[] => [
  // Literals and arithmetic
  value('1', 'integer', '1'),
  value('5 / 2', 'integer', '2'),
  value('-7 / 2', 'integer', '-3'),
  value('-7 % 3', 'integer', '-1'),
  value('5 / 2.0', 'double', '2.5'),
  value('1e0 / 0', 'double', 'Infinity'),
  value('1 / 0.0', 'double', 'Infinity'),
  value('.5 + 1.', 'double', '1.5'),
  value('1.5e1', 'double', '15.0'),
  value("map(ARRAY[2, 1], ARRAY['a', 'b'])", 'map', '{2=a, 1=b}'),
  refused('SELECT 1; SELECT 2', 'Only one sql statement is allowed. Got: SELECT 1; SELECT 2'),
  value("BIGINT '9223372036854775807'", 'bigint', '9223372036854775807'),
  value('1.10', 'double', '1.1'),
  value('0.1 + 0.2', 'double', '0.30000000000000004'),
  value('0.1e0 + 0.2e0', 'double', '0.30000000000000004'),
  value('CAST(1 AS real)', 'float', '1.0'),
  value('10000000e0', 'double', '1.0E7'),
  value('NULL', 'unknown', null),
  value('true AND NULL', 'boolean', null),
  value('false AND NULL', 'boolean', 'false'),
  value("DATE '2025-10-06'", 'date', '2025-10-06'),
  value("TIMESTAMP '2025-10-06 10:00:00.5'", 'timestamp', '2025-10-06 10:00:00.5'),
  value("TIMESTAMP '2025-10-06 10:00:00.000 UTC'", 'timestamp with time zone', '2025-10-06 10:00:00.000 UTC'),
  value("X'6162'", 'varbinary', '61 62'),
  value("'it''s'", 'varchar', "it's"),
  error('SELECT 1 / 0', 'DIVISION_BY_ZERO: Division by zero'),
  error('SELECT 2147483647 + 1', 'NUMERIC_VALUE_OUT_OF_RANGE: integer addition overflow'),
  // Texts
  value("lower('ÀB')", 'varchar', 'àb'),
  value("upper('straße')", 'varchar', 'STRAßE'),
  value("length('日本')", 'bigint', '2'),
  value("substr('abcdef', 2, 3)", 'varchar', 'bcd'),
  value("substr('abc', -2)", 'varchar', 'bc'),
  value("substr('abc', 0)", 'varchar', ''),
  value("strpos('abc', 'c')", 'bigint', '3'),
  value("concat('a', 'b')", 'varchar', 'ab'),
  value("'a' || CAST(NULL AS varchar)", 'varchar', null),
  value("trim('  x ')", 'varchar', 'x'),
  value("replace('aXa', 'X', '-')", 'varchar', 'a-a'),
  value("split('a,b,,c', ',')", 'array', '[a, b, , c]'),
  value("split_part('a/b', '/', 2)", 'varchar', 'b'),
  value("reverse('abc')", 'varchar', 'cba'),
  value("lpad('7', 3, '0')", 'varchar', '007'),
  value("'abc' LIKE 'a_c'", 'boolean', 'true'),
  value("'a%c' LIKE 'a#%c' ESCAPE '#'", 'boolean', 'true'),
  value("regexp_like('ab12', '\\d+')", 'boolean', 'true'),
  value("regexp_extract('a/b/c', '^.*/')", 'varchar', 'a/b/'),
  value("regexp_extract('ab12cd', '(\\d)(\\d)', 2)", 'varchar', '2'),
  value("regexp_replace('a1b2', '\\d', '#')", 'varchar', 'a#b#'),
  value("to_hex(md5(to_utf8('a')))", 'varchar', '0CC175B9C0F1B6A831C399E269772661'), // pragma: allowlist secret
  value("starts_with('abc', 'ab')", 'boolean', 'true'),
  value("'B' < 'a'", 'boolean', 'true'),
  // Conversions
  value("CAST('12' AS integer)", 'integer', '12'),
  value("TRY_CAST('x' AS integer)", 'integer', null),
  value("TRY(CAST('x' AS integer))", 'integer', null),
  value('CAST(2.5e0 AS bigint)', 'bigint', '3'),
  value('CAST(-2.5e0 AS bigint)', 'bigint', '-3'),
  value('CAST(1.5e0 AS varchar)', 'varchar', '1.5E0'),
  value("CAST('2025-10-06' AS date)", 'date', '2025-10-06'),
  value("CAST(TIMESTAMP '2025-10-06 10:00:00' AS date)", 'date', '2025-10-06'),
  value('typeof(1)', 'varchar', 'integer'),
  value('COALESCE(NULL, 2)', 'integer', '2'),
  value('NULLIF(1, 1)', 'integer', null),
  value('IF(1 > 2, 1, 2)', 'integer', '2'),
  value("CASE 2 WHEN 1 THEN 'a' ELSE 'b' END", 'varchar', 'b'),
  error("SELECT CAST('x' AS integer)", "INVALID_CAST_ARGUMENT: Cannot cast 'x' to INT"),
  // Numbers
  value('abs(-3)', 'integer', '3'),
  value('round(2.5e0)', 'double', '3.0'),
  value('round(-2.5e0)', 'double', '-3.0'),
  value('round(1.005, 2)', 'double', '1.0'),
  value('floor(-1.5e0)', 'double', '-2.0'),
  value('ceil(1.2e0)', 'double', '2.0'),
  value('mod(7, 3)', 'integer', '1'),
  value('power(2, 10)', 'double', '1024.0'),
  value('greatest(1, 3, 2)', 'integer', '3'),
  value('greatest(1, NULL)', 'integer', null),
  value('least(1, 3, 2)', 'integer', '1'),
  value('sqrt(2)', 'double', '1.4142135623730951'),
  value('bitwise_and(6, 3)', 'bigint', '2'),
  // Times
  value("date_format(TIMESTAMP '2025-10-06 01:02:03', '%Y-%m-%d')", 'varchar', '2025-10-06'),
  value("date_format(TIMESTAMP '2025-10-06 01:02:03', '%H:%i:%s')", 'varchar', '01:02:03'),
  value("date_parse('2025-10-06 01', '%Y-%m-%d %H')", 'timestamp', '2025-10-06 01:00:00.000'),
  value(
    "from_iso8601_timestamp('2025-10-06T10:00:00Z')",
    'timestamp with time zone',
    '2025-10-06 10:00:00.000 UTC',
  ),
  value("to_iso8601(DATE '2025-10-06')", 'varchar', '2025-10-06'),
  value("date_diff('day', DATE '2025-10-01', DATE '2025-10-06')", 'bigint', '5'),
  value("date_diff('month', DATE '2025-01-31', DATE '2025-02-28')", 'bigint', '1'),
  value("date_add('month', 1, DATE '2025-01-31')", 'date', '2025-02-28'),
  value("DATE '2025-10-06' + INTERVAL '1' DAY", 'date', '2025-10-07'),
  value("date_trunc('month', DATE '2025-10-06')", 'date', '2025-10-01'),
  value("year(DATE '2025-10-06')", 'bigint', '2025'),
  value("day_of_week(DATE '2025-10-05')", 'bigint', '7'),
  value("extract(hour FROM TIMESTAMP '2025-10-06 13:00:00')", 'bigint', '13'),
  value("to_unixtime(TIMESTAMP '1970-01-01 00:00:01.500')", 'double', '1.5'),
  value('from_unixtime(1.5)', 'timestamp with time zone', '1970-01-01 00:00:01.500 UTC'),
  value(
    "TIMESTAMP '2025-10-06 10:00:00 UTC' AT TIME ZONE 'Asia/Tokyo'",
    'timestamp with time zone',
    '2025-10-06 19:00:00 Asia/Tokyo',
  ),
  // Arrays, maps, rows, JSON
  value('ARRAY[1, NULL, 3]', 'array', '[1, null, 3]'),
  value("ARRAY['a', 'b'][1]", 'varchar', 'a'),
  value('element_at(ARRAY[1, 2], -1)', 'integer', '2'),
  value('element_at(ARRAY[1, 2], 3)', 'integer', null),
  value('cardinality(ARRAY[1, 2])', 'bigint', '2'),
  value('contains(ARRAY[1, 2], 2)', 'boolean', 'true'),
  value("array_join(ARRAY['a', NULL, 'b'], '-')", 'varchar', 'a-b'),
  value('array_distinct(ARRAY[1, 1, 2])', 'array', '[1, 2]'),
  value('transform(ARRAY[1, 2], x -> x * 10)', 'array', '[10, 20]'),
  value('filter(ARRAY[1, 2, 3], x -> x > 1)', 'array', '[2, 3]'),
  value('sequence(1, 3)', 'array', '[1, 2, 3]'),
  value("MAP(ARRAY['a'], ARRAY[1])", 'map', '{a=1}'),
  value("element_at(MAP(ARRAY['a'], ARRAY[1]), 'b')", 'integer', null),
  value("CAST(ROW(1, 'x') AS ROW(n integer, s varchar))", 'row', '{n=1, s=x}'),
  value("ROW(1, 'x')", 'row', '{field0=1, field1=x}'),
  value(`json_extract_scalar('{"a": {"b": 1}}', '$.a.b')`, 'varchar', '1'),
  value(`json_extract('{"a": [1, 2]}', '$.a')`, 'json', '[1,2]'),
  value(`CAST(json_parse('[1, 2]') AS array(integer))`, 'array', '[1, 2]'),
  error(
    'SELECT ARRAY[1, 2][3]',
    'INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or equal to array length: 3 > 2',
  ),
  // Queries
  rows(
    'SELECT * FROM conformance.numbers ORDER BY m',
    'integer, bigint',
    ['1', '10'],
    ['2', '20'],
    ['2', '30'],
    [null, '40'],
  ),
  rows(
    'SELECT id, name, likes, score, price, ok, born, seen, tags, place, day FROM posts WHERE id = 1',
    'bigint, varchar, integer, double, decimal, boolean, date, timestamp, array, row, varchar',
    [
      '1',
      'ana',
      '10',
      '1.5',
      '1.10',
      'true',
      '2025-10-06',
      '2025-10-06 10:00:00.123',
      '[a, b]',
      '{city=Rome, zip=100}',
      '06',
    ],
  ),
  rows(
    'SELECT id, score, born, seen, tags FROM posts WHERE id > 2 ORDER BY id',
    'bigint, double, date, timestamp, array',
    ['3', null, null, null, null],
    ['4', '1.0E10', '1969-12-31', '1969-12-31 00:00:00.000', '[x, null]'],
  ),
  rows('SELECT place.city FROM posts ORDER BY id', 'varchar', ['Rome'], [null], [null], ['Oslo']),
  rows('SELECT name FROM posts ORDER BY name', 'varchar', ['Bob'], ['ana'], ['été 日本'], [null]),
  rows('SELECT name FROM posts ORDER BY name DESC NULLS FIRST LIMIT 2', 'varchar', [null], ['été 日本']),
  rows('SELECT id FROM posts ORDER BY id OFFSET 1 LIMIT 2', 'bigint', ['2'], ['3']),
  rows(
    "SELECT count(*), count(name), count(DISTINCT day) FROM posts WHERE day = '07'",
    'bigint, bigint, bigint',
    ['2', '1', '1'],
  ),
  rows(
    'SELECT sum(likes), avg(likes), min(name), max(price) FROM posts',
    'bigint, double, varchar, decimal',
    ['6', '2.0', 'Bob', '20.00'],
  ),
  rows('SELECT avg(price) FROM posts', 'decimal', ['5.92']),
  rows('SELECT sum(score) FROM posts WHERE id < 3', 'double', ['1.25']),
  // With few values the approximations are exact.
  rows('SELECT approx_distinct(likes), approx_distinct(name) FROM posts', 'bigint, bigint', ['3', '3']),
  rows('SELECT approx_distinct(id) FROM posts WHERE false', 'bigint', ['0']),
  value(
    'json_format(CAST(approx_most_frequent(5, CAST(n AS bigint), 1000) AS json)) FROM numbers WHERE n = 2',
    'varchar',
    '{"2":2}',
  ),
  value(
    'json_format(CAST(approx_most_frequent(5, substr(name, 1, 60), 1000) AS json)) FROM posts WHERE id > 3',
    'varchar',
    '{"été 日本":1}',
  ),
  value(
    'json_format(CAST(approx_most_frequent(5, substr(name, 1, 60), 1000) AS json)) FROM posts WHERE false',
    'varchar',
    null,
  ),
  rows('SELECT count_if(ok), sum(likes) FROM posts WHERE false', 'bigint, bigint', ['0', null]),
  rows('SELECT approx_distinct(id) FROM posts', 'bigint', ['4']),
  rows('SELECT array_agg(id ORDER BY id) FROM posts', 'array', ['[1, 2, 3, 4]']),
  rows(
    'SELECT day, count(*) AS n FROM posts GROUP BY day HAVING count(*) > 1 ORDER BY day',
    'varchar, bigint',
    ['06', '2'],
    ['07', '2'],
  ),
  rows(
    'SELECT day, count(*) FROM posts GROUP BY ROLLUP (day) ORDER BY day',
    'varchar, bigint',
    ['06', '2'],
    ['07', '2'],
    [null, '4'],
  ),
  rows(
    'SELECT id, row_number() OVER (PARTITION BY day ORDER BY id DESC) FROM posts ORDER BY id',
    'bigint, bigint',
    ['1', '2'],
    ['2', '1'],
    ['3', '2'],
    ['4', '1'],
  ),
  rows(
    'SELECT id, lag(id) OVER (ORDER BY id) FROM posts ORDER BY id LIMIT 2',
    'bigint, bigint',
    ['1', null],
    ['2', '1'],
  ),
  rows(
    'SELECT p.id, n.m FROM posts p JOIN numbers n ON p.id = n.n ORDER BY n.m',
    'bigint, bigint',
    ['1', '10'],
    ['2', '20'],
    ['2', '30'],
  ),
  rows('SELECT count(*) FROM posts p LEFT JOIN numbers n ON p.id = n.n', 'bigint', ['5']),
  rows('SELECT n FROM numbers WHERE n NOT IN (1, NULL)', 'integer'),
  rows('SELECT count(*) FROM texts', 'bigint', ['0']),
  rows('SELECT count(*) FROM posts WHERE likes BETWEEN 3 AND 10', 'bigint', ['2']),
  rows("SELECT count(*) FROM posts WHERE name IS NULL OR name LIKE '%日%'", 'bigint', ['2']),
  rows(
    'SELECT id FROM posts WHERE EXISTS (SELECT 1 FROM numbers WHERE n = id) ORDER BY id',
    'bigint',
    ['1'],
    ['2'],
  ),
  rows('WITH a AS (SELECT id FROM posts WHERE ok) SELECT count(*) FROM a', 'bigint', ['2']),
  rows('SELECT n FROM numbers UNION SELECT 7 ORDER BY 1', 'integer', ['1'], ['2'], ['7'], [null]),
  rows('SELECT n FROM numbers INTERSECT SELECT 2', 'integer', ['2']),
  rows(
    'SELECT t.tag FROM posts CROSS JOIN UNNEST(tags) AS t(tag) WHERE id = 1 ORDER BY t.tag',
    'varchar',
    ['a'],
    ['b'],
  ),
  rows('SELECT x FROM (VALUES 3, 1, 2) AS t(x) ORDER BY x', 'integer', ['1'], ['2'], ['3']),
  // How the rows around a commit are counted: src/lib/dialect/athena.ts.
  rows(
    `SELECT count_if("$path" NOT IN ('x')) - count_if(NOT regexp_like("$path", '/x-[^/]*$')) FROM numbers`,
    'bigint',
    ['0'],
  ),
  rows(`SELECT substr("$path", 1, ${place.length}) FROM numbers LIMIT 1`, 'varchar', [place]),
  // How the watch page finds the last partitions of a table: src/watch/collect.ts.
  rows(
    'SELECT "day", count(*) OVER () AS n FROM "posts$partitions" ORDER BY "day" DESC LIMIT 1',
    'varchar, bigint',
    ['07', '2'],
  ),
  error(
    'SELECT * FROM "numbers$partitions"',
    'TABLE_NOT_FOUND: line 1:15: Table \'awsdatacatalog.conformance."numbers$partitions"\' does not exist',
  ),
  {
    ...rows('SELECT name FROM posts WHERE id = ? AND day = ?', 'varchar', ['ana']),
    parameters: ['1', "'06'"],
  },
  { sql: 'SELECT name FROM posts WHERE id = ?', parameters: ['1', '2'], error: 'INVALID_PARAMETER_USAGE: ' },
  refused('SELEC 1', 'line 1:1: '),
  refused('SELECT 1 FROM', 'line 1:14: '),
  refused('TRUNCATE TABLE posts', 'Queries of this type are not supported'),
  error('SELECT nope FROM posts', 'COLUMN_NOT_FOUND: '),
  error(
    'SELECT * FROM nope',
    "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.conformance.nope' does not exist",
  ),
  error('SELECT nope(1)', 'FUNCTION_NOT_FOUND: '),
  error('SELECT likes + name FROM posts', 'TYPE_MISMATCH: '),
  error("SELECT count(*) FROM posts WHERE id = '1'", 'TYPE_MISMATCH: '),
  error('SELECT count(*) FROM posts WHERE ok = 1', 'TYPE_MISMATCH: '),
  error('SELECT sum(ok) FROM posts', 'FUNCTION_NOT_FOUND: '),
  error("SELECT count(*) FROM posts WHERE born > '2025-01-01'", 'TYPE_MISMATCH: '),
  error('SELECT day, count(*) FROM posts', 'EXPRESSION_NOT_AGGREGATE: '),
  error(
    'DELETE FROM posts',
    'NOT_SUPPORTED: Modifying Hive table rows is only supported for transactional tables',
  ),
  // DDL and writes
  rows('SHOW PARTITIONS posts', 'string', ['day=06'], ['day=07']),
  rows("SHOW TABLES IN conformance 'po*'", 'string', ['posts']),
  rows("SHOW DATABASES LIKE 'conform*'", 'string', ['conformance']),
  rows('SHOW COLUMNS IN numbers', 'string', ['n'.padEnd(20)], ['m'.padEnd(20)]),
  rows(
    'DESCRIBE numbers',
    'string, string, string',
    [['n', 'int', ''].map((f) => f.padEnd(20)).join('\t')],
    [['m', 'bigint', ''].map((f) => f.padEnd(20)).join('\t')],
  ),
  error('SHOW PARTITIONS nope', 'FAILED: SemanticException [Error 10001]: Table not found nope'),
  error('CREATE DATABASE conformance', 'FAILED: Execution Error, return code 1'),
  error(
    "ALTER TABLE posts ADD PARTITION (day = '06')",
    'FAILED: SemanticException [Error 10321]: Partition already exists',
  ),
  ddl("ALTER TABLE posts DROP PARTITION (day = '07')"),
  write(rows('SELECT count(*) FROM posts', 'bigint', ['2'])),
  ddl('MSCK REPAIR TABLE posts', ['Repair: Added partition to metastore posts:day=07']),
  write(rows('SELECT count(*) FROM posts', 'bigint', ['4'])),
  ddl(
    `CREATE TABLE copies WITH (format = 'PARQUET', external_location = '${place}/copies/', partitioned_by = ARRAY['day']) AS SELECT id, day FROM posts`,
  ),
  write(
    rows(
      'SELECT id, day FROM copies ORDER BY id',
      'bigint, varchar',
      ['1', '06'],
      ['2', '06'],
      ['3', '07'],
      ['4', '07'],
    ),
  ),
  ddl("INSERT INTO copies SELECT 5, '08'"),
  write(rows('SHOW PARTITIONS copies', 'string', ['day=06'], ['day=07'], ['day=08'])),
  ddl(
    `UNLOAD (SELECT id FROM copies) TO '${place}/unloaded/' WITH (format = 'PARQUET', compression = 'SNAPPY')`,
  ),
  write(
    error(
      `UNLOAD (SELECT id FROM copies) TO '${place}/unloaded/' WITH (format = 'PARQUET')`,
      'HIVE_PATH_ALREADY_EXISTS: ',
    ),
  ),
  ddl(`CREATE EXTERNAL TABLE unloaded (id bigint) STORED AS PARQUET LOCATION '${place}/unloaded/'`),
  write(rows('SELECT count(*) FROM unloaded', 'bigint', ['5'])),
  ddl('CREATE VIEW latest AS SELECT max(id) AS id FROM copies'),
  write(rows('SELECT id FROM latest', 'bigint', ['5'])),
  write(rows('SHOW COLUMNS IN latest', 'string', ['id'.padEnd(20)])),
  ddl('ALTER TABLE unloaded ADD COLUMNS (note string)'),
  write(rows('SELECT id, note FROM unloaded WHERE id = 1', 'bigint, varchar', ['1', null])),
  ddl(`CREATE EXTERNAL TABLE projected (id bigint) PARTITIONED BY (day string) STORED AS PARQUET LOCATION '${place}/copies/'
    TBLPROPERTIES ('projection.enabled' = 'true', 'projection.day.type' = 'enum', 'projection.day.values' = '06,08')`),
  write(
    rows(
      'SELECT id, day FROM projected ORDER BY id',
      'bigint, varchar',
      ['1', '06'],
      ['2', '06'],
      ['5', '08'],
    ),
  ),
  write(
    error(
      'INSERT INTO copies SELECT n, CAST(n AS varchar) FROM UNNEST(sequence(1, 101)) AS t(n)',
      'HIVE_TOO_MANY_OPEN_PARTITIONS: ',
    ),
  ),
  write(
    error(
      `CREATE TABLE timed WITH (table_type = 'ICEBERG', is_external = false, location = '${place}/timed/') AS SELECT seen FROM posts`,
      'NOT_SUPPORTED: Timestamp precision (3) not supported for Iceberg. Use "timestamp(6)" instead.',
    ),
  ),
  ddl(
    `CREATE TABLE timed WITH (table_type = 'ICEBERG', is_external = false, location = '${place}/timed/', partitioning = ARRAY['bucket(id, 4)', 'day']) AS SELECT id, day FROM posts`,
  ),
  ddl(
    'SHOW CREATE TABLE timed',
    ...[
      'CREATE TABLE conformance.timed (',
      '  `id` bigint, ',
      '  `day` string)',
      'PARTITIONED BY (bucket(4, `id`), `day`)',
      `LOCATION '${place}/timed'`,
      'TBLPROPERTIES (',
      "  'table_type'='iceberg',",
      "  'format'='parquet')",
    ].map((line) => [line]),
  ),
  ddl('OPTIMIZE timed REWRITE DATA USING BIN_PACK'),
  ddl('VACUUM timed'),
  ddl('DROP TABLE timed'),
  ddl('DROP VIEW latest'),
  ddl('DROP TABLE copies'),
  write(error('SELECT * FROM copies', 'TABLE_NOT_FOUND: ')),
];
