/**
 * The contract language: one schema gives the TypeScript type, the check and the JSON Schema for editors.
 */
import * as z from 'zod';
import { mostPartitions, tableFormats } from '../model/plan.ts';
import { columnSchema } from './columnSchema.ts';
import { encodings } from './encodings.ts';
import { expectation } from './expectationSchema.ts';
import { maintenanceShape } from './maintenance.ts';
import {
  columnDescription,
  earlierNames,
  explodePath,
  identifier,
  jsonPath,
  recordsPath,
  topFolder,
} from './parts.ts';
import { textOptions } from './textFormat.ts';

/** A delimiter: one or more spaces and tabs. */
export const whitespace = 'whitespace';

const relativeFile = z
  .string()
  .regex(/^(?!\/)(?!.*\.\.)[\w./-]+$/, 'must be a path below datasets/, without ".."');

const unmatched = z
  .union([z.enum(['null', 'quarantine']), z.strictObject({ default: z.string() })])
  .default('null')
  .describe('What becomes of a row that asks (its key has a value) and finds nothing.');

const lookup = z
  .strictObject({
    kind: z.literal('lookup'),
    file: relativeFile
      .optional()
      .describe('A CSV with a header row, JSON (an array), NDJSON or Parquet, by its ending.'),
    table: identifier
      .optional()
      .describe(
        "Instead of a file: a table of the project, with the rows that are published when the batch's transform starts.",
      ),
    on: z
      .record(identifier, z.string())
      .describe(
        'Contract column -> column of the file or table. A file must have each key once; of a table, the first row in the order of its dedupe counts.',
      ),
    columns: z.record(identifier, z.string()).describe('New output column -> column of the file or table.'),
    unmatched,
  })
  .superRefine(({ file, table }, context) => {
    if ((file === undefined) === (table === undefined))
      context.addIssue({ code: 'custom', message: 'needs a file or a table, and not both' });
  });

const enrichment = z.discriminatedUnion('kind', [
  lookup,
  z.strictObject({
    kind: z.literal('polygon'),
    file: relativeFile.describe('A TopoJSON or GeoJSON file.'),
    object: z.string().optional().describe('For TopoJSON with several objects: which one.'),
    latitude: identifier,
    longitude: identifier,
    column: identifier.describe('The new output column.'),
    property: z
      .string()
      .default('id')
      .describe("The feature's property to give, or id for the feature's own id."),
    unmatched,
  }),
]);

/** Iceberg's partition transforms: `day(created_at)`, `bucket(16, id)`. */
const transformKey = z
  .string()
  .regex(
    /^(?:(?:year|month|day|hour)\([a-z][a-z0-9_]{0,62}\)|(?:bucket|truncate)\([1-9]\d{0,8}, *[a-z][a-z0-9_]{0,62}\))$/,
    'must be a transform such as day(created_at), month(…), year(…), hour(…), bucket(16, id) or truncate(4, name)',
  )
  .describe(
    'Of an iceberg table, by a transform of a column: day(created_at), month(…), year(…), hour(…), bucket(16, id), truncate(4, name).',
  )
  .transform((text): TransformKey => {
    const [, transform = '', width = '0', of = ''] = /^(\w+)\((?:(\d+), *)?(\w+)\)$/.exec(text) ?? [];
    const name = width === '0' ? `${of}_${transform}` : `${of}_${transform}_${width}`;
    return {
      name,
      of,
      transform: transformNames.find((known) => known === transform) ?? 'day',
      width: Number(width),
    };
  });

const transformNames = ['year', 'month', 'day', 'hour', 'bucket', 'truncate'] as const;

/** A partition key that is a transform of a column. */
export interface TransformKey {
  /** Of its folders. */
  readonly name: string;
  readonly of: string;
  readonly transform: (typeof transformNames)[number];
  /** Of bucket and truncate; else 0. */
  readonly width: number;
}

const partitionKey = z.union([
  transformKey,
  z.strictObject({ name: identifier, constant: z.string().min(1) }),
  z.strictObject({
    name: identifier,
    of: identifier.describe(
      'A timestamp or date column, or with no part any that is a text, a whole number, a boolean or a date; a row without a value stands in the default partition.',
    ),
    part: z
      .enum(['year', 'month', 'day', 'hour'])
      .optional()
      .describe("Of a time; without it the partition is the column's own value."),
  }),
]);

const csvOptions = z.strictObject({
  delimiter: z
    .string()
    .regex(
      /^(?:[^"\r\n\0\ufdd0-\ufdd3\ud800-\udfff]{1,8}|whitespace)$/,
      'must be one character to eight, without quotes and line ends, or whitespace',
    )
    .default(',')
    .describe('What stands between fields, such as ";" or "||"; whitespace: one or more spaces and tabs.'),
  quote: z
    .string()
    .regex(
      /^(none|[^A-Za-z0-9\s\0\u0080-\uffff])$/,
      'must be one character that is no letter, digit or space, or none',
    )
    .default('"')
    .describe('What a field with delimiters or line ends stands in; none: quotes are text as any other.'),
  escape: z
    .string()
    .regex(/^[^A-Za-z0-9\s\0\u0080-\uffff]$/, 'must be one character that is no letter, digit or space')
    .optional()
    .describe(
      'Before a quote in a field in quotes, such as a backslash. A quote may be doubled in any case. Without quotes: before any character that is text.',
    ),
  trimFields: z
    .boolean()
    .default(false)
    .describe('Whether spaces and tabs around fields, and around their quotes, are no part of them.'),
  encoding: z
    .enum(encodings)
    .default('utf-8')
    .describe('The characters of the files. A byte order mark, of UTF-16 too, is heeded in any case.'),
  skipLines: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe('Lines before the header, or before the records, that are none of them.'),
  skipFooter: z
    .int()
    .min(0)
    .max(1000)
    .default(0)
    .describe('Records at the end of a file that are none, such as a total.'),
  comment: z
    .string()
    .regex(/^[^\s\0"\u0080-\uffff]{1,4}$/, 'must be one character to four, such as #')
    .optional()
    .describe('How lines begin that are no records.'),
  shortRows: z
    .enum(['reject', 'pad'])
    .default('reject')
    .describe(
      'What becomes of a record with fewer fields than the header: quarantined, or the fields have no value.',
    ),
  longRows: z
    .enum(['reject', 'trim'])
    .default('reject')
    .describe(
      'What becomes of a record with more fields than the header: quarantined, or the further fields are left out if they are empty.',
    ),
  strayQuotes: z
    .enum(['reject', 'keep'])
    .default('reject')
    .describe(
      'What becomes of a record with a quote in the middle of a field: quarantined, or the quote is text as any other.',
    ),
  header: z
    .union([
      z.literal(true),
      z.array(z.string().min(1)).min(1),
      z.strictObject({
        rows: z
          .int()
          .min(1)
          .max(8)
          .default(1)
          .describe('How many records name the fields; the parts of a name are joined.'),
        join: z.string().max(8).default(' ').describe('What stands between the parts of a name.'),
        spans: z
          .boolean()
          .default(false)
          .describe(
            'Whether an empty part above the last record is that of the field to its left, as of joined cells.',
          ),
        anyCase: z
          .boolean()
          .default(false)
          .describe("Whether a name that differs from the contract's only in case is the same."),
      }),
    ])
    .default(true)
    .describe(
      "true: a file's first record names its fields; or how its first records do; or the names, where files have no such record.",
    ),
  headerShare: z
    .number()
    .min(0)
    .max(1)
    .default(0.5)
    .describe(
      "The share of the contract's fields that a file's header must have, and at least one; a file with fewer is quarantined.",
    ),
  nullText: z
    .string()
    .default('')
    .describe(
      'A field that is written so, without quotes, has no value. A field in quotes is always a text.',
    ),
  quotedNewlines: z
    .boolean()
    .default(true)
    .describe(
      'Whether a field in quotes may hold line ends. Such files are read whole, up to 256 MiB; without, Spark splits them.',
    ),
});

const { header, headerShare, skipLines, skipFooter } = csvOptions.shape;
const xlsxOptions = z.strictObject({
  sheet: z
    .union([z.string().min(1).max(255), z.int().min(1).max(1000)])
    .optional()
    .describe('The name of the sheet, or its place from 1; by default the first.'),
  header,
  headerShare,
  skipLines,
  skipFooter,
});

const elementName = String.raw`[\p{L}_][\p{L}\p{N}_.:-]*`;
const xmlOptions = z.strictObject({
  record: z
    .string()
    .max(1000)
    .regex(
      new RegExp(`^${elementName}(?:/${elementName})*$`, 'u'),
      'must be the name of an element, such as order, or after those around it: orders/order',
    )
    .describe('The element of a record: its name, or the names down to it, such as orders/order.'),
});

const jsonOptions = z.strictObject({
  nonFinite: z
    .enum(['reject', 'null'])
    .default('reject')
    .describe('NaN, Infinity and -Infinity, which Python writes and JSON does not have: no JSON, or null.'),
});

/** How many days the stage keeps the tombstones of deleted keys at most: see infra/storage.yml. */
const mostDeleteDays = 365;

/** Formats that a dataset cannot combine with others. The other two are distinguished by a file's first character. */
const loneFormats: readonly string[] = [
  'json_document',
  'json_concatenated',
  'csv',
  'text',
  'parquet',
  'avro',
  'xlsx',
  'xml',
];

/** The programs whose changes of rows are known. */
const changeFeeds = ['debezium', 'dms', 'dynamodb', 'mongodb'] as const;
export type ChangeFeed = (typeof changeFeeds)[number];

const source = z
  .strictObject({
    prefix: topFolder.describe('The folder in the raw bucket. The crawler makes one table of it.'),
    formats: z
      .array(
        z.enum([
          'ndjson',
          'json_array',
          'json_document',
          'json_concatenated',
          'csv',
          'text',
          'parquet',
          'avro',
          'xlsx',
          'xml',
        ]),
      )
      .min(1)
      .describe('ndjson and json_array are told apart by the first character of a file.'),
    records: recordsPath
      .optional()
      .describe(
        'For json_document: where the records stand, an array (statuses), below one (edges[*].node), or the values of a map (features.*, or *), each with its key as the field _key.',
      ),
    csv: csvOptions.optional().describe('For csv (RFC 4180).'),
    text: textOptions.optional().describe('For text: how a line is read.'),
    json: jsonOptions.optional().describe('For the formats of JSON.'),
    xlsx: xlsxOptions.optional().describe('For xlsx, Excel files: which sheet, and its header.'),
    xml: xmlOptions.optional().describe('For xml: the element of a record.'),
    change: z
      .enum(changeFeeds)
      .optional()
      .describe(
        'The records are changes of rows, as this program writes them: columns read the row, deletes leave the table, and the newest change of each key stays.',
      ),
  })
  .superRefine((value, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const lone = value.formats.find((format) => loneFormats.includes(format));
    if (lone && value.formats.length > 1) issue('formats', `${lone} stands alone`);
    if ((lone === 'json_document') !== (value.records !== undefined))
      issue('records', 'is given exactly with the format json_document');
    if (value.csv && lone !== 'csv') issue('csv', 'goes with the format csv');
    if ((lone === 'text') !== (value.text !== undefined))
      issue('text', 'is given exactly with the format text');
    if (value.xlsx && lone !== 'xlsx') issue('xlsx', 'goes with the format xlsx');
    if ((lone === 'xml') !== (value.xml !== undefined)) issue('xml', 'is given exactly with the format xml');
    if (
      value.change !== undefined &&
      (lone === 'text' || lone === 'xlsx' || lone === 'xml' || (lone === 'csv' && value.change !== 'dms'))
    )
      issue('change', `does not go with the format ${lone}`);
    if (value.json && lone !== undefined && !lone.startsWith('json_'))
      issue('json', 'goes with the formats of JSON');
    const {
      delimiter,
      quote,
      escape: escapeBy,
      comment,
      skipFooter,
      quotedNewlines,
      strayQuotes,
    } = value.csv ?? {};
    if (value.csv && quote !== 'none' && delimiter?.includes(quote ?? '"'))
      issue('csv', 'has the quote in the delimiter');
    if (escapeBy !== undefined && delimiter?.includes(escapeBy))
      issue('csv', 'has the escape in the delimiter');
    if (strayQuotes === 'keep' && (quote === 'none' || delimiter === whitespace))
      issue('csv', 'has strayQuotes without quotes, or with the delimiter whitespace');
    if (comment !== undefined && quote !== undefined && comment.startsWith(quote))
      issue('csv', 'has a comment that begins with the quote');
    if ((skipFooter ?? 0) > 0 && quotedNewlines === false)
      issue('csv', 'has skipFooter, for which files are read whole: leave quotedNewlines out');
    for (const kind of ['csv', 'xlsx'] as const) {
      const names = value[kind]?.header;
      if (Array.isArray(names) && new Set(names).size < names.length)
        issue(kind, 'names a field of the header twice');
    }
  });

export const contractShape = z.strictObject({
  dataset: identifier.describe('The name of the dataset; the file is called the same.'),
  description: z.string().optional(),
  table: z
    .union([
      identifier,
      z.strictObject({
        name: identifier.optional(),
        format: z
          .enum(tableFormats)
          .optional()
          .describe(
            "hive: Parquet in the folders of partitions; iceberg: the same objects, and one commit a batch. By default the stage's parameter tableFormat.",
          ),
        maintenance: maintenanceShape
          .optional()
          .describe('Limits of the maintenance, which runs on a schedule.'),
      }),
    ])
    .optional()
    .describe(
      'The Catalog table, or its name and format; by default the name of the dataset, and the format of the stage.',
    ),
  source,
  explode: z
    .union([explodePath, z.array(explodePath).min(1).max(3)])
    .optional()
    .describe(
      'An array, or a map (prices.*): each element makes a row, and stands at this path in its place. Of several each is exploded, such as [orders, orders.items].',
    ),
  parse: z
    .record(jsonPath, z.enum(['json']))
    .optional()
    .describe('Texts that hold JSON, by their paths. Columns read on below them: body.order.id.'),
  columns: z.array(columnSchema).min(1),
  flatten: z
    .array(
      z.strictObject({
        path: jsonPath.describe('An object of the record.'),
        prefix: z
          .string()
          .regex(/^([a-z][a-z0-9_]{0,30})?$/, 'must be the beginning of a column name, such as user_')
          .describe('Put before the names of the columns.'),
        except: z.array(z.string()).default([]).describe('Fields that make no column.'),
      }),
    )
    .default([])
    .describe('Objects whose fields all become columns, with the types that the Data Catalog has.'),
  derive: z
    .array(
      z.strictObject({
        name: identifier,
        type: z.enum(['string', 'int', 'bigint', 'double', 'boolean', 'date', 'timestamp']),
        expression: z.string().min(1).describe('Over the columns above, such as lower(user_screen_name).'),
        description: columnDescription.optional(),
        was: earlierNames.optional(),
      }),
    )
    .default([])
    .describe('Columns made from columns.'),
  filter: z
    .string()
    .min(1)
    .optional()
    .describe('A condition over the columns. A row for which it is not true is quarantined as filtered.'),
  when: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A condition over the columns: which records are of this dataset. Others are counted as skipped. Datasets with it may share a prefix.',
    ),
  drift: z
    .enum(['ignore', 'rescue', 'passthrough', 'reject'])
    .default('ignore')
    .describe(
      'Top-level fields that no column reads: left out, kept as JSON in the column _rescued, made columns with the type of the Data Catalog, or the row is quarantined.',
    ),
  dedupe: z
    .strictObject({
      key: z.array(identifier).min(1),
      scope: z
        .enum(['file', 'batch', 'partition', 'table'])
        .optional()
        .describe(
          'Which rows are compared: those of a file, of a batch, of a partition or of the whole table, these two with their published rows. By default partition with an order, and batch without one.',
        ),
      order: z
        .array(z.strictObject({ column: identifier, direction: z.enum(['asc', 'desc']) }))
        .default([])
        .describe('The first row in this order stays. Ties: object, then raw text, as bytes.'),
      deleteWhen: z
        .string()
        .min(1)
        .optional()
        .describe(
          'A condition over the columns. A row for which it is true is not published: it deletes the published row of its key.',
        ),
      truncateWhen: z
        .string()
        .min(1)
        .optional()
        .describe(
          'A condition over the columns. A row for which it is true is not published: it deletes all older rows of the dataset. With deleteWhen, the scope table, and one column in the order.',
        ),
      keepDeletesDays: z
        .int()
        .min(1)
        .max(mostDeleteDays)
        .optional()
        .describe(
          'For so many days a deleted key is remembered, so that a late older row does not bring it back. 30 by default.',
        ),
    })
    .transform(({ scope, ...dedupe }) => ({
      ...dedupe,
      scope: scope ?? (dedupe.order.length > 0 ? ('partition' as const) : ('batch' as const)),
    }))
    .optional()
    .describe('One row for each key stays.'),
  history: z
    .strictObject({
      validFrom: identifier.describe(
        'The column with the order of the version; it may be the column of the order itself.',
      ),
      validTo: identifier.describe('The column with the order of the next version; null for the latest one.'),
      current: identifier.describe(
        'The column that is true for the latest version of a key that is not deleted.',
      ),
    })
    .optional()
    .describe(
      'Each version of a key stays, as its own row. With dedupe of the scope table, and an order of one column, with the direction desc.',
    ),
  enrich: z.array(enrichment).default([]),
  partitionBy: z
    .array(partitionKey)
    .describe('The folders of the rows, from the outside in; [] for a table without partitions.'),
  dropped: z
    .array(identifier)
    .min(1)
    .optional()
    .describe(
      'Columns of earlier contracts that the table loses. Without it, a column that no contract names stays. Only for iceberg.',
    ),
  load: z
    .strictObject({
      replace: z
        .enum(['table', 'partition'])
        .describe('What a newer snapshot replaces: all rows of the dataset, or those of its partitions.'),
      by: identifier.describe(
        'The column that says which snapshot a row is of; the greatest value is the newest.',
      ),
    })
    .optional()
    .describe(
      'The files are snapshots: the rows of the newest one stay, and those of older ones leave the table. Without dedupe.',
    ),
  gather: z
    .strictObject({
      minutes: z.int().min(1).max(30).describe('How long a new file waits for others at most.'),
      files: z.int().min(2).max(10_000).default(500).describe('So many waiting files are a batch at once.'),
    })
    .optional()
    .describe(
      'New files wait for others, so that fewer and cheaper batches are made. By default none waits.',
    ),
  maxPartitions: z
    .int()
    .min(1)
    .max(mostPartitions)
    .optional()
    .describe(
      'The most partitions that the rows of a batch may go to; a batch with more fails with TooManyPartitions.',
    ),
  expectations: z.array(expectation).default([]),
});

export type Contract = z.output<typeof contractShape>;

export type Enrichment = Contract['enrich'][number];

export type Lookup = Extract<Enrichment, { kind: 'lookup' }>;

export type Expectation = Contract['expectations'][number];

export type PartitionKey = Contract['partitionBy'][number];
