/** Generated contracts and inputs: clean, dirty, and binary ones. */

import { deflateRawSync, gzipSync } from 'node:zlib';
import avro from 'avsc';
import fc from 'fast-check';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { LogName } from '../../src/lib/contract/textFormat.ts';
import { container } from '../support/avroFiles.ts';
import { parquetMark } from '../support/parquetCases.ts';
import { workbook } from '../support/xlsxFiles.ts';
import { zipOf } from '../support/zipArchive.ts';
import { contracts, type Format, often, parsed, type Source, widths } from './contracts.ts';

/** A contract, the rows published before, and the files of its batch. */
export interface Case {
  readonly contract: Contract;
  readonly before: Readonly<Record<string, Buffer>> | null;
  readonly files: Readonly<Record<string, Buffer>>;
  /** Larger lookups are joined in the set part. */
  readonly heldReferenceBytes: number;
}

const leaf = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(
    '',
    ' x ',
    'N/A',
    '12',
    '-7',
    '1.5',
    '1e400',
    'true',
    '2025-10-06',
    '2025-02-30',
    '9007199254740993',
    '1.234,50',
    '($1,234.50)',
    '-12,5 €',
    '+.5',
    '12.5%',
    '45000.75',
    '06.10.2025',
  ),
);
const value = fc.oneof(
  { weight: 6, arbitrary: leaf },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 3 }) },
);
const fieldsOf = { a: value, b: value, c: value };
const fields = fc.record(fieldsOf, { requiredKeys: [] });
const time = fc.oneof(
  fc.constantFrom(
    ...often<string | number>(
      '2025-10-06T05:40:00.123456Z',
      '2025-10-06 23:30:00-01:00',
      'Mon Oct 06 07:40:00 +0200 2025',
      'Mon, 6 Oct 2025 07:40 +0200',
      '06.10.2025 07:40+02',
      1759729200,
      '1759729200123',
    ),
    'Tue Oct 06 07:40:00 +0200 2025',
    'Mon, 31 Feb 2025 07:40 GMT',
    '6.10.2025 07:40Z',
    '616089948040436966',
    '2025-10-06T05:40:001Z',
    '9999-12-31T23:59:59-01:00',
    'soon',
  ),
  fc
    .date({ min: new Date('1971-01-01'), max: new Date('2090-01-01'), noInvalidDate: true })
    .map((d) => d.toISOString()),
);
const coordinate = fc.oneof(
  fc.double({ min: -3, max: 3, noNaN: true }),
  fc.constantFrom(0, 0.25, 1, 1.5, 2, null, 'north'),
);
const record = fc
  .record({
    id: fc.oneof({ weight: 15, arbitrary: fc.integer({ min: 0, max: 6 }) }, { weight: 1, arbitrary: leaf }),
    at: time,
    x: coordinate,
    y: coordinate,
    top: fields,
    in: fields,
    list: fc.array(
      fc.record(
        { ...fieldsOf, sub: fc.oneof(fc.array(fields, { maxLength: 2 }), fc.constantFrom(null, 7)) },
        { requiredKeys: [] },
      ),
      { maxLength: 2 },
    ),
    text: fc.oneof(
      fields.map((f) => JSON.stringify(f)),
      fc.constantFrom(undefined, '', 'x', '{"a":1.50,"b":{}}', '{"a":NaN}', null, 7),
    ),
  })
  .map(({ top, ...rest }) => ({ ...top, ...rest }));
const line = fc.oneof(
  { weight: 10, arbitrary: record.map((r) => JSON.stringify(r)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' \t',
      '{"id":1,"at":NaN}',
      '{"id":2,"at":1759729200,"a":-Infinity,"b":"NaN","x":NaN}',
      '{"id":1,"at":1759729200,"list":7}',
      '{"id":2,"at":1759729200,"a":"x\\u0000y"}',
      '{"id":1,"at":1759729200.1234567,"a":1.50,"b":936299847.92375604,"c":[1e5,-0,"1.50"],"in":{"a":-0,"x":2.50}}',
      '{"id":-0,"at":1759729200,"a":12345678901234567890123456789012345678,"b":{"x":1.0,"y":[1E2]}}',
      '{"id":9223372036854775807,"at":1759729200,"x":1e300,"y":-1e-400,"a":"ΑΘΗΝΑΣ ß"}',
      '{"id":1}}',
      '{"id":1,}',
      '[1]',
      'null',
      '{"id":2',
      '{"id":1,"id":2,"at":1759729200}',
      '\u2028',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }).filter((s) => !/[\n\0]/.test(s)) },
);
const bytes = (text: string) => Buffer.from(text, 'utf8');
const lineFile = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), fc.boolean(), fc.boolean())
  .map(([lines, end, hasMark, isBroken]) =>
    Buffer.concat([
      bytes(hasMark ? '\uFEFF' : ''),
      bytes(`{}${end}${lines.join(end)}`),
      ...(isBroken ? [bytes(end), Buffer.from([0xc3, 0x28]), bytes(`${end}{"x":1}`)] : []),
    ]),
  );
const arrayFile = fc.array(record, { maxLength: 5 }).map((records) => bytes(JSON.stringify(records)));
/** Documents with the records at their place in `data`, and others. */
const documentFile = (dataOf: (records: readonly object[]) => object, ...others: readonly string[]) =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc
        .array(record, { maxLength: 5 })
        .map((records) => bytes(JSON.stringify({ data: dataOf(records) }))),
    },
    { weight: 1, arbitrary: fc.constantFrom(...['{}', ...others].map(bytes)) },
  );
const concatenatedFile = fc
  .array(
    fc.tuple(
      fc.oneof(
        { weight: 8, arbitrary: record.map((r) => JSON.stringify(r)) },
        { weight: 1, arbitrary: line },
      ),
      fc.constantFrom('', '\n', ' ', '\r\n\n', ',', ',\n\u001e', ' junk '),
    ),
    { maxLength: 8 },
  )
  .map((parts) => bytes(parts.flat().join('')));

const csvField = (delimiter: string, quote: string) =>
  fc
    .oneof(
      { weight: 6, arbitrary: leaf.map((v) => (v === null ? 'NULL' : String(v))) },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          '"',
          '""',
          '"open',
          'a"b',
          'x"y;"p\n2,q,r\n"',
          '"a" ',
          'x\ry',
          'x\\,y\\\ty\\\\',
          'x\\\n\\',
          ' two  words\t',
          '"two\r\nlines"',
          '"NULL"',
          'NULL',
        ),
      },
    )
    .map((text) => text.replaceAll('"', quote))
    .chain((text) =>
      // In quotes only if necessary, or in quotes always.
      fc.oneof(
        {
          weight: 6,
          arbitrary: fc.constant(
            /[\r\n]/.test(text) || text.includes(quote) || text.includes(delimiter)
              ? `${quote}${text.replaceAll(quote, quote + quote)}${quote}`
              : text,
          ),
        },
        { weight: 1, arbitrary: fc.constant(text.replaceAll('\0', '')) },
      ),
    );
/** Of DMS: the first is that of a full load, the last is unknown. */
const operations = ['', 'I', 'I', 'U', 'U', 'D', 'X'];
/** `before` comes first; then, sometimes, lines of the dialect that are not records. */
const csvFile = (delimiter: string, quote = '"', before = '', headers: readonly string[] = []) =>
  fc
    .tuple(
      fc.constantFrom(
        ...often(
          ...(headers.length > 0 ? headers : ['id at a b c x y', 'id at a b c x y extra', 'y x c b a at id']),
        ),
        ...['ID At A B C x Y', 'id at', 'id id', 'id id at a', '', 'u v'],
      ),
      fc.array(
        fc.tuple(
          fc.integer({ min: 0, max: 6 }),
          time,
          fc.array(csvField(delimiter, quote), { minLength: 6, maxLength: 6 }),
        ),
        { maxLength: 8 },
      ),
      fc.constantFrom(...often('\n', '\r\n'), '\r', '\n\n\r\n', '\r\r\n'),
      fc.boolean(),
      fc.constantFrom(null, null, null, Buffer.from([0xc3, 0x28])),
      fc.constantFrom(...often('', '\n \n'), '# a "comment\n', `sep=${delimiter[0]}\n`),
    )
    .map(([header, rows, end, hasMark, broken, aside]) => {
      const names = header === '' ? [] : header.split(' ');
      const lines = rows.map(([id, at, rest]) => {
        const row = [
          String(id),
          String(at),
          ...rest.slice(0, Math.max(0, (names[0] === 'Op' ? 5 : names.length - 2) + (id === 6 ? 1 : 0))),
        ];
        if (names[0] === 'Op') return [operations[id], ...row, id * 7 - 3].join(delimiter);
        return (names[0] === 'y' ? row.reverse() : row).join(delimiter);
      });
      const text = `${before}${aside}${[names.join(delimiter), ...lines, ...(aside.startsWith('#') ? ['# end', `Total${delimiter}`] : [])].join(end)}`;
      return Buffer.concat([
        bytes(hasMark ? '\uFEFF' : ''),
        bytes(text),
        ...(broken ? [bytes(end), broken, bytes(`${delimiter}x${end}`)] : []),
      ]);
    });

const textFile = fc
  .array(
    fc.record({ id: fc.integer({ min: 0, max: 6 }), at: time, a: leaf, b: leaf, c: leaf, x: leaf, y: leaf }),
    {
      maxLength: 8,
    },
  )
  .chain((rows) =>
    fc.record({
      lines: fc.constant(
        rows.map((row) =>
          Object.entries(widths)
            .map(([name, width]) => {
              const text = String(row[name as keyof typeof widths] ?? '').padEnd(width);
              return row.id === 6 ? text : text.slice(0, width);
            })
            .join(''),
        ),
      ),
      end: fc.constantFrom(...often('\n', '\r\n'), '\r', ' \t\n', ' more\n'),
      isCut: fc.boolean(),
    }),
  )
  .map(({ lines, end, isCut }) => bytes([...lines.map((l) => (isCut ? l.trimEnd() : l)), 'Total'].join(end)));

/** The rest of a text, as a field of a log: without what ends the field. */
const inLog = (text: unknown) => String(text ?? '-').replaceAll(/[\s"\\]/g, '_') || '-';
const logTimes: Readonly<Partial<Record<LogName, string>>> = {
  s3_access: '06/Oct/2025:05:40:00 +0000',
  apache: '06/Oct/2025:07:40:00 +0200',
  alb: '2025-10-06T05:40:00.123456Z',
  cloudfront: '2025-10-06\t05:40:00',
  vpc_flow: '1759729200',
};
const logLine = (log: LogName) =>
  fc
    .record({
      id: fc.integer({ min: 0, max: 6 }),
      values: fc.array(leaf, { minLength: 4, maxLength: 4 }),
      request: fc.constantFrom('GET /a?b=1 HTTP/1.1', 'GET /a b HTTP/1.1', '-', 'x \\"y\\" z', 'POST  '),
      time: fc.constantFrom(...often(logTimes[log] ?? ''), 'soon'),
      length: fc.constantFrom(0, 1, 5, 99),
      odd: fc.constantFrom(...often('', '', ''), ' more', '"', '\r'),
    })
    .map(({ id, values: [a, b, x, y], request, time, length, odd }) => {
      const lines: Readonly<Record<LogName, readonly [first: string, rest: string]>> = {
        s3_access: [
          `o bucket [${time}] 192.0.2.1 - ${inLog(b)} REST.GET ${inLog(a)} "${request}" ${id} - ${inLog(x)} 1 ${inLog(y)} - "-" "${inLog(a)}"`,
          ' - host= sig suite AuthHeader h TLSv1.2 - Yes',
        ],
        apache: [
          `192.0.2.1 - ${inLog(b)} [${time}] "${request}" ${id} ${inLog(x)}`,
          ` "-" "Agent (${inLog(a)})"`,
        ],
        alb: [
          `https ${time} app/x/1 192.0.2.1:${id} ${id % 2 ? '-' : '10.0.0.1:80'} ${inLog(x)} 0.1 -1 ${id} - 5 ${inLog(y)} "${request}" "${inLog(a)}" - -`,
          ` arn "Root=1" "-" "-" 0 ${time} "forward" "-" "-"`,
        ],
        cloudfront: [
          [
            time,
            'FRA',
            inLog(y),
            '192.0.2.1',
            'GET',
            'h',
            inLog(a),
            id,
            inLog(b),
            '-',
            '-',
            '-',
            'Hit',
            'id',
            'h',
            'https',
            5,
            inLog(x),
          ].join('\t'),
          '\t-\tTLSv1.3\tsuite\tHit\tHTTP/2.0\t-\t-\t443',
        ],
        vpc_flow: [
          `${id} 1 eni-1 ${inLog(a)} 10.0.0.2 5 443 6 ${inLog(y)} ${inLog(x)} ${time} 1759729260 ${inLog(b)}`,
          ' OK',
        ],
      };
      const [first, rest] = lines[log];
      return `${first}${rest.slice(0, length === 99 ? rest.length : length)}${odd}`;
    });
const logFile = (log: LogName) =>
  fc
    .tuple(
      fc.array(logLine(log), { maxLength: 8 }),
      fc.constantFrom('', '#Version: 1.0\n#Fields: date time\n', 'version account-id\n', '\n \n'),
      fc.constantFrom(...often('\n', '\r\n'), '\r'),
    )
    .map(([lines, before, end]) => bytes(`${before}${lines.join(end)}`));

/** The record of a change, in the envelope of its program. */
type Change = (row: Record<string, unknown>, kind: number, place: number) => unknown;
const changeFile = (change: Change) =>
  fc
    .tuple(
      fc.array(
        fc.oneof(
          {
            weight: 12,
            arbitrary: fc
              .tuple(record, fc.nat(7), fc.nat(40))
              .map(([row, kind, place]) => JSON.stringify(change({ ...row }, kind, place))),
          },
          { weight: 1, arbitrary: line },
          { weight: 1, arbitrary: fc.constantFrom('null', '{"ddl":"x"}', '{"op":"t"}', '{"payload":{}}') },
        ),
        { maxLength: 10 },
      ),
      fc.constantFrom('\n', '\r\n'),
    )
    .map(([lines, end]) => bytes(lines.join(end)));
const debeziumChange: Change = (row, kind, place) => {
  const op = ['c', 'u', 'u', 'd', 'r', 't', 'x', 'm'][kind];
  const before = kind % 2 === 0 ? null : { id: row.id, at: row.at };
  const source = kind === 4 ? {} : { lsn: place * 100, ts_ms: 1759729200000 };
  const envelope = { op, source, ts_ms: 1759729200000 + place, before, after: op === 'd' ? null : row };
  return place % 5 === 0 ? { schema: {}, payload: envelope } : envelope;
};
const dmsChange: Change = (row, kind, place) => ({
  Op: operations[kind],
  ...row,
  AR_H_CHANGE_SEQ: kind === 0 ? null : String(20251006000000 + place),
});
const typed = (value: unknown): unknown => {
  if (value === null || value === undefined) return { NULL: true };
  if (Array.isArray(value)) return { L: value.map(typed) };
  if (typeof value === 'object')
    return { M: Object.fromEntries(Object.entries(value).map(([k, v]) => [k, typed(v)])) };
  if (typeof value === 'boolean') return { BOOL: value };
  return typeof value === 'number' ? { N: String(value) } : { S: String(value) };
};
const dynamodbChange: Change = (row, kind, place) => {
  const image = Object.fromEntries(Object.entries(row).map(([name, value]) => [name, typed(value)]));
  const Keys = { id: image.id, at: image.at };
  const SequenceNumber = String(10n ** 20n + BigInt(place));
  switch (kind) {
    case 0:
      return { Item: image };
    case 1:
    case 2:
      return { Metadata: { WriteTimestampMicros: { N: String(place) } }, Keys, NewImage: image };
    case 3:
      return { eventName: 'REMOVE', dynamodb: { Keys, SequenceNumber } };
    case 4:
      return { Metadata: { WriteTimestampMicros: { N: String(place) } }, Keys };
    default:
      return {
        eventName: kind === 5 ? 'INSERT' : 'MODIFY',
        dynamodb: { Keys, NewImage: image, SequenceNumber },
      };
  }
};
const mongodbChange: Change = (row, kind, place) => {
  const operationType = ['insert', 'update', 'replace', 'delete', 'drop', 'update', 'rename', 'delete'][kind];
  return {
    _id: { _data: `82${String(place).padStart(4, '0')}` },
    operationType,
    wallTime: { $date: '2025-10-06T05:40:00Z' },
    documentKey: { id: row.id, at: row.at },
    ...(kind < 3 ? { fullDocument: row } : {}),
  };
};

const inXml = (text: string): string =>
  text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd]/g, '?')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
/** A value as elements of its own: an array is a repeated element. */
const elementsOf = (name: string, of: unknown): string => {
  if (Array.isArray(of)) return of.map((item) => elementsOf(name, item)).join('');
  if (typeof of === 'object' && of !== null)
    return `<${name}>${Object.entries(of)
      .map(([key, below]) => elementsOf(key, below))
      .join('')}</${name}>`;
  if (of === undefined) return '';
  return of === null ? `<${name}/>` : `<${name}>${inXml(String(of))}</${name}>`;
};
const xmlFile = fc
  .tuple(
    fc.array(record, { maxLength: 6 }),
    fc.constantFrom('', '\uFEFF', '<?xml version="1.0"?>\r\n', '<!DOCTYPE rows>'),
    fc.constantFrom('', ' ', '<row id="1">text</row>', '<row>7</row>', '<!-- x --><other/>', '&x;', '<row'),
  )
  .map(([records, before, odd]) =>
    bytes(`${before}<rows>${odd}${records.map((r) => elementsOf('row', r)).join('\n')}</rows>`),
  );

const cell = fc.oneof(
  leaf.map((of) => {
    if (of === null) return '<c/>';
    if (typeof of === 'number') return `<c s="${Math.abs(Math.trunc(of)) % 5}"><v>${of}</v></c>`;
    if (typeof of === 'boolean') return `<c t="b"><v>${Number(of)}</v></c>`;
    return `<c t="inlineStr"><is><t>${inXml(of)}</t></is></c>`;
  }),
  fc.constantFrom(
    '<c t="e"><v>#N/A</v></c>',
    '<c t="str"><f>A1</f><v>12</v></c>',
    '<c s="1"><v>45936</v></c>',
  ),
);
const textCell = (text: unknown) => `<c t="str"><v>${inXml(String(text))}</v></c>`;
const xlsxFile = fc
  .tuple(
    fc.constantFrom('id at a b c x y', 'id at a', 'y x id at', 'u v', ''),
    fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), time, fc.array(cell, { maxLength: 6 })), {
      maxLength: 6,
    }),
    fc.constantFrom('', '<row/>', '<row><c t="s"><v>5</v></c></row>'),
    fc.boolean(),
  )
  .map(([header, rows, odd, is1904]) =>
    workbook({
      is1904,
      rows: [
        `<row>${header.split(' ').map(textCell).join('')}</row>`,
        ...rows.map(([id, at, rest]) => `<row><c><v>${id}</v></c>${textCell(at)}${rest.join('')}</row>`),
        odd,
        `<row>${textCell('Total')}</row>`,
      ].join(''),
    }),
  );

const parquetTypes = [
  'VARCHAR',
  'INTEGER',
  'BIGINT',
  'UBIGINT',
  'DOUBLE',
  'FLOAT',
  'DECIMAL(12,3)',
  'DECIMAL(38,10)',
  'BOOLEAN',
  'DATE',
  'TIMESTAMPTZ',
] as const;

/** A value that fits a type of SQL: the value itself if it fits, else one made of it. Null stays null. */
const fitted = (type: string, of: unknown): unknown => {
  if (of === null || of === undefined) return null;
  if (type.endsWith('[]')) return [of].flat().map((item) => fitted(type.slice(0, -2), item));
  const text = typeof of === 'string' ? of : JSON.stringify(of);
  const number = Number(text);
  const size = text.length;
  if (/^(BIGINT|INTEGER|UBIGINT|UTINYINT)$/.test(type)) return Number.isInteger(number) ? of : size;
  if (/^(DOUBLE|FLOAT)$/.test(type)) return Number.isFinite(number) ? of : size / 8;
  if (type.startsWith('DECIMAL'))
    return Number.isInteger(number) && Math.abs(number) < 1e8 ? of : `${size}.125`;
  if (type === 'BOOLEAN') return typeof of === 'boolean' ? of : size % 2 === 0;
  if (type === 'DATE') return `2025-10-${10 + (size % 20)}`;
  if (type.startsWith('TIMESTAMP'))
    return (Number.isNaN(Date.parse(text)) ? new Date(1759729200000 + size) : new Date(text)).toISOString();
  return of;
};
const fittedFields = (types: Readonly<Record<string, string>>, of: Readonly<Record<string, unknown>>) => ({
  ...of,
  ...Object.fromEntries(Object.entries(types).map(([name, type]) => [name, fitted(type, of[name])])),
});
const structOf = (types: Readonly<Record<string, string>>) =>
  `STRUCT(${Object.entries(types)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ')})`;

/** The fields of a record, each with one type in a file. */
const fieldNames = ['id', 'at', 'x', 'y', 'a', 'b', 'c', 'text', 'extra'] as const;

/** DuckDB writes it before the case runs: see withParquet. */
const parquetFile = fc
  .record({
    types: fc.record(
      Object.fromEntries(
        fieldNames.map((name) => [
          name,
          fc.constantFrom(
            ...{
              id: ['BIGINT', 'INTEGER', 'UTINYINT', 'VARCHAR', 'DECIMAL(9,0)'],
              at: ['VARCHAR', 'VARCHAR', 'TIMESTAMPTZ', 'TIMESTAMP_MS', 'TIMESTAMP_NS'],
              x: ['DOUBLE', 'FLOAT', 'VARCHAR', 'DECIMAL(12,3)'],
              y: ['DOUBLE', 'INTEGER'],
              a: parquetTypes,
              b: parquetTypes,
              c: [...parquetTypes, 'VARCHAR[]', 'INTEGER[]', 'DATE[]'],
              text: ['VARCHAR', 'JSON'],
              extra: [...parquetTypes, 'MAP(VARCHAR, INTEGER)', 'UUID', 'TIME', 'BLOB'],
            }[name],
          ),
        ]),
      ),
    ),
    inner: fc.constantFrom<Record<string, string>>(
      { a: 'VARCHAR', b: 'DOUBLE', c: 'VARCHAR[]' },
      { a: 'BIGINT', c: 'INTEGER[]' },
      { b: 'BOOLEAN' },
    ),
    list: fc.constantFrom<Record<string, string>>(
      { a: 'VARCHAR', b: 'DECIMAL(12,3)', c: 'VARCHAR[]', sub: 'STRUCT(a VARCHAR, c VARCHAR[])[]' },
      { a: 'DOUBLE', c: 'VARCHAR' },
    ),
    codec: fc.constantFrom('snappy', 'zstd', 'gzip', 'uncompressed'),
    rows: fc.array(record, { maxLength: 8 }),
  })
  .map(({ inner, list, rows, ...spec }) => {
    const fits = rows.map((row) => ({
      ...fittedFields(spec.types, row),
      in: fittedFields(inner, row.in),
      list: row.list.map((item) => fittedFields(list, item)),
    }));
    const described = { ...spec, inner: structOf(inner), list: `${structOf(list)}[]`, rows: fits };
    return Buffer.concat([parquetMark, bytes(JSON.stringify(described))]);
  });

/** A value as Avro has it in a field of this type: fitted to it, or null. */
const inAvro = (type: AvroType, of: unknown): unknown => {
  if (of === null || of === undefined || typeof of === 'object') return null;
  const text = String(of);
  const number = text.trim() === '' ? Number.NaN : Number(text);
  const whole = Number.isSafeInteger(number) ? number : Date.parse(text) || text.length;
  switch (type) {
    case 'string':
      return { string: text.toWellFormed() };
    case 'long':
      return { long: whole };
    case 'int':
      return { int: Math.abs(whole) < 2 ** 31 ? whole : text.length };
    case 'double':
      return { double: number };
    case 'float':
      return { float: Math.fround(number) };
    case 'boolean':
      return { boolean: typeof of === 'boolean' ? of : text.length % 2 === 0 };
  }
};
const avroTypes = ['string', 'long', 'int', 'double', 'float', 'boolean'] as const;
type AvroType = (typeof avroTypes)[number];
const avroFile = fc
  .record({
    types: fc.record({
      id: fc.constantFrom<AvroType>('long', 'int', 'string', 'double'),
      at: fc.constantFrom<AvroType>('string', 'long'),
      x: fc.constantFrom<AvroType>('double', 'float', 'string'),
      y: fc.constantFrom<AvroType>('double', 'int'),
      a: fc.constantFrom(...avroTypes),
      b: fc.constantFrom(...avroTypes),
      c: fc.constantFrom(...avroTypes),
      text: fc.constant('string' as const),
    }),
    inner: fc.constantFrom(...avroTypes),
    rows: fc.array(record, { maxLength: 8 }),
    isDeflated: fc.boolean(),
    blocks: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ types, inner, rows, isDeflated, blocks }) => {
    const optional = (type: string) => ['null', type];
    const innerFields = ['a', 'b'].map((name) => ({ name, type: optional(inner) }));
    const items = { type: 'array', items: optional('string') };
    const schema = {
      type: 'record',
      name: 'Row',
      fields: [
        ...Object.entries(types).map(([name, type]) => ({ name, type: optional(type) })),
        {
          name: 'in',
          type: [
            'null',
            { type: 'record', name: 'In', fields: [...innerFields, { name: 'c', type: items }] },
          ],
        },
        {
          name: 'list',
          type: { type: 'array', items: { type: 'record', name: 'Item', fields: innerFields } },
        },
      ],
    };
    const type = avro.Type.forSchema(schema as avro.Schema, { wrapUnions: true });
    const innerOf = (of: Record<string, unknown>) => ({ a: inAvro(inner, of.a), b: inAvro(inner, of.b) });
    const encoded = rows.map((row) => {
      const fields: Record<string, unknown> = row;
      const c = row.in.c;
      return type.toBuffer({
        ...Object.fromEntries(Object.entries(types).map(([name, t]) => [name, inAvro(t, fields[name])])),
        in: {
          In: {
            ...innerOf(row.in),
            c: (Array.isArray(c) ? c : [c]).map((item) => inAvro('string', item)),
          },
        },
        list: row.list.map(innerOf),
      });
    });
    const size = Math.max(1, Math.ceil(encoded.length / blocks));
    const parts = Array.from({ length: Math.ceil(encoded.length / size) }, (_, i) =>
      encoded.slice(i * size, (i + 1) * size),
    );
    return container(
      JSON.stringify(schema),
      isDeflated ? 'deflate' : 'null',
      parts.map((part) => {
        const whole = Buffer.concat(part);
        return [part.length, isDeflated ? deflateRawSync(whole) : whole] as const;
      }),
    );
  });

/** The same files in a zip archive. */
const zipped = (file: fc.Arbitrary<Buffer>) =>
  fc
    .tuple(fc.array(file, { maxLength: 3 }), fc.boolean())
    .map(([files, isStored]) =>
      zipOf(files.map((content, i) => ({ name: `${i}`, bytes: content, isStored }))),
    );

const otherFile = fc.constantFrom(
  bytes(''),
  bytes('[{"id":'),
  bytes('\uFEFF[]'),
  Buffer.from([0, 1]),
  Buffer.from([0x1f, 0x8b, 8]),
  gzipSync('{"id":3,"at":1759729200}'),
);
const fileOf: Readonly<Record<Exclude<Format, 'log'>, fc.Arbitrary<Buffer>>> = {
  lines: fc.oneof({ weight: 4, arbitrary: lineFile }, { weight: 2, arbitrary: arrayFile }),
  document: documentFile(
    (rows) => ({ 'the rows': rows }),
    '{"data":{"the rows":{}}}',
    '{"data":{"the rows":[1,[],{}]}}',
  ),
  map: documentFile(
    (rows) => Object.fromEntries(rows.map((row, i) => [`k${i}`, row])),
    '{"data":{"x":1,"y":[],"z":{}}}',
    '{"data":[]}',
  ),
  edges: documentFile(
    (rows) => ({ edges: rows.map((node) => ({ node })) }),
    '{"data":{"edges":[{"node":null},{},1]}}',
    '{"data":{"edges":7}}',
  ),
  concatenated: concatenatedFile,
  debezium: changeFile(debeziumChange),
  dms: changeFile(dmsChange),
  dms_csv: csvFile(',', '"', '', ['Op id at a b c x y AR_H_CHANGE_SEQ']),
  dynamodb: changeFile(dynamodbChange),
  mongodb: changeFile(mongodbChange),
  xml: xmlFile,
  parquet: parquetFile,
  avro: avroFile,
  csv: csvFile(';'),
  csv_lines: csvFile(','),
  csv_dialect: csvFile('||', "'", 'Report\n'),
  csv_plain: csvFile('\t', '"', '\n"\n'),
  csv_encoded: csvFile(','),
  // The upper parts of the names are empty.
  csv_header: csvFile(',', '"', ',,,,,,\n'),
  csv_named: csvFile(','),
  pattern: csvFile(';'),
  fields: textFile,
  xlsx: xlsxFile,
  xlsx_header: xlsxFile,
};
const fileFor = (format: Format, { csv, text }: Source): fc.Arbitrary<Buffer> => {
  const file = format === 'log' ? logFile(text?.log ?? 'alb') : fileOf[format];
  if ((csv?.encoding ?? text?.encoding) !== 'utf-16') return file;
  return fc
    .tuple(file, fc.constantFrom('\uFEFF', '\uFEFF', ''))
    .map(([content, mark]) => Buffer.from(mark + content.toString('utf8'), 'utf16le'));
};
const filesOf = (format: Format, source: Source) => {
  const file = fileFor(format, source);
  return fc
    .array(
      fc.oneof(
        { weight: 6, arbitrary: file },
        { weight: 1, arbitrary: otherFile },
        // A Parquet file is written later.
        { weight: 1, arbitrary: format === 'parquet' ? otherFile : zipped(file) },
      ),
      { minLength: 1, maxLength: 3 },
    )
    .map((contents) => Object.fromEntries(contents.map((content, i) => [`x/${i}.json`, content])));
};

export const cases: fc.Arbitrary<Case> = contracts.chain(({ format, source, withPublished, written }) =>
  fc.record({
    contract: fc.constant(parsed(written)),
    before: withPublished ? filesOf(format, source) : fc.constant(null),
    files: filesOf(format, source),
    heldReferenceBytes: fc.constantFrom(0, 1_000_000),
  }),
);
