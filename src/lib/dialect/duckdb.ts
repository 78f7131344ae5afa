/**
 * DuckDB's SQL for the row part. Everything that looks at one record is said here and nowhere else; both engines run
 * this text. A leaf is taken as text and converted by explicit rules: no cast of DuckDB's own is ever a rule.
 */

import { type ReasonCode, type ReferenceData, rescued } from '../compiler/plan.ts';
import type { Column, Contract, Enrichment, PartitionKey } from '../contract/schema.ts';
import { checkExpression } from '../expression/check.ts';
import { parseExpression } from '../expression/parse.ts';
import { conditionSql, expressionSql } from './duckdbExpression.ts';
import { duckType, identifier, list, literal, trimmed } from './duckdbNames.ts';
import { timestampSql } from './duckdbTimestamp.ts';

/** How much of a document that cannot be parsed is kept as raw text in quarantine, in bytes. */
const rawSampleBytes = 65_536;

/**
 * Whether a text is JSON by RFC 8259. DuckDB's json_valid also takes NaN, Infinity and a trailing comma, so a text
 * that might hold one is looked at again without its strings. A CASE, because DuckDB computes both sides of AND.
 */
function isJson(text: string): string {
  const extras = literal('(?i)nan|inf|,\\s*[\\]}]');
  const withoutStrings = `regexp_replace(${text}, ${literal('"(\\\\.|[^"\\\\])*"')}, '""', 'gs')`;
  return `CASE WHEN NOT coalesce(json_valid(${text}), false) THEN false
      WHEN regexp_matches(${text}, ${extras}) THEN NOT regexp_matches(${withoutStrings}, ${extras}) ELSE true END`;
}

const byteOrderMark = 'chr(65279)';

/** documents(file, raw) -> records(file, line, raw, fault). `recordsPath` null: the document is the array itself. */
export function documentsSql(recordsPath: string | null): string {
  const path = recordsPath === null ? '$' : jsonPath(recordsPath);
  return `
WITH decoded AS (
  SELECT file, raw, ltrim(TRY(decode(raw)), ${byteOrderMark}) AS text FROM documents
), parsed AS (
  SELECT file, raw, CASE WHEN ${isJson('text')} THEN text END AS doc FROM decoded
), found AS (
  SELECT file, raw, doc,
    CASE WHEN json_type(doc, ${literal(path)}) = 'ARRAY' THEN json_extract(doc, ${literal(`${path}[*]`)}) END AS items
  FROM parsed
)
SELECT file, unnest(generate_series(1, len(items)))::BIGINT AS line, encode(unnest(items)::VARCHAR) AS raw,
  NULL::VARCHAR AS fault
FROM found WHERE items IS NOT NULL
UNION ALL
SELECT file, 1::BIGINT, raw[1:${rawSampleBytes}],
  CASE WHEN doc IS NULL THEN 'invalid_document' ELSE 'records_missing' END
FROM found WHERE items IS NULL`.trim();
}

/**
 * records, files and references -> one row a record. Names that start with two underscores are the steps' own: no
 * contract column can be called so.
 */
export function recordsSql(contract: Contract, references: readonly ReferenceData[]): string {
  const columns = contract.columns.map((column, index) => compileColumn(column, index + 1));
  const scalarPaths = contract.columns.map((c) => literal(jsonPath(c.path.split('[*]')[0] ?? c.path)));
  const joins = contract.enrich.map((e, i) => compileEnrichment(e, references[i]?.name ?? ''));
  const each = (items: readonly (string | null)[]) =>
    items.map((sql) => (sql ? `,\n    ${sql}` : '')).join('');
  const nulled = contract.columns.flatMap((c, i) =>
    c.onError === 'null' ? [`CASE WHEN __n${i + 1} THEN ${literal(c.name)} END`] : [],
  );
  const refusals = rowRefusals(contract, joins);
  const choose = (pick: (refusal: Refusal) => string) =>
    refusals.map((r) => ` WHEN __doc IS NOT NULL AND ${r.when} THEN ${pick(r)}`).join('');
  return `
WITH decoded AS (
  SELECT file AS __file, line AS __line, raw AS __raw, fault AS __fault,
    CASE WHEN fault IS NULL THEN TRY(decode(raw)) END AS __text
  FROM records
), lines AS (
  SELECT *, ${isJson('__text')} AS __is_json
  FROM decoded WHERE __fault IS NOT NULL OR __text IS NULL OR trim(__text, ${literal(' \t\r')}) <> ''
), objects AS (
  SELECT *, CASE WHEN __is_json AND json_type(__text) = 'OBJECT' THEN __text END AS __doc FROM lines
), leaves AS (
  SELECT *,
    json_extract_string(__doc, ${list(scalarPaths)}) AS __v,
    json_type(__doc, ${list(scalarPaths)}) AS __t${each([...columns.map((c) => c.leaf), restOf(contract)])}
  FROM objects
), cleaned AS (
  SELECT *${each(columns.map((c) => c.text))}
  FROM leaves
), converted AS (
  SELECT *${each(columns.map((c) => c.value))}
  FROM cleaned
), judged AS (
  SELECT *${each(columns.map((c) => c.judgement))}
  FROM converted
), settled AS (
  SELECT *, CASE WHEN __doc IS NULL THEN NULL ${columns.map((_, i) => `WHEN __e${i + 1} IS NOT NULL THEN ${i + 1}`).join(' ')} END AS __bad,
    list_filter(${list(nulled)}::VARCHAR[], lambda n : n IS NOT NULL) AS __nulled${each(
      contract.columns.map(
        (c, i) => `CASE WHEN NOT __n${i + 1} THEN __c${i + 1} END AS ${identifier(c.name)}`,
      ),
    )}
  FROM judged
), derived AS (
  SELECT *${each(
    contract.derive.map(
      (d) => `${expressionSql(typedExpression(contract, d.expression), d.type)} AS ${identifier(d.name)}`,
    ),
  )}${contract.filter === undefined ? '' : `,\n    coalesce(${conditionSql(typedExpression(contract, contract.filter))}, false) AS __kept`}
  FROM settled
), placed AS (
  SELECT *${each(contract.enrich.map((e, i) => (e.kind === 'polygon' ? cellOf(e, references[i]) : null)))}
  FROM derived
)
SELECT files.object AS _object, files.version AS _version, __line AS _line,
  coalesce(__text, TRY(decode(__raw)), __raw::VARCHAR) AS _raw,
  CASE WHEN __fault IS NOT NULL THEN __fault WHEN __text IS NULL THEN 'invalid_utf8'
    WHEN NOT __is_json THEN 'invalid_json' WHEN __doc IS NULL THEN 'not_an_object'
    WHEN __bad IS NOT NULL THEN ${list(columns.map((_, i) => `__e${i + 1}`))}[__bad]${choose((r) => literal(r.reason))} END AS _reason,
  CASE WHEN __bad IS NOT NULL THEN ${list(contract.columns.map((c) => literal(c.name)))}[__bad]${choose((r) => r.column)} END AS _column,
  CASE WHEN __bad IS NOT NULL THEN __v[__bad]${choose((r) => r.value)} END AS _value,
  __nulled AS _nulled,
  ${[
    ...[...contract.columns, ...contract.derive].map(outputOf),
    ...joins.flatMap((j) => j.outputs),
    ...(contract.drift === 'rescue' ? [`__rest AS ${identifier(rescued.name)}`] : []),
    ...contract.partitionBy.map(partitionValue),
  ].join(',\n  ')}
FROM placed
JOIN files ON files.file = placed.__file${joins.map((j) => `\n${j.join}`).join('')}`.trim();
}

/** Why a row whose columns are all right is refused nevertheless; `column` and `value` are SQL. */
interface Refusal {
  readonly reason: ReasonCode;
  readonly when: string;
  readonly column: string;
  readonly value: string;
}

/** In the order in which they are asked. */
function rowRefusals(contract: Contract, joins: readonly EnrichmentSql[]): Refusal[] {
  const nothing = 'NULL::VARCHAR';
  return [
    ...(contract.drift === 'reject'
      ? [
          {
            reason: 'unexpected_field' as const,
            when: '__rest IS NOT NULL',
            column: nothing,
            value: '__rest',
          },
        ]
      : []),
    ...(contract.filter === undefined
      ? []
      : [{ reason: 'filtered' as const, when: 'NOT __kept', column: nothing, value: nothing }]),
    ...joins.flatMap((join, i) =>
      contract.enrich[i]?.unmatched === 'quarantine'
        ? [
            {
              reason: 'unmatched' as const,
              when: join.isUnmatched,
              column: literal(join.column),
              value: join.asked,
            },
          ]
        : [],
    ),
  ];
}

/** An expression of a contract, over its columns. The contract was checked: it parses and its types fit. */
const typedExpression = (contract: Contract, text: string) =>
  checkExpression(parseExpression(text), new Map(contract.columns.map((c) => [c.name, c.type])));

/** __rest: the top-level fields that no column reads, as a JSON object; NULL for none (RFC 7396: null removes a field). */
function restOf(contract: Contract): string | null {
  if (contract.drift === 'ignore') return null;
  const known = contract.columns.map((c) => c.path.split(/[.[]/)[0] ?? '');
  const removal = JSON.stringify(Object.fromEntries(known.map((field) => [field, null])));
  return `nullif(json_merge_patch(__doc, ${literal(removal)})::VARCHAR, '{}') AS __rest`;
}

/** The SQL of one contract column, layer by layer; `i` is its 1-based place. */
interface ColumnSql {
  /** For arrays, __a<i>: the elements as texts; __l<i>: their JSON types. */
  readonly leaf: string | null;
  /** __r<i>: the cleaned text, NULL for no value. */
  readonly text: string;
  /** __c<i>: the typed value, NULL where there is none or it cannot be converted. */
  readonly value: string;
  /** __e<i>: the reason it is refused; __n<i>: it is refused, but the contract says null. */
  readonly judgement: string;
}

function compileColumn(column: Column, i: number): ColumnSql {
  const isArray = column.type.startsWith('array<');
  const sql = isArray
    ? arrayColumn(column, i)
    : column.type === 'json'
      ? jsonColumn(column, i)
      : scalarColumn(column, i);
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
    judgement: `coalesce(${reasons.join(', ')}) AS __e${i}, ${isLenient ? `${fault} IS NOT NULL` : 'false'} AS __n${i}`,
  };
}

type ValueSql = Pick<ColumnSql, 'leaf' | 'text' | 'value'> & {
  readonly isMisfit: string;
  readonly isUnmapped?: string | null;
};

/** In this order: trim, normalize, nullValues, extract, case, map. */
function scalarColumn(column: Column, i: number): ValueSql {
  const misfits = [`__t[${i}] IN ('OBJECT', 'ARRAY')`, `(__r${i} IS NOT NULL AND __c${i} IS NULL)`];
  let text = `__v[${i}]`;
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
    misfits.push(`(__t[${i}] = 'DOUBLE' AND length(regexp_replace(__v[${i}], '^-?0*|[.]', '', 'g')) > 15)`);
  return {
    leaf: null,
    text: `${text} AS __r${i}`,
    value: `${convert(column, `__r${i}`)} AS __c${i}`,
    isMisfit: misfits.join(' OR '),
    isUnmapped,
  };
}

/** A subtree as JSON text, whatever it is. */
function jsonColumn(column: Column, i: number): ValueSql {
  return {
    leaf: `json_extract(__doc, ${literal(jsonPath(column.path))}) AS __a${i}`,
    text: `CASE WHEN __t[${i}] <> 'NULL' THEN __a${i}::VARCHAR END AS __r${i}`,
    value: `__r${i} AS __c${i}`,
    isMisfit: 'false',
  };
}

function arrayColumn(column: Column, i: number): ValueSql {
  const path = literal(jsonPath(column.path));
  const element = column.type.slice('array<'.length, -1);
  const items = column.trim ? `list_transform(__a${i}, lambda x : ${trimmed('x')})` : `__a${i}`;
  const nulls = (name: string) => `len(list_filter(${name}, lambda x : x IS NULL))`;
  return {
    leaf: `json_extract_string(__doc, ${path}) AS __a${i}, json_type(__doc, ${path}) AS __l${i}`,
    text: `CASE WHEN __t[${i}] = 'ARRAY' THEN ${items} END AS __r${i}`,
    value: `list_transform(__r${i}, lambda x : ${convert({ ...column, type: element }, 'x')}) AS __c${i}`,
    isMisfit: `__t[${i}] NOT IN ('ARRAY', 'NULL') OR len(list_filter(__l${i}, lambda x : x IN ('OBJECT', 'ARRAY'))) > 0 OR ${nulls(`__c${i}`)} > ${nulls(`__r${i}`)}`,
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

const outputOf = (column: { name: string; type: string }): string =>
  column.type === 'timestamp'
    ? `timezone('UTC', placed.${identifier(column.name)}) AS ${identifier(column.name)}`
    : `placed.${identifier(column.name)}`;

/** Hive's name for a partition of rows without a value. Athena reads it as NULL. */
export const defaultPartition = '__HIVE_DEFAULT_PARTITION__';

function partitionValue(key: PartitionKey): string {
  if ('constant' in key) return `${literal(key.constant)} AS ${identifier(key.name)}`;
  const widths = { year: 4, month: 2, day: 2, hour: 2 } as const;
  const part = `lpad(${key.part}(placed.${identifier(key.of)})::VARCHAR, ${widths[key.part]}, '0')`;
  return `coalesce(${part}, ${literal(defaultPartition)}) AS ${identifier(key.name)}`;
}

interface EnrichmentSql {
  readonly join: string;
  readonly outputs: readonly string[];
  /** Whether a row asks for a match and has none. */
  readonly isUnmatched: string;
  /** For quarantine: the first output column, and what was looked for. */
  readonly column: string;
  readonly asked: string;
}

function compileEnrichment(e: Enrichment, reference: string): EnrichmentSql {
  const table = identifier(reference);
  const output = (value: string, isUnmatched: string, column: string) =>
    typeof e.unmatched === 'object'
      ? `CASE WHEN ${isUnmatched} THEN ${literal(e.unmatched.default)} ELSE ${value} END AS ${identifier(column)}`
      : `${value} AS ${identifier(column)}`;
  if (e.kind === 'lookup') {
    const keys = Object.entries(e.on).map(([column, key]) => ({
      column: `placed.${identifier(column)}`,
      key: `${table}.${identifier(key)}`,
    }));
    const hasKey = keys.map(({ column }) => `${column} IS NOT NULL`).join(' AND ');
    const isUnmatched = `(${hasKey} AND ${keys[0]?.key} IS NULL)`;
    return {
      join: `LEFT JOIN ${table} ON ${keys.map(({ column, key }) => `${column} = ${key}`).join(' AND ')}`,
      outputs: Object.entries(e.columns).map(([column, from]) =>
        output(`${table}.${identifier(from)}`, isUnmatched, column),
      ),
      isUnmatched,
      column: Object.keys(e.columns)[0] ?? '',
      asked: keys.map(({ column }) => `${column}::VARCHAR`).join(" || ', ' || "),
    };
  }
  const [x, y] = [`placed.${identifier(e.longitude)}`, `placed.${identifier(e.latitude)}`];
  // Even-odd rule: a ray to the right crosses an edge when the edge's ends stand on both sides of it.
  const crossed = `(g.y1 > ${y}) <> (g.y2 > ${y}) AND ${x} < (g.x2 - g.x1) * (${y} - g.y1) / (g.y2 - g.y1) + g.x1`;
  const inside = `(p.parity + len(list_filter(p.edges, lambda g : ${crossed}))) % 2 = 1`;
  const found = `list_filter(${table}.polygons, lambda p : ${inside})[1].name`;
  const isUnmatched = `(${x} IS NOT NULL AND ${y} IS NOT NULL AND ${found} IS NULL)`;
  return {
    join: `LEFT JOIN ${table} ON placed.${cellName(e)} = ${table}.cell`,
    outputs: [output(found, isUnmatched, e.column)],
    isUnmatched,
    column: e.column,
    asked: `${y}::VARCHAR || ', ' || ${x}::VARCHAR`,
  };
}

const cellName = (e: { column: string }): string => identifier(`__cell_${e.column}`);

/** The grid cell of a point: NULL outside the grid. */
function cellOf(e: Extract<Enrichment, { kind: 'polygon' }>, reference: ReferenceData | undefined): string {
  const grid = reference?.grid;
  if (!grid) throw new TypeError(`no grid for ${e.column}`);
  const [x, y] = [identifier(e.longitude), identifier(e.latitude)];
  const column = `floor((${x} - ${real(grid.x)}) / ${real(grid.width)})::BIGINT`;
  const row = `floor((${y} - ${real(grid.y)}) / ${real(grid.height)})::BIGINT`;
  return `CASE WHEN ${x} >= ${real(grid.x)} AND ${x} <= ${real(grid.x + grid.width * grid.columns)} AND ${y} >= ${real(grid.y)} AND ${y} <= ${real(grid.y + grid.height * grid.rows)} THEN ${row} * ${grid.columns} + ${column} END AS ${cellName(e)}`;
}

/** A double as SQL; the cast keeps DuckDB from reading it as a decimal. */
const real = (value: number): string => `${literal(String(value))}::DOUBLE`;

/** `entities.hashtags[*].text` -> `$."entities"."hashtags"[*]."text"`. */
function jsonPath(path: string): string {
  const steps = path.matchAll(/(\[(?:\d+|\*)\])|([^.[\]]+)/g);
  return `$${[...steps].map(([, index, key]) => index ?? `."${key}"`).join('')}`;
}
