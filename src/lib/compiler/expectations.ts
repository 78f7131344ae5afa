/** Compiles the expectations of a contract to one Athena query, and turns its one row into outcomes. Free of AWS. */
import { derivedKeys, goldenColumns, isPublished } from '../contract/columns.ts';
import { dedupeKey } from '../contract/contract.ts';
import type { Contract, Expectation, PartitionKey } from '../contract/schema.ts';
import { counted } from '../counted.ts';
import {
  matched,
  misplaced,
  notIn,
  nulls,
  outside,
  type Place,
  repeats,
  rowCount,
  singleScan,
  sum,
  unlike,
  untrue,
  values,
  youngest,
} from '../dialect/athena.ts';
import { checkExpression } from '../expression/check.ts';
import { parseExpression } from '../expression/parse.ts';
import type { Outcome } from '../model/expectation.ts';

/** What the expectations use besides the staged rows. */
export interface Circumstances {
  /** The number of rows that the transform wrote, by its own count. */
  readonly published: number;
  /** The time of the check. */
  readonly now: Date;
  /** Rows of the last published batches, the latest last. */
  readonly lastBatches: readonly number[];
}

type Row = Readonly<Record<string, string | null>>;

type Judgement = Pick<Outcome, 'passed' | 'found'> & Partial<Pick<Outcome, 'expected'>>;

interface Check {
  readonly name: string;
  readonly severity: 'hold' | 'warn';
  readonly aggregates: readonly string[];
  readonly expected: string;
  /** `values` has the values of the aggregates in order; null if there is none. */
  readonly judge: (values: readonly (number | null)[], circumstances: Circumstances) => Judgement;
}

/** The query over the staged rows of one run. `facts` are further aggregates by their aliases. */
export function expectationQuery(
  contract: Contract,
  staging: { table: string; column: string; value: string },
  facts: ReadonlyMap<string, string> = new Map(),
): string {
  const aggregates = new Map([
    ...checksOf(contract).flatMap((check, i) =>
      check.aggregates.map((sql, j) => [alias(i, j), sql] as const),
    ),
    ...facts,
  ]);
  return singleScan(aggregates, staging.table, { column: staging.column, value: staging.value });
}

/** Compares the query's row with the expectations. */
export function judgeExpectations(contract: Contract, circumstances: Circumstances, row: Row): Outcome[] {
  return checksOf(contract).map((check, i) => {
    const values = check.aggregates.map((_, j) => {
      const text = row[alias(i, j)];
      return text === null || text === undefined || text === '' ? null : Number(text);
    });
    const { name, severity, expected } = check;
    return { name, severity, expected, ...check.judge(values, circumstances) };
  });
}

const alias = (check: number, aggregate: number): string => `check_${check}_${aggregate}`;

/** The expectations of every dataset, then those of the contract. */
function checksOf(contract: Contract): Check[] {
  const keys = derivedKeys(contract);
  const required = [
    ...contract.columns.filter((c) => c.required),
    ...contract.derive.filter((c) => keys.includes(c.name)),
  ].filter((c) => isPublished(contract, c));
  const key = dedupeKey(contract);
  const always = { severity: 'hold', tolerance: 0 } as const;
  return [
    {
      name: 'row_count',
      severity: 'hold',
      aggregates: [rowCount],
      expected: 'as many rows as the transform counted',
      judge: ([rows], { published }) => ({
        passed: rows === published,
        found: counted(rows ?? 0, 'row'),
        expected: `${counted(published, 'row')}, as the transform counted`,
      }),
    },
    ...required.map((c) => failing(`not_null(${c.name})`, always, nulls(c.name), 'without a value')),
    ...(key
      ? [
          failing(
            `unique(${key})`,
            always,
            repeats(key, contract.dedupe?.scope === 'partition'),
            'with a repeated key',
          ),
        ]
      : []),
    failing(
      'in_partition',
      always,
      misplaced(contract.partitionBy.map((p) => knownPlace(contract, p))),
      'outside its partition',
    ),
    ...contract.expectations.map((e) => fromContract(contract, e)),
  ];
}

/** The names of partition folders, if the published columns determine them. */
const knownPlace = (contract: Contract, key: PartitionKey): Place => {
  if ('constant' in key) return key;
  if ('transform' in key) {
    const { name, of, transform, width } = key;
    // Athena has not the hash of Iceberg's.
    return width === 0 ? { name, of, part: `${transform}s` } : { name };
  }
  const { name, of, part } = key;
  const isThere = goldenColumns(contract).some((column) => column.name === of);
  return part === undefined || !isThere ? { name } : { name, of, part };
};

function fromContract(contract: Contract, e: Expectation): Check {
  const { severity } = e;
  switch (e.check) {
    case 'not_null':
      return failing(`not_null(${e.column})`, e, nulls(e.column), 'without a value');
    case 'unique':
      return failing(`unique(${e.columns})`, e, repeats(e.columns), 'with a repeated key');
    case 'range': {
      const type = goldenColumns(contract).find((c) => c.name === e.column)?.type ?? 'string';
      const bad = outside(e.column, type, e.min, e.max);
      return failing(`range(${e.column})`, e, bad, beyond(e.min, e.max));
    }
    case 'in_set':
      return failing(
        `in_set(${e.column})`,
        e,
        notIn(e.column, e.values),
        `with another value than ${e.values.join(', ')}`,
      );
    case 'regex':
      return failing(`regex(${e.column})`, e, unlike(e.column, e.pattern), `that is not like ${e.pattern}`);
    case 'predicate': {
      const columns = new Map(goldenColumns(contract).map((c) => [c.name, c.type]));
      const condition = checkExpression(parseExpression(e.expression), columns);
      return failing(`predicate(${e.expression})`, e, untrue(condition), 'for which it is false');
    }
    case 'null_share':
      return {
        name: `null_share(${e.column})`,
        severity,
        aggregates: [rowCount, nulls(e.column)],
        expected: `at most ${e.max} of the rows`,
        judge: ([all, empty]) => {
          const share = shareOf(empty, all, 0);
          return { passed: share <= e.max, found: `${share.toFixed(3)} of ${all}` };
        },
      };
    case 'matched_share': {
      const { asked, found } = matched(e.column, e.of);
      return {
        name: `matched_share(${e.column})`,
        severity,
        aggregates: [asked, found],
        expected: `at least ${e.min} of the rows with ${e.of}`,
        judge: ([all, hits]) => {
          const share = shareOf(hits, all, 1);
          return { passed: share >= e.min, found: `${share.toFixed(3)} of ${all}` };
        },
      };
    }
    case 'sum':
      return {
        name: `sum(${e.column})`,
        severity,
        aggregates: [sum(e.column)],
        expected: between(e.min, e.max),
        judge: ([total]) => ({ passed: isBetween(total ?? 0, e.min, e.max), found: String(total ?? 0) }),
      };
    case 'freshness':
      return {
        name: `freshness(${e.column})`,
        severity,
        aggregates: [values(e.column), youngest(e.column)],
        expected: `a youngest row of at most ${e.max}`,
        judge: ([rows, latest], { now }) => {
          if (!rows || latest === null || latest === undefined)
            return { passed: true, found: 'no row with a time' };
          const age = now.getTime() / 1000 - latest;
          return { passed: age <= secondsOf(e.max), found: `one of ${Math.round(age / 60)} minutes` };
        },
      };
    case 'row_count':
      return rowCountCheck(e);
  }
}

function rowCountCheck(e: Extract<Expectation, { check: 'row_count' }>): Check {
  const { lastBatches: last } = e;
  const wanted = [
    ...(e.min !== undefined || e.max !== undefined ? [`${between(e.min, e.max)} rows`] : []),
    ...(last ? [`${between(last.min, last.max)} times the mean of the last ${last.count} batches`] : []),
  ];
  return {
    name: 'row_count(published)',
    severity: e.severity,
    aggregates: [rowCount],
    expected: wanted.join(', and '),
    judge: ([rows], { lastBatches }) => {
      const count = rows ?? 0;
      const before = last ? lastBatches.slice(-last.count) : [];
      const mean = before.reduce((total, n) => total + n, 0) / before.length;
      const isUsual =
        before.length === 0 || isBetween(count, (last?.min ?? 0) * mean, last?.max && last.max * mean);
      return {
        passed: isBetween(count, e.min, e.max) && isUsual,
        found: `${counted(count, 'row')}${before.length > 0 ? `, the mean is ${Math.round(mean)}` : ''}`,
      };
    },
  };
}

/** Passes if at most the tolerated share of the rows fails. */
function failing(
  name: string,
  { severity, tolerance }: { severity: 'hold' | 'warn'; tolerance: number },
  aggregate: string,
  which: string,
): Check {
  return {
    name,
    severity,
    aggregates: tolerance === 0 ? [aggregate] : [aggregate, rowCount],
    expected: tolerance === 0 ? `no row ${which}` : `at most ${tolerance} of the rows ${which}`,
    judge: ([rows, all]) => ({
      passed: tolerance === 0 ? (rows ?? 0) === 0 : shareOf(rows, all, 0) <= tolerance,
      found: counted(rows ?? 0, 'row'),
    }),
  };
}

const shareOf = (
  part: number | null | undefined,
  all: number | null | undefined,
  ofNothing: number,
): number => (all ? (part ?? 0) / all : ofNothing);

const isBetween = (value: number, min: number | undefined, max: number | undefined): boolean =>
  value >= (min ?? Number.NEGATIVE_INFINITY) && value <= (max ?? Number.POSITIVE_INFINITY);

const between = (min: number | undefined, max: number | undefined): string =>
  min === undefined ? `at most ${max}` : max === undefined ? `at least ${min}` : `${min} to ${max}`;

const beyond = (min: number | string | undefined, max: number | string | undefined): string =>
  min === undefined ? `above ${max}` : max === undefined ? `below ${min}` : `outside ${min} to ${max}`;

const unitSeconds: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400 };

const secondsOf = (age: string): number => Number(age.slice(0, -1)) * (unitSeconds[age.slice(-1)] ?? 0);
