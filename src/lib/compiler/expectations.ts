/** Expectations of a contract -> one Athena query, and its one row -> outcomes. Free of AWS. */
import { goldenColumns } from '../contract/columns.ts';
import { type Contract, dedupeKey, type Expectation } from '../contract/schema.ts';
import {
  matched,
  misplaced,
  notIn,
  nulls,
  outside,
  repeats,
  rowCount,
  singleScan,
} from '../dialect/athena.ts';

/** How one expectation came out. */
export interface Outcome {
  readonly name: string;
  readonly severity: 'hold' | 'warn';
  readonly passed: boolean;
  /** What was found, for a person: "3 rows", "0.48 of 1200". */
  readonly found: string;
  readonly expected: string;
}

type Row = Readonly<Record<string, string | null>>;

interface Check {
  readonly name: string;
  readonly severity: 'hold' | 'warn';
  readonly aggregates: readonly string[];
  readonly expected: string;
  readonly judge: (values: readonly number[]) => { passed: boolean; found: string };
}

/** The query over the staged rows of one run. */
export function expectationQuery(
  contract: Contract,
  staging: { table: string; column: string; value: string },
): string {
  const aggregates = new Map(
    checksOf(contract, 0).flatMap((check, i) =>
      check.aggregates.map((sql, j) => [alias(i, j), sql] as const),
    ),
  );
  return singleScan(aggregates, staging.table, { column: staging.column, value: staging.value });
}

/** Judges the query's row. `published`: how many rows the transform says it wrote. */
export function judgeExpectations(contract: Contract, published: number, row: Row): Outcome[] {
  return checksOf(contract, published).map((check, i) => ({
    name: check.name,
    severity: check.severity,
    expected: check.expected,
    ...check.judge(check.aggregates.map((_, j) => Number(row[alias(i, j)] ?? 0))),
  }));
}

const alias = (check: number, aggregate: number): string => `check_${check}_${aggregate}`;

/** What every dataset is asked, then what the contract asks. */
function checksOf(contract: Contract, published: number): Check[] {
  const required = contract.columns.filter((c) => c.required);
  const key = dedupeKey(contract);
  return [
    {
      name: 'row_count',
      severity: 'hold',
      aggregates: [rowCount],
      expected: `${published} rows, as the transform counted`,
      judge: ([rows]) => ({ passed: rows === published, found: `${rows} rows` }),
    },
    ...required.map((c) => noRows(`not_null(${c.name})`, 'hold', nulls(c.name), 'no row without a value')),
    ...(key ? [noRows(`unique(${key})`, 'hold', repeats(key), 'no repeated key')] : []),
    noRows('in_partition', 'hold', misplaced(contract.partitionBy), 'no row outside its partition'),
    ...contract.expectations.map((e) => fromContract(contract, e)),
  ];
}

function fromContract(contract: Contract, e: Expectation): Check {
  switch (e.check) {
    case 'not_null':
      return noRows(`not_null(${e.column})`, e.severity, nulls(e.column), 'no row without a value');
    case 'unique':
      return noRows(`unique(${e.columns})`, e.severity, repeats(e.columns), 'no repeated key');
    case 'range': {
      const type = goldenColumns(contract).find((c) => c.name === e.column)?.type ?? 'string';
      const bounds = `${e.min ?? ''} to ${e.max ?? ''}`;
      return noRows(
        `range(${e.column})`,
        e.severity,
        outside(e.column, type, e.min, e.max),
        `no row outside ${bounds}`,
      );
    }
    case 'in_set':
      return noRows(
        `in_set(${e.column})`,
        e.severity,
        notIn(e.column, e.values),
        `no row with another value than ${e.values.join(', ')}`,
      );
    case 'null_share':
      return {
        name: `null_share(${e.column})`,
        severity: e.severity,
        aggregates: [rowCount, nulls(e.column)],
        expected: `at most ${e.max} of the rows`,
        judge: ([all = 0, empty = 0]) => {
          const share = all === 0 ? 0 : empty / all;
          return { passed: share <= e.max, found: `${share.toFixed(3)} of ${all}` };
        },
      };
    case 'row_count':
      return {
        name: 'row_count(published)',
        severity: e.severity,
        aggregates: [rowCount],
        expected: `${e.min ?? 0} to ${e.max ?? 'any number of'} rows`,
        judge: ([rows = 0]) => ({
          passed: rows >= (e.min ?? 0) && rows <= (e.max ?? Number.POSITIVE_INFINITY),
          found: `${rows} rows`,
        }),
      };
    case 'matched_share': {
      const { asked, found } = matched(e.column, e.of);
      return {
        name: `matched_share(${e.column})`,
        severity: e.severity,
        aggregates: [asked, found],
        expected: `at least ${e.min} of the rows with ${e.of}`,
        judge: ([all = 0, hits = 0]) => {
          const share = all === 0 ? 1 : hits / all;
          return { passed: share >= e.min, found: `${share.toFixed(3)} of ${all}` };
        },
      };
    }
  }
}

const noRows = (name: string, severity: 'hold' | 'warn', aggregate: string, expected: string): Check => ({
  name,
  severity,
  aggregates: [aggregate],
  expected,
  judge: ([rows]) => ({ passed: rows === 0, found: `${rows} rows` }),
});
