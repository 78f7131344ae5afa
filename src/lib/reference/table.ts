/**
 * A lookup of a published table: of its objects, the columns that it needs are read, row group by row group. The same rows serve both
 * engines.
 */
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { defaultPartition } from '../catalog/partitionPath.ts';
import type { TableLookup } from '../contract/lookups.ts';
import type { Deadline } from '../deadline.ts';
import { duckType } from '../dialect/duckdbNames.ts';
import { namesIn } from '../engine/publishedKeys.ts';
import { LookupTooLarge } from '../errors.ts';
import { ownValue } from '../json.ts';
import type { FieldIds, ReferenceData } from '../model/plan.ts';
import { parallel } from '../parallel.ts';
import type { Deletes } from '../table/format.ts';
import { positionsIn } from '../table/positions.ts';

/** An object with rows of the table. Null stands for a value that its partition does not give. */
export interface LookupObject {
  readonly path: string;
  readonly bytes: number;
  readonly values: readonly (string | null)[];
  /** Rows that have left the table. */
  readonly deletes?: Deletes | undefined;
}

export interface LookupReading {
  /** The bytes of an object from `start` to before `end`. */
  readonly read: (path: string, start: number, end: number) => Promise<ArrayBuffer>;
  readonly ids?: FieldIds | undefined;
  /** The most characters that the rows have as JSON. */
  readonly limit: number;
  readonly deadline?: Deadline | undefined;
}

type Rows = Pick<ReferenceData, 'columns' | 'ndjson'> & { readonly rows: number };

/** The form of a lookup without rows. */
export const columnsOf = ({ keys, values }: Pick<TableLookup, 'keys' | 'values'>): Record<string, string> =>
  Object.fromEntries(
    [...new Set([...Object.keys(keys), ...values])].map((name) => [
      name,
      duckType(ownValue(keys, name) ?? 'string'),
    ]),
  );

/** One row for each key of the table. The order of the objects does not matter. Throws LookupTooLarge. */
export async function readTable(
  objects: readonly LookupObject[],
  lookup: TableLookup,
  { read, ids, limit, deadline }: LookupReading,
): Promise<Rows> {
  const { table, keys, order } = lookup;
  const columns = columnsOf(lookup);
  const names = Object.keys(columns);
  const wanted = [...new Set([...names, ...order.map(({ column }) => column), ...origin])];
  const toText = new Map(names.map((name) => [name, textOfType(lookup.types.get(name) ?? 'string')]));
  const compareRanks = comparing(order);
  const best = new Map<string, Found>();
  let length = 0;
  const take = (row: (name: string) => unknown) => {
    const texts: Record<string, string | null> = {};
    for (const [name, textOf] of toText) texts[name] = textOf(row(name));
    for (const [name, type] of Object.entries(keys)) {
      const text = texts[name] ?? null;
      if (text === null || (type === 'int' && Number(text) !== (Number(text) | 0))) return;
    }
    const id = JSON.stringify(Object.keys(keys).map((name) => texts[name]));
    const rank = [...order.map(({ column }) => row(column)), ...origin.map(row)];
    const known = best.get(id);
    if (known !== undefined && compareRanks(known.rank, rank) <= 0) return;
    const line = JSON.stringify(texts);
    length += line.length + 1 - (known === undefined ? 0 : known.line.length + 1);
    if (length > limit)
      throw new LookupTooLarge(
        `the table ${table} has more than ${Math.floor(limit / 2 ** 20)} MiB of keys and values as JSON (${best.size} rows so far): look up fewer columns, or a smaller table`,
        { table },
      );
    best.set(id, { line, rank });
  };
  await parallel(
    objects,
    8,
    async ({ path, bytes: byteLength, values, deletes }) => {
      const file: AsyncBuffer = { byteLength, slice: (start, end = byteLength) => read(path, start, end) };
      const metadata = await parquetMetadataAsync(file, { initialFetchSize: 64 * 1024 });
      const fields = parquetSchema(metadata).children.map(({ element }) => element);
      const there = namesIn(fields, wanted, ids);
      // A partition key is in the names of folders.
      const ofPartition = new Map(lookup.partitionKeys.map((name, i) => [name, values[i] ?? null]));
      const gone = await positionsIn(read, deletes);
      let start = 0;
      for (const group of metadata.row_groups) {
        deadline?.check();
        const end = start + Number(group.num_rows);
        const rows = await parquetReadObjects({
          file,
          metadata,
          columns: Object.values(there),
          rowStart: start,
          rowEnd: end,
          compressors,
          parsers,
        });
        for (const [i, row] of rows.entries()) {
          if (gone.has(start + i)) continue;
          take((name) => {
            const own = ownValue(there, name);
            if (own !== undefined) return row[own];
            const text = ofPartition.get(name) ?? null;
            return text === defaultPartition ? null : text;
          });
        }
        start = end;
      }
    },
    deadline,
  );
  return { columns, ndjson: [...best.values()].map(({ line }) => line).join('\n'), rows: best.size };
}

interface Found {
  readonly line: string;
  /** The values of the order, then the origin. */
  readonly rank: readonly unknown[];
}

/** Where a row comes from. It decides between rows that are equal in the order. */
const origin = ['_object', '_version', '_line'] as const;

/** Times stay numbers: microseconds, and days. */
const parsers = {
  timestampFromMilliseconds: (millis: bigint) => millis * 1000n,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: (nanos: bigint) => nanos / 1000n,
  dateFromDays: (days: number) => days,
};

/** Writes values of a type as text, as docs/contract.md says. */
function textOfType(type: string): (value: unknown) => string | null {
  const scale = /^decimal\(\d+,(\d+)\)$/.exec(type)?.[1];
  return (value) => {
    if (value === null || value === undefined) return null;
    if (type === 'date' && typeof value === 'number')
      return new Date(value * 86_400_000).toISOString().replace(/T.*/, '');
    if (type === 'timestamp' && typeof value === 'bigint') return timestampText(value);
    if (scale !== undefined) return Number(value).toFixed(Number(scale));
    return String(value);
  };
}

function timestampText(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const seconds = new Date(Number((micros - rest) / 1000n)).toISOString().replace(/[.]000Z$/, '');
  return `${seconds}${rest === 0n ? '' : `.${String(rest).padStart(6, '0')}`}Z`;
}

/** Compares ranks like the set part: texts by their bytes, NaN as the greatest number, and no value last. */
const comparing =
  (order: TableLookup['order']) =>
  (a: readonly unknown[], b: readonly unknown[]): number => {
    for (const [i, left] of a.entries()) {
      const right = b[i];
      const isNone = (value: unknown) => value === null || value === undefined;
      if (isNone(left) || isNone(right)) {
        if (isNone(left) !== isNone(right)) return isNone(left) ? 1 : -1;
        continue;
      }
      const found = compareValues(left, right);
      if (found !== 0) return order[i]?.direction === 'desc' ? -found : found;
    }
    return 0;
  };

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string')
    return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
  const [x, y] = [numberOf(a), numberOf(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) return Number(Number.isNaN(x)) - Number(Number.isNaN(y));
  return x < y ? -1 : Number(x > y);
}

const numberOf = (value: unknown): number | bigint => (typeof value === 'bigint' ? value : Number(value));
