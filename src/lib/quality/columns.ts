/** Statistics of a batch's columns: aggregates in the same scan as the expectations, and their values. Free of AWS. */
import * as z from 'zod';
import { enrichedColumns, ownColumns } from '../contract/columns.ts';
import type { Contract } from '../contract/schema.ts';
import { commonest, distinct, largest, nulls, smallest } from '../dialect/athena.ts';
import type { OutputColumn } from '../model/plan.ts';

export const columnFactsSchema = z.object({
  name: z.string(),
  type: z.string(),
  nulls: z.int(),
  /** The approximate number of different values; null for arrays. */
  distinct: z.int().nullable(),
  /** For numbers and times. */
  min: z.string().nullable(),
  max: z.string().nullable(),
  /** The most common values with their number of rows, shortened to 60 characters, if they are certainly repeated. */
  top: z.array(z.object({ value: z.string(), rows: z.int() })),
});
export type ColumnFacts = z.output<typeof columnFactsSchema>;

/** A wide contract gets statistics of its first columns only, because an Athena query has at most 256 KiB. */
const columnsLooked = 200;
const commonValues = 5;

/** The columns that a contract names itself. */
const columnsOf = (contract: Contract): OutputColumn[] =>
  [...ownColumns(contract), ...enrichedColumns(contract)].slice(0, columnsLooked);

const isOrdered = ({ type }: OutputColumn): boolean =>
  /^(int|bigint|double|decimal|date|timestamp)/.test(type);

const facts = {
  nulls: () => true,
  distinct: ({ type }: OutputColumn) => !type.startsWith('array<'),
  min: isOrdered,
  max: isOrdered,
  top: ({ type }: OutputColumn) => /^(string|boolean|int|bigint)$/.test(type),
} as const;
type Fact = keyof typeof facts;

const sqlOf: Readonly<Record<Fact, (column: string, type: string) => string>> = {
  nulls,
  distinct,
  min: smallest,
  max: largest,
  top: (column, type) => commonest(column, type, commonValues),
};

const alias = (column: number, fact: Fact): string => `column_${column}_${fact}`;

/** Alias -> aggregate. */
export const columnAggregates = (contract: Contract): Map<string, string> =>
  new Map(
    columnsOf(contract).flatMap((column, i) =>
      (Object.keys(facts) as Fact[])
        .filter((fact) => facts[fact](column))
        .map((fact) => [alias(i, fact), sqlOf[fact](column.name, column.type)] as const),
    ),
  );

/** Up to this number of different values the counts are exact. Beyond it, each may be too high by a thousandth of the rows. */
const exactValues = 900;

/** Reads the query's row. `rows` is the number of rows in the batch. */
export const columnFacts = (
  contract: Contract,
  row: Readonly<Record<string, string | null>>,
  rows: number,
): ColumnFacts[] =>
  columnsOf(contract).map(({ name, type }, i) => {
    const text = (fact: Fact) => row[alias(i, fact)] || null;
    const number = (fact: Fact) => (text(fact) === null ? null : Number(text(fact)));
    const counted = z.record(z.string(), z.int()).parse(JSON.parse(text('top') ?? '{}'));
    const top = Object.entries(counted)
      .map(([value, count]) => ({ value, rows: count }))
      .sort((a, b) => b.rows - a.rows || (a.value < b.value ? -1 : 1));
    const isExact = (number('distinct') ?? 0) <= exactValues;
    const comeAgain = isExact
      ? top.some((t) => t.rows > 1)
        ? top
        : []
      : top.filter((t) => t.rows > Math.max(1, (2 * rows) / 1000));
    return {
      name,
      type,
      nulls: number('nulls') ?? 0,
      distinct: number('distinct'),
      min: text('min'),
      max: text('max'),
      top: comeAgain,
    };
  });
