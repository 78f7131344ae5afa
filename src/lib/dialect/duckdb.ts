/**
 * DuckDB's SQL for the row part. All rules about a single record are here, and both engines run this SQL. A leaf is read as text and
 * converted by explicit rules, never by a cast of DuckDB alone.
 */

import { defaultPartition } from '../catalog/partitionPath.ts';
import { fieldsRead } from '../catalog/rawSchema.ts';
import { changeFields } from '../contract/changes.ts';
import { derivedKeys, isOwnValue, ownColumns } from '../contract/columns.ts';
import { hasFlatTexts } from '../contract/contract.ts';
import { objectKey } from '../contract/path.ts';
import type { Contract, Enrichment, PartitionKey, TransformKey } from '../contract/schema.ts';
import { type TextField, textLayout } from '../contract/textFormat.ts';
import { checkExpression } from '../expression/check.ts';
import { columnsIn, parseExpression } from '../expression/parse.ts';
import { type ReasonCode, type ReferenceData, rescued, skipped } from '../model/plan.ts';
import {
  csvFields,
  csvOf,
  csvOptionsOf,
  isCsvRecord,
  isPlainRecord,
  plainFields,
  readsWhole,
  withMarks,
} from './csv.ts';
import { changeSteps } from './duckdbChanges.ts';
import { type ColumnSql, columnSql } from './duckdbColumns.ts';
import { isJson, isObject, jsonFault, jsonOf } from './duckdbDocuments.ts';
import { cellOf, type EnrichmentSql, enrichmentSql } from './duckdbEnrich.ts';
import { conditionSql, expressionSql } from './duckdbExpression.ts';
import { type Documents, documentsOf } from './duckdbInner.ts';
import { cellsOf, leavesOf } from './duckdbLeaves.ts';
import { identifier, list, literal, trimmed } from './duckdbNames.ts';
import { hasOddNumber, marked, unmarked } from './duckdbNumbers.ts';
import { transformed, twoDigits } from './duckdbTransforms.ts';
import { layer, type Step } from './steps.ts';

/**
 * records, files and references -> one row for each record, or for each element of the exploded array. A reference that is null is joined in
 * the set part. Names that start with two underscores belong to the steps: contract columns cannot have them. The last step, `rows`, gives
 * the row part's rows.
 */
export function recordSteps(
  contract: Contract,
  references: readonly (ReferenceData | null)[],
  isRejected: boolean,
): Step[] {
  const leaves = leavesOf(contract);
  const columns = contract.columns.map((column, i) => columnSql(column, i + 1, leaves.of(i)));
  const enrichments = contract.enrich.map((e, i) => ({ e, sql: enrichmentSql(e, references[i]) }));
  const { text, json } = contract.source;
  const documents = documentsOf(contract);
  const { change } = contract.source;
  const record = change === undefined ? 'objects' : 'records_read';
  const hasKey = contract.columns.some(({ path }) => path === objectKey);
  return [
    ...(text !== undefined
      ? textSteps(text)
      : hasFlatTexts(contract.source)
        ? csvSteps(csvOptionsOf(contract.source), record, cellsOf(contract))
        : jsonSteps(contract.source.formats.includes('parquet') ? { nonFinite: 'null' } : json, record)),
    ...(change === undefined ? [] : changeSteps(change, record, !hasFlatTexts(contract.source))),
    ...documents.steps,
    ...(hasKey ? [keyStep(documents.last)] : []),
    layer('parsed', [...leaves.parsed, restOf(contract)], hasKey ? 'keyed' : documents.last),
    layer('leaves', leaves.named, 'parsed'),
    layer('written', leaves.written, 'leaves'),
    layer(
      'trimmed',
      columns.map((c) => c.trimmed),
      'written',
    ),
    layer(
      'cleaned',
      columns.map((c) => c.cleaned),
      'trimmed',
    ),
    layer(
      'mapped',
      columns.map((c) => c.mapped),
      'cleaned',
    ),
    layer(
      'converted',
      columns.map((c) => c.value),
      'mapped',
    ),
    layer('judged', [reasonsOf(documents, columns), ...columns.map((c) => c.isNulled)], 'converted'),
    layer('settled', settledColumns(contract), 'judged'),
    layer('derived', derivedColumns(contract), 'settled'),
    layer(
      'placed',
      contract.enrich.map((e, i) => (e.kind === 'polygon' ? cellOf(e, references[i]) : null)),
      'derived',
    ),
    ['rows', rowsSql(contract, references, enrichments, { leaves, documents }, isRejected)],
  ];
}

/** The object key of each record. */
const keyStep = (from: string): Step => [
  'keyed',
  `SELECT ${from}.*, files.object::VARCHAR || coalesce('/' || files.member, '') AS __object
  FROM ${from} JOIN files ON files.file = __file`,
];

/** Whether a record is an object whose arrays to explode are arrays. */
const isWhole = ({ arrays }: Documents): string =>
  ['__doc IS NOT NULL', ...arrays.map(({ isOther }) => `NOT ${isOther}`)].join(' AND ');

/** Only for rows with bad columns: a reason for each bad column, in the columns' order. */
function reasonsOf(documents: Documents, columns: readonly ColumnSql[]): string {
  return `CASE WHEN ${isWhole(documents)} AND (${columns.map((c) => c.isRefused).join('\n      OR ')})
    THEN ${list(columns.map((c) => c.reason))}::VARCHAR[] END AS __reasons`;
}

/** The columns under their names, the first bad column, and the columns whose values became null. */
function settledColumns({ columns }: Contract): string[] {
  const nulled = columns.flatMap((c, i) =>
    c.onError === 'null' ? [`CASE WHEN __n${i + 1} THEN ${literal(c.name)} END`] : [],
  );
  return [
    'list_position(list_transform(__reasons, lambda r : r IS NOT NULL), true) AS __bad',
    nulled.length === 0
      ? '[]::VARCHAR[] AS __nulled'
      : `list_filter(${list(nulled)}::VARCHAR[], lambda n : n IS NOT NULL) AS __nulled`,
    ...columns.map((c, i) => {
      const value = c.onError === 'null' ? `CASE WHEN NOT __n${i + 1} THEN __c${i + 1} END` : `__c${i + 1}`;
      return `${value} AS ${identifier(c.name)}`;
    }),
  ];
}

const derivedColumns = (contract: Contract): (string | null)[] => [
  ...contract.derive.map(
    (d) => `${expressionSql(typedExpression(contract, d.expression), d.type)} AS ${identifier(d.name)}`,
  ),
  contract.filter === undefined
    ? null
    : `coalesce(${conditionSql(typedExpression(contract, contract.filter))}, false) AS __kept`,
  contract.when === undefined ? null : isSkippedSql(contract, contract.when),
  contract.dedupe?.truncateWhen === undefined ? null : truncatesSql(contract, contract.dedupe.truncateWhen),
  contract.dedupe?.deleteWhen === undefined ? null : deletesSql(contract, contract.dedupe.deleteWhen),
];

/** Whether a row deletes instead of being published; null if none does. */
const isDeleting = ({ dedupe }: Contract): string | null =>
  dedupe?.deleteWhen === undefined
    ? null
    : dedupe.truncateWhen === undefined
      ? '__deletes'
      : '(__deletes OR __truncates)';

/** __skipped: whether `when` is not true for a record, if the columns that it reads are valid. */
const isSkippedSql = (contract: Contract, when: string): string =>
  `NOT coalesce(${conditionSql(typedExpression(contract, when))}, false)${andValid(contract, columnsIn(parseExpression(when)))} AS __skipped`;

/**
 * __deletes: whether a row deletes its key. The columns that decide must be valid. Others may have any value: a change feed often gives
 * nothing but the key of a deleted row.
 */
function deletesSql(contract: Contract, deleteWhen: string): string {
  const { dedupe, derive, partitionBy } = contract;
  const decisive = [
    ...(dedupe?.key ?? []),
    ...(dedupe?.order.map(({ column }) => column) ?? []),
    ...(dedupe?.scope === 'partition' ? partitionBy.flatMap((key) => ('of' in key ? [key.of] : [])) : []),
  ];
  const inputs = decisive.flatMap((name) => {
    const expression = derive.find((d) => d.name === name)?.expression;
    return expression === undefined ? [name] : columnsIn(parseExpression(expression));
  });
  const asked = [...columnsIn(parseExpression(deleteWhen)), ...inputs];
  return `coalesce(${conditionSql(typedExpression(contract, deleteWhen))}, false)${andValid(contract, asked)} AS __deletes`;
}

/** __truncates: whether a row deletes all older rows. It needs no key. */
const truncatesSql = (contract: Contract, truncateWhen: string): string =>
  `coalesce(${conditionSql(typedExpression(contract, truncateWhen))}, false)${andValid(contract, [
    ...columnsIn(parseExpression(truncateWhen)),
    ...(contract.dedupe?.order.map(({ column }) => column) ?? []),
  ])} AS __truncates`;

/** And whether these columns of the record are valid. */
function andValid(contract: Contract, names: readonly string[]): string {
  const faults = contract.columns.flatMap((c, i) =>
    names.includes(c.name) ? [`__reasons[${i + 1}] IS NULL`] : [],
  );
  return faults.length === 0 ? '' : ` AND (__reasons IS NULL OR (${faults.join(' AND ')}))`;
}

/** The row part's rows: bookkeeping columns, the published ones, and the partition keys. */
function rowsSql(
  contract: Contract,
  references: readonly (ReferenceData | null)[],
  enrichments: readonly { e: Enrichment; sql: EnrichmentSql | null }[],
  { leaves, documents }: { leaves: ReturnType<typeof leavesOf>; documents: Documents },
  isRejected: boolean,
): string {
  const isFlat = hasFlatTexts(contract.source);
  const isText = contract.source.text !== undefined;
  const refusals = rowRefusals(contract, documents, enrichments, isRejected);
  const choose = (pick: (refusal: Refusal) => string) =>
    refusals.map((r) => ` WHEN __doc IS NOT NULL AND ${r.when} THEN ${pick(r)}`).join('');
  // The set part may still refuse a row and needs its text.
  const keepsRaw = contract.enrich.some((e, i) => !references[i] && e.unmatched === 'quarantine');
  const raw = 'coalesce(__text, TRY(decode(__raw)), __raw::VARCHAR)';
  const joins = enrichments.flatMap(({ sql }) => sql ?? []);
  const isSkipped = contract.when === undefined ? null : `${isWhole(documents)} AND __skipped`;
  const deletes = isDeleting(contract);
  const isBad = deletes === null ? '__bad IS NOT NULL' : `__bad IS NOT NULL AND NOT ${deletes}`;
  const noneNulled = [isSkipped, deletes].flatMap((condition) => condition ?? []);
  return `SELECT files.object AS _object, files.version AS _version, files.member AS _member, __line${isFlat ? ' + files.skip' : ''} AS _line, ${documents.place} AS _place,
  (hash(__text) >> 1)::BIGINT AS _digest,
  CASE WHEN __fault IS NOT NULL THEN __fault WHEN __text IS NULL THEN 'invalid_utf8'
    ${isFlat ? `WHEN __doc IS NULL THEN '${isText ? 'invalid_line' : 'invalid_csv'}'` : "WHEN NOT __is_valid THEN 'invalid_json' WHEN __doc IS NULL THEN 'not_an_object'"}
    ${isSkipped === null ? '' : `WHEN ${isSkipped} THEN ${literal(skipped)}\n    `}WHEN ${isBad} THEN __reasons[__bad]${choose((r) => literal(r.reason))} END AS _reason,
  ${keepsRaw ? raw : `CASE WHEN ${isSkipped === null ? '_reason IS NOT NULL' : `_reason <> ${literal(skipped)}`} THEN ${raw} END`} AS _raw,
  CASE WHEN ${isBad} THEN ${list(contract.columns.map((c) => literal(c.name)))}[__bad]${choose((r) => r.column)} END AS _column,
  CASE ${isText ? textValues(contract) : isFlat ? csvValues(contract) : jsonValues}WHEN ${isBad} THEN ${leaves.textAt('__bad')}${choose((r) => r.value)} END AS _value,
  ${noneNulled.length === 0 ? '__nulled' : `CASE WHEN ${noneNulled.join(' OR ')} THEN []::VARCHAR[] ELSE __nulled END`} AS _nulled,
  ${[
    ...(deletes === null ? [] : [`${deletes} AS _deletes`]),
    ...(contract.dedupe?.truncateWhen === undefined ? [] : ['__truncates AS _truncates']),
    ...ownColumns(contract).map(outputOf),
    ...enrichments.flatMap(({ e, sql }) => sql?.outputs ?? emptyOutputs(e)),
    ...(contract.drift === 'rescue' ? [`__rest AS ${identifier(rescued.name)}`] : []),
    ...contract.partitionBy.map((key) => partitionValue(contract, key)),
  ].join(',\n  ')}
FROM placed
JOIN files ON files.file = placed.__file${joins.map((j) => `\n${j.join}`).join('')}`;
}

const decodedText: Step = [
  'decoded',
  `SELECT file AS __file, line AS __line, raw AS __raw, fault AS __fault,
    CASE WHEN fault IS NULL THEN TRY(decode(raw)) END AS __text
  FROM records`,
];
/** Most texts begin with a character behind white space, which one comparison shows. */
const isRecord = `__fault IS NOT NULL OR __text IS NULL OR CASE WHEN __text >= '!' THEN true ELSE regexp_matches(__text, ${literal('[^ \\t\\r\\n]')}) END`;

/** The record is the object. `__json` is its text, if the contract reads values that JSON does not have. */
function jsonSteps(json: Contract['source']['json'], name: string): Step[] {
  const isItself = jsonOf('__text', json) === '__text';
  const text = isItself ? '__text' : '__json';
  return [
    decodedText,
    ...(isItself ? [] : [layer('repaired', [`${jsonOf('__text', json)} AS __json`], 'decoded')]),
    [
      'lines',
      `SELECT *, ${isJson(text)} AS __is_valid\n  FROM ${isItself ? 'decoded' : 'repaired'} WHERE ${isRecord}`,
    ],
    layer(
      name,
      [`CASE WHEN __is_valid THEN CASE WHEN ${isObject(text)} THEN ${text} END END AS __doc`],
      'lines',
    ),
  ];
}

/** The texts of records without their line ends, and without comments. */
const flatLines = (comment: string | null): Step[] => [
  decodedText,
  [
    'lines',
    `SELECT * REPLACE (rtrim(__text, chr(13) || chr(10)) AS __text)
  FROM decoded WHERE (${isRecord})${comment === null ? '' : ` AND NOT coalesce(starts_with(__text, ${literal(comment)}), false)`}`,
  ],
];

/** Turns a line into an object with the fields that its pattern or its positions give. */
function textSteps(text: NonNullable<Contract['source']['text']>): Step[] {
  const { pattern, groups, fields, nullText, comment } = textLayout(text);
  const value = (field: TextField) =>
    'group' in field
      ? `__groups.g${field.group}`
      : trimmed(`substring(__text, ${field.start}, ${field.width})`);
  const values = fields.map((field) =>
    nullText === ''
      ? `nullif(${value(field)}, '')`
      : `nullif(nullif(${value(field)}, ''), ${literal(nullText)})`,
  );
  const names = list(Array.from({ length: groups + 1 }, (_, i) => literal(`g${i}`)));
  const end = Math.max(...fields.map((field) => ('group' in field ? 0 : field.start + field.width)));
  return [
    ...flatLines(comment),
    // The group around the whole pattern is the line, if it matches.
    layer(
      'groups',
      [
        pattern === null
          ? null
          : `regexp_extract(__text, ${literal(`^(${pattern})$`)}, ${names}) AS __groups`,
      ],
      'lines',
    ),
    layer(
      'objects',
      [
        `CASE WHEN ${pattern === null ? `trim(substring(__text, ${end}), ${literal(' \t')}) = ''` : '__groups.g0 = __text'}
    THEN to_json(map(${list(fields.map(({ name }) => literal(name)))}, ${list(values)}))::VARCHAR END AS __doc`,
      ],
      'groups',
    ),
  ];
}

/**
 * Turns a CSV record into an object, with the names of its file's header. With `cells`, only into its fields `__cells` and the place `__p<i>` of
 * each column among them; `__doc` then only says whether there are as many as in the header.
 */
function csvSteps(
  csv: Contract['source']['csv'],
  name: string,
  cells: readonly (string | null)[] | null,
): Step[] {
  const { isPadded, isTrimmed, keepsQuotes } = csvOf(csv);
  const isSurplus = `len(list_filter(__fields[__width + 1:], lambda f : f <> '')) > 0`;
  const fits = [
    ...(isPadded ? [] : ['len(__fields) >= __width']),
    isTrimmed ? `NOT ${isSurplus}` : 'len(__fields) <= __width',
  ].join(' AND ');
  const fields = isPadded || isTrimmed ? 'list_resize(__fields, __width)' : '__fields';
  // A field without name and value is ignored.
  const named = `map_from_entries(list_filter(list_zip(__header, ${fields}),
      lambda e : e[2] IS NOT NULL OR NOT regexp_full_match(e[1], 'column_[0-9]+')))`;
  const ofHeader =
    cells === null
      ? ['header AS __header', 'unnamed AS __unnamed']
      : cells.flatMap((field, i) =>
          field === null ? [] : [`list_position(header, ${literal(field)}) AS __p${i + 1}`],
        );
  const isPlain = isPlainRecord('__marked', csv);
  return [
    ...flatLines(csvOf(csv).comment),
    [
      'marks',
      `SELECT lines.*, headers.* EXCLUDE (file), ${withMarks('__text', csv)} AS __marked
  FROM lines JOIN (SELECT ${['file', 'len(header) AS __width', ...ofHeader].join(', ')} FROM files) AS headers ON headers.file = __file`,
    ],
    layer(
      'fields',
      [
        `CASE WHEN ${isPlain} THEN true ELSE coalesce(${isCsvRecord('__marked', csv)}, false) END AS __is_strict`,
        `CASE WHEN ${isPlain} THEN ${plainFields('__marked', csv)}
      WHEN __is_strict THEN ${csvFields('__marked', csv)}${keepsQuotes ? strayFields(csv) : ''} END AS __fields`,
        '__fields IS NOT NULL AS __is_valid',
      ],
      'marks',
    ),
    layer(
      name,
      cells === null
        ? [
            `CASE WHEN ${fits}
    THEN to_json(CASE WHEN __unnamed THEN ${named} ELSE map(__header, ${fields}) END)::VARCHAR END AS __doc`,
          ]
        : [
            `CASE WHEN ${fits} THEN __fields END AS __cells`,
            "CASE WHEN __cells IS NOT NULL THEN '{}' END AS __doc",
          ],
      'fields',
    ),
  ];
}

/** Further readings of a record, with stray quotes as text. Only a reading with as many fields as the header counts. */
const strayFields = (csv: Contract['source']['csv']): string =>
  (['enclosed', 'bare'] as const)
    .map(
      (reading) =>
        `\n      WHEN ${readsWhole('__marked', csv, reading, '__width')} THEN ${csvFields('__marked', csv, reading)}`,
    )
    .join('');

/** For quarantine: how a record or a file differs from its header or the contract. */
function csvValues(contract: Contract): string {
  const { quote, escapeBy } = csvOf(csvOptionsOf(contract.source));
  const hasQuote = quote === null ? 'false' : `contains(__text, ${literal(quote)})`;
  const unquoted = `a CR is in the middle of a field${quote === null && escapeBy !== null ? ', or the record ends in an escape' : ''}`;
  return `WHEN __fault = 'unknown_header' THEN 'the header has ' || left(to_json(files.header)::VARCHAR, 2000) || ${literal(`, the contract reads ${JSON.stringify(fieldsRead(contract)).slice(0, 2000)}`)}
    WHEN __fault = 'invalid_header' THEN 'the header is missing, is not a record, or follows a line sep= that names another delimiter'
    WHEN __fault IS NULL AND __text IS NOT NULL AND __doc IS NULL AND NOT __is_valid
      THEN CASE WHEN ${hasQuote} THEN 'a quote has no end, or stands in the middle of a field' ELSE ${literal(unquoted)} END
    WHEN __doc IS NULL AND __is_valid THEN 'fields: ' || len(__fields) || ', in the header: ' || __width
    `;
}

/** For quarantine: why a line has no fields. */
function textValues({ source }: Contract): string {
  const { pattern, log } = source.text ?? {};
  const fault =
    log !== undefined
      ? literal(`no line of source.text.log: ${log}`)
      : pattern !== undefined
        ? literal('the line does not match source.text.pattern')
        : `'the line has ' || length(__text) || ' characters, and text behind its last field'`;
  return `WHEN __fault IS NULL AND __text IS NOT NULL AND __doc IS NULL THEN ${fault}
    `;
}

/** For quarantine: why a record is not valid JSON. */
const jsonValues = `WHEN __fault IS NULL AND NOT __is_valid THEN ${jsonFault('__text')}
    `;

/** Further reasons to refuse a row whose columns are valid. `column` and `value` are SQL. */
interface Refusal {
  readonly reason: ReasonCode;
  readonly when: string;
  readonly column: string;
  readonly value: string;
}

/** In the order of their checks. */
function rowRefusals(
  contract: Contract,
  { arrays }: Documents,
  enrichments: readonly { e: Enrichment; sql: EnrichmentSql | null }[],
  isRejected: boolean,
): Refusal[] {
  const nothing = 'NULL::VARCHAR';
  const refusals: Refusal[] = [];
  const refuse = (reason: ReasonCode, when: string, column = nothing, value = nothing) =>
    refusals.push({ reason, when, column, value });
  const deletes = isDeleting(contract);
  /** For what is asked only of rows that are published. */
  const unlessDeletes = (when: string) => (deletes === null ? when : `NOT ${deletes} AND (${when})`);
  const unlessTruncates = (when: string) =>
    contract.dedupe?.truncateWhen === undefined ? when : `NOT __truncates AND ${when}`;
  /** A row that deletes its key in the whole table needs no partition. */
  const unlessInTable = (when: string) => (contract.dedupe?.scope === 'table' ? unlessDeletes(when) : when);
  for (const { isOther, value } of arrays) refuse('not_an_array', isOther, nothing, value);
  if (contract.drift === 'reject')
    refuse('unexpected_field', unlessDeletes('__rest IS NOT NULL'), nothing, '__rest');
  if (contract.filter !== undefined) refuse('filtered', unlessDeletes('NOT __kept'));
  for (const name of derivedKeys(contract))
    refuse('missing_required', unlessTruncates(`placed.${identifier(name)} IS NULL`), literal(name));
  for (const { e, sql } of enrichments)
    if (sql && e.unmatched === 'quarantine')
      refuse('unmatched', unlessDeletes(sql.isUnmatched), literal(sql.column), sql.asked);
  for (const key of contract.partitionBy)
    if (isOwnValue(key))
      refuse(
        'out_of_range',
        unlessInTable(isNoFolder(key.name, ownValue(key))),
        literal(key.of),
        `left(${ownValue(key)}, 2000)`,
      );
    else if ('transform' in key && key.transform === 'truncate') {
      const [text, own] = [transformedValue(contract, key), `placed.${identifier(key.of)}`];
      const isNone = `(${text} IS NULL AND ${own} IS NOT NULL) OR ${isNoFolder(key.name, `${text}::VARCHAR`)}`;
      refuse('out_of_range', unlessInTable(isNone), literal(key.of), `left(${own}::VARCHAR, 2000)`);
    }
  if (isRejected) refuse('rejected', 'true');
  return refusals;
}

/** Compiles an expression of a contract over its columns. The contract was checked, so the expression is valid. */
const typedExpression = (contract: Contract, text: string) =>
  checkExpression(parseExpression(text), new Map(contract.columns.map((c) => [c.name, c.type])));

/**
 * Up to this size in bytes a record is processed by json_merge_patch, which takes half the time. It recurses for each level of nesting, so a
 * deep record of two megabytes could end the process.
 */
const shortRecordBytes = 8192;

/** __rest: the top-level fields that no column reads, as a JSON object; NULL for none (RFC 7396: null removes a field). */
function restOf(contract: Contract): string | null {
  if (contract.drift === 'ignore' || contract.drift === 'passthrough') return null;
  const ofChange = contract.source.change === undefined ? [] : [...Object.values(changeFields), 'Op'];
  const read = [...fieldsRead(contract), ...ofChange];
  const removal = JSON.stringify(Object.fromEntries(read.map((field) => [field, null])));
  const left = (document: string) => {
    const fields = `map_entries(json_transform(${document}, '"MAP(VARCHAR, JSON)"'))`;
    const kept = `list_filter(${fields}, lambda e : e.key NOT IN (${read.map(literal).join(', ')}))`;
    const written = `list_transform(${kept}, lambda e : to_json(e.key)::VARCHAR || ':' || coalesce(e.value::VARCHAR, 'null'))`;
    return `CASE WHEN strlen(${document}) <= ${shortRecordBytes} THEN json_merge_patch(${document}, ${literal(removal)})::VARCHAR
      ELSE '{' || array_to_string(${written}, ',') || '}' END`;
  };
  const rest = hasFlatTexts(contract.source)
    ? left('__doc')
    : `CASE WHEN ${hasOddNumber('__doc')} THEN ${unmarked(left(marked('__doc')))} ELSE ${left('__doc')} END`;
  return `nullif(${rest}, '{}') AS __rest`;
}

const outputOf = (column: { name: string; type: string }): string =>
  column.type === 'timestamp'
    ? `make_timestamptz(epoch_us(placed.${identifier(column.name)})) AS ${identifier(column.name)}`
    : `placed.${identifier(column.name)}`;

/** A column's value as partition value. An empty text would give a folder without a value. */
const ownValue = ({ of }: { readonly of: string }): string => `nullif(placed.${identifier(of)}::VARCHAR, '')`;

/** DuckDB escapes each byte that is not a letter with three characters, and folder names have at most 255. */
const isNoFolder = (name: string, value: string): string =>
  `coalesce(strlen(url_encode(${value})) > ${255 - name.length - 1} OR contains(${value}, chr(0)), false)`;

function transformedValue(contract: Contract, key: TransformKey): string {
  const type = [...contract.columns, ...contract.derive].find(({ name }) => name === key.of)?.type ?? '';
  return transformed(key, `placed.${identifier(key.of)}`, type);
}

function partitionValue(contract: Contract, key: PartitionKey): string {
  if ('constant' in key) return `${literal(key.constant)} AS ${identifier(key.name)}`;
  if ('transform' in key)
    return `coalesce((${transformedValue(contract, key)})::VARCHAR, ${literal(defaultPartition)}) AS ${identifier(key.name)}`;
  if (key.part === undefined)
    return `coalesce(${ownValue(key)}, ${literal(defaultPartition)}) AS ${identifier(key.name)}`;
  const number = `${key.part}(placed.${identifier(key.of)})`;
  const part = key.part === 'year' ? `lpad(${number}::VARCHAR, 4, '0')` : `${twoDigits}[${number} + 1]`;
  return `coalesce(${part}, ${literal(defaultPartition)}) AS ${identifier(key.name)}`;
}

/** A lookup that the set part joins. Its columns have no value yet. */
const emptyOutputs = (e: Enrichment): string[] =>
  e.kind === 'lookup' ? Object.keys(e.columns).map((name) => `NULL::VARCHAR AS ${identifier(name)}`) : [];
