import { expect, test } from '@jest/globals';
import { checkQuery } from '../../../offline/athena/guard.ts';
import { expectationQuery, judgeExpectations } from '../../../src/lib/compiler/expectations.ts';
import { loadContracts, parseContract } from '../../../src/lib/contract/load.ts';
import { contractWith, datasetsFolder } from '../../support/embedded.ts';

const contracts = [...loadContracts(datasetsFolder).values()];

const batchOf = (published: number, lastBatches: number[] = []) => ({
  published,
  now: new Date('2025-10-07T00:00:00Z'),
  lastBatches,
});

const staging = { table: 'staging_x', column: 'run', value: 'b-1' };

test('all expectations of a contract are one scan, which the local Athena answers', () => {
  for (const contract of contracts) {
    const sql = expectationQuery(contract, staging);
    expect(sql.match(/FROM/g)).toHaveLength(1);
    expect(checkQuery(sql).tables).toEqual([{ database: null, table: 'staging_x' }]);
  }
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
  const half = { [`check_${share}_0`]: '100', [`check_${share}_1`]: '50' };
  expect(judgeExpectations(social, batchOf(10), half)[share]).toMatchObject({ passed: true });
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
    ['in_set(lang)', 'hold', false, '1 row'],
    ['null_share(lang)', 'warn', true, '0.250 of 4'],
    ['row_count(published)', 'hold', false, '4 rows'],
  ]);
});

test('each kind of expectation is asked in one scan and judged with its tolerance', () => {
  const contract = contractWith(
    '  - { name: lang, path: lang, type: string }\n  - { name: n, path: n, type: int }',
    `expectations:
  - { check: regex, column: lang, pattern: "^[a-z]{2}$", tolerance: 0.1 }
  - { check: predicate, expression: "n >= 0 or lang = 'xx'" }
  - { check: sum, column: n, min: 10, max: 20 }
  - { check: freshness, column: at, max: 24h }
  - { check: row_count, lastBatches: { count: 2, min: 0.5, max: 2 }, severity: warn }`,
  );
  const sql = expectationQuery(contract, { table: 'staging_x', column: 'run', value: 'r' });
  expect(sql.match(/FROM/g)).toHaveLength(1);
  expect(checkQuery(sql).tables).toHaveLength(1);
  const at = new Date('2025-10-07T00:00:00Z');
  const judge = (values: readonly (readonly (string | null)[])[], now: Date, lastBatches: number[]) => {
    const own = judgeExpectations(contract, { published: 0, now, lastBatches }, {}).length - values.length;
    const row = Object.fromEntries(
      values.flatMap((v, i) => v.map((value, j) => [`check_${own + i}_${j}`, value] as const)),
    );
    return judgeExpectations(contract, { published: 0, now, lastBatches }, row)
      .slice(own)
      .map((o) => [o.passed, o.found]);
  };
  const seconds = String(at.getTime() / 1000 - 3600);
  expect(judge([['1', '10'], ['0'], ['12'], ['10', seconds], ['10']], at, [1, 8, 12])).toEqual([
    [true, '1 row'],
    [true, '0 rows'],
    [true, '12'],
    [true, 'one of 60 minutes'],
    [true, '10 rows, the mean is 10'],
  ]);
  const later = new Date(at.getTime() + 86_400_000);
  expect(judge([['2', '10'], ['1'], [null], ['10', seconds], ['4']], later, [8, 12])).toEqual([
    [false, '2 rows'],
    [false, '1 row'],
    [false, '0'],
    [false, 'one of 1500 minutes'],
    [false, '4 rows, the mean is 10'],
  ]);
  expect(judge([['0', '0'], ['0'], ['10'], ['0', null], ['4']], at, []).slice(3)).toEqual([
    [true, 'no row with a time'],
    [true, '4 rows'],
  ]);
});

test('a value that lies exactly at a limit passes, and the next one does not', () => {
  const contract = contractWith(
    '  - { name: lang, path: lang, type: string }\n  - { name: n, path: n, type: int }',
    `expectations:
  - { check: not_null, column: lang, tolerance: 0.5 }
  - { check: null_share, column: lang, max: 0.5 }
  - { check: sum, column: n, min: 10, max: 20 }
  - { check: freshness, column: at, max: 2h }
  - { check: row_count, min: 2, max: 4 }
  - { check: row_count, lastBatches: { count: 2, min: 0.5, max: 2 } }`,
  );
  const now = new Date('2025-10-07T00:00:00Z');
  const before = (seconds: number) => String(now.getTime() / 1000 - seconds);
  const passed = (values: readonly (readonly string[])[]) => {
    const given = { published: 0, now, lastBatches: [9, 1, 3] };
    const own = judgeExpectations(contract, given, {}).length - values.length;
    const row = Object.fromEntries(
      values.flatMap((v, i) => v.map((value, j) => [`check_${own + i}_${j}`, value] as const)),
    );
    return judgeExpectations(contract, given, row)
      .slice(own)
      .map((o) => o.passed);
  };
  const at = [['2', '4'], ['4', '2'], ['10'], ['4', before(7200)], ['2'], ['1']];
  expect(passed(at)).toEqual([true, true, true, true, true, true]);
  expect(passed([['0', '4'], ['4', '0'], ['20'], ['4', before(0)], ['4'], ['4']])).not.toContain(false);
  const past = [['3', '4'], ['4', '3'], ['9'], ['4', before(7201)], ['1'], ['0']];
  expect(passed(past)).not.toContain(true);
  expect(passed([['4', '4'], ['4', '4'], ['21'], ['4', before(9999)], ['5'], ['5']])).not.toContain(true);
});

test.each([
  [
    'partition',
    '[{ name: s, constant: x }, { name: y, of: at, part: year }, { name: h, of: hidden, part: year }]',
    `count_if("id" IS NOT NULL) - count(DISTINCT CASE WHEN "id" IS NOT NULL THEN ROW("id", regexp_extract("$path", '^.*/')) END)`,
    `'/s=x' || '/y=' || date_format("at", '%Y') || '/'`,
  ],
  [
    'batch',
    '[day(at), "bucket(4, id)"]',
    'count("id") - count(DISTINCT "id")',
    `'/at_day=' || date_format("at", '%Y-%m-%d') || '/'`,
  ],
])(
  'of rows that are compared in a %s, the query asks for what the contract promises',
  (scope, partitionBy, repeated, place) => {
    const contract = parseContract(
      'test.yml',
      `
dataset: test
source: { prefix: test/, formats: [ndjson] }
columns:
  - { name: id, path: id, type: bigint, required: true }
  - { name: at, path: at, type: timestamp, required: true, formats: [iso8601] }
  - { name: hidden, path: hidden, type: timestamp, required: true, formats: [iso8601], publish: false }
  - { name: n, path: n, type: int }
dedupe: { key: [id], scope: ${scope} }
table: { format: iceberg }
partitionBy: ${partitionBy}
expectations:
  - { check: unique, columns: [n], tolerance: 0.1 }
  - { check: range, column: n, min: 1 }
  - { check: range, column: n, max: 9 }
  - { check: range, column: n, min: 1, max: 9 }
  - { check: row_count, max: 9, lastBatches: { count: 2, min: 0.5 } }
`,
    );
    expect(expectationQuery(contract, staging)).toBe(`SELECT count(*) AS "check_0_0",
  count_if("id" IS NULL) AS "check_1_0",
  count_if("at" IS NULL) AS "check_2_0",
  ${repeated} AS "check_3_0",
  count_if(strpos("$path", ${place}) = 0) AS "check_4_0",
  count("n") - count(DISTINCT "n") AS "check_5_0",
  count(*) AS "check_5_1",
  count_if("n" < 1) AS "check_6_0",
  count_if("n" > 9) AS "check_7_0",
  count_if("n" < 1 OR "n" > 9) AS "check_8_0",
  count(*) AS "check_9_0"
FROM "staging_x"
WHERE "run" = 'b-1'`);
    expect(
      judgeExpectations(contract, batchOf(1, [4]), {}).map((o) => [o.name, o.passed, o.expected]),
    ).toEqual([
      ['row_count', false, '1 row, as the transform counted'],
      ['not_null(id)', true, 'no row without a value'],
      ['not_null(at)', true, 'no row without a value'],
      ['unique(id)', true, 'no row with a repeated key'],
      ['in_partition', true, 'no row outside its partition'],
      ['unique(n)', true, 'at most 0.1 of the rows with a repeated key'],
      ['range(n)', true, 'no row below 1'],
      ['range(n)', true, 'no row above 9'],
      ['range(n)', true, 'no row outside 1 to 9'],
      [
        'row_count(published)',
        false,
        'at most 9 rows, and at least 0.5 times the mean of the last 2 batches',
      ],
    ]);
  },
);
