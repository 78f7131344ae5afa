/** Small files in the shape of reported ones, and the results of an engine. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { EngineResult } from './embedded.ts';

const folder = resolve(import.meta.dirname, '../fixtures/cases');

/** The files of a case, by name; they are next to its contract. */
export const filesOf = (name: string): Record<string, Buffer> =>
  Object.fromEntries(
    readdirSync(join(folder, name))
      .filter((file) => !file.endsWith('.yml'))
      .map((file) => [file, readFileSync(join(folder, name, file))]),
  );

/** A CSV case: its contract with these options, and the columns of each row; for a rejected row its line and reason. */
export interface CsvCase {
  readonly name: string;
  readonly csv?: object;
  /** Replaces the columns of the contract, or defines them: name, path and type in one. */
  readonly columns?: Readonly<Record<string, string>>;
  readonly rows: readonly (readonly unknown[])[];
  readonly refused?: readonly (readonly [line: number, reason: string])[];
}

export function contractOf({ name, csv = {}, columns }: CsvCase): Contract {
  const own = readdirSync(join(folder, name)).includes('contract.yml')
    ? (parse(readFileSync(join(folder, name, 'contract.yml'), 'utf8')) as Contract)
    : undefined;
  const base = {
    dataset: 'in',
    source: { prefix: 'in/', formats: ['csv'] as string[], csv: {} },
    partitionBy: [{ name: 'data_source', constant: 'x' }],
    ...own,
  };
  const merged = {
    ...base,
    source: base.source.formats.includes('csv')
      ? { ...base.source, csv: { ...base.source.csv, ...csv } }
      : { prefix: base.source.prefix, formats: base.source.formats },
    ...(columns === undefined
      ? {}
      : { columns: Object.entries(columns).map(([path, type], i) => ({ name: `c${i}`, path, type })) }),
  };
  return parseContract(`${name}.yml`, JSON.stringify(merged));
}

/** The result of a case, in the same form. */
export const outcomeOf = (
  contract: Contract,
  { rows, quarantine }: Pick<EngineResult, 'rows' | 'quarantine'>,
) => ({
  rows: rows
    .map((row) => contract.columns.map(({ name }) => plain(row[name])))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  refused: quarantine.map((q) => [Number(q.line), q.reason]),
});

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Date ? value.toISOString().slice(0, 10) : (value ?? null);
};

/** Rows in the order of their texts. */
export const csvCases: readonly CsvCase[] = [
  {
    name: 'c01-backslash',
    csv: { escape: '\\' },
    rows: [
      [1, 'TV 50" wide', 199],
      [2, 'Lamp, small', 12.5],
      [3, 'plain', 3],
    ],
  },
  {
    name: 'c04-latin1',
    csv: { encoding: 'windows-1252' },
    columns: { id: 'bigint', city: 'string', note: 'string' },
    rows: [
      [1, 'Köln', 'café'],
      [2, 'Ulm', 'ok'],
      [3, 'Zürich', '€ 20'],
    ],
  },
  {
    name: 'c04-latin1',
    columns: { id: 'bigint', city: 'string', note: 'string' },
    rows: [[2, 'Ulm', 'ok']],
    refused: [
      [2, 'invalid_utf8'],
      [4, 'invalid_utf8'],
    ],
  },
  {
    name: 'c05-utf16',
    columns: { id: 'bigint', city: 'string', qty: 'int' },
    rows: [
      [1, 'Köln', 5],
      [2, 'Ulm', 6],
    ],
  },
  {
    name: 'c07-cr',
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
      [3, 'ghi', 7],
    ],
  },
  {
    name: 'c08-multidelim',
    rows: [
      [1, 'a|b'],
      [2, 'c'],
    ],
  },
  {
    name: 'c09-trailing-delim',
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
    ],
  },
  {
    name: 'c11-comment',
    csv: { comment: '#' },
    rows: [
      ['2024-05-01', '10:00:01', 'FRA50-C1', 1045],
      ['2024-05-01', '10:00:02', 'FRA50-C1', 2045],
    ],
  },
  {
    name: 'c12-dup-header',
    columns: { order_id: 'bigint', name: 'string', name_2: 'string' },
    rows: [
      [1, 'Ann', 'Widget'],
      [2, 'Bob', 'Gadget'],
    ],
  },
  {
    name: 'c13-ragged',
    columns: { name: 'string', group: 'string', score: 'int' },
    rows: [
      ['North', 'A', 5],
      ['West', 'B', 7],
    ],
    refused: [
      [3, 'invalid_csv'],
      [5, 'invalid_csv'],
      [6, 'invalid_csv'],
    ],
  },
  {
    name: 'c13-ragged',
    csv: { shortRows: 'pad' },
    columns: { name: 'string', group: 'string', score: 'int' },
    rows: [
      ['East', 'A', null],
      ['North', 'A', 5],
      ['South', null, null],
      ['West', 'B', 7],
    ],
    refused: [[6, 'invalid_csv']],
  },
  {
    name: 'c15-footer-total',
    csv: { skipLines: 2, skipFooter: 1 },
    rows: [
      ['North', 5],
      ['South', 6],
    ],
  },
  {
    name: 'c20-alb',
    csv: { escape: '\\' },
    columns: { type: 'string', request: 'string', agent: 'string' },
    rows: [
      ['h2', 'GET http://www.example.com:80/a b HTTP/1.1', 'curl/7.46.0'],
      ['http', 'GET http://www.example.com:80/ HTTP/1.1', 'Moz "x" y'],
    ],
  },
  {
    name: 'c27-pandas-index',
    rows: [
      [7, 'abc'],
      [8, 'def'],
    ],
  },
  {
    // d.csv has another delimiter, e.csv other names.
    name: 'm02-multi-header',
    rows: [
      [1, 'a', 5],
      [2, 'b', 6],
      [3, 'c', null],
      [6, 'g', 9],
    ],
    refused: [
      [1, 'unknown_header'],
      [1, 'unknown_header'],
    ],
  },
  {
    name: 'q01-tsv-quotes',
    csv: { quote: 'none' },
    rows: [
      ['tt1', '"Rome" by night', 1950],
      ['tt2', '"Giliap', 1975],
      ['tt3', 'Say "Yes"', 1960],
      ['tt4', 'Foo"', 1980],
      ['tt5', 'plain', null],
    ],
  },
  {
    name: 'q02-space-quote',
    csv: { trimFields: true },
    columns: { id: 'bigint', name: 'string', qty: 'int' },
    rows: [
      [1, 'Smith, J', 5],
      [2, 'Doe, A', 6],
    ],
  },
  {
    name: 'q05-quote-merge',
    csv: { quote: 'none' },
    rows: [
      ['tt1', 'plain'],
      ['tt2', '"Heat'],
      ['tt3', 'Cold"'],
      ['tt4', 'x'],
    ],
  },
];

/** A case about values or shapes: its contract, and the result, as for a CSV. */
export interface ShapeCase {
  readonly name: string;
  readonly contract: object;
  readonly rows: readonly (readonly unknown[])[];
  readonly refused?: readonly (readonly [line: number, reason: string])[];
}

export const contractOfShape = ({ name, contract }: ShapeCase): Contract =>
  parseContract(
    `${name}.yml`,
    JSON.stringify({
      dataset: 'in',
      source: { prefix: 'in/', formats: ['ndjson'] },
      partitionBy: [{ name: 'data_source', constant: 'x' }],
      ...contract,
    }),
  );

/** `path: type`, or an object if there is more than a type. */
const columnsOf = (columns: Readonly<Record<string, string | object>>) =>
  Object.entries(columns).map(([path, column], i) => ({
    name: `c${i}`,
    path,
    ...(typeof column === 'string' ? { type: column } : column),
  }));

const csv = (options: object = {}) => ({ prefix: 'in/', formats: ['csv'], csv: options });
const document = (records: string) => ({ prefix: 'in/', formats: ['json_document'], records });
const text = (options: object) => ({ prefix: 'in/', formats: ['text'], text: options });
const clf = { pattern: '%d/%b/%Y:%H:%M:%S %z' };
const yes = ['t', 'yes', 'y', '1', 'on'];
const no = ['f', 'no', 'n', '0', 'off'];
const events = (type: string) => ({
  source: { prefix: 'in/', formats: ['ndjson'] },
  columns: columnsOf({ messageId: 'string', sent: { type: 'timestamp', formats: ['epoch_ms'] } }),
  when: `c0 = '${type}'`,
});

/** Rows in the order of their texts. */
export const shapeCases: readonly ShapeCase[] = [
  {
    name: 'c02-eu-decimal',
    contract: {
      source: csv({ delimiter: ';' }),
      columns: columnsOf({
        Datum: { type: 'date', formats: [{ pattern: '%d.%m.%Y' }] },
        Umsatz: { type: 'decimal(12,2)', number: { decimal: ',', group: '.' } },
        Anteil: { type: 'double', number: { decimal: ',' } },
      }),
    },
    rows: [
      ['2024-03-01', 1234.56, 12.5],
      ['2024-03-02', 987.1, 7.25],
      ['2024-03-03', 12000, 80.25],
    ],
  },
  {
    name: 'c03-thousands',
    contract: {
      source: csv(),
      columns: columnsOf({
        invoice_id: 'bigint',
        amount: { type: 'double', number: { group: ',', currency: '$' } },
        growth: { type: 'double', number: { percent: 'points' } },
        net: { type: 'double', number: { group: ',', accounting: true } },
      }),
    },
    rows: [
      [1001, 1234.56, 12.5, -45],
      [1002, 99, -3, 1000],
      [1003, 12000.1, 0, 7.1],
    ],
  },
  {
    name: 'c20-alb',
    contract: {
      source: text({ log: 'alb' }),
      columns: columnsOf({
        time: { type: 'timestamp', formats: ['iso8601'] },
        client_ip: 'string',
        client_port: 'int',
        url: 'string',
        protocol: 'string',
        user_agent: 'string',
        ssl_cipher: 'string',
        trace_id: 'string',
      }),
    },
    rows: [
      [
        1_714_557_600_186_641,
        '192.0.2.1',
        2817,
        'http://www.example.com:80/a b',
        'HTTP/1.1',
        'curl/7.46.0',
        null,
        null,
      ],
      [
        1_714_557_601_186_641,
        '192.0.2.1',
        2818,
        'http://www.example.com:80/',
        'HTTP/1.1',
        'Moz \\"x\\" y',
        null,
        null,
      ],
    ],
  },
  ...[
    text({
      fields: [
        { name: 'id', width: 4 },
        { name: 'name', width: 10 },
        { name: 'day', width: 8 },
        { name: 'qty', width: 6 },
      ],
    }),
    text({
      fields: [
        { name: 'day', start: 15, width: 8 },
        { name: 'qty', width: 6 },
        { name: 'id', start: 1, width: 4 },
        { name: 'name', width: 10 },
      ],
    }),
    text({ pattern: '(?<id>\\d{4})(?P<name>.{10})(?<day>\\d{8}) *(?<qty>\\d+)' }),
  ].map((source) => ({
    name: 'c21-regex',
    contract: {
      source,
      columns: columnsOf({
        id: 'int',
        name: { type: 'string', trim: true },
        day: { type: 'date', formats: [{ pattern: '%Y%m%d' }] },
        qty: 'int',
      }),
    },
    rows: [
      [1, 'Smith', '2024-05-01', 1234],
      [2, 'Doe', '2024-05-02', 56],
      [3, 'O"Neil', '2024-05-03', 7],
    ],
  })),
  {
    name: 'c23-apache',
    contract: {
      source: text({ log: 'apache' }),
      columns: columnsOf({
        host: 'string',
        user: 'string',
        time: { type: 'timestamp', formats: [clf] },
        method: 'string',
        path: 'string',
        status: 'int',
        bytes: 'bigint',
        referrer: 'string',
      }),
    },
    rows: [
      ['192.0.2.1', null, 1_714_557_600_000_000, 'GET', '/', 200, 123, null],
      ['192.0.2.2', 'bob', 1_714_557_601_000_000, 'GET', '/a', 404, null, null],
    ],
  },
  {
    name: 'g07-shopify',
    contract: {
      source: document('data.orders.edges[*].node'),
      columns: columnsOf({ id: 'string', total: 'double' }),
    },
    rows: [
      ['gid://1', 10.5],
      ['gid://2', 11.5],
    ],
  },
  {
    name: 'g08-stripe',
    contract: {
      source: document('data'),
      columns: columnsOf({ id: 'string', 'refunds.data[*].id': 'array<string>' }),
    },
    rows: [
      ['ch_1', []],
      ['ch_2', ['re_1']],
    ],
  },
  {
    name: 'g10-cw-logs',
    contract: {
      source: { prefix: 'in/', formats: ['json_concatenated'] },
      explode: 'logEvents',
      parse: { 'logEvents.message': 'json' },
      columns: columnsOf({
        'logEvents.id': 'string',
        'logEvents.message.level': 'string',
        'logEvents.message.ms': 'int',
      }),
    },
    rows: [
      ['00', 'info', 0],
      ['01', 'info', 1],
      ['10', 'info', 0],
      ['11', 'info', 1],
    ],
  },
  {
    name: 'i07-mixed-case-bool',
    contract: {
      source: csv(),
      columns: columnsOf({
        id: 'int',
        active: { type: 'boolean', map: { true: ['t'], false: ['f'] } },
        Flag: { type: 'boolean', map: { true: yes, false: no } },
      }),
    },
    rows: [
      [1, true, true],
      [2, false, false],
    ],
  },
  {
    name: 'i08-ampm',
    contract: {
      source: csv(),
      columns: columnsOf({
        id: 'int',
        at: { type: 'timestamp', formats: [{ pattern: '%-m/%-d/%Y %-I:%M %p' }] },
      }),
    },
    rows: [
      [1, Date.parse('2023-01-02T15:04:00Z') * 1000],
      [2, Date.parse('2023-11-30T00:00:00Z') * 1000],
    ],
  },
  {
    name: 'j05-double-encoded',
    contract: {
      parse: { body: 'json' },
      columns: columnsOf({
        'body.order.id': 'bigint',
        'body.order.total': 'double',
        'body.at': { type: 'timestamp', formats: ['iso8601'] },
      }),
    },
    rows: [
      [7, 12.5, Date.parse('2024-05-01T10:00:00Z') * 1000],
      [8, 1.5, Date.parse('2024-05-01T11:00:00Z') * 1000],
    ],
  },
  {
    name: 'j05-double-encoded',
    contract: events('m2'),
    rows: [['m2', 1_714_561_200_000_000]],
  },
  {
    name: 'j11b-double-explode',
    contract: {
      explode: ['m', 'm'],
      columns: columnsOf({ id: 'bigint', 'm.x': 'bigint', 'n[*][*]': 'array<bigint>' }),
    },
    rows: [
      [1, 1, [1, 2, 3]],
      [1, 2, [1, 2, 3]],
      [1, 3, [1, 2, 3]],
      [2, null, []],
    ],
  },
  {
    name: 'j12b-explode-map',
    contract: {
      explode: 'prices.*',
      columns: columnsOf({ id: 'bigint', 'prices._key': 'string', 'prices._value': 'int' }),
    },
    rows: [
      [0, 'C0_0', 0],
      [0, 'C0_1', 1],
      [0, 'C0_2', 2],
      [1, 'C1_0', 0],
      [1, 'C1_1', 1],
      [1, 'C1_2', 2],
    ],
  },
  {
    name: 'n04-nan',
    contract: {
      source: { prefix: 'in/', formats: ['ndjson'], json: { nonFinite: 'null' } },
      columns: columnsOf({ id: 'int', v: { type: 'double', nullValues: ['NaN'] } }),
    },
    rows: [
      [1, null],
      [2, 1.5],
      [3, null],
      [5, null],
    ],
    refused: [
      [4, 'invalid_json'],
      [6, 'invalid_json'],
      [7, 'invalid_json'],
      [8, 'invalid_json'],
    ],
  },
  {
    name: 's01-spark-nosort',
    contract: { columns: columnsOf({ id: 'bigint', name: 'string' }) },
    rows: [
      [1, 'a'],
      [2, 'b'],
    ],
  },
  {
    name: 'p01-key-column',
    contract: {
      columns: columnsOf({ id: 'int', $key: { type: 'string', extract: '(.+)\\.json$' } }),
      partitionBy: [
        { name: 'part', of: 'c1' },
        { name: 'data_source', constant: 'x' },
      ],
    },
    rows: [
      [1, 'in'],
      [2, 'in'],
    ],
  },
  {
    name: 'p02-partition-col',
    contract: {
      columns: [...columnsOf({ id: 'int' }), { name: 'country', path: 'country', type: 'string' }],
      partitionBy: [{ name: 'country', of: 'country' }],
    },
    // The partition has the value.
    rows: [
      [1, null],
      [2, null],
    ],
  },
  {
    name: 't03-bools',
    contract: {
      columns: columnsOf({ id: 'int', v: { type: 'boolean', trim: true, map: { true: yes, false: no } } }),
    },
    rows: [0, 1, 10, 11, 12, 13, 14, 15, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => [
      id,
      ![1, 9, 10, 13].includes(id),
    ]),
  },
  {
    name: 't05-date-format',
    contract: {
      source: csv(),
      columns: columnsOf({
        id: 'int',
        d: { type: 'date', formats: [{ pattern: '%d.%m.%Y' }, { pattern: '%-d.%-m.%Y' }] },
      }),
    },
    rows: [
      [1, '2025-10-06'],
      [2, '2025-01-07'],
    ],
  },
  {
    name: 'c18-headerless',
    contract: {
      source: csv({ header: ['id', 'day', 'city', 'qty'] }),
      columns: columnsOf({ id: 'int', day: 'date', city: 'string', qty: 'int' }),
    },
    rows: [
      [1001, '2024-05-01', 'Ulm', 5],
      [1002, '2024-05-02', 'Bonn', 6],
      [1003, '2024-05-03', 'Kiel', 7],
    ],
  },
  {
    name: 'i01-key-trap',
    contract: { source: csv(), columns: columnsOf({ user_id: 'int', action: 'string' }) },
    rows: [
      [7, 'login'],
      [7, 'login'],
      [7, 'logout'],
      [7, 'view'],
      [8, 'login'],
      [9, 'logout'],
    ],
  },
  {
    name: 'i03-dmy',
    contract: {
      source: csv(),
      columns: columnsOf({ id: 'int', paid: { type: 'date', formats: [{ pattern: '%d/%m/%Y' }] } }),
    },
    rows: [
      [1, '2024-02-01'],
      [2, '2024-02-05'],
      [3, '2024-02-09'],
    ],
  },
  {
    name: 'i09-excel-errors',
    contract: {
      source: csv(),
      columns: columnsOf({
        id: 'int',
        qty: { type: 'int', nullValues: ['#DIV/0!'] },
        price: { type: 'double', nullValues: ['#N/A', '.'] },
      }),
    },
    rows: [
      [1, 5, null],
      [2, null, 2.5],
      [3, null, null],
      [4, 7, 3.5],
    ],
  },
  {
    name: 'j08b-cdc',
    contract: {
      source: { prefix: 'in/', formats: ['ndjson'], change: 'debezium' },
      columns: [
        { name: 'id', path: 'id', type: 'int', required: true },
        { name: 'name', path: 'name', type: 'string' },
      ],
      dedupe: { key: ['id'] },
    },
    // Its operation is no column of the table.
    rows: [[null, 1, 'b', '00000000000000000011']],
  },
  {
    name: 'j09-single-event',
    contract: { columns: columnsOf({ id: 'string', 'customer.id': 'string', line_items: 'json' }) },
    rows: [['evt_1', 'c9', '[{"sku":"a","qty":1},{"sku":"b","qty":2}]']],
  },
  {
    name: 'm03-published-upsert',
    contract: {
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'status', path: 'status', type: 'string' },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'], required: true },
      ],
      dedupe: { key: ['id'], scope: 'partition', order: [{ column: 'at', direction: 'desc' }] },
    },
    rows: [[1, 'closed', Date.UTC(2024, 4, 2, 10) * 1000]],
  },
  {
    name: 'n02-trim',
    contract: {
      columns: columnsOf({ id: 'int', v: { type: 'bigint', trim: true } }),
    },
    rows: [1, 2, 3, 4, 5, 6, 7, 8].map((id) => [id, 42]),
  },
  {
    name: 'r03-reserved-columns',
    contract: {
      source: csv(),
      columns: ['from', 'to', 'group', 'end'].map((name) => ({
        name,
        path: name,
        type: name === 'end' ? 'date' : 'string',
        required: name === 'from',
      })),
      dedupe: { key: ['from'] },
      partitionBy: [{ name: 'order', constant: 'x' }],
    },
    rows: [
      ['x', 'y', 'a', '2024-05-01'],
      ['z', 'w', 'b', '2024-05-02'],
    ],
  },
  {
    name: 's03-spark-infer-draft',
    contract: { columns: columnsOf({ op: 'string', 'after.id': 'int', 'before.name': 'string' }) },
    rows: [
      ['c', 1, null],
      ['c', 2, null],
      ['d', null, 'z'],
      ['u', 1, 'a'],
    ],
  },
  {
    name: 'z01-zip',
    contract: {
      source: { prefix: 'in/', formats: ['csv'] },
      columns: columnsOf({ id: 'int', name: 'string', qty: 'int' }),
    },
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
    ],
  },
  {
    name: 'z04-snappy',
    contract: {
      source: { prefix: 'in/', formats: ['ndjson'] },
      columns: columnsOf({ id: 'int', name: 'string', qty: 'int' }),
    },
    rows: [],
    refused: [[1, 'not_text']],
  },
  {
    name: 'z05-targz',
    contract: {
      source: { prefix: 'in/', formats: ['csv'] },
      columns: columnsOf({ id: 'int', name: 'string', qty: 'int' }),
    },
    rows: [],
    refused: [[1, 'not_text']],
  },
  {
    name: 'z06-parquet',
    contract: {
      source: { prefix: 'in/', formats: ['parquet'] },
      columns: columnsOf({ id: 'int', name: 'string', qty: 'int' }),
    },
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
    ],
  },
  {
    name: 'z11-avro',
    contract: {
      source: { prefix: 'in/', formats: ['avro'] },
      columns: columnsOf({ id: 'int', name: 'string', qty: 'int' }),
    },
    rows: [],
    refused: [[1, 'broken_archive']],
  },
];
