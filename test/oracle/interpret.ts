/** What a contract makes of files, record by record: rows, quarantine and counts. */
import { isBelow, type PathStep, parsePath } from '../../src/lib/contract/path.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { at, type Cell, judge, readColumn } from './column.ts';
import { columnsOf, compareValues, evaluate, inColumn, parse } from './expression.ts';
import { type Json, readJson, writeJson } from './json.ts';
import { type Area, areaOf } from './polygons.ts';
import { isBlank, type RawRecord, recordsOf } from './records.ts';
import { compareTexts } from './texts.ts';
import { dateOf, floorDiv } from './times.ts';
import { Day, Moment, shown, type Value } from './value.ts';

/** Reference data by file. */
export interface References {
  /** Rows of texts. */
  readonly lookups: Readonly<Record<string, readonly Readonly<Record<string, string | null>>[]>>;
  readonly areas: Readonly<Record<string, readonly Area[]>>;
}

export interface Row {
  readonly object: string;
  readonly line: number;
  /** The index in an exploded array. */
  readonly place: number;
  readonly raw: string;
  /** Columns and partition keys. */
  readonly values: ReadonlyMap<string, Value>;
  readonly nulled: readonly string[];
}

export interface Refused {
  readonly object: string;
  readonly line: number;
  readonly reason: string;
  /** Of a bad column. */
  readonly column: string | null;
}

export interface Interpretation {
  /** "Others are counted as skipped." */
  readonly skipped: number;
  /** Of each group one row is published: any of those that the rules do not order. */
  readonly published: readonly (readonly Row[])[];
  readonly quarantine: readonly Refused[];
  readonly duplicates: number;
  /** Published rows that leave the table. */
  readonly replaced: number;
  readonly rowsRead: number;
}

/** `before`: the rows that were published earlier. */
export function interpret(
  contract: Contract,
  files: Readonly<Record<string, Buffer>>,
  references: References,
  before: readonly ReadonlyMap<string, Value>[] = [],
): Interpretation {
  const rows: Row[] = [];
  const quarantine: Refused[] = [];
  let skipped = 0;
  for (const [object, bytes] of Object.entries(files))
    for (const record of recordsOf(contract, bytes))
      for (const made of rowsOf(contract, record, object, references))
        if (made === 'skipped') skipped++;
        else if ('reason' in made) quarantine.push({ object, line: record.line, ...made });
        else {
          made.values.set('_line', BigInt(record.line));
          rows.push({ object, line: record.line, raw: record.raw, ...made });
        }
  const { published, replaced } = deduplicated(contract, rows, before);
  return {
    published,
    quarantine,
    duplicates: rows.length - published.length,
    skipped,
    replaced,
    rowsRead: rows.length + quarantine.length + skipped,
  };
}

type Made =
  | (Pick<Row, 'place' | 'nulled'> & { readonly values: Map<string, Value> })
  | Pick<Refused, 'reason' | 'column'>
  | 'skipped';

const refuse = (reason: string, column: string | null = null) => ({ reason, column });

function rowsOf(contract: Contract, record: RawRecord, object: string, references: References): Made[] {
  if (record.json === undefined) return [refuse(record.reason)];
  return documentsOf(contract, record.json).map((documents, place) =>
    documents === null ? refuse('not_an_array') : rowOf(contract, documents, place, object, references),
  );
}

/** The new value at a path; `json` is undefined for none, `broken` for a text that is not JSON. */
interface Standing {
  readonly path: string;
  readonly json: Json | undefined;
  readonly isParsed: boolean;
  readonly isBroken: boolean;
}

/** The last of these that a path leads into, and the path from there. */
function standingAt(
  documents: readonly Standing[],
  path: string,
  isAsked: (standing: Standing) => boolean = () => true,
): { standing: Standing | undefined; steps: readonly PathStep[] } {
  const standing = documents.findLast((one) => isAsked(one) && (one.path === '' || isBelow(path, one.path)));
  return { standing, steps: parsePath(path).slice(parsePath(standing?.path ?? '').length) };
}

/** For each row the documents that its columns read, the record first; null for a row that has no array where one is asked for. */
// "`explode: order.items` makes a row of each element of the array."; "of several, each is exploded"; "`parse`: texts that hold JSON"
function documentsOf(contract: Contract, json: Json): (readonly Standing[] | null)[] {
  const length = (path: string) => parsePath(path).length;
  const parsed = Object.keys(contract.parse ?? {}).map((path) => ({ path, kind: 'json' }));
  const exploded = [contract.explode ?? []]
    .flat()
    .map((path) =>
      path.endsWith('.*') ? { path: path.slice(0, -2), kind: 'map' } : { path, kind: 'array' },
    );
  const named = [...parsed, ...exploded].toSorted((a, b) => length(a.path) - length(b.path));
  let rows: (readonly Standing[] | null)[] = [[{ path: '', json, isParsed: false, isBroken: false }]];
  for (const { path, kind } of named)
    rows = rows.flatMap((documents) => {
      if (documents === null) return [null];
      const { standing, steps } = standingAt(documents, path);
      const found = at(standing?.json, steps);
      const isNothing = found === undefined || found.kind === 'null';
      const put = (one: Json | undefined, isBroken = standing?.isBroken ?? false) => [
        ...documents,
        { path, json: one, isParsed: kind === 'json', isBroken },
      ];
      if (kind === 'json') {
        // "What is an object or an array already is taken as it is."
        if (isNothing || found.kind !== 'string') return [put(isNothing ? undefined : found)];
        // "A blank text holds nothing."
        if (isBlank(found.value)) return [put(undefined)];
        const inside = readJson(found.value);
        return [put(inside, standing?.isBroken === true || inside === undefined)];
      }
      // "A record whose array is empty, null or missing keeps one row, without an element"
      if (isNothing) return [put(undefined)];
      // "`not_an_array`: has something else than an array where one is to be exploded"
      if (found.kind !== (kind === 'map' ? 'object' : 'array')) return [null];
      const items =
        found.kind === 'object' ? found.fields.map(entryOf) : found.kind === 'array' ? found.items : [];
      return items.length === 0 ? [put(undefined)] : items.map((item) => put(item));
    });
  return rows;
}

// "A record of a map has its key as the field `_key`, before its own fields; a value that is no object is its field `_value`."
const entryOf = ([key, value]: readonly [string, Json]): Json => {
  const named = ['_key', { kind: 'string', value: key }] as const;
  return {
    kind: 'object',
    fields: value.kind === 'object' ? [named, ...value.fields] : [named, ['_value', value]],
  };
};

const nothing: Json = { kind: 'null' };

// "A row that is wrong in several ways has one reason: first what is wrong with its record, then its first bad column in the contract's
// order, then the reasons below those."
function rowOf(
  contract: Contract,
  documents: readonly Standing[],
  place: number,
  object: string,
  references: References,
): Made {
  const [record] = documents;
  const json = record?.json ?? nothing;
  const values = new Map<string, Value>();
  const nulled: string[] = [];
  const bad: { reason: string; column: string }[] = [];
  for (const column of contract.columns) {
    // "Below the path a column reads the element (`order.items.sku`), above it the record."; "A column at the path of a parsed text reads
    // the text itself, unless it is of type json or an array."
    const isWhole = column.type === 'json' || column.type.startsWith('array<');
    const isItself = (one: Standing) =>
      one.isParsed && parsePath(one.path).length === parsePath(column.path).length;
    const { standing, steps } = standingAt(documents, column.path, (one) => isWhole || !isItself(one));
    // "`$key`: the key of the object"
    const text: Json = { kind: 'string', value: object };
    const cell: Cell =
      column.path === '$key'
        ? readColumn(column, text, [])
        : standing?.isBroken
          ? { value: null, refused: 'bad_type' }
          : readColumn(column, standing?.json ?? nothing, steps);
    const { reason, isNulled } = judge(column, cell);
    if (reason !== null) bad.push({ reason, column: column.name });
    if (isNulled) nulled.push(column.name);
    values.set(column.name, reason === null ? cell.value : null);
  }
  const types = new Map(contract.columns.map(({ name, type }) => [name, type]));
  // "`when` is asked of every record whose columns that it reads are right."
  if (contract.when !== undefined) {
    const asked = columnsOf(parse(contract.when));
    const isAsked = !bad.some(({ column }) => asked.includes(column));
    if (isAsked && evaluate(parse(contract.when), values, types) !== true) return 'skipped';
  }
  const [first] = bad;
  if (first) return refuse(first.reason, first.column);
  const unread = unreadFields(contract, json);
  // "`reject`: the row goes to quarantine"
  if (contract.drift === 'reject' && unread.length > 0) return refuse('unexpected_field');
  const own = new Map(values);
  for (const { name, type, expression } of contract.derive)
    values.set(name, inColumn(evaluate(parse(expression), own, types), type));
  // "A filter keeps the rows for which it is true: false and no value are `filtered`."
  if (contract.filter !== undefined && evaluate(parse(contract.filter), own, types) !== true)
    return refuse('filtered');
  for (const e of contract.enrich) {
    const { asks, found } = enriched(e, own, references);
    const isUnmatched = asks && !found;
    // "`unmatched` says what becomes of a row whose key has a value and finds nothing: `null`, `{ default: … }` or `quarantine`."
    if (isUnmatched && e.unmatched === 'quarantine') return refuse('unmatched');
    const otherwise = isUnmatched && typeof e.unmatched === 'object' ? e.unmatched.default : null;
    const names = e.kind === 'lookup' ? Object.keys(e.columns) : [e.column];
    for (const name of names) values.set(name, found ? (found[name] ?? null) : otherwise);
  }
  // "`rescue`: kept as a JSON object in the column `_rescued`"
  if (contract.drift === 'rescue')
    values.set('_rescued', unread.length > 0 ? writeJson({ kind: 'object', fields: unread }) : null);
  for (const key of contract.partitionBy) {
    if ('constant' in key) values.set(key.name, key.constant);
    else if ('transform' in key) throw new RangeError(`the oracle does not know ${key.transform}`);
    else if (key.part !== undefined) values.set(key.name, partOf(values.get(key.of) ?? null, key.part));
    else {
      const own = ownText(values.get(key.of) ?? null);
      // "a value that is too long for the name of a folder is refused as `out_of_range`"
      if (
        own !== null &&
        (Buffer.from(own).reduce(
          (length, byte) => length + (/[\w.~-]/.test(String.fromCharCode(byte)) ? 1 : 3),
          0,
        ) >
          255 - key.name.length - 1 ||
          own.includes('\0'))
      )
        return refuse('out_of_range', key.of);
      values.set(key.name, own);
    }
  }
  // "`publish: false`: a helper that is no column of the table"; "the column is the partition key itself"
  const keys = contract.partitionBy.map(({ name }) => name);
  for (const { name, publish } of contract.columns)
    if (publish === false && !keys.includes(name)) values.delete(name);
  return { place, values, nulled };
}

// "What becomes of top-level fields that nothing in the contract reads"
function unreadFields({ columns, explode }: Contract, json: Json): (readonly [string, Json])[] {
  if (json.kind !== 'object') return [];
  const read = [
    ...columns.flatMap(({ path }) => (path === '$key' ? [] : [path])),
    ...[explode ?? []].flat(),
  ].map((path) => {
    const [first] = parsePath(path);
    return first?.kind === 'key' ? first.key : '';
  });
  return json.fields.filter(([name]) => !read.includes(name));
}

function enriched(
  e: Contract['enrich'][number],
  values: ReadonlyMap<string, Value>,
  { lookups, areas }: References,
): { asks: boolean; found: Readonly<Record<string, string | null>> | undefined } {
  if (e.kind === 'polygon') {
    const [longitude, latitude] = [values.get(e.longitude), values.get(e.latitude)];
    if (typeof longitude !== 'number' || typeof latitude !== 'number')
      return { asks: false, found: undefined };
    const area = areaOf(areas[e.file] ?? [], longitude, latitude);
    return { asks: true, found: area === null ? undefined : { [e.column]: area } };
  }
  // "joined by equality of all keys in `on`"; "`columns` names what it gives, as texts"
  const keys = Object.entries(e.on).map(([column, name]) => ({ name, value: values.get(column) ?? null }));
  if (keys.some(({ value }) => value === null)) return { asks: false, found: undefined };
  // "A key for `int` or `bigint` is compared as a number: `01` is 1."
  const isKey = (text: string | null | undefined, value: Value) =>
    typeof value === 'bigint' && typeof text === 'string' ? BigInt(text) === value : text === value;
  const row = lookups[e.file ?? '']?.find((r) => keys.every(({ name, value }) => isKey(r[name], value)));
  const given = (from: string) => row?.[from] ?? null;
  return {
    asks: true,
    found:
      row && Object.fromEntries(Object.entries(e.columns).map(([column, from]) => [column, given(from)])),
  };
}

// "without a `part` the column's own value; an empty text is none"
function ownText(value: Value): string | null {
  if (value === null || value === '') return null;
  if (!(value instanceof Day)) return String(value);
  const { year, month, date } = dateOf(value.days);
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(date).padStart(2, '0')}`;
}

// "a `part` (`year`, `month`, `day`, `hour`) `of` a timestamp in UTC or of a date. Values are texts: `month=08`"
function partOf(value: Value, part: 'year' | 'month' | 'day' | 'hour'): Value {
  // "Rows without a value stand in `year=__HIVE_DEFAULT_PARTITION__`", which is read as no value.
  if (!(value instanceof Day) && !(value instanceof Moment)) return null;
  const dayLength = 86_400_000_000n;
  const micros = value instanceof Day ? value.days * dayLength : value.micros;
  const days = floorDiv(micros, dayLength);
  const { year, month, date } = dateOf(days);
  const number = { year, month, day: date, hour: Number((micros - days * dayLength) / 3_600_000_000n) }[part];
  return String(number).padStart(part === 'year' ? 4 : 2, '0');
}

// "Of rows with an equal key, the first one in `order` stays (`direction` is `asc` or `desc`, nulls last)"; "`partition`: the rows of its
// partition, also those that are published"
function deduplicated(
  { dedupe, partitionBy }: Contract,
  rows: readonly Row[],
  before: readonly ReadonlyMap<string, Value>[],
): { published: (readonly Row[])[]; replaced: number } {
  if (!dedupe) return { published: rows.map((row) => [row]), replaced: 0 };
  const { key, order, scope } = dedupe;
  const names = [...key, ...(scope === 'partition' ? partitionBy.map(({ name }) => name) : [])];
  const identity = (values: ReadonlyMap<string, Value>) =>
    names.map((name) => shown(values.get(name) ?? null)).join('\0');
  const compare = (a: Compared, b: Compared): number => {
    for (const { column, direction } of order) {
      const [x = null, y = null] = [a.values.get(column), b.values.get(column)];
      if (x === null && y === null) continue;
      if (x === null || y === null) return x === null ? 1 : -1;
      const difference = compareValues(x, y);
      if (difference !== 0) return direction === 'asc' ? difference : -difference;
    }
    // "ordered by object, version, a digest of the raw text, the position in an exploded array, and the line"
    return compareTexts(a.object, b.object);
  };
  const there = Map.groupBy(
    scope === 'partition' || scope === 'table'
      ? before.map((values) => ({ object: String(values.get('_object')), values }))
      : [],
    ({ values }) => identity(values),
  );
  const groups = Map.groupBy(
    rows,
    ({ object, values }) => `${scope === 'file' ? `${object}\0` : ''}${identity(values)}`,
  );
  let replaced = 0;
  const published = [...groups].flatMap(([id, group]) => {
    const [first] = group.toSorted(compare);
    if (first === undefined) return [];
    // A row of the same object and version is the same row.
    const rivals = there.get(id) ?? [];
    if (rivals.some((rival) => compare(first, rival) >= 0)) return [];
    replaced += rivals.length;
    const tied = group.filter((row) => compare(row, first) === 0);
    // The smallest digest is not computed here, but of equal texts the first position wins, and then the first line.
    return [
      [...Map.groupBy(tied, (row) => row.raw).values()].map(
        (same) => same.toSorted((a, b) => a.place - b.place || a.line - b.line)[0] as Row,
      ),
    ];
  });
  return { published, replaced };
}

type Compared = Pick<Row, 'object' | 'values'>;
