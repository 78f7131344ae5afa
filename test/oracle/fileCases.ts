/** Contracts that use everything about records and files, with good, bad and binary files. */
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { anyText, type ColumnCase } from './columnCases.ts';
import type { Dice } from './dice.ts';

export type Format = 'lines' | 'document' | 'concatenated' | 'csv' | 'csv_lines';
const sources: Readonly<Record<Format, object>> = {
  lines: { formats: ['ndjson', 'json_array'] },
  document: { formats: ['json_document'], records: 'data."the rows"' },
  concatenated: { formats: ['json_concatenated'] },
  csv: { formats: ['csv'], csv: { delimiter: ';', nullText: 'NULL' } },
  csv_lines: { formats: ['csv'], csv: { quotedNewlines: false } },
};

/** Columns with simple values; columnCases.ts has the hard ones. */
const plainColumns: readonly ((dice: Dice) => ColumnCase)[] = [
  () => ({
    column: { type: 'int' },
    json: (d) => d.pick(['0', '7', '-1', '"12"', '"x"', '1.5', '{}', 'null', '']),
  }),
  (dice) => ({
    column: { type: 'double', range: dice.pick([undefined, { min: 0 }]) },
    json: (d) => d.pick(['0', '0.5', '"1e3"', '-1', '"NaN"', '[]', 'null', '']),
  }),
  (dice) => ({
    column: { type: 'string', trim: dice.isOne(2), nullValues: dice.pick([[], ['', 'N/A']]) },
    json: (d) =>
      d.pick(['"a"', '" b "', '""', '"N/A"', '"桜\\u0301\\\\"', 'true', '{"a":1}', '"[1]"', 'null', '']),
  }),
  (dice) => ({
    column: {
      type: 'string',
      map: { yes: ['y'], no: ['n', 'nein'] },
      mapDefault: dice.pick(['keep', 'null', 'reject']),
    },
    json: (d) => d.pick(['"y"', '"NEIN"', '"yes"', '"?"', 'null', '']),
  }),
  () => ({ column: { type: 'boolean' }, json: (d) => d.pick(['true', '"false"', '"yes"', '1', 'null', '']) }),
  () => ({
    column: { type: 'decimal(6,2)' },
    json: (d) => d.pick(['"1.50"', '"1.555"', '"9999.99"', '"10000"', '7', 'null', '']),
  }),
  () => ({
    column: { type: 'json' },
    json: (d) => d.pick(['{"a": [1, null, "\u00e9"]}', '[ ]', '"x"', '12', 'false', 'null', '']),
  }),
  () => ({
    column: { type: 'array<int>' },
    json: (d) => d.pick(['[1,2]', '[]', '[null,"3"]', '[1,"x"]', '[[1]]', '{}', '"[1]"', '7', 'null', '']),
  }),
];

export interface FileCase {
  readonly contract: Contract;
  /** Makes a file for it. */
  readonly file: (dice: Dice) => Buffer;
}

export function fileCase(dice: Dice, format: Format): FileCase {
  const isCsv = format.startsWith('csv');
  const explode =
    !isCsv && dice.isOne(2)
      ? dice.pick([
          'list',
          'list',
          ['list', 'list.sub'],
          'map.*',
          ['map.*', 'list'],
          ['list', 'list.sub', 'map.*'],
        ])
      : undefined;
  const exploded = [explode ?? []].flat().map((path) => path.replace('.*', ''));
  const texts = isCsv
    ? []
    : [
        ...(dice.isOne(3) ? ['text'] : []),
        ...(exploded.includes('list') && dice.isOne(3) ? ['list.text'] : []),
      ];
  const places = isCsv
    ? ['']
    : [
        '',
        'in.',
        ...(exploded.includes('list') ? [] : ['list[0].']),
        ...[...exploded, ...exploded, ...texts, ...texts].map((path) => `${path}.`),
      ];
  const some = ['a', 'b', 'c'].flatMap((name) => {
    const { column, json } = dice.pick(plainColumns)(dice);
    const isList = column.type.startsWith('array<');
    if (isCsv && isList) return [];
    const place = dice.pick(places);
    const each = isList && !isCsv && !exploded.includes('list') && dice.isOne(4) ? `list[*].${name}` : null;
    const path = `${each ?? `${place}${name}`}${isList ? '[*]' : ''}`;
    const onError = dice.pick(['quarantine', 'quarantine', 'null']);
    return [{ column: { name, path, required: dice.isOne(4), onError, ...column }, json }];
  });
  const makers = new Map(some.map(({ column, json }) => [column.name, json]));
  const contract = parseContract(
    'oracle.yml',
    JSON.stringify({
      dataset: 'oracle',
      source: { prefix: 'x/', ...sources[format] },
      ...(explode === undefined ? {} : { explode }),
      ...(texts.length === 0 ? {} : { parse: Object.fromEntries(texts.map((path) => [path, 'json'])) }),
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: dice.isOne(2) },
        { name: 'k', path: 'k', type: 'string', required: true, trim: true },
        {
          name: 'at',
          path: 'at',
          type: 'timestamp',
          formats: ['iso8601', 'epoch_s'],
          onError: dice.pick(['quarantine', 'null']),
        },
        { name: 'day', path: 'day', type: 'date', onError: 'null' },
        { name: 'x', path: 'x', type: 'double', onError: 'null' },
        { name: 'y', path: 'y', type: 'double', onError: 'null' },
        ...some.map(({ column }) => column),
        {
          name: 'src',
          path: '$key',
          type: 'string',
          extract: '/(.*)$',
          ...(dice.isOne(3) ? { publish: false } : {}),
        },
      ],
      derive: dice.pick([
        [],
        [{ name: 'd', type: 'bigint', expression: "id % 3 + length(concat(k, '桜'))" }],
        [{ name: 'd', type: 'string', expression: "if(hour(at) >= 6, upper(k), 'night')" }],
        [{ name: 'd', type: 'boolean', expression: "not (x > y) or k in ('p', 'q')" }],
      ]),
      ...(dice.isOne(3)
        ? { filter: dice.pick(['id % 3 != 1', "at is not null and k != 'p'", 'not (x < 1)', 'null']) }
        : {}),
      ...(dice.isOne(4)
        ? {
            when: dice.pick([
              "k = 'p'",
              'id % 2 = 0 and x is not null',
              'not (y > 3)',
              'true',
              "k in ('p', 'q')",
            ]),
          }
        : {}),
      drift: dice.pick(['ignore', 'ignore', 'rescue', 'reject']),
      ...(dice.isOne(2)
        ? {
            dedupe: {
              key: ['k'],
              scope: dice.pick(['batch', 'file', 'partition', 'table']),
              order: dice.pick([
                [],
                [{ column: 'at', direction: 'asc' }],
                [
                  { column: 'id', direction: 'desc' },
                  { column: 'day', direction: 'asc' },
                ],
                [{ column: 'x', direction: 'desc' }],
              ]),
            },
          }
        : {}),
      enrich: dice.pick([
        [],
        [
          {
            kind: 'lookup',
            file: 'names.json',
            on: { id: 'id' },
            columns: { found: 'name', found_kind: 'kind' },
          },
        ],
        [
          {
            kind: 'lookup',
            file: 'names.json',
            on: { id: 'id' },
            columns: { found: 'name' },
            unmatched: { default: "it's \\ none" },
          },
        ],
        [
          {
            kind: 'lookup',
            file: 'names.json',
            on: { id: 'id' },
            columns: { found: 'name' },
            unmatched: 'quarantine',
          },
        ],
        [{ kind: 'polygon', file: 'areas.geojson', longitude: 'x', latitude: 'y', column: 'area' }],
        [
          {
            kind: 'polygon',
            file: 'areas.geojson',
            longitude: 'x',
            latitude: 'y',
            column: 'area',
            unmatched: 'quarantine',
          },
        ],
      ]),
      partitionBy: [
        { name: 'source', constant: dice.pick(['x', 'a b/c=é', '%41:"']) },
        ...dice.pick([
          [],
          [{ name: 'year', of: 'at', part: 'year' }],
          [
            { name: 'month', of: 'at', part: 'month' },
            { name: 'date', of: 'day', part: 'day' },
          ],
          [{ name: 'hour', of: 'at', part: 'hour' }],
          [{ name: 'src', of: 'src' }],
          [
            { name: 'own_k', of: 'k' },
            { name: 'own_id', of: 'id' },
          ],
          [{ name: 'own_day', of: 'day' }],
        ]),
      ],
    }),
  );
  const value = (d: Dice, name: string) => fieldValue(d, name, makers.get(name));
  const fields = ['id', 'k', 'at', 'day', 'x', 'y', ...makers.keys()];
  const record = (d: Dice) => jsonRecord(d, fields, value);
  const files: Readonly<Record<Format, (d: Dice) => Buffer>> = {
    lines: (d) => (d.isOne(4) ? arrayFile(d, record) : lineFile(d, record)),
    document: (d) => documentFile(d, record),
    concatenated: (d) => concatenatedFile(d, record),
    csv: (d) => csvFile(d, ';', fields, value),
    csv_lines: (d) => csvFile(d, ',', fields, value),
  };
  return { contract, file: (d) => (d.isOne(25) ? Buffer.from(d.pick(oddFiles)) : files[format](d)) };
}

type ValueMaker = (dice: Dice, name: string) => string;

/** A value as JSON; '' for a field that is missing. */
function fieldValue(dice: Dice, name: string, make: ((dice: Dice) => string) | undefined): string {
  if (make) return make(dice);
  switch (name) {
    case 'id':
      return dice.pick(['1', '2', '3', '-1', '"1"', '12', '9223372036854775807', '"x"', 'null', '']);
    case 'k':
      return dice.pick(['"p"', '"q"', '" p "', '"r"', '""', '"桜"', '7', '""', 'null', '']);
    case 'at':
      return dice.isOne(4)
        ? dice.pick([
            '"0001-01-01T00:00:00Z"',
            '1759729200',
            '"9999-12-31T23:59:59.999999Z"',
            '"x"',
            'null',
            '',
          ])
        : `"2025-10-0${dice.from(1, 9)}T0${dice.from(0, 9)}:00:00Z"`;
    case 'day':
      return dice.pick(['"2025-10-06"', '"0001-01-01"', '"9999-12-31"', '"2025-02-30"', 'null', '']);
    default:
      return coordinate(dice);
  }
}

/** On corners, borders and grids, next to them, and far away. */
const coordinate = (dice: Dice): string =>
  dice.oneOf(
    () =>
      dice.pick([
        '0',
        '3',
        '10',
        '0.1',
        '1',
        '7',
        '5',
        '13.7',
        '2',
        '6',
        '-5',
        '-4',
        '-4.5',
        '-5.000000000000001',
      ]),
    () => String(dice.from(-60, 150) / 10),
    () => String(dice.next() * 16 - 3),
    () =>
      dice.pick([
        '1e300',
        '-1e300',
        '180',
        '"x"',
        'null',
        '',
        '2.9999999999999996',
        '3.0000000000000004',
        '1e-9',
      ]),
  );

function jsonRecord(dice: Dice, fields: readonly string[], value: ValueMaker): string {
  const members = (names: readonly string[]) =>
    names.flatMap((name) => {
      const json = value(dice, name);
      return json === '' ? [] : [`${JSON.stringify(name)}:${dice.isOne(20) ? ' \t' : ''}${json}`];
    });
  const object = (names: readonly string[]) => `{${shuffled(dice, members(names)).join(',')}}`;
  const inner = fields.slice(6);
  const all = members(fields);
  if (dice.isOne(2)) all.push(`"in":${dice.isOne(6) ? '3' : object(inner)}`);
  const text = () =>
    dice.isOne(6)
      ? dice.pick(['""', '" "', '"x"', '"{"', '"7"', '7', 'null', '"[]"', '"{}}"'])
      : JSON.stringify(dice.isOne(3) ? `{"a": 1.50, "b":"x"}` : object(inner));
  const element = () => {
    const more = [
      ...members(inner),
      ...(dice.isOne(2)
        ? [
            `"sub":${dice.isOne(6) ? dice.pick(['null', '7', '{}']) : `[${Array.from({ length: dice.from(0, 3) }, () => (dice.isOne(8) ? '7' : object(inner))).join(',')}]`}`,
          ]
        : []),
      ...(dice.isOne(2) ? [`"text":${text()}`] : []),
    ];
    return `{${shuffled(dice, more).join(',')}}`;
  };
  if (dice.isOne(2)) all.push(`"text":${dice.isOne(10) ? object(inner) : text()}`);
  if (dice.isOne(2))
    all.push(
      `"map":${
        dice.isOne(6)
          ? dice.pick(['null', '[]', '3', '{}'])
          : `{${['k1', 'k"2', '']
              .slice(0, dice.from(0, 3))
              .map(
                (key) =>
                  `${JSON.stringify(key)}:${dice.isOne(5) ? dice.pick(['1.50', '"v"', 'null', '[1]']) : object(inner)}`,
              )
              .join(',')}}`
      }`,
    );
  if (!dice.isOne(4)) {
    const list = dice.oneOf(
      () =>
        `[${Array.from({ length: dice.from(0, 3) }, () => (dice.isOne(8) ? dice.pick(['null', '1', '[]']) : element())).join(',')}]`,
      () => dice.pick(['[]', 'null', '7', '{}', '"[]"']),
    );
    all.push(`"list":${list}`);
  }
  if (dice.isOne(4))
    all.push(
      dice.pick([
        '"extra":1',
        '"K":"other case"',
        '"extra":{"n":[1.50,null]}',
        '"":0',
        '"é":null',
        '"extra":"\\u0001"',
      ]),
    );
  // "of two equal keys the first counts"
  if (dice.isOne(8)) all.push(`"k":"second"`);
  return `{${dice.isOne(8) ? all.join(', ') : shuffledButTwins(dice, all).join(',')}}`;
}

function shuffled<T>(dice: Dice, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: dice.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
}

/** Objects with two equal keys keep their order. */
const shuffledButTwins = (dice: Dice, members: readonly string[]): string[] =>
  members.some((member) => member === '"k":"second"') ? [...members] : shuffled(dice, members);

const brokenLines = [
  ...[
    '',
    ' \t',
    '{"k":"p"',
    '{"k":NaN}',
    '{"k":"p",}',
    '[1]',
    '[{"k":"p"}]',
    'null',
    '7',
    '"k"',
    '{}',
    '{} {}',
    '{"k":"p"}x',
  ],
  ...[
    '\u2028',
    '{"k":"\\ud800"}',
    "{'k':1}",
    '{"k":01}',
    '{"k":+1}',
    '{"k":.5}',
    '{"k":Infinity}',
    '{"k":"a\tb"}',
    ',',
    '{"k":1e400}',
  ],
];

function lineFile(dice: Dice, record: (dice: Dice) => string): Buffer {
  const end = dice.pick(['\n', '\n', '\r\n']);
  const lines = Array.from({ length: dice.from(0, 10) }, () =>
    dice.isOne(6)
      ? Buffer.from(dice.pick(brokenLines))
      : dice.isOne(40)
        ? Buffer.from([0x7b, 0xc3, 0x28])
        : Buffer.from(record(dice)),
  );
  const parts = lines.flatMap((line, i) => (i === 0 ? [line] : [Buffer.from(end), line]));
  return Buffer.concat([...marked(dice), ...parts, ...(dice.isOne(2) ? [Buffer.from(end)] : [])]);
}

const marked = (dice: Dice): Buffer[] => (dice.isOne(8) ? [Buffer.from([0xef, 0xbb, 0xbf])] : []);

function arrayText(dice: Dice, record: (dice: Dice) => string): string {
  const items = Array.from({ length: dice.from(0, 6) }, () =>
    dice.isOne(8) ? dice.pick(['1', 'null', '[]', '"x"', '{}']) : record(dice),
  );
  const space = () => dice.pick(['', '', ' ', '\n', '\r\n  ']);
  return `${space()}[${space()}${items.join(`${space()},${space()}`)}${space()}]${space()}`;
}

function arrayFile(dice: Dice, record: (dice: Dice) => string): Buffer {
  const text = arrayText(dice, record);
  return Buffer.concat([
    ...marked(dice),
    Buffer.from(dice.isOne(10) ? text.slice(0, dice.from(1, text.length)) : text),
  ]);
}

function documentFile(dice: Dice, record: (dice: Dice) => string): Buffer {
  const rows = dice.isOne(8) ? dice.pick(['null', '{}', '7', '"x"']) : arrayText(dice, record);
  const text = `{"a":[1],"data":{"n":null,"the rows":${rows}}${dice.isOne(20) ? ',' : ''}}`;
  return Buffer.concat([
    ...marked(dice),
    Buffer.from(dice.isOne(12) ? text.slice(0, dice.from(1, text.length)) : text),
  ]);
}

function concatenatedFile(dice: Dice, record: (dice: Dice) => string): Buffer {
  if (dice.isOne(40)) return Buffer.from(dice.pick([',', '\n\u001e', '\n,,\n']));
  const parts = Array.from({ length: dice.from(0, 8) }, () => [
    dice.isOne(12) ? dice.pick(['[', '{"k":"}', '{', '}', '{"k":{}}}']) : record(dice),
    dice.pick(['', '\n', ' ', '\r\n\n', '\n', dice.isOne(6) ? dice.pick([',', '\u001e', ',\n', ',x']) : '']),
  ]);
  return Buffer.concat([...marked(dice), Buffer.from(parts.flat().join(''))]);
}

function csvFile(dice: Dice, delimiter: string, fields: readonly string[], value: ValueMaker): Buffer {
  const end = dice.pick(['\n', '\n', '\r\n', '\n\n']);
  const written = (text: string) =>
    /["\r\n]/.test(text) || text.includes(delimiter) || dice.isOne(20)
      ? `"${text.replaceAll('"', '""')}"`
      : text;
  const plain = (name: string): string => {
    const json = value(dice, name);
    if (json === '' || json === 'null') return dice.pick(['', 'NULL']);
    const text = json.startsWith('"') ? String(JSON.parse(json)) : json;
    return written(text.replaceAll('\0', ''));
  };
  const odd = (text: string) =>
    dice.isOne(40) ? dice.pick([`${text}"`, `x"${text}`, `"${text}" `, 'a"b']) : text;
  const header = dice.oneOf(
    () => fields,
    () => [...fields, 'extra'],
    () => shuffled(dice, fields),
    () => fields.map((name) => (dice.isOne(2) ? ` ${name.toUpperCase()}` : name)),
    () =>
      dice.isOne(3)
        ? dice.pick([
            ['k', 'at'],
            ['u', 'v'],
            ['k', 'k'],
            ['k', ''],
          ])
        : fields,
  );
  const rows = Array.from({ length: dice.from(0, 8) }, () => {
    const cells = header.map((name) =>
      odd(name === 'extra' ? written(anyText(dice).replaceAll('\0', '')) : plain(name.trim().toLowerCase())),
    );
    return (dice.isOne(12) ? cells.slice(1) : cells).join(delimiter);
  });
  const lines = [header.map(written).join(delimiter), ...rows].map((line) => Buffer.from(line));
  if (dice.isOne(15)) lines.push(Buffer.from([0xc3, 0x28]), Buffer.from(`p${delimiter}1`));
  const parts = lines.flatMap((line, i) => (i === 0 ? [line] : [Buffer.from(end), line]));
  return Buffer.concat([...marked(dice), ...parts, ...(dice.isOne(2) ? [Buffer.from(end)] : [])]);
}

const oddFiles: readonly (string | Uint8Array)[] = [
  '',
  '\ufeff',
  ' \r\n\t',
  '[]',
  '[',
  '\ufeff[]',
  '\0',
  new Uint8Array([0xff, 0xfe, 0x7b, 0x00]),
  new Uint8Array([0x80]),
  '{"k":"p"}',
  '{"data":{"the rows":[]}}',
  'k',
];
