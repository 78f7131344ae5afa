/** DuckDB's SQL that splits whole files into records and checks the text of records. */

import { hasFlatTexts } from '../contract/contract.ts';
import { type PathStep, parsePath, quotedKey } from '../contract/path.ts';
import { parseRecordsPath, type RecordsPath } from '../contract/recordsPath.ts';
import type { Contract } from '../contract/schema.ts';
import { objectSeparators } from '../json.ts';
import { maxRecordBytes } from '../model/plan.ts';
import { csvAttempt, csvOf, csvOptionsOf, escaped, withMarks, withoutMarks } from './csv.ts';
import { literal, trimmed } from './duckdbNames.ts';
import { hasOddNumber, marked, unmarked } from './duckdbNumbers.ts';
import type { Step } from './steps.ts';

/** The bytes of an invalid document that are kept as raw text in quarantine. */
const rawSampleBytes = 65_536;

/** Whether a text is JSON by RFC 8259. It is a CASE, because DuckDB evaluates both sides of AND. */
export const isJson = (text: string): string =>
  `CASE WHEN coalesce(json_valid(${text}), false) THEN ${isStrict(text)} ELSE false END`;

/**
 * Whether a text that is JSON for DuckDB is also JSON by RFC 8259. DuckDB accepts NaN, Infinity and a trailing comma, so a text that may
 * contain one is checked again without its strings.
 */
function isStrict(text: string): string {
  const notNumber = '[+-]?(?i:nan|inf)';
  // Each pattern begins with one character, which RE2 finds several times faster than a set of characters.
  const suspects = [
    `^\\s*${notNumber}`,
    `:\\s*${notNumber}`,
    `\\[\\s*${notNumber}`,
    `,\\s*(?:[\\]}]|${notNumber})`,
  ];
  const withoutStrings = `regexp_replace(${text}, ${literal('"(\\\\.|[^"\\\\])*"')}, '""', 'gs')`;
  return `CASE WHEN ${suspects.map((s) => `regexp_matches(${text}, ${literal(s)})`).join(' OR ')}
      THEN NOT regexp_matches(${withoutStrings}, ${literal('(?i)nan|inf|,\\s*[\\]}]')}) ELSE true END`;
}

/** Whether a text that is JSON is an object. */
export const isObject = (text: string): string =>
  `CASE WHEN starts_with(${text}, '{') THEN true ELSE starts_with(${trimmed(text)}, '{') END`;

/**
 * A list of the values in a JSON text, as JSON with unchanged numbers; NULL if the text is not JSON. TRY is inside the CASE, because
 * outside it would miss errors.
 */
export const itemsOf = (text: string, found: (text: string) => string): string =>
  `CASE WHEN ${hasOddNumber(text)} THEN list_transform(TRY(${found(marked(text))}), lambda i : ${unmarked('i::VARCHAR')})
      ELSE TRY(${found(text)})::VARCHAR[] END`;

/**
 * A text with null in place of each NaN, Infinity and -Infinity outside strings. The match at the end of the text adds a null there.
 */
const withoutNonFinite = (text: string): string =>
  `CASE WHEN regexp_matches(${text}, 'NaN|Infinity')
      THEN regexp_replace(regexp_replace(${text}, ${literal('((?:[^"NI-]|-[0-9]|"(?:\\\\.|[^"\\\\])*")*)(?:-?(?:NaN|Infinity)|$)')}, '\\1null', 'gs'), 'null$', '') ELSE ${text} END`;

/** The JSON for a text, with the contract's rules for NaN and Infinity. */
export const jsonOf = (text: string, json: Contract['source']['json']): string =>
  json?.nonFinite === 'null' ? withoutNonFinite(text) : text;

/** Why a text is not JSON, for common faults. */
export const jsonFault = (text: string): string => {
  const bare = `regexp_replace(${text}, ${literal('"(\\\\.|[^"\\\\])*"')}, '""', 'gs')`;
  const matches = (pattern: string) => `regexp_matches(b, ${literal(pattern)}, 's')`;
  const faults: readonly (readonly [isSo: string, says: string])[] = [
    [
      matches('\\b(?:NaN|Infinity)\\b'),
      'NaN and Infinity are no JSON; source.json.nonFinite: "null" reads them as null',
    ],
    [matches('\\b(?:None|True|False)\\b'), 'None, True and False are of Python, and no JSON'],
    [matches("[{,:\\[]\\s*'"), 'single quotes: JSON has double ones'],
    [matches(',\\s*[}\\]]'), 'a comma before a closing bracket'],
    [matches('[}\\]]\\s*,\\s*$'), 'a comma behind the object'],
    [`contains(replace(b, '""', ''), '"')`, 'a text without an end'],
    [matches('^\\s*[{\\[](?:.*[^}\\]\\s])?\\s*$'), 'it is cut off: its last bracket does not close'],
    [matches('[}\\]]\\s*[{\\[]'), 'several values in one record'],
  ];
  return `list_transform([${bare}], lambda b : CASE ${faults
    .map(([isSo, says]) => `WHEN ${isSo} THEN ${literal(says)}`)
    .join(' ')} ELSE 'no JSON by RFC 8259' END)[1]`;
};

/** The text of each document without its byte order mark; NULL if it is not UTF-8. */
const decodedDocuments = (json: Contract['source']['json']): readonly Step[] => [
  [
    'bare',
    `SELECT file, CASE WHEN raw[1:3] = '\\xEF\\xBB\\xBF'::BLOB THEN raw[4:] ELSE raw END AS raw FROM documents`,
  ],
  ['decoded', `SELECT file, raw, ${jsonOf('TRY(decode(raw))', json)} AS text FROM bare`],
];

/** documents(file, raw), files -> records(file, line, raw, fault). Only the first bytes of a too large record are kept. */
export function documentSteps(source: Contract['source']): Step[] {
  const steps = hasFlatTexts(source)
    ? csvRecords(csvOptionsOf(source))
    : source.formats.includes('json_concatenated')
      ? concatenatedRecords
      : arrayRecords(source.records ?? null);
  return [
    ...decodedDocuments(source.json),
    ...steps,
    [
      'bounded',
      `SELECT file, line, CASE WHEN octet_length(raw) > ${maxRecordBytes} THEN raw[1:${rawSampleBytes}] ELSE raw END AS raw,
  CASE WHEN octet_length(raw) > ${maxRecordBytes} THEN 'record_too_large' ELSE fault END AS fault
FROM found`,
    ],
  ];
}

/** `recordsPath` null: the document is the array itself. */
function arrayRecords(recordsPath: string | null): Step[] {
  const place: RecordsPath =
    recordsPath === null ? { steps: [], below: [], isMap: false } : parseRecordsPath(recordsPath);
  const path = jsonPath(place.steps);
  const kind = place.isMap ? 'OBJECT' : 'ARRAY';
  const elements = literal(jsonPath([...place.steps, { kind: 'each' }, ...place.below]));
  const items = (text: string) =>
    place.isMap
      ? `CASE WHEN json_valid(text) THEN ${mapItems(`json_extract(${text}, ${literal(path)})`)} END`
      : `json_extract(${text}, ${elements})`;
  // Each parsing function needs several times the memory of its document, so only one is used.
  return [
    ['parsed', `SELECT file, raw, text, ${itemsOf('text', items)} AS found FROM decoded`],
    [
      'listed',
      `SELECT file, raw[1:${rawSampleBytes}] AS sample,
    CASE WHEN found IS NULL OR NOT ${isStrict('text')} THEN 'invalid_document'
      WHEN len(found) = 0 THEN CASE WHEN coalesce(json_type(text, ${literal(path)}), '') <> '${kind}' THEN 'records_missing' END END AS fault,
    CASE WHEN fault IS NULL THEN found ELSE [NULL] END AS items
  FROM parsed`,
    ],
    [
      'unlisted',
      'SELECT file, fault, sample, unnest(generate_series(1, len(items)))::BIGINT AS line, unnest(items) AS item FROM listed',
    ],
    [
      'found',
      'SELECT file, line, CASE WHEN fault IS NULL THEN encode(item::VARCHAR) ELSE sample END AS raw, fault FROM unlisted',
    ],
  ];
}

/** The values of an object, each with its key as first field `_key`; none if it is not an object. */
export const mapItems = (map: string): string => {
  const entries = `map_entries(json_transform(${map}, '"MAP(VARCHAR, JSON)"'))`;
  const key = `'{"_key":' || to_json(e.key)::VARCHAR`;
  const value = "coalesce(e.value::VARCHAR, 'null')";
  return `coalesce(list_transform(${entries}, lambda e : CASE WHEN ${value} = '{}' THEN ${key} || '}'
      WHEN ${value}[1] = '{' THEN ${key} || ',' || ${value}[2:] ELSE ${key} || ',"_value":' || ${value} || '}' END), [])`;
};

/**
 * A string, a brace, or the text between them. A string without an end is one token up to the end of the text. Otherwise each of its quotes
 * would search the rest again.
 */
const jsonToken = '"(?:\\\\.|[^"\\\\])*(?:"|\\\\?$)|[{}]|[^"{}]+';

/**
 * Consecutive objects. A record ends with its braces. Between records may be white space, commas, and record separators (RFC 7464); other text
 * becomes a separate record, which is not valid JSON.
 */
const concatenatedRecords: readonly Step[] = [
  [
    'tokens',
    `SELECT file, unnest(generate_series(1, len(t))) AS n, unnest(t) AS token
  FROM (SELECT file, regexp_extract_all(text, ${literal(jsonToken)}, 0, 's') AS t FROM decoded)`,
  ],
  ['steps', `SELECT *, CASE token WHEN '{' THEN 1 WHEN '}' THEN -1 ELSE 0 END AS step FROM tokens`],
  ['sums', 'SELECT *, sum(step) OVER (PARTITION BY file ORDER BY n) AS height FROM steps'],
  [
    'depths',
    `-- A closing brace that closes nothing leads no deeper than the ground.
  SELECT *, height - least(0, min(height) OVER (PARTITION BY file ORDER BY n)) AS depth FROM sums`,
  ],
  [
    'places',
    `-- A record is over behind the brace that closes it, and before the brace that opens the next.
  SELECT *, sum(CASE WHEN depth <= 0 AND step < 0 THEN 1 WHEN depth = 1 AND step = 1 THEN 1 ELSE 0 END)
      OVER (PARTITION BY file ORDER BY n) - CASE WHEN depth <= 0 AND step < 0 THEN 1 ELSE 0 END AS place,
    sum(length(token) - length(replace(token, chr(10), ''))) OVER (PARTITION BY file ORDER BY n)
      - (length(token) - length(replace(token, chr(10), ''))) AS newlines
  FROM depths`,
  ],
  [
    'pieces',
    `SELECT file, place, string_agg(token, '' ORDER BY n) AS text, min(newlines) AS newlines FROM places GROUP BY file, place`,
  ],
  // Text between objects may begin on a later line than the object before it ends. Separators that separate nothing are a record, so that
  // no file with content is without records.
  [
    'begun',
    `SELECT * REPLACE (CASE WHEN count(*) OVER (PARTITION BY file) > 1
      AND regexp_full_match(text, ${literal(`[${[...objectSeparators].map(escaped).join('')}]*`)}) THEN '' ELSE text END AS text),
    regexp_extract(text, '^[ \\t\\r\\n]*') AS blank FROM pieces`,
  ],
  [
    'found',
    `SELECT file, (newlines + length(blank) - length(replace(blank, chr(10), '')) + 1)::BIGINT AS line, encode(text) AS raw, NULL::VARCHAR AS fault FROM begun
  UNION ALL
  SELECT file, 1::BIGINT, raw[1:${rawSampleBytes}], 'invalid_document' FROM decoded WHERE text IS NULL`,
  ],
];

/** The patterns that take a marked text apart: its lines end with LF or CRLF, or with CR. */
export function csvRecordPatterns(csv: Contract['source']['csv']): {
  readonly lf: string;
  readonly cr: string;
} {
  const { comment } = csvOf(csv);
  const attempt = csvAttempt(csv);
  const aside =
    comment === null
      ? ''
      : `${comment.replaceAll(/[^A-Za-z0-9]/g, (c) => `[${c === '^' || c === '\\' ? '\\' : ''}${c}]`)}[^\\r\\n]*\\r?(?:\\n|\\r|$)|`;
  return {
    lf: `${aside}${attempt}\\r*(?:\\n(?:\\r*\\n)*|$)|[^\\n]+(?:\\n|$)`,
    cr: `${aside}${attempt}(?:\\r+|$)|[^\\r]+(?:\\r|$)`,
  };
}

/**
 * A line that does not begin a record is an invalid record of its own. A file with invalid UTF-8 is read line by line, so that only the invalid
 * lines are refused. Lines end with LF or CRLF, or with CR if the first line does (outside quotes), as on old Macintosh computers. Blank
 * lines belong to the record before them, so that a million of them are not a million records. Lines before the records are removed already.
 */
function csvRecords(csv: Contract['source']['csv']): Step[] {
  const { comment, skipFooter } = csvOf(csv);
  const recordsBy = (pattern: string) =>
    `regexp_extract_all(${withMarks('text', csv)}, ${literal(pattern)}, 0, 's')`;
  const patterns = csvRecordPatterns(csv);
  const [byLf, byCr] = [recordsBy(patterns.lf), recordsBy(patterns.cr)];
  const [lf, cr] = [literal('\\x0A'), literal('\\x0D')];
  // Lines that are not records do not count for the footer.
  const isSeen = `coalesce(regexp_matches(TRY(decode(raw)), '[^ \\t\\r\\n]')${comment === null ? '' : ` AND NOT starts_with(TRY(decode(raw)), ${literal(comment)})`}, true)`;
  const isFooted = skipFooter > 0;
  const footed: Step = [
    'footed',
    `SELECT *, sum(CASE WHEN ${isSeen} THEN 1 ELSE 0 END) OVER (PARTITION BY file ORDER BY n DESC) AS left_over FROM placed`,
  ];
  return [
    ['ended', 'SELECT decoded.*, files.cr AS ends_in_cr FROM decoded JOIN files USING (file)'],
    [
      'pieces',
      `SELECT file, text IS NOT NULL AS is_text, ends_in_cr,
    CASE WHEN text IS NOT NULL
        THEN list_transform(CASE WHEN ends_in_cr THEN ${byCr} ELSE ${byLf} END, lambda r : encode(${withoutMarks('r', csv)}))
      ELSE list_transform(string_split(raw::VARCHAR, CASE WHEN ends_in_cr THEN ${cr} ELSE ${lf} END), lambda l : l::BLOB) END AS found
  FROM ended`,
    ],
    [
      'numbered',
      'SELECT file, is_text, ends_in_cr, unnest(generate_series(1, len(found))) AS n, unnest(found) AS raw FROM pieces',
    ],
    [
      'counted',
      `SELECT *, CASE WHEN is_text THEN length(decode(raw)) - length(replace(decode(raw), CASE WHEN ends_in_cr THEN chr(13) ELSE chr(10) END, ''))
      ELSE 1 END AS newlines
  FROM numbered`,
    ],
    [
      'placed',
      'SELECT *, sum(newlines) OVER (PARTITION BY file ORDER BY n) - newlines + 1 AS line FROM counted',
    ],
    ...(isFooted ? [footed] : []),
    [
      'found',
      `SELECT file, line::BIGINT AS line, raw, NULL::VARCHAR AS fault
  FROM ${isFooted ? `footed WHERE left_over > ${skipFooter}` : 'placed'}`,
    ],
  ];
}

/** `entities.hashtags[*].text` -> `$."entities"."hashtags"[*]."text"`. */
export function jsonPath(path: string | readonly PathStep[]): string {
  const steps = typeof path === 'string' ? parsePath(path) : path;
  return `$${steps.map((step) => (step.kind === 'key' ? `."${quotedKey(step.key)}"` : step.kind === 'each' ? '[*]' : `[${step.index}]`)).join('')}`;
}
