/** DuckDB's SQL for a column: from the text of a leaf to a typed value, or the reason why there is none. */
import type { Column } from '../contract/schema.ts';
import { duckType, literal, trimmed } from './duckdbNames.ts';
import { timestampSql } from './duckdbTimestamp.ts';

/** Where a column's value stands; all is SQL but the path. */
export interface Leaf {
  /** The JSON that holds it: the record, or an element of the exploded array. */
  readonly document: string;
  /** JSON path of the value in it; for an array, of the array. */
  readonly path: string;
  /** JSON path from an array to the values that count as its elements. */
  readonly elements: string;
  /** The value as text. */
  readonly text: string;
  /** The value as JSON, for an array or a subtree. */
  readonly json: string;
}

/** The JSON type of a leaf. It takes a look at the whole document: only for the few rows where a text leaves it open. */
const typeOf = (leaf: Leaf): string => `json_type(${leaf.document}, ${literal(leaf.path)})`;

/** Whether a leaf is an object or an array; a string may begin like one. */
const isNested = (leaf: Leaf): string =>
  `CASE WHEN starts_with(${leaf.text}, '{') OR starts_with(${leaf.text}, '[') THEN ${typeOf(leaf)} IN ('OBJECT', 'ARRAY') ELSE false END`;

/** The SQL of one contract column, layer by layer; `i` is its 1-based place. */
export interface ColumnSql {
  /** For arrays, __a<i>: the elements as texts; __l<i>: whether one of them is an object or an array. */
  readonly leaf: string | null;
  /** __r<i>: the cleaned text, NULL for no value. */
  readonly text: string;
  /** __c<i>: the typed value, NULL where there is none or it cannot be converted. */
  readonly value: string;
  /** __e<i>: the reason it is refused. Where the contract says null, __n<i>: it is refused nevertheless. */
  readonly judgement: string;
}

export function columnSql(column: Column, i: number, leaf: Leaf): ColumnSql {
  const isArray = column.type.startsWith('array<');
  const sql = isArray
    ? arrayColumn(column, i, leaf)
    : column.type === 'json'
      ? jsonColumn(i, leaf)
      : scalarColumn(column, i, leaf);
  const bounds = [
    ...(column.range?.min !== undefined ? [`__c${i} < ${column.range.min}`] : []),
    ...(column.range?.max !== undefined ? [`__c${i} > ${column.range.max}`] : []),
  ];
  const fault = `CASE WHEN ${sql.isMisfit} THEN 'bad_type'${sql.isUnmapped ? ` WHEN ${sql.isUnmapped} THEN 'unmapped'` : ''}${
    bounds.length > 0 ? ` WHEN ${bounds.join(' OR ')} THEN 'out_of_range'` : ''
  } END`;
  const isLenient = column.onError === 'null';
  const missing = `CASE WHEN __c${i} IS NULL${isLenient ? ` OR ${fault} IS NOT NULL` : ''} THEN 'missing_required' END`;
  const reasons = [...(isLenient ? [] : [fault]), ...(column.required ? [missing] : []), 'NULL::VARCHAR'];
  return {
    ...sql,
    judgement: `coalesce(${reasons.join(', ')}) AS __e${i}${isLenient ? `, ${fault} IS NOT NULL AS __n${i}` : ''}`,
  };
}

type ValueSql = Pick<ColumnSql, 'leaf' | 'text' | 'value'> & {
  readonly isMisfit: string;
  readonly isUnmapped?: string | null;
};

/** In this order: trim, normalize, nullValues, extract, case, map. */
function scalarColumn(column: Column, i: number, leaf: Leaf): ValueSql {
  const misfits = [
    isNested(leaf),
    ...(column.type === 'string' ? [] : [`(__r${i} IS NOT NULL AND __c${i} IS NULL)`]),
  ];
  let text = leaf.text;
  if (column.trim) text = trimmed(text);
  if (column.normalize) text = `nfc_normalize(${text})`;
  if (column.nullValues.length > 0)
    text = `CASE WHEN ${column.trim ? text : trimmed(text)} NOT IN (${column.nullValues.map(literal).join(', ')}) THEN ${text} END`;
  if (column.extract !== undefined) {
    const pattern = literal(column.extract);
    misfits.push(`NOT regexp_matches(${text}, ${pattern})`);
    text = `CASE WHEN regexp_matches(${text}, ${pattern}) THEN regexp_extract(${text}, ${pattern}, 1) END`;
  }
  if (column.case) text = `${column.case}(${text})`;
  let isUnmapped: string | null = null;
  if (column.map) {
    const names = (standard: string, synonyms: readonly string[]) =>
      [standard, ...synonyms].map((name) => literal(name.toLowerCase())).join(', ');
    const entries = Object.entries(column.map);
    const branches = entries.map(
      ([standard, synonyms]) => `WHEN lower(m) IN (${names(standard, synonyms)}) THEN ${literal(standard)}`,
    );
    if (column.mapDefault === 'reject')
      isUnmapped = `lower(${text}) NOT IN (${entries.map(([s, synonyms]) => names(s, synonyms)).join(', ')})`;
    // A list of one gives the text a name, so that it is made once.
    text = `list_transform([${text}], lambda m : CASE ${branches.join(' ')} ${column.mapDefault === 'keep' ? 'ELSE m ' : ''}END)[1]`;
  }
  // A JSON number with a fraction is a double before anyone sees its text: beyond 15 digits it is not exact.
  if (column.type.startsWith('decimal'))
    misfits.push(
      `CASE WHEN length(regexp_replace(${leaf.text}, '^-?0*|[.]', '', 'g')) > 15 THEN ${typeOf(leaf)} = 'DOUBLE' ELSE false END`,
    );
  return {
    leaf: null,
    text: `${text} AS __r${i}`,
    value: `${convert(column, `__r${i}`)} AS __c${i}`,
    isMisfit: misfits.join(' OR '),
    isUnmapped,
  };
}

/** A subtree as JSON text, whatever it is. */
function jsonColumn(i: number, leaf: Leaf): ValueSql {
  return {
    leaf: null,
    text: `nullif(${leaf.json}::VARCHAR, 'null') AS __r${i}`,
    value: `__r${i} AS __c${i}`,
    isMisfit: 'false',
  };
}

function arrayColumn(column: Column, i: number, leaf: Leaf): ValueSql {
  const elements = literal(leaf.elements);
  const isArray = `starts_with(${leaf.json}, '[')`;
  const hasNested = `CASE WHEN contains(${leaf.json}, '{') OR contains(${leaf.json}[2:], '[') THEN len(list_filter(json_type(${leaf.json}, ${elements}), lambda x : x IN ('OBJECT', 'ARRAY'))) > 0 ELSE false END`;
  const element = column.type.slice('array<'.length, -1);
  const items = column.trim ? `list_transform(__a${i}, lambda x : ${trimmed('x')})` : `__a${i}`;
  const nulls = (name: string) => `len(list_filter(${name}, lambda x : x IS NULL))`;
  return {
    leaf: `CASE WHEN ${isArray} THEN json_extract_string(${leaf.json}, ${elements}) END AS __a${i}, CASE WHEN ${isArray} THEN ${hasNested} END AS __l${i}`,
    text: `${items} AS __r${i}`,
    value: `list_transform(__r${i}, lambda x : ${convert({ ...column, type: element }, 'x')}) AS __c${i}`,
    isMisfit: `(NOT ${isArray} AND ${leaf.json}::VARCHAR <> 'null') OR __l${i} OR ${nulls(`__c${i}`)} > ${nulls(`__r${i}`)}`,
  };
}

/** Text to a typed value, NULL where the text is not written as the type asks. */
function convert(column: Column, text: string): string {
  const when = (pattern: string, value: string) =>
    `CASE WHEN regexp_full_match(${text}, ${literal(pattern)}) THEN ${value} END`;
  switch (column.type) {
    case 'string':
      return text;
    case 'int':
      return when('-?\\d{1,30}', `TRY_CAST(${text} AS INTEGER)`);
    case 'bigint':
      return when('-?\\d{1,30}', `TRY_CAST(${text} AS BIGINT)`);
    case 'double': {
      const cast = `TRY_CAST(${text} AS DOUBLE)`;
      return when('-?\\d+(\\.\\d+)?([eE][+-]?\\d+)?', `CASE WHEN isfinite(${cast}) THEN ${cast} END`);
    }
    case 'boolean':
      return when('true|false', `${text} = 'true'`);
    case 'date':
      return when('\\d{4}-\\d\\d-\\d\\d', `TRY_CAST(${text} AS DATE)`);
    case 'timestamp':
      return `coalesce(${(column.formats ?? []).map((format) => timestampSql(format, text, column.zone)).join(', ')})`;
    default: {
      const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(column.type) ?? [];
      if (precision === undefined) throw new TypeError(`no conversion for ${column.type}`);
      // Digits beyond the scale are refused, not rounded; zeros there are none.
      return when(`-?\\d{1,38}(\\.\\d{0,${scale}}0*)?`, `TRY_CAST(${text} AS ${duckType(column.type)})`);
    }
  }
}
