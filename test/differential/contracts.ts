/** Generated contracts that use each option of the language that both engines carry out. */
import fc from 'fast-check';
import { encodings } from '../../src/lib/contract/encodings.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { type LogName, logNames } from '../../src/lib/contract/textFormat.ts';
import type { ReadTable } from '../../src/lib/reference/load.ts';
import { columnsOf } from '../../src/lib/reference/table.ts';

/** What files are, with the source of a contract that reads them. */
export const formatNames = [
  'lines',
  'document',
  'map',
  'edges',
  'concatenated',
  'debezium',
  'dms',
  'dms_csv',
  'dynamodb',
  'mongodb',
  'xml',
  'parquet',
  'avro',
  'csv',
  'csv_lines',
  'csv_dialect',
  'csv_plain',
  'csv_encoded',
  'csv_header',
  'csv_named',
  'pattern',
  'fields',
  'log',
  'xlsx',
  'xlsx_header',
] as const;
export type Format = (typeof formatNames)[number];

/** The source of a contract, as it is written. */
export interface Source {
  readonly formats: readonly string[];
  readonly csv?: { readonly encoding?: string };
  readonly text?: { readonly log?: LogName; readonly encoding?: string };
  readonly change?: string;
}

/** Of the fields at positions. */
export const widths = { id: 2, at: 34, a: 8, b: 8, c: 8, x: 6, y: 6 } as const;
export const fieldNames = ['id', 'at', 'a', 'b', 'c', 'x', 'y'] as const;

const one = <T>(...of: readonly T[]) => fc.constantFrom(...of);
/** The same values four times: those after them are rare. */
export const often = <T>(...of: readonly T[]): T[] => Array.from({ length: 4 }, () => of).flat();

const json = (source: Source) =>
  fc
    .constantFrom({}, { json: { nonFinite: 'null' } }, { json: { nonFinite: 'reject' } })
    .map((options): Source => ({ ...source, ...options }));
const csv = (options: object): Source => ({ formats: ['csv'], csv: options });

export const sources: Readonly<Record<Format, fc.Arbitrary<Source>>> = {
  lines: json({ formats: ['ndjson', 'json_array'] }),
  document: json({ formats: ['json_document'], records: 'data."the rows"' } as Source),
  map: json({ formats: ['json_document'], records: 'data.*' } as Source),
  edges: json({ formats: ['json_document'], records: 'data.edges[*].node' } as Source),
  concatenated: json({ formats: ['json_concatenated'] }),
  debezium: json({ formats: ['ndjson'], change: 'debezium' }),
  dms: json({ formats: ['ndjson'], change: 'dms' }),
  dms_csv: one({ ...csv({}), change: 'dms' }),
  dynamodb: json({ formats: ['ndjson'], change: 'dynamodb' }),
  mongodb: json({ formats: ['ndjson'], change: 'mongodb' }),
  xml: one({ formats: ['xml'], xml: { record: 'rows/row' } } as Source),
  parquet: one({ formats: ['parquet'] }),
  avro: one({ formats: ['avro'] }),
  csv: one(csv({ delimiter: ';', nullText: 'NULL' })),
  csv_lines: one(csv({ quotedNewlines: false, longRows: 'trim' })),
  csv_dialect: one(
    csv({
      delimiter: '||',
      quote: "'",
      escape: '\\',
      comment: '#',
      skipLines: 1,
      skipFooter: 1,
      shortRows: 'pad',
      longRows: 'trim',
      strayQuotes: 'keep',
      trimFields: true,
    }),
  ),
  csv_plain: one(
    csv({ delimiter: '\t', quote: 'none', comment: '#', skipLines: 2, quotedNewlines: false }),
    csv({ delimiter: '\t', quote: 'none', escape: '\\', skipLines: 2, nullText: 'NULL' }),
    csv({ delimiter: 'whitespace', skipLines: 2 }),
    csv({ delimiter: 'whitespace', escape: '\\', trimFields: true, skipLines: 2, quotedNewlines: false }),
  ),
  csv_encoded: fc
    .tuple(one(...encodings), fc.boolean())
    .map(([encoding, isStrict]) =>
      csv(
        isStrict
          ? { encoding, shortRows: 'reject', longRows: 'reject', strayQuotes: 'reject' }
          : { encoding, skipFooter: 2, quotedNewlines: true, strayQuotes: 'keep' },
      ),
    ),
  csv_header: one(
    csv({ header: { rows: 2, join: '', spans: true, anyCase: true } }),
    csv({ header: { rows: 2, join: '' }, headerShare: 0.2 }),
  ),
  csv_named: one(
    csv({ header: [...fieldNames] }),
    csv({ header: [...fieldNames].reverse(), comment: '#', skipLines: 1 }),
  ),
  pattern: one({
    formats: ['text'],
    text: {
      pattern:
        '(?<id>[^;]*);(?<at>[^;]*)(?:;(?P<a>[^;]*)(?:;(?<b>[^;"]*|"[^"]*")(?:;(?<c>[^;]*)(?:;(?<x>[^;]*)(;(?<y>[^;]*)(?:;.*)?)?)?)?)?)?',
      nullText: 'NULL',
      comment: '# a',
      skipLines: 1,
    },
  } as Source),
  fields: fc.tuple(one(...encodings), fc.boolean()).map(
    ([encoding, isPlaced]) =>
      ({
        formats: ['text'],
        text: {
          fields: Object.entries(widths).map(([name, width], i, all) => ({
            name,
            width,
            ...(isPlaced ? { start: all.slice(0, i).reduce((sum, [, before]) => sum + before, 1) } : {}),
          })),
          encoding,
          skipFooter: 1,
        },
      }) as Source,
  ),
  log: one(...logNames).map((log) => ({ formats: ['text'], text: { log } })),
  xlsx: one({ formats: ['xlsx'], xlsx: { sheet: 'Data', skipFooter: 1, headerShare: 0.2 } } as Source),
  xlsx_header: one(
    { formats: ['xlsx'], xlsx: { sheet: 2, skipLines: 1, header: [...fieldNames] } } as Source,
    {
      formats: ['xlsx'],
      xlsx: { sheet: 2, header: { rows: 2, join: '', spans: true, anyCase: true } },
    } as Source,
  ),
};

/** The fields of logs that stand for those of other files. */
const ofLogs: Readonly<Record<LogName, Readonly<Record<string, string>>>> = {
  s3_access: {
    id: 'status',
    at: 'time',
    a: 'request',
    b: 'key',
    c: 'user_agent',
    x: 'bytes_sent',
    y: 'total_ms',
  },
  apache: { id: 'status', at: 'time', a: 'path', b: 'user_agent', c: 'user', x: 'bytes', y: 'protocol' },
  alb: {
    id: 'elb_status',
    at: 'time',
    a: 'request',
    b: 'client_port',
    c: 'user_agent',
    x: 'request_s',
    y: 'sent_bytes',
  },
  cloudfront: {
    id: 'status',
    at: 'time',
    a: 'uri_stem',
    b: 'referrer',
    c: 'user_agent',
    x: 'time_taken',
    y: 'sc_bytes',
  },
  vpc_flow: {
    id: 'version',
    at: 'start_time',
    a: 'source_ip',
    b: 'action',
    c: 'log_status',
    x: 'bytes',
    y: 'packets',
  },
};

const scalars = [
  'string',
  'int',
  'bigint',
  'double',
  'decimal(12,3)',
  'decimal(38,0)',
  'boolean',
  'date',
  'timestamp',
  'json',
] as const;
const columnOf = (name: string, paths: readonly string[]) =>
  fc
    .record({
      name: fc.constant(name),
      path: one(...paths),
      type: one(...scalars),
      required: fc.boolean(),
      onError: one('quarantine', 'null'),
      trim: fc.boolean(),
      normalize: one(false, false, true),
      nullValues: one([], ['', ' N/A ']),
      extract: one(...often<object>({}), { extract: '(.[^ ]*)' }, { extract: '^x?([0-9.]+)' }),
      rule: fc.nat(),
    })
    .map(({ rule, extract, ...column }) => ({ ...column, ...extract, ...ruleOf(column.type, rule) }));

/** How people write values of a type, where it differs from how programs do. */
function ruleOf(type: string, n: number): object {
  const rules: Readonly<Record<string, readonly object[]>> = {
    boolean: [{}, { map: { true: ['1', 'x', '12'], false: ['', 'N/A'] }, mapDefault: 'null' }],
    date: [{}, { formats: ['iso8601_date', 'excel', { pattern: '%d.%m.%Y' }] }],
    timestamp: [
      { formats: ['iso8601', 'iso8601_date', 'excel'], zone: 'Europe/Berlin' },
      { formats: ['epoch_us', 'epoch_s', 'epoch_ms'] },
    ],
    string: [
      {},
      {},
      { map: { yes: ['true'], no: ['-7'] }, mapDefault: 'reject' },
      { map: { few: ['1.5', 'x'] }, mapDefault: 'keep', case: 'lower' },
      { case: 'upper' },
    ],
  };
  const numbers = [
    {},
    {},
    { number: { decimal: ',', group: '.' } },
    { number: { group: ',', percent: 'ratio', currency: ['$', '€'], accounting: true } },
    { number: { decimal: '.', group: "'", percent: 'points', currency: '€' } },
    { number: { decimal: ',', group: ' ' } },
    { number: { group: '_' }, range: { max: 100 } },
    { range: { min: 0, max: '9007199254740992' } },
  ];
  const those = rules[type] ?? (/^(int|bigint|double|decimal.*)$/.test(type) ? numbers : [{}]);
  return those[n % those.length] ?? {};
}

const arrayOf = (name: string, paths: readonly string[]) =>
  fc.record({
    name: fc.constant(name),
    path: one(...paths),
    type: one('string', 'int', 'bigint', 'double', 'boolean', 'date').map((type) => `array<${type}>`),
    required: fc.boolean(),
    onError: one('quarantine', 'null'),
    nullValues: one([], ['', 'N/A']),
  });

/** The column without rules that reject its row. Most contracts have only such columns, so that most rows are published and compared. */
const lenient = <Column extends object>(column: Column) => ({
  ...column,
  required: false,
  onError: 'null',
  ...('mapDefault' in column ? { mapDefault: 'keep' } : {}),
});

const names = { kind: 'lookup', file: 'names.csv', on: { id: 'id' }, columns: { found: 'name' } };
const squares = {
  kind: 'polygon',
  file: 'squares.geojson',
  longitude: 'x',
  latitude: 'y',
  column: 'square',
};
const lookups = one<readonly object[]>(
  ...often([]),
  [],
  [],
  [{ ...names, columns: { found: 'name', found_kind: 'kind' } }],
  [{ ...names, unmatched: { default: "it's \\ none" } }, squares],
  [
    { ...names, file: 'names.json', on: { text: 'a', id: 'id' }, unmatched: 'quarantine' },
    { ...squares, unmatched: 'quarantine' },
  ],
  [{ kind: 'lookup', table: 'users', on: { id: 'id' }, columns: { found: 'name' }, unmatched: 'null' }],
  [{ ...squares, file: 'areas.topojson', object: 'areas', property: 'name', unmatched: { default: '-' } }],
);

/** The rows of the table that contracts look up. */
export const readTable: ReadTable = async (lookup) => ({
  columns: columnsOf({ keys: { id: 'bigint' }, values: Object.values(lookup.columns) }),
  ndjson: [
    { id: '1', name: 'one' },
    { id: '2', name: null },
    { id: '5', name: "it's five" },
  ]
    .map((row) => JSON.stringify(row))
    .join('\n'),
});

/** A contract as it is written. */
export type Written = Readonly<Record<string, unknown>>;

// JSON is YAML.
export const parsed = (written: Written): Contract => parseContract('generated.yml', JSON.stringify(written));

export const contractOf = (format: Format, source: Source, withPublished: boolean): fc.Arbitrary<Written> => {
  const isFlat = /^(csv|dms_csv|pattern|fields|log|xlsx)/.test(format);
  const isChange = source.change !== undefined;
  const log = source.text?.log;
  const own = (name: string): readonly string[] => {
    if (log !== undefined) return [ofLogs[log][name] ?? name];
    return format === 'dynamodb' ? [`${name}.S`, `${name}.N`] : [name];
  };
  const [idPath = ''] = own('id').slice(-1);
  const canExplode = !isFlat && !isChange;
  const nested = canExplode ? ['in.', 'list[0].'] : [];
  return fc
    .record({
      explode: canExplode
        ? one<string | readonly string[] | undefined>(
            undefined,
            undefined,
            undefined,
            'list',
            ['list', 'list.sub'],
            'in.*',
            ['in.*', 'list'],
          )
        : fc.constant(undefined),
      parse: canExplode ? one(undefined, { text: 'json' }) : fc.constant(undefined),
      drift: one(...often('ignore', 'rescue', isChange ? 'ignore' : 'passthrough'), 'reject'),
      flatten: canExplode
        ? one<readonly object[]>(
            [],
            [],
            [{ path: 'in', prefix: 'in_' }],
            [{ path: 'in', prefix: 'in_', except: ['b', 'none'] }],
          )
        : fc.constant([]),
      // What a table has beyond the rows of a batch.
      kind: isChange
        ? one('change', 'change', 'change', 'versions')
        : withPublished
          ? one('dedupe', 'dedupe', 'load', 'history', 'truncates')
          : one('dedupe', 'none'),
      table: one(undefined, 'hive', 'iceberg'),
    })
    .chain(({ explode, parse, drift, flatten: objects, kind, table }) => {
      const exploded = [explode ?? []].flat().map((path) => path.replace('.*', ''));
      const flatten = exploded.includes('in') ? [] : objects;
      const paths = (name: string) => [
        ...own(name),
        ...(explode === undefined ? nested.map((place) => place + name) : []),
        ...exploded.map((path) => `${path}.${name}`),
        ...(parse === undefined ? [] : [`text.${name}`]),
      ];
      const arrays = !canExplode
        ? [format === 'dynamodb' ? 'c.L[*].S' : 'c[*]']
        : exploded.includes('list')
          ? ['c[*]', 'list.c[*]']
          : ['c[*]', 'in.c[*]', 'list[*].c', 'list[*].c[*]', 'list[*].sub[*].c'];
      return fc
        .record({
          columns: fc.tuple(
            columnOf('a', paths('a')),
            columnOf('b', paths('b')),
            isFlat ? columnOf('c', paths('c')) : arrayOf('c', arrays),
          ),
          isLenient: one(true, true, true, false),
          zone: one({}, { zone: 'America/New_York' }),
          rows: rowsOf(kind, withPublished),
          partitionBy: partitionsOf(table === 'iceberg'),
          enrich: lookups,
          derive: derived,
          filter: one(undefined, undefined, 'id % 3 != 1'),
          when: one(undefined, undefined, undefined, 'id < 4', "text != 'x' or x > 1"),
          maxPartitions: withPublished || isChange ? fc.constant(undefined) : one(undefined, undefined, 3),
        })
        .map(({ columns, isLenient, zone, rows, partitionBy, filter, ...rest }) => ({
          dataset: 'generated',
          ...(table === undefined ? {} : { table: { format: table } }),
          source: { prefix: 'x/', ...source },
          explode,
          parse,
          drift,
          flatten,
          columns: [
            { name: 'id', path: idPath, type: 'bigint', required: true },
            { name: 'at', path: own('at')[0], type: 'timestamp', required: true, formats: times, ...zone },
            { name: 'text', path: own('a')[0], type: 'string', onError: 'null' },
            { name: 'x', path: own('x').at(-1), type: 'double', onError: 'null' },
            { name: 'y', path: own('y').at(-1), type: 'double', onError: 'null' },
            ...columns.map((column) => (isLenient ? lenient(column) : column)),
            {
              name: 'src',
              path: '$key',
              type: 'string',
              extract: 'x/(.*)',
              ...(partitionBy.some((key) => JSON.stringify(key).includes('src')) ? {} : { publish: false }),
            },
          ],
          ...rest,
          // A snapshot without some of its rows would replace others.
          ...(filter === undefined || kind === 'load' ? {} : { filter }),
          ...rows,
          partitionBy,
        }));
    });
};

const times = [
  'iso8601',
  'epoch_s',
  'epoch_ms',
  'epoch_ns',
  'twitter',
  'rfc2822',
  { pattern: '%d.%m.%Y %H:%M%z' },
  { pattern: '%d/%b/%Y:%H:%M:%S %z' },
  { pattern: '%Y-%m-%d\t%H:%M:%S' },
];

const derived = one<readonly object[]>(
  [],
  [{ name: 'd', type: 'bigint', expression: "id * id - length(concat('x', '桜'))" }],
  [{ name: 'd', type: 'string', expression: "if(hour(at) >= 6, 'day', 'night')" }],
  [{ name: 'd', type: 'bigint', expression: 'coalesce(id * id * id, -1)' }],
  [{ name: 'd', type: 'double', expression: 'coalesce(1 / (x * x * x), y * 0, -1)' }],
  [{ name: 'd', type: 'string', expression: "coalesce(substring(text, id, 9223372036854775807), '-')" }],
  [
    { name: 'd', type: 'int', expression: 'length(text) % 7' },
    { name: 'e', type: 'date', expression: 'to_date(at)' },
  ],
  [
    { name: 'd', type: 'boolean', expression: 'x > y or id in (1, 2)' },
    { name: 'e', type: 'timestamp', expression: 'if(id > 2, at, null)' },
  ],
);

const latest = [{ column: 'at', direction: 'desc' }];

/** Which rows stay: dedupe, load or history. */
function rowsOf(kind: string, withPublished: boolean): fc.Arbitrary<object> {
  const order = one<readonly object[]>(
    [],
    [{ column: 'a', direction: 'asc' }],
    [{ column: 'b', direction: 'desc' }],
    latest,
  );
  const deleteWhen = one('id % 2 = 0', "x > 1 or text = 'x'");
  switch (kind) {
    case 'none':
      return fc.constant({});
    case 'load':
      return one('partition', 'table').map((replace) => ({ load: { replace, by: 'id' } }));
    case 'truncates':
      return deleteWhen.map((condition) => ({
        dedupe: {
          key: ['id'],
          scope: 'table',
          order: latest,
          deleteWhen: condition,
          truncateWhen: 'x = 2 and y > 0',
          keepDeletesDays: 60,
        },
      }));
    case 'history':
      return fc
        .tuple(one({}, { deleteWhen: 'x > 1' }), one('valid_from', 'at'))
        .map(([deletes, validFrom]) => ({
          dedupe: { key: ['id'], scope: 'table', order: latest, ...deletes },
          history: { validFrom, validTo: 'valid_to', current: 'is_current' },
        }));
    case 'versions':
      return fc.constant({
        dedupe: { key: ['id'] },
        history: { validFrom: 'valid_from', validTo: 'valid_to', current: 'is_current' },
      });
    case 'change':
      return one({}, { scope: 'partition' }, { scope: 'table' }).map((scope) => ({
        dedupe: { key: ['id'], ...scope },
      }));
    default:
      return fc
        .record({
          key: one(['id'], ['id', 'at']),
          scope: withPublished ? one('partition', 'partition', 'table') : one('batch', 'file'),
          order,
          deleteWhen: one(undefined, 'id % 2 = 0', "x > 1 or text = 'x'"),
        })
        .map(({ key, scope, deleteWhen: condition, order: by }) => ({
          dedupe: {
            key: withPublished ? ['id'] : key,
            scope,
            order: by,
            ...(withPublished && by.length > 0 ? { deleteWhen: condition } : {}),
          },
        }));
  }
}

/** The partition keys of a contract. */
function partitionsOf(isIceberg: boolean): fc.Arbitrary<readonly unknown[]> {
  const constant = one('generated', 'a b/c=é').map((of) => ({ name: 'source', constant: of }));
  const own = one(
    ...often<readonly unknown[]>([]),
    ...['src', 'text', 'id'].map((of) => [{ name: of === 'src' ? 'src' : 'own', of }]),
  );
  const part = one('year', 'month', 'day', 'hour').map((of) => ({ name: of, of: 'at', part: of }));
  const keys = fc.tuple(constant, part, own).map(([first, second, rest]) => [first, second, ...rest]);
  const transforms = fc
    .tuple(
      constant,
      one('year(at)', 'month(at)', 'day(at)', 'hour(at)'),
      one('bucket(4, id)', 'truncate(2, text)', 'truncate(3, id)', 'bucket(3, text)'),
    )
    .map((each) => [...each]);
  return isIceberg
    ? fc.oneof(keys, transforms, fc.constant([]))
    : fc.oneof({ weight: 5, arbitrary: keys }, { weight: 1, arbitrary: fc.constant([]) });
}

/** A format and a contract for it. Published rows are compared if there is a key of the whole table. */
export const contracts = one(
  ...formatNames,
  // The formats with the most ways to go wrong.
  ...(['lines', 'lines', 'xml', 'parquet', 'avro'] as const),
).chain((format) =>
  fc.tuple(sources[format], one(false, false, false, true)).chain(([source, isWished]) => {
    const withPublished = isWished || source.change !== undefined;
    return fc.record({
      format: fc.constant(format),
      source: fc.constant(source),
      withPublished: fc.constant(withPublished),
      written: contractOf(format, source, withPublished),
    });
  }),
);
