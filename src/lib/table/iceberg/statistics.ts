/** Reads the statistics for manifests from a Parquet footer: https://iceberg.apache.org/spec/#data-file-fields */
import { type FileMetaData, parquetMetadataAsync, parquetSchema, type SchemaElement } from 'hyparquet';
import { contents, type DataFile, type Partition } from './manifest.ts';
import { decimalOf, type Field, isPrimitive, type PrimitiveType, type Schema } from './types.ts';
import { compare, lowerBound, upperBound, type Value } from './values.ts';

/** A Parquet object. */
export interface ParquetObject {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  readonly partition: Partition;
  /** Its last bytes with the footer, if they are known. */
  readonly end?: Uint8Array | undefined;
  /** The bytes from `start` to before `end`. */
  readonly read: (start: number, end: number) => Promise<ArrayBuffer>;
}

/** The bytes at the end of an object that are read first. Most footers are smaller. */
const tailBytes = 32 * 1024;

/** Reads the footer. Columns are matched by their field ids, or by their names if the object has no ids. */
export async function describeObject(object: ParquetObject, schema: Schema): Promise<DataFile> {
  const { size, end: tail } = object;
  const before = size - (tail?.byteLength ?? 0);
  const slice = async (start: number, end = size) =>
    tail !== undefined && start >= before
      ? Uint8Array.from(tail.subarray(start - before, end - before)).buffer
      : object.read(start, end);
  const footer = await parquetMetadataAsync(
    { byteLength: size, slice },
    { parsers: exact, geoparquet: false, initialFetchSize: tail?.byteLength ?? tailBytes },
  );
  const leaves = leavesOf(footer, schema);
  const sizes = new Map<number, bigint>();
  const columns = new Map<number, ColumnStatistics>();
  for (const { columns: chunks } of footer.row_groups)
    for (const { meta_data: chunk } of chunks) {
      const leaf = chunk && leaves.get(JSON.stringify(chunk.path_in_schema));
      if (!leaf) continue;
      sizes.set(leaf.id, (sizes.get(leaf.id) ?? 0n) + chunk.total_compressed_size);
      // For repeated fields Parquet counts empty lists as values.
      if (leaf.isRepeated) continue;
      const asBounds = (raw: unknown) => asValue(leaf.type, leaf.element, raw);
      const { null_count: nulls, min_value: least, max_value: greatest } = chunk.statistics ?? {};
      const found: ColumnStatistics = {
        type: leaf.type,
        values: chunk.num_values,
        nulls,
        range:
          nulls === chunk.num_values
            ? 'empty'
            : { low: asBounds(least)?.low, high: asBounds(greatest)?.high },
      };
      const before = columns.get(leaf.id);
      columns.set(leaf.id, before ? together(before, found) : found);
    }
  const known = <T>(of: (column: ColumnStatistics) => T | undefined): Map<number, T> =>
    new Map(
      [...columns].flatMap(([id, column]) => {
        const value = of(column);
        return value === undefined ? [] : [[id, value] as const];
      }),
    );
  return {
    content: contents.data,
    path: object.path,
    format: 'PARQUET',
    partition: object.partition,
    records: footer.num_rows,
    bytes: BigInt(object.size),
    columnSizes: sizes,
    valueCounts: known((c) => c.values),
    nullCounts: known((c) => c.nulls),
    nanCounts: null,
    lowerBounds: known(({ type, range }) =>
      range === 'empty' || range.low === undefined ? undefined : lowerBound(type, range.low),
    ),
    upperBounds: known(({ type, range }) =>
      range === 'empty' || range.high === undefined ? undefined : upperBound(type, range.high),
    ),
    keyMetadata: null,
    splitOffsets: splitOffsets(footer),
    equalityIds: null,
    sortOrderId: null,
    referencedDataFile: null,
  };
}

interface ColumnStatistics {
  readonly type: PrimitiveType;
  readonly values: bigint;
  readonly nulls: bigint | undefined;
  /** Undefined: the bound is unknown. empty: all values are null. */
  readonly range: 'empty' | { readonly low: Value | undefined; readonly high: Value | undefined };
}

/** Combines two row groups. A value that is unknown for one is unknown for both. */
function together(a: ColumnStatistics, b: ColumnStatistics): ColumnStatistics {
  const end = (x: Value | undefined, y: Value | undefined, sign: number) =>
    x === undefined || y === undefined || Number.isNaN(x) || Number.isNaN(y)
      ? undefined
      : sign * compare(x, y) <= 0
        ? x
        : y;
  return {
    type: a.type,
    values: a.values + b.values,
    nulls: a.nulls === undefined || b.nulls === undefined ? undefined : a.nulls + b.nulls,
    range:
      a.range === 'empty'
        ? b.range
        : b.range === 'empty'
          ? a.range
          : { low: end(a.range.low, b.range.low, 1), high: end(a.range.high, b.range.high, -1) },
  };
}

/** The offsets of row groups, where readers can split an object. */
const splitOffsets = ({ row_groups: groups }: FileMetaData): bigint[] =>
  groups
    .flatMap(({ columns: [first] }) => {
      const chunk = first?.meta_data;
      if (!chunk) return [];
      const dictionary = chunk.dictionary_page_offset ?? 0n;
      return [dictionary > 0n && dictionary < chunk.data_page_offset ? dictionary : chunk.data_page_offset];
    })
    .sort((a, b) => (a < b ? -1 : 1));

// ---- columns

interface Leaf {
  readonly id: number;
  readonly type: PrimitiveType;
  readonly element: SchemaElement;
  readonly isRepeated: boolean;
}

type Node = ReturnType<typeof parquetSchema>;

/** The leaves of the Parquet schema that are scalar columns, by their paths as JSON. */
function leavesOf(footer: FileMetaData, schema: Schema): Map<string, Leaf> {
  const leaves = new Map<string, Leaf>();
  const match = (node: Node, { id, type }: Pick<Field, 'id' | 'type'>, isRepeated: boolean): void => {
    if (isPrimitive(type)) {
      if (node.children.length === 0)
        leaves.set(JSON.stringify(node.path), { id, type, element: node.element, isRepeated });
      return;
    }
    if (type.type === 'struct') {
      matchFields(node, type.fields, isRepeated);
      return;
    }
    // A group of groups: list.element, key_value.key and key_value.value.
    const [first, second] = node.children[0]?.children ?? [];
    const [a, b] =
      type.type === 'list'
        ? [{ id: type['element-id'], type: type.element }]
        : [
            { id: type['key-id'], type: type.key },
            { id: type['value-id'], type: type.value },
          ];
    if (first && a) match(first, a, true);
    if (second && b) match(second, b, true);
  };
  const matchFields = (node: Node, fields: readonly Field[], isRepeated: boolean): void => {
    for (const child of node.children) {
      const { field_id: id, name } = child.element;
      const field = fields.find((f) => (id === undefined ? f.name === name : f.id === id));
      if (field) match(child, field, isRepeated);
    }
  };
  matchFields(parquetSchema(footer), schema.fields, false);
  return leaves;
}

// ---- values

/** Raw values: hyparquet's own conversion is for display, with times in milliseconds and bytes as text. Nanoseconds are omitted. */
const exact = {
  timestampFromMilliseconds: (millis: bigint) => millis * 1000n,
  timestampFromMicroseconds: (micros: bigint) => micros,
  timestampFromNanoseconds: () => undefined,
  dateFromDays: (days: number) => days,
  stringFromBytes: (bytes: Uint8Array) => bytes.slice(),
};

const strictText = new TextDecoder('utf-8', { fatal: true });

/** A statistic as lower and upper bound in the column's type; undefined if it cannot be a bound. */
function asValue(
  type: PrimitiveType,
  element: SchemaElement,
  raw: unknown,
): { low: Value; high: Value } | undefined {
  const decimal = decimalOf(type);
  if (decimal) return typeof raw === 'number' ? decimalAround(raw, decimal) : undefined;
  const value = scalarOf(type, element, raw);
  return value === undefined ? undefined : { low: value, high: value };
}

function scalarOf(type: PrimitiveType, element: SchemaElement, raw: unknown): Value | undefined {
  switch (type) {
    case 'boolean':
      return typeof raw === 'boolean' ? raw : undefined;
    case 'int':
    case 'date':
    case 'float':
    case 'double':
      return typeof raw === 'number' ? raw : undefined;
    case 'long':
      return typeof raw === 'number' || typeof raw === 'bigint' ? BigInt(raw) : undefined;
    case 'timestamp':
    case 'timestamptz':
      return typeof raw === 'bigint' && isTimestamp(element) ? raw : undefined;
    case 'string':
      return raw instanceof Uint8Array ? textOf(raw) : undefined;
    case 'binary':
      return raw instanceof Uint8Array ? raw : undefined;
    default:
      return undefined;
  }
}

const isTimestamp = ({ converted_type: converted, logical_type: logical }: SchemaElement): boolean =>
  converted === 'TIMESTAMP_MICROS' || converted === 'TIMESTAMP_MILLIS' || logical?.type === 'TIMESTAMP';

/** A truncated bound may end within a character. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return strictText.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Hyparquet gives a decimal as a floating-point number. Up to 15 digits it is exact. Beyond that, the bounds are widened by more than
 * the possible error.
 */
function decimalAround(value: number, { precision, scale }: { precision: number; scale: number }) {
  const unscaled = value * 10 ** scale;
  if (precision <= 15) {
    const exactly = BigInt(Math.round(unscaled));
    return { low: exactly, high: exactly };
  }
  const off = BigInt(Math.ceil(Math.abs(unscaled) / 2 ** 48)) + 1n;
  return { low: BigInt(Math.floor(unscaled)) - off, high: BigInt(Math.ceil(unscaled)) + off };
}
