/** DuckDB's SQL for a column: from the text of a leaf to a typed value, or the reason why there is none. */
import { type Bound, scaled } from '../contract/bounds.ts';
import type { Column, TimestampFormat } from '../contract/columnSchema.ts';
import { lowerCase, withoutSpace } from '../contract/letters.ts';
import { duckType, literal, trimmedColumn, upperCase, whenWritten } from './duckdbNames.ts';
import { numberText } from './duckdbNumberText.ts';
import { isoDate, timestampSql, weekdayFault } from './duckdbTimestamp.ts';

/** The place of a column's value. All members except the path are SQL. */
export interface Leaf {
  /** The JSON that contains it: the record, or an element of the exploded array. */
  readonly document: string;
  /** JSON path of the value in it; for an array, of the array. */
  readonly path: string;
  /** After each `[*]` of an array's path: the rest of the JSON path up to the next `[*]` or the value. */
  readonly levels: readonly string[];
  /** The value as text. */
  readonly text: string;
  /** The value as JSON, for an array or a subtree. */
  readonly json: string;
  /** Whether the value can only be a text, as a field of a CSV is. */
  readonly isText: boolean;
  /** Whether the text that contains the value is not valid JSON; null if it is not inside a text. */
  readonly isBroken: string | null;
}

/** The JSON type of a leaf. It reads the whole document, so it is only used for the few rows whose text leaves the type open. */
const typeOf = (leaf: Leaf): string => `json_type(${leaf.document}, ${literal(leaf.path)})`;

/**
 * Whether a leaf is an object or an array. A string may have the same beginning. Comparisons of texts are faster than functions of their
 * beginnings, and the first one decides for texts that begin with a digit or a capital.
 */
const isNested = (leaf: Leaf): string =>
  `CASE WHEN ${leaf.text} < '[' THEN false WHEN ${leaf.text} < '\\' OR (${leaf.text} >= '{' AND ${leaf.text} < '|') THEN ${typeOf(leaf)} IN ('OBJECT', 'ARRAY') ELSE false END`;

/** The SQL of one contract column in layers. `i` is its 1-based position. A layer can use the names of earlier layers. */
export interface ColumnSql {
  /** __s<i>: the trimmed text. For arrays, __a<i>: the elements as texts; __l<i>: whether one of them is an object or an array. */
  readonly trimmed: string | null;
  /** __r<i>: the cleaned text, NULL for no value. */
  readonly cleaned: string;
  /** __m<i>: the value of a map for its key __k<i>, a number in standard notation, or the time of a date. */
  readonly mapped: string | null;
  /** __c<i>: the typed value; NULL if there is none or it cannot be converted. */
  readonly value: string;
  /** True if the row is refused because of it; otherwise false or NULL. */
  readonly isRefused: string;
  /** The reason, or NULL. */
  readonly reason: string;
  /** With `onError: null`, __n<i>: whether the value, instead of the row, is refused. */
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
  /** Conditions that must not be true. */
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
  // Fields of a CSV are no objects, and numbers and booleans cannot begin and end like one, so the conversion refuses objects already.
  const isTold = /^(int|bigint|double|boolean|date|decimal.*)$/.test(column.type);
  const isUnchanged =
    column.nullValues.length === 0 &&
    column.extract === undefined &&
    !column.map &&
    !column.number &&
    !formats;
  const misfits = [
    ...(leaf.isText || (isTold && isUnchanged) ? [] : [isNested(leaf)]),
    ...(column.type === 'string' ? [] : [`(${clean} IS NOT NULL AND __c${i} IS NULL)`]),
  ];
  // An offset or a number of seconds may give a year without four digits, which has no partition.
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
    // A JSON number always has a decimal point, even if texts of the column have a comma.
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

/** A text of the contract in the form for comparisons: lower case or unchanged. */
function compared(column: Column, text: string, letters: (text: string) => string = (same) => same): string {
  if (/^[\0-\x7f]*$/.test(text)) return literal(letters(text));
  // DuckDB converts both sides, so that equal texts stay equal in any version of Unicode.
  const normal = column.normalize ? `nfc_normalize(${literal(text)})` : literal(text);
  return letters === lowerCase ? `lower(${normal})` : normal;
}

/** A text, or NULL if it is one of `nullValues`. Both are compared without white space at their ends. */
const withoutNulls = (column: Column, text: string): string =>
  `CASE WHEN ${column.trim ? text : trimmedColumn(text)} NOT IN (${column.nullValues.map((n) => compared(column, withoutSpace(n))).join(', ')}) THEN ${text} END`;

/** Comparisons of which one is true outside the bounds; none if no value of the type can be outside. */
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

/** A subtree as JSON text. */
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
  // Most lists contain texts and numbers without braces and brackets.
  const hasNested = `CASE WHEN contains(${leaf.json}, '{') OR contains(${leaf.json}, '[[') OR contains(${leaf.json}, ',[') THEN ${inner === null ? `len(list_filter(json_type(${leaf.json}, ${literal(`$[*]${last}`)}), lambda x : x IN ('OBJECT', 'ARRAY'))) > 0` : `(len(list_filter(${inner}, lambda x : json_type(x, ${literal(`$${last}`)}) IN ('OBJECT', 'ARRAY'))) > 0 OR ${isOther})`} ELSE false END`;
  // DuckDB's path would skip elements without the field.
  const texts =
    inner === null && last === ''
      ? `json_extract_string(${leaf.json}, '$[*]')`
      : `list_transform(${inner ?? outer}, lambda x : json_extract_string(x, ${literal(`$${last}`)}))`;
  let item = column.trim ? trimmedColumn('x') : 'x';
  if (column.nullValues.length > 0)
    item = withoutNulls({ ...column, trim: false }, column.trim ? `(${item})` : 'x');
  const items = item === 'x' ? `__a${i}` : `list_transform(__a${i}, lambda x : ${item})`;
  const nulls = (name: string) => `len(list_filter(${name}, lambda x : x IS NULL))`;
  const converted = convert({ ...column, type: element }, 'x');
  const isSame = converted === 'x';
  return {
    trimmed: `CASE WHEN ${isArray} THEN ${texts} END AS __a${i}, CASE WHEN ${isArray} THEN ${hasNested} END AS __l${i}`,
    cleaned: `${items} AS __r${i}`,
    mapped: null,
    value: `${isSame ? `__r${i}` : `list_transform(__r${i}, lambda x : ${converted})`} AS __c${i}`,
    misfits: [
      `(NOT ${isArray} AND ${leaf.json}::VARCHAR <> 'null')`,
      `__l${i}`,
      ...(isSame ? [] : [`${nulls(`__c${i}`)} > ${nulls(`__r${i}`)}`]),
    ],
    unmapped: [],
  };
}

/** The elements of an array, and of nested arrays if a path has several `[*]`. `last` is the path from an element to its value. */
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

/** The time from the first format that matches; NULL if none matches. */
const timeOf = (formats: readonly TimestampFormat[], text: string, zone: string): string =>
  `coalesce(${formats.map((format) => timestampSql(format, text, zone)).join(', ')})`;

/** Converts a text to a typed value; NULL if the text is not valid for the type. */
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
      // Zero has no sign, because Parquet writers keep either sign.
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
      // Digits beyond the scale are refused and not rounded. Zeros there do not count.
      const [least, most] = scale === '0' ? ['0+', '0*'] : [`\\d{1,${scale}}0*`, `\\d{0,${scale}}0*`];
      return when(`[+-]?(\\d+(\\.${most})?|\\.${least})`, `TRY_CAST(${text} AS ${duckType(column.type)})`);
    }
  }
}
