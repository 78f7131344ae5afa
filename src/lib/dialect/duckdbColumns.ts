/** DuckDB's SQL for a column: from the text of a leaf to a typed value, or the reason why there is none. */
import { type Bound, scaled } from '../contract/bounds.ts';
import type { Column, TimestampFormat } from '../contract/columnSchema.ts';
import { lowerCase, withoutSpace } from '../contract/letters.ts';
import { duckType, literal, trimmedColumn, upperCase, whenWritten } from './duckdbNames.ts';
import { numberText } from './duckdbNumberText.ts';
import { isoDate, timestampSql, weekdayFault } from './duckdbTimestamp.ts';

/** Where a column's value stands; all is SQL but the path. */
export interface Leaf {
  /** The JSON that holds it: the record, or an element of the exploded array. */
  readonly document: string;
  /** JSON path of the value in it; for an array, of the array. */
  readonly path: string;
  /** Behind each `[*]` of an array's path, the way to the next one or to the value, as the end of a JSON path. */
  readonly levels: readonly string[];
  /** The value as text. */
  readonly text: string;
  /** The value as JSON, for an array or a subtree. */
  readonly json: string;
  /** Whether the value can only be a text, as a field of a CSV is. */
  readonly isText: boolean;
  /** Whether a text that the value stands in is no JSON; null where it stands in none. */
  readonly isBroken: string | null;
}

/** The JSON type of a leaf. It takes a look at the whole document: only for the few rows where a text leaves it open. */
const typeOf = (leaf: Leaf): string => `json_type(${leaf.document}, ${literal(leaf.path)})`;

/** Whether a leaf is an object or an array; a string may begin like one. */
const isNested = (leaf: Leaf): string =>
  `CASE WHEN starts_with(${leaf.text}, '{') OR starts_with(${leaf.text}, '[') THEN ${typeOf(leaf)} IN ('OBJECT', 'ARRAY') ELSE false END`;

/** The SQL of one contract column, layer by layer; `i` is its 1-based place. A layer sees the names of those before it. */
export interface ColumnSql {
  /** __s<i>: the text without white space around it. For arrays, __a<i>: the elements as texts; __l<i>: whether one of them is an object or an array. */
  readonly trimmed: string | null;
  /** __r<i>: the cleaned text, NULL for no value. */
  readonly cleaned: string;
  /** __m<i>: the standard name, by __k<i>: what a map looks for; a number as its type reads it; the time of a date. */
  readonly mapped: string | null;
  /** __c<i>: the typed value, NULL where there is none or it cannot be converted. */
  readonly value: string;
  /** Whether the row is refused for it: true, or anything else. */
  readonly isRefused: string;
  /** Why it is refused, or NULL. */
  readonly reason: string;
  /** Where the contract says null, __n<i>: the value is refused, and not the row. */
  readonly isNulled: string | null;
}

export function columnSql(column: Column, i: number, leaf: Leaf): ColumnSql {
  const sql = column.type.startsWith('array<')
    ? arrayColumn(column, i, leaf)
    : column.type === 'json'
      ? jsonColumn(i, leaf)
      : scalarColumn(column, i, leaf);
  const bounds = [
    ...(column.range?.min === undefined ? [] : outside(column.type, `__c${i}`, '<', column.range.min)),
    ...(column.range?.max === undefined ? [] : outside(column.type, `__c${i}`, '>', column.range.max)),
  ];
  const faults = [
    { reason: 'bad_type', when: [...(leaf.isBroken === null ? [] : [leaf.isBroken]), ...sql.misfits] },
    { reason: 'unmapped', when: sql.unmapped },
    { reason: 'out_of_range', when: bounds },
  ].filter(({ when }) => when.length > 0);
  const any = faults.flatMap(({ when }) => when).join(' OR ') || 'false';
  const isLenient = column.onError === 'null';
  const missing = column.required ? [`__c${i} IS NULL${isLenient ? ` OR ${any}` : ''}`] : [];
  const refusals = [...(isLenient ? [] : faults), { reason: 'missing_required', when: missing }].filter(
    ({ when }) => when.length > 0,
  );
  const cases = refusals.map(({ reason, when }) => `WHEN ${when.join(' OR ')} THEN ${literal(reason)}`);
  return {
    ...sql,
    isRefused: refusals.flatMap(({ when }) => when).join(' OR ') || 'false',
    reason: cases.length > 0 ? `CASE ${cases.join(' ')} END` : 'NULL',
    isNulled: isLenient ? `CASE WHEN ${any} THEN true ELSE false END AS __n${i}` : null,
  };
}

type ValueSql = Pick<ColumnSql, 'trimmed' | 'cleaned' | 'mapped' | 'value'> & {
  /** Conditions, of which none may be true. */
  readonly misfits: readonly string[];
  readonly unmapped: readonly string[];
};

/** In this order: trim, normalize, nullValues, extract, case, map. */
function scalarColumn(column: Column, i: number, leaf: Leaf): ValueSql {
  let own = column.trim ? trimmedColumn(leaf.text) : leaf.text;
  if (column.normalize) own = `nfc_normalize(${own})`;
  let text = `__s${i}`;
  const clean = column.map ? `__m${i}` : `__r${i}`;
  const { formats } = column;
  // Digits, and what stands for true, begin and end like no object: the conversion refuses those already.
  const isTold = /^(int|bigint|double|boolean|date|decimal.*)$/.test(column.type);
  const misfits = [
    ...(isTold &&
    column.nullValues.length === 0 &&
    column.extract === undefined &&
    !column.map &&
    !column.number &&
    !formats
      ? []
      : [isNested(leaf)]),
    ...(column.type === 'string' ? [] : [`(${clean} IS NOT NULL AND __c${i} IS NULL)`]),
  ];
  // An offset, or a number of seconds, may lead where the year has no four digits, and a partition no name.
  if (formats !== undefined) {
    const time = column.type === 'date' ? `__m${i}` : `__c${i}`;
    misfits.push(
      `(${time} < TIMESTAMP '0001-01-01 00:00:00' OR ${time} > TIMESTAMP '9999-12-31 23:59:59.999999')`,
      ...weekdayFault(formats, clean, time),
    );
  }
  if (column.nullValues.length > 0) text = withoutNulls(column, text);
  if (column.extract !== undefined) {
    const pattern = literal(column.extract);
    misfits.push(`NOT regexp_matches(${text}, ${pattern})`);
    text = `CASE WHEN regexp_matches(${text}, ${pattern}) THEN nullif(regexp_extract(${text}, ${pattern}, 1), '') END`;
  }
  if (column.case === 'lower') text = `lower(${text})`;
  if (column.case === 'upper')
    text = `CASE WHEN contains(__s${i}, 'ß') THEN ${upperCase(text)} ELSE upper(${text}) END`;
  let mapped: string | null = null;
  const unmapped: string[] = [];
  if (column.map) {
    const entries = Object.entries(column.map).map(([standard, synonyms]) => ({
      standard: literal(standard),
      names: [standard, ...synonyms].map((name) => compared(column, name, lowerCase)).join(', '),
    }));
    const branches = entries.map(({ standard, names }) => `WHEN __k${i} IN (${names}) THEN ${standard}`);
    if (column.mapDefault === 'reject')
      unmapped.push(`__k${i} NOT IN (${entries.map(({ names }) => names).join(', ')})`);
    mapped = `CASE ${branches.join(' ')} ${column.mapDefault === 'keep' ? `ELSE __r${i} ` : ''}END AS __m${i}`;
  }
  const keyed = column.map ? `, lower(__r${i}) AS __k${i}` : '';
  let value = convert(column, clean);
  if (column.number) {
    const number = numberText(`__r${i}`, column.number);
    // A number of JSON has a point, whatever the texts beside it have.
    mapped = `${leaf.isText ? number : `CASE WHEN ${typeOf(leaf)} IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT', 'UHUGEINT') THEN __r${i} ELSE ${number} END`} AS __m${i}`;
    value = convert(column, `__m${i}`);
  }
  if (column.type === 'date' && formats !== undefined) {
    mapped = `${timeOf(formats, clean, 'UTC')} AS __m${i}`;
    value = `__m${i}::DATE`;
  }
  return {
    trimmed: `${own} AS __s${i}`,
    cleaned: `${text} AS __r${i}${keyed}`,
    mapped,
    value: `${value} AS __c${i}`,
    misfits,
    unmapped,
  };
}

/** A text of the contract as values are compared with it, in lower case or as it is. */
function compared(column: Column, text: string, letters: (text: string) => string = (same) => same): string {
  if (/^[\0-\x7f]*$/.test(text)) return literal(letters(text));
  // DuckDB's own functions, so that a text is equal to itself whatever version of Unicode it has.
  const normal = column.normalize ? `nfc_normalize(${literal(text)})` : literal(text);
  return letters === lowerCase ? `lower(${normal})` : normal;
}

/** A text, or NULL for one that means nothing. Both are compared without white space around them. */
const withoutNulls = (column: Column, text: string): string =>
  `CASE WHEN ${column.trim ? text : trimmedColumn(text)} NOT IN (${column.nullValues.map((n) => compared(column, withoutSpace(n))).join(', ')}) THEN ${text} END`;

/** The comparisons of which one is true outside a bound; none where no value of the type is. */
function outside(type: string, value: string, operator: '<' | '>', at: Bound): string[] {
  if (type === 'double') return [`${value} ${operator} ${literal(String(at))}::DOUBLE`];
  const [, precision = '19', scale = '0'] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? [];
  const digits = scaled(at, Number(scale), operator === '<' ? 'up' : 'down');
  const most = 10n ** BigInt(precision);
  const isBeyond = operator === '<' ? digits >= most : digits <= -most;
  if (isBeyond) return [`${value} IS NOT NULL`];
  if (digits >= most || digits <= -most) return [];
  if (Number(scale) === 0)
    return [
      `${value} ${operator} ${digits}${type.startsWith('decimal') ? `::DECIMAL(${precision}, 0)` : ''}`,
    ];
  const text = `${digits < 0n ? -digits : digits}`.padStart(Number(scale) + 1, '0');
  const written = `${digits < 0n ? '-' : ''}${text.slice(0, -Number(scale))}.${text.slice(-Number(scale))}`;
  return [`${value} ${operator} ${literal(written)}::${duckType(type)}`];
}

/** A subtree as JSON text, whatever it is. */
function jsonColumn(i: number, leaf: Leaf): ValueSql {
  return {
    trimmed: null,
    cleaned: `nullif(${leaf.json}::VARCHAR, 'null') AS __r${i}`,
    mapped: null,
    value: `__r${i} AS __c${i}`,
    misfits: [],
    unmapped: [],
  };
}

function arrayColumn(column: Column, i: number, leaf: Leaf): ValueSql {
  const isArray = `starts_with(${leaf.json}, '[')`;
  const element = column.type.slice('array<'.length, -1);
  const { outer, inner, last, isOther } = listsOf(leaf);
  // Most lists hold texts and numbers, and no braces or brackets.
  const hasNested = `CASE WHEN contains(${leaf.json}, '{') OR contains(${leaf.json}[2:], '[') THEN ${inner === null ? `len(list_filter(json_type(${leaf.json}, ${literal(`$[*]${last}`)}), lambda x : x IN ('OBJECT', 'ARRAY'))) > 0` : `(len(list_filter(${inner}, lambda x : json_type(x, ${literal(`$${last}`)}) IN ('OBJECT', 'ARRAY'))) > 0 OR ${isOther})`} ELSE false END`;
  // DuckDB's own path leaves out the elements that lack the field.
  const texts =
    inner === null && last === ''
      ? `json_extract_string(${leaf.json}, '$[*]')`
      : `list_transform(${inner ?? outer}, lambda x : json_extract_string(x, ${literal(`$${last}`)}))`;
  let item = column.trim ? trimmedColumn('x') : 'x';
  if (column.nullValues.length > 0)
    item = withoutNulls({ ...column, trim: false }, column.trim ? `(${item})` : 'x');
  const items = item === 'x' ? `__a${i}` : `list_transform(__a${i}, lambda x : ${item})`;
  const nulls = (name: string) => `len(list_filter(${name}, lambda x : x IS NULL))`;
  return {
    trimmed: `CASE WHEN ${isArray} THEN ${texts} END AS __a${i}, CASE WHEN ${isArray} THEN ${hasNested} END AS __l${i}`,
    cleaned: `${items} AS __r${i}`,
    mapped: null,
    value: `list_transform(__r${i}, lambda x : ${convert({ ...column, type: element }, 'x')}) AS __c${i}`,
    misfits: [
      `(NOT ${isArray} AND ${leaf.json}::VARCHAR <> 'null')`,
      `__l${i}`,
      `${nulls(`__c${i}`)} > ${nulls(`__r${i}`)}`,
    ],
    unmapped: [],
  };
}

/** The elements of an array, and of the arrays in them where a path has several `[*]`; `last` leads from one to its value. */
function listsOf(leaf: Leaf): { outer: string; inner: string | null; last: string; isOther: string } {
  const { levels } = leaf;
  const outer = `json_extract(${leaf.json}, '$[*]')`;
  const last = levels.at(-1) ?? '';
  const others: string[] = [];
  let inner: string | null = null;
  for (const below of levels.slice(0, -1)) {
    const list: string = inner ?? outer;
    const [path, each] = [literal(`$${below}`), literal(`$${below}[*]`)];
    others.push(`len(list_filter(${list}, lambda x : json_type(x, ${path}) NOT IN ('ARRAY', 'NULL'))) > 0`);
    inner = `flatten(list_transform(${list}, lambda x : CASE WHEN json_type(x, ${path}) = 'ARRAY' THEN json_extract(x, ${each}) ELSE []::JSON[] END))`;
  }
  return { outer, inner, last, isOther: others.join(' OR ') };
}

/** The time that the first format reads which reads one; NULL for none. */
const timeOf = (formats: readonly TimestampFormat[], text: string, zone: string): string =>
  `coalesce(${formats.map((format) => timestampSql(format, text, zone)).join(', ')})`;

/** Text to a typed value, NULL where the text is not written as the type asks. */
function convert(column: Column, text: string): string {
  const when = (pattern: string, value: string) => whenWritten(text, pattern, value);
  switch (column.type) {
    case 'string':
      return text;
    case 'int':
      return when('[+-]?\\d+', `TRY_CAST(${text} AS INTEGER)`);
    case 'bigint':
      return when('[+-]?\\d+', `TRY_CAST(${text} AS BIGINT)`);
    case 'double': {
      const cast = `TRY_CAST(${text} AS DOUBLE)`;
      // A zero has no sign: writers of Parquet keep the one that comes first.
      return when(
        '[+-]?(\\d+\\.?\\d*|\\.\\d+)([eE][+-]?\\d+)?',
        `CASE WHEN isfinite(${cast}) THEN ${cast} + 0.0::DOUBLE END`,
      );
    }
    case 'boolean':
      return when('true|false', `${text} = 'true'`);
    case 'date':
      return when(isoDate, `TRY_CAST(${text} AS DATE)`);
    case 'timestamp':
      return timeOf(column.formats ?? [], text, column.zone);
    default: {
      const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(column.type) ?? [];
      if (precision === undefined) throw new TypeError(`no conversion for ${column.type}`);
      // Digits beyond the scale are refused, not rounded; zeros there are none.
      const [least, most] = scale === '0' ? ['0+', '0*'] : [`\\d{1,${scale}}0*`, `\\d{0,${scale}}0*`];
      return when(`[+-]?(\\d+(\\.${most})?|\\.${least})`, `TRY_CAST(${text} AS ${duckType(column.type)})`);
    }
  }
}
