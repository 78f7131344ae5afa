/** Drafts are honest: each runs on its own file, loses nothing, and says what was guessed. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { readSamples, textOf } from '../../../src/cli/samples.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import type { Contract } from '../../../src/lib/contract/schema.ts';
import { draftContract } from '../../../src/lib/infer/infer.ts';
import { avroFiles } from '../../support/avroFiles.ts';
import { draftOf } from '../../support/drafts.ts';
import { type Row, transform } from '../../support/embedded.ts';
import { isThorough } from '../../support/thorough.ts';

const cases = resolve(import.meta.dirname, '../../fixtures/cases');
const folder = mkdtempSync(join(tmpdir(), 'sluice-infer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const write = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
const draftOfText = (name: string, content: string) => draftOf([write(name, content)]);
const columnsOf = ({ columns }: Contract) =>
  Object.fromEntries(columns.map((c) => [c.name, c.formats === undefined ? c.type : c.formats]));
const comments = (text: string) =>
  text
    .split('\n')
    .filter((line) => /^ *#/.test(line))
    .join('\n');

/** A draft, and the rows that it makes from its own files. */
async function runDraft(paths: readonly string[]) {
  const { text, contract } = await draftOf(paths);
  const files = Object.fromEntries(paths.map((path) => [basename(path), readFileSync(path)]));
  return { text, contract, ...(await transform(contract, files)) };
}

const inputOf = (name: string): string[] =>
  readdirSync(join(cases, name))
    .filter((file) => !file.endsWith('.yml') && file !== 'next.csv')
    .map((file) => join(cases, name, file));

/** What the draft of each case makes of the case's own file: rows, published rows, and columns. */
const drafted: Readonly<
  Record<string, { rows: number; refused?: number; columns?: object; csv?: object; says?: string }>
> = {
  'c01-backslash': { rows: 3, csv: { escape: '\\' }, columns: { price: 'double' } },
  'c02-eu-decimal': {
    rows: 3,
    columns: { datum: [{ pattern: '%d.%m.%Y' }], umsatz: 'double', anteil: 'double' },
    says: 'Day and month cannot be told apart',
  },
  'c03-thousands': {
    rows: 3,
    columns: { amount: 'decimal(18,2)', growth: 'double', net: 'decimal(18,2)' },
    says: 'Such as $1,234.56, which is read as 1234.56.',
  },
  'c04-latin1': { rows: 3, csv: { encoding: 'windows-1252' }, says: 'The file is not UTF-8' },
  'c05-utf16': { rows: 2, columns: { qty: 'bigint' } },
  'c07-cr': { rows: 3 },
  'c08-multidelim': { rows: 2, csv: { delimiter: '||' } },
  'c09-trailing-delim': { rows: 2 },
  'c11-comment': { rows: 2, csv: { comment: '#' }, says: 'The first line is taken for data' },
  'c12-dup-header': { rows: 2, columns: { name_2: 'string' }, says: 'are called name_2' },
  'c13-ragged': { rows: 5, refused: 3, says: '2 records have fewer than 3 fields' },
  'c15-footer-total': {
    rows: 2,
    csv: { skipLines: 3, skipFooter: 1 },
    says: 'The last record looks like a footer',
  },
  'c20-alb': { rows: 2, columns: { time: ['iso8601'], url: 'string' }, says: 'those of the log alb' },
  'c21-regex': { rows: 3, columns: { field_4: 'bigint' }, says: 'Names and widths are guesses' },
  'c23-apache': {
    rows: 2,
    columns: { time: [{ pattern: '%d/%b/%Y:%H:%M:%S %z' }], status: 'bigint' },
    says: 'those of the log apache',
  },
  'c27-pandas-index': { rows: 2, columns: { column_1: 'bigint' }, says: 'are called column_1' },
  'c18-headerless': { rows: 3, says: 'The first line is taken for data' },
  'g07-shopify': { rows: 2, columns: { created_at: ['iso8601'], id: 'string' } },
  'g08-stripe': { rows: 2, columns: { created: ['epoch_s'] } },
  'g10-cw-logs': { rows: 2 },
  'i01-key-trap': { rows: 3, says: 'No key: user_id does not repeat in the sample' },
  'i03-dmy': { rows: 3, says: 'Day and month cannot be told apart' },
  'i07-mixed-case-bool': { rows: 2, columns: { active: 'boolean', flag: 'boolean' } },
  'i08-ampm': { rows: 2, columns: { at: [{ pattern: '%-m/%-d/%Y %-I:%M %p' }] } },
  'i09-excel-errors': { rows: 4, columns: { id: 'bigint', qty: 'bigint', price: 'double' } },
  'j05-double-encoded': {
    rows: 2,
    columns: {
      message_id: 'string',
      body_order_id: 'bigint',
      body_order_total: 'double',
      body_at: ['iso8601'],
    },
    says: 'The texts of body are JSON',
  },
  'j09-single-event': {
    rows: 1,
    columns: { id: 'string', line_items: 'json' },
    says: 'explode: line_items',
  },
  'n02-trim': { rows: 8 },
  'n04-nan': { rows: 8, refused: 4, columns: { v: 'double' }, says: 'NaN and Infinity' },
  'q01-tsv-quotes': { rows: 5, csv: { delimiter: '\t', quote: 'none' }, columns: { year: 'bigint' } },
  'q02-space-quote': { rows: 2, csv: { trimFields: true } },
  'q05-quote-merge': { rows: 4, csv: { quote: 'none' } },
  'z01-zip': { rows: 2 },
  'z06-parquet': { rows: 2, columns: { id: 'bigint', name: 'string', qty: 'bigint' } },
  't05-date-format': { rows: 2, columns: { d: [{ pattern: '%-d.%-m.%Y' }] } },
};

test.each(Object.entries(drafted))('the draft of %s runs on its own file', async (name, expected) => {
  const { text, contract, summary } = await runDraft(inputOf(name));
  const refused = expected.refused ?? 0;
  expect(summary).toMatchObject({
    rowsRead: expected.rows,
    published: expected.rows - refused,
    duplicates: 0,
  });
  expect(columnsOf(contract)).toMatchObject(expected.columns ?? {});
  expect(contract.source.csv ?? {}).toMatchObject(expected.csv ?? {});
  expect(comments(text)).toContain(expected.says ?? '');
  expect(contract.dedupe).toBeUndefined();
});

test.each([
  ['z04-snappy', 'snappy'],
  ['z05-targz', 'tar'],
  ['z11-avro', 'Avro'],
])('nothing is drafted out of the bytes of %s: the format is named', async (name, format) => {
  await expect(draftOf(inputOf(name))).rejects.toThrow(
    new RegExp(
      `it is .*${format}.*; a contract reads JSON, CSV, lines of text, XML, Excel, Parquet and Avro`,
    ),
  );
});

test('a draft of Avro reads its own file', async () => {
  const { 'test/whole.avro': whole = Buffer.alloc(0) } = avroFiles;
  const { contract, summary } = await runDraft([write('orders.avro', whole)]);
  expect(contract.source).toMatchObject({ formats: ['avro'] });
  expect(columnsOf(contract)).toMatchObject({ id: 'bigint', at: ['iso8601'], day: 'date', kind: 'string' });
  expect(summary).toMatchObject({ published: 13, quarantined: 0 });
});

test('rows of a later file that a drafted key would have dropped are published', async () => {
  const { contract } = await draftOf(inputOf('i01-key-trap'));
  const next = readFileSync(join(cases, 'i01-key-trap/next.csv'));
  expect((await transform(contract, { next })).summary).toMatchObject({ rowsRead: 3, published: 3 });
});

test('a key is drafted where rows are named by an id of their own, and not where the feed tells of changes', async () => {
  const rows = Array.from({ length: 20 }, (_, i) => ({
    id: i,
    at: '2025-10-06T05:40:00Z',
    item_id: i,
    updated_at: 'x',
  }));
  const keyOf = (records: readonly object[]) =>
    draftContract('x', { source: { formats: ['ndjson'] }, records }).chosen.key;
  const plain = rows.map(({ id, at, item_id }) => ({ id, at, item_id }));
  expect(keyOf(plain)).toEqual(['id']);
  expect(keyOf(rows)).toEqual([]);
  expect(keyOf(plain.slice(1))).toEqual([]);
  expect(keyOf(plain.map(({ at, item_id }) => ({ at, item_id })))).toEqual([]);
});

test('init asks what the sample leaves open, and the answer decides', async () => {
  const asked: string[] = [];
  const decide = async ({ text }: { text: string }) => {
    asked.push(text);
    return text.includes('first line') ? 'names' : 'records';
  };
  const { contract } = await draftOf(inputOf('c18-headerless'), decide);
  expect(new Set(contract.columns.map((c) => c.path))).toEqual(new Set(['1001', '2024-05-01', 'Ulm', '5']));
  const event = await draftOf(inputOf('j09-single-event'), decide);
  expect(event.contract.source).toMatchObject({ formats: ['json_document'], records: 'line_items' });
  expect(asked).toHaveLength(2);
  expect(
    draftContract('x', { source: { formats: ['csv'] }, records: [{ d: '01/02/2024' }] }, { order: 'day' })
      .contract.columns,
  ).toMatchObject([{ formats: [{ pattern: '%d/%m/%Y' }] }]);
});

test.each([
  [
    'a column that proves the order settles the others',
    'a,b\n01/02/2024,13/02/2024\n02/03/2024,01/02/2024\n',
    { a: [{ pattern: '%d/%m/%Y' }] },
    false,
  ],
  ['nothing proves the order', 'a\tb\n01/02/2024\tx\n', { a: [{ pattern: '%m/%d/%Y' }] }, true],
])('dates of two numbers: %s', async (_, content, columns, isSaid) => {
  const { contract, text } = await draftOfText('dates.csv', content);
  expect(columnsOf(contract)).toMatchObject(columns);
  expect(text.includes('cannot be told apart')).toBe(isSaid);
});

test.each<[string, unknown[], object]>([
  ['whole numbers beyond 64 bits', ['n\n', '18446744073709551615', '1'], { n: 'decimal(38,0)' }],
  ['zero dates', ['n\n', '0000-00-00', '2025-10-06'], { n: 'date' }],
  ['impossible dates', ['n\n', '2025-02-30', '2025-10-06', '2025-10-07'], { n: 'string' }],
  ['numbers with zeros in front', ['n\n', '007', '12'], { n: 'string' }],
  ['months by name', ['n\n', '01-May-2024', '12-Jun-2024'], { n: [{ pattern: '%d-%b-%Y' }] }],
])('infer tells %s, and loses none', async (_, [, ...values], columns) => {
  const path = write('values.csv', `id,n\n${values.map((v, i) => `${i},${v}`).join('\n')}\n`);
  const { contract, summary } = await runDraft([path]);
  expect(columnsOf(contract)).toMatchObject(columns);
  expect(summary).toMatchObject({ rowsRead: values.length, published: values.length });
});

test('what never has a value in the sample is said, and takes whatever comes', async () => {
  const { contract, text } = await draftOfText(
    'nulls.json',
    '{"a":1,"geo":null,"list":[],"o":{}}\n{"a":2,"geo":null}\n',
  );
  expect(columnsOf(contract)).toEqual({ a: 'bigint', geo: 'json', list: 'json', o: 'json' });
  expect(comments(text)).toContain('It never has a value in the sample');
  const { summary } = await transform(contract, { a: '{"a":3,"geo":{"x":1},"list":[{"y":2}],"o":{"z":[]}}' });
  expect(summary.published).toBe(1);
});

test('a file of one line is read with longer ones, and an array with lines', async () => {
  const one = write('one.json', '{"id":1}');
  const two = write('two.json', '{"id":2}\n{"id":3}\n');
  const array = write('array.json', '[{"id":4}]');
  const { contract, summary } = await runDraft([one, two, array]);
  expect(contract.source.formats).toEqual(['ndjson', 'json_array']);
  expect(summary.published).toBe(4);
  const pretty = write('pretty.json', '{\n "id": 5\n}');
  expect((await runDraft([one, pretty])).summary.published).toBe(2);
  const csv = write('csv.csv', 'id,n\n1,2\n');
  await expect(draftOf([one, csv])).rejects.toThrow(
    /one\.json and .*csv\.csv have different formats \(ndjson; csv\)/,
  );
});

const cities = Object.fromEntries(
  Array.from({ length: 30 }, (_, i) => [String(3040051 + i), { name: `city ${i}`, pop: i }]),
);

test.each<[string, object, string]>([
  ['a document keyed by id', cities, '*'],
  ['a map below a field', { version: 3, features: cities }, 'features.*'],
])('%s is drafted as a map: a row each, the key a column', async (_, document, records) => {
  const path = write('cities.json', JSON.stringify(document));
  const { contract, rows, summary } = await runDraft([path]);
  expect(contract.source).toMatchObject({ formats: ['json_document'], records });
  expect(columnsOf(contract)).toEqual({ key: 'string', name: 'string', pop: 'bigint' });
  expect(summary).toMatchObject({ rowsRead: 30, published: 30 });
  expect(rows.find((r: Row) => r.key === '3040053')).toMatchObject({ name: 'city 2', pop: 2n });
});

test.each<[string, string, object]>([
  ['an empty text', '', { n: 'bigint', d: 'date', t: 'string' }],
  ['a marker', 'NA', { n: 'bigint', d: 'date', t: 'string' }],
])('a CSV that quotes every field, with %s for no value, is read as drafted', async (_, none, columns) => {
  const { contract, rows, summary } = await runDraft([
    write(
      'quoted.csv',
      `"n","d","t"\n"1","2024-01-13","a"\n"${none}","2024-01-14","b"\n"3","${none}","c"\n"4","2024-01-15","${none}"\n`,
    ),
  ]);
  expect(columnsOf(contract)).toEqual(columns);
  expect(summary).toMatchObject({ rowsRead: 4, published: 4 });
  expect(rows.filter((row) => row.n === null)).toHaveLength(1);
});

test('a document keyed by id is a map even if its records lack most of their fields', async () => {
  const types = Array.from({ length: 60 }, (_, i) => [
    `application/type-${i}`,
    i % 6 === 5 ? {} : { [['source', 'charset', 'compressible', 'extensions', 'note'][i % 6] ?? '']: 'x' },
  ]);
  const { contract, summary } = await runDraft([
    write('types.json', JSON.stringify(Object.fromEntries(types), null, 2)),
  ]);
  expect(contract.source.records).toBe('*');
  expect(Object.keys(columnsOf(contract))).toEqual([
    'key',
    'source',
    'charset',
    'compressible',
    'extensions',
    'note',
  ]);
  expect(summary).toMatchObject({ rowsRead: 60, published: 60 });
});

test('a map of other things than objects has their values, an empty one no rows, and what is no map is refused', async () => {
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['json_document'], records: 'rates.*' },
      columns: [
        { name: 'code', path: '_key', type: 'string' },
        { name: 'rate', path: '_value', type: 'double' },
        { name: 'a', path: 'a', type: 'int' },
      ],
      partitionBy: [{ name: 'source', constant: 'x' }],
    }),
  );
  const { rows, quarantine, summary } = await transform(contract, {
    'a.json': '{"rates":{"EUR":1,"US\\"D":1.08,"x":{"a":5,"_key":"y"},"z":{},"n":null}}',
    'b.json': '{"rates":{}}',
    'c.json': '{"rates":[1]}',
    'd.json': '{"other":1}',
    'e.json': '{"rates":{"a":',
  });
  expect(rows.map((r) => [r.code, r.rate ?? null, r.a ?? null])).toEqual([
    ['EUR', 1, null],
    ['US"D', 1.08, null],
    ['x', null, 5],
    ['z', null, null],
    ['n', null, null],
  ]);
  expect(quarantine.map((q) => [q.object, q.reason])).toEqual([
    ['c.json', 'records_missing'],
    ['d.json', 'records_missing'],
    ['e.json', 'invalid_document'],
  ]);
  expect(summary.files.map((f) => f.rowsRead)).toEqual([5, 0, 1, 1, 1]);
});

test('a record of more fields than a contract may declare is drafted whole, and quickly', async () => {
  const wide = (n: number, value: unknown) =>
    Object.fromEntries(Array.from({ length: n }, (_, i) => [`f${i}`, value]));
  const deep = write(
    'deep.json',
    `${JSON.stringify({ id: 1, stats: wide(190, { a: 1, b: 2, c: 3, d: 4, e: 5, f: 6 }), more: wide(150, 1) })}\n`,
  );
  const { contract, text } = await draftOf([deep]);
  expect(columnsOf(contract)).toMatchObject({ id: 'bigint', stats: 'json', more_f149: 'bigint' });
  expect(comments(text)).toContain('more columns than a contract may declare');
  const flat = await draftOfText('flat.json', `${JSON.stringify(wide(4285, 1))}\n`);
  expect(flat.contract.columns).toHaveLength(900);
  expect(flat.contract.drift).toBe('rescue');
});

test.each([
  ['2024 Über File.csv', 'ueber_file'],
  ['Café-Données.json.gz', 'cafe_donnees'],
  ['ordersExport_2024-05.csv', 'orders_export'],
  ['売上.csv', 'dataset'],
])('the dataset of %s is called %s', async (file, dataset) => {
  const path = write(file, '{"id":1}');
  expect((await readSamples([path], '10')).dataset).toBe(dataset);
});

test('names of columns are spelled in ASCII, and told apart where they have no letter', async () => {
  const { contract } = await draftOfText('names.csv', 'Größe (cm),Straße,売上,数量,Année\n1,a,2,3,4\n');
  expect(contract.columns.map((c) => c.name)).toEqual([
    'groesse_cm',
    'strasse',
    'field_3',
    'field_4',
    'annee',
  ]);
});

test('a draft that would be no contract is one line, without a file that is not there', async () => {
  const samples = await readSamples([write('in.json', '{"id":1}')], '10');
  const draft = draftContract('in', { ...samples, source: { ...samples.source, records: 'x' } });
  expect(() => textOf(draft, ['in.json'], samples)).toThrow(
    'no contract can be drafted: source.records: is given exactly with the format json_document',
  );
});

test('names that no path can have are read under others, and no field is lost', async () => {
  const path = write('sizes.csv', 'id,"size ""5\\",*\n1,2,3\n2,4,5\n');
  const { contract, rows, text } = await runDraft([path]);
  expect(contract.columns.map((c) => c.path)).toEqual(['id', '"size \\"5\\\\"', '_']);
  expect(rows[0]).toMatchObject({ id: 1n, size_5: 2n });
  expect(comments(text)).toContain('are called _');
});

test('comments are found wherever they stand, and hashtags are none', async () => {
  const scattered = write('scattered.csv', 'a,b,c\n## one\n1,2,3\n4,5,6\n## two, three\n7,8,9\n');
  expect((await runDraft([scattered])).summary).toMatchObject({ rowsRead: 3, published: 3 });
  const hashtags = write('hashtags.csv', 'tag,n\n#a,1\n#b,2\n');
  expect((await runDraft([hashtags])).summary).toMatchObject({ rowsRead: 2, published: 2 });
});

test.each([
  ['JSON with comments', '{\n  // what, why\n  "a": 1,\n  "b": 2,\n}\n'],
  ['prose', 'It was, as it was,\nand then:\nnothing at all.\nThe end\nof it.\n'],
  ['names', 'id,name\n', 'no record was found below a line that may hold the names of fields'],
])('nothing is drafted out of %s', async (_, content, says = 'no JSON record was found, and no CSV') => {
  await expect(draftOfText('text.txt', content)).rejects.toThrow(says);
});

test('several lines of names are a header of several rows, and no time means no partitions', async () => {
  const spans = write('spans.csv', 'shop,sales,,costs,\n,net,gross,net,gross\nUlm,1,2,3,4\nBonn,5,6,7,8\n');
  const { contract, rows } = await runDraft([spans]);
  expect(contract.source.csv?.header).toMatchObject({ rows: 2, spans: true });
  expect(contract.partitionBy).toEqual([]);
  expect(Object.keys(columnsOf(contract))).toEqual([
    'shop',
    'sales_net',
    'sales_gross',
    'costs_net',
    'costs_gross',
  ]);
  expect(rows.map((r) => [r.shop, r.costs_gross])).toEqual([
    ['Ulm', 4n],
    ['Bonn', 8n],
  ]);
  const units = write('units.csv', 'at,weight,height\n,kg,cm\n2025-01-01,1.5,2\n2025-01-02,2.5,3\n');
  const measured = await runDraft([units]);
  expect(Object.keys(columnsOf(measured.contract))).toEqual(['at', 'weight_kg', 'height_cm']);
  expect(measured.contract.partitionBy.length).toBeGreaterThan(1);
  // A text above the numbers of one column may be a value.
  const value = write('value.csv', 'city,count\nUlm,unknown\nBonn,5\nKiel,6\n');
  expect((await runDraft([value])).contract.source.csv).toBeUndefined();
});

test('XML and Excel files are drafted: the record, its lists, the sheet, its header and its footer', async () => {
  const many = await runDraft([
    write(
      'shop.xml',
      '<shop><item id="1"><tag>a</tag><tag>b</tag></item><item id="2"><tag>c</tag></item></shop>',
    ),
  ]);
  expect(many.contract.source.xml).toEqual({ record: 'shop/item' });
  expect(many.rows.map((r) => [r.id, r.tag])).toEqual([
    [1n, ['a', 'b']],
    [2n, ['c']],
  ]);
  const one = write('one.xml', '<orders><order id="7"><line n="1"/><line n="2"/></order></orders>');
  const { text, contract, rows } = await runDraft([one]);
  expect([contract.source.xml?.record, rows.map((r) => r.id)]).toEqual(['orders/order', [7n]]);
  expect(comments(text)).toContain('which element is a record (order, line)? Taken: order.');
  const sheet = await runDraft([resolve(cases, '../feeds/usual/sales-plan.xlsx')]);
  expect(sheet.contract.source.xlsx).toMatchObject({ sheet: 2, skipLines: 1, skipFooter: 1 });
  expect(sheet.rows.map((r) => r.amount ?? null)).toEqual([1234.5, null, 0.3]);
  await expect(draftOf([write('cut.xlsx', Buffer.from('PK\x03\x04'))])).rejects.toThrow(
    'the zip archive is broken',
  );
});

test('titles above the header, delimiters at the end of lines and quotes in fields are drafted, and no row is lost', async () => {
  const { text, contract, rows, quarantine } = await runDraft([
    write(
      'orders.csv',
      'Report of May,,\n,,\nid,size,note\n1,"48" wide, flat","a, b"\n2,"50,c\n3,60,d,,\n4,"1, ""2""",e\n',
    ),
  ]);
  expect(contract.source.csv).toMatchObject({ skipLines: 2, longRows: 'trim', strayQuotes: 'keep' });
  expect(rows.map((r) => [r.id, r.size, r.note])).toEqual([
    [1n, '48" wide, flat', 'a, b'],
    [2n, '"50', 'c'],
    [3n, '60', 'd'],
    [4n, '1, "2"', 'e'],
  ]);
  expect(quarantine).toEqual([]);
  expect(comments(text)).toContain('skipLines leaves them out');
  const bare = await runDraft([write('bare.csv', 'a,,\nb,,\nc,1,2\nd,3,4\n')]);
  expect(bare.rows).toHaveLength(4);
  expect(comments(text)).toContain('2 records have a quote in the wrong place');
});

test('years below names that stand above several fields are a part of the names', async () => {
  const { contract, rows } = await runDraft([
    write('plan.csv', ',Sales,,Costs,\nRegion,2023,2024,2023,2024\nNorth,10,20,3,4\nSouth,30,,5,6\n'),
  ]);
  expect(contract.source.csv?.header).toMatchObject({ rows: 2, spans: true });
  expect(rows.map((r) => [r.region, r.sales_2023, r.costs_2024])).toEqual([
    ['North', 10n, 4n],
    ['South', 30n, 6n],
  ]);
  // Here they are values.
  const reigns = await runDraft([
    write('reigns.csv', 'Name,Reign,\nJohn,1199,1216\nAnne,1702,1714\nMary,1553,1558\n'),
  ]);
  expect(reigns.rows).toHaveLength(3);
});

const column = (...values: readonly string[]) =>
  `id;v\n${values.map((value, i) => `${i + 1};${value}`).join('\n')}\n`;
const under = (name: string, ...values: readonly string[]) =>
  `id,${name}\n${values.map((value, i) => `${i + 1},${value}`).join('\n')}\n`;

/** Options of a source, and of its last column, with a file that shows each. infer.test.ts has those of the cases, too. */
const shown: readonly (readonly [what: string, content: string, options: object])[] = [
  ['quote', "id,name\n1,'a, b'\n2,'c'\n3,'d, e'\n", { csv: { quote: "'" } }],
  ['nullText', 'id,n,d\n1,NULL,2024-01-13\n2,5,NULL\n3,6,2024-01-14\n', { csv: { nullText: 'NULL' } }],
  ['comment', '// made by x\nid,n\n1,2\n3,4\n', { csv: { comment: '//' } }],
  ['longRows', 'id,n\n1,2\n3,4,\n5,6\n', { csv: { longRows: 'trim' } }],
  [
    'number.group of an apostrophe',
    column("1'234.50", "12'000.00"),
    { type: 'double', number: { group: "'" } },
  ],
  ['number.group of a space', column('1 234,50', '12 000,00'), { number: { decimal: ',', group: ' ' } }],
  ['number.group of an underscore', column('1_234', '12_000'), { type: 'bigint', number: { group: '_' } }],
  ['number.percent', column('12.5%', '3%'), { type: 'double', number: { percent: 'points' } }],
  [
    'number.currency',
    column('1.234,50 €', '99,00 €'),
    { number: { decimal: ',', group: '.', currency: ['€'] } },
  ],
  ['number.accounting', column('(45.00)', '1,000.00'), { number: { group: ',', accounting: true } }],
  [
    'number.accounting at the end',
    column('1,000.00', '45.00-'),
    { number: { group: ',', accounting: true } },
  ],
  ['trim of numbers', column(' 5', '6 ', ' '), { type: 'bigint', trim: true, nullValues: [''] }],
  ['trim of days', column(' 2025-01-13', '2025-01-14'), { type: 'date', trim: true }],
  ['normalize', column('Ko\u0308ln', 'Ulm'), { type: 'string', normalize: true }],
  ['map', column('ja', 'nein'), { type: 'boolean', map: { true: ['ja'], false: ['nein'] } }],
  ['epoch_s', under('created_at', '1759729200'), { formats: ['epoch_s'] }],
  ['epoch_ms', under('created_at', '1759729200123'), { formats: ['epoch_ms'] }],
  ['epoch_us', under('created_at', '1759729200123456'), { formats: ['epoch_us'] }],
  ['epoch_ns', under('created_at', '1759729200123456789'), { formats: ['epoch_ns'] }],
  ['numbers under other names', under('candidate', '45936', '20251006'), { type: 'bigint' }],
  ['excel', under('order_date', '45936', '45937'), { type: 'date', formats: ['excel'] }],
  ['twitter', column('Sun Aug 31 00:29:15 +0000 2014'), { formats: ['twitter'] }],
  ['rfc2822', column('Mon, 06 Oct 2025 05:40:00 GMT'), { formats: ['rfc2822'] }],
  ['days without marks', under('day', '20251006', '20251031'), { formats: [{ pattern: '%Y%m%d' }] }],
  ['months by name', column('6 October 2025', '16 May 2025'), { formats: [{ pattern: '%-d %B %Y' }] }],
  ['fractions', column('13.10.2025 05:40:01.123'), { formats: [{ pattern: '%d.%m.%Y %H:%M:%S.%f' }] }],
  ['halves of days', column('10/13/2025 3:04 PM'), { formats: [{ pattern: '%m/%d/%Y %-I:%M %p' }] }],
  ['nonFinite', '{"id":1,"v":NaN}\n{"id":2,"v":1}\n', { json: { nonFinite: 'null' } }],
  ['parse', '{"id":1,"v":"{\\"a\\":1}"}\n', { parse: { v: 'json' } }],
  [
    'fields',
    '0001Anna      20251006\n0002Bert      20251007\n0003Chris     20251008\n',
    { text: { fields: [{ width: 4 }, { width: 10 }, { width: 8 }] } },
  ],
];

test.each(shown)('a file that shows %s is drafted with it', async (_, content, options) => {
  const path = write('shown.txt', content);
  const { contract } = await draftOf([path]);
  expect({ ...contract, ...contract.source, ...contract.columns.at(-1) }).toMatchObject(options);
  if (!isThorough) return;
  const { summary } = await runDraft([path]);
  expect(summary.published).toBe(summary.rowsRead);
});

test.each([
  ['without a header', (i: number) => `${i},"Hello, world ${i}"`],
  ['with blanks around quotes', (i: number) => `${i}, "Hello, world ${i}"`],
  ['with an escape', (i: number) => String.raw`${i},"Hello, \"world\" ${i}"`],
])('quotes around prose are not text: %s', async (_, row) => {
  const { contract } = await draftOfText('prose.csv', `${[1, 2, 3, 4].map(row).join('\n')}\n`);
  expect(contract.source.csv?.quote).toBe('"');
  expect(contract.columns).toHaveLength(2);
});

test('another table in a file is named, and its records are not read as those of the first', async () => {
  const rows = (names: string, row: (i: number) => string) => [names, ...[1, 2, 3, 4, 5].map(row)].join('\n');
  const first = rows('id,day,n', (i) => `${i},2025-10-0${i},${i * 7}`);
  const other = await runDraft([
    write('two.csv', `${first}\n${rows('id,day,n,', (i) => `${i},2025-10-0${i},${i},`)}\n`),
  ]);
  expect(comments(other.text)).toContain('In line 7 another table begins, with 4 fields');
  expect(other.summary).toMatchObject({ rowsRead: 11, published: 5 });
  const again = await draftOfText('again.csv', `${first}\n${first}\n`);
  expect(comments(again.text)).toContain('Line 7 has the names of the first line again');
});

const lines = (...records: readonly object[]) =>
  records.map((record) => `${JSON.stringify(record)}\n`).join('');
const image = (id: string, n: string) => ({ pk: { S: id }, n: { N: n } });
const dms = (Op: string, id: number, name: string, place: number) => `${Op},${id},${name},2025100${place}\n`;

test.each<[string, string, object]>([
  [
    'debezium',
    readFileSync(join(cases, 'j08b-cdc/in.json'), 'utf8'),
    { key: ['id'], columns: { id: 'bigint' }, published: 1 },
  ],
  [
    'dynamodb',
    lines(
      {
        eventName: 'INSERT',
        dynamodb: { Keys: { pk: { S: 'a' } }, NewImage: image('a', '1'), SequenceNumber: '1' },
      },
      {
        eventName: 'MODIFY',
        dynamodb: { Keys: { pk: { S: 'a' } }, NewImage: image('a', '2'), SequenceNumber: '2' },
      },
      { eventName: 'REMOVE', dynamodb: { Keys: { pk: { S: 'b' } }, SequenceNumber: '3' } },
    ),
    { key: ['pk_s'], columns: { pk_s: 'string', n_n: 'bigint' }, published: 1 },
  ],
  [
    'mongodb',
    lines(
      {
        _id: { _data: '81' },
        operationType: 'insert',
        documentKey: { _id: 'x' },
        fullDocument: { _id: 'x', n: 1 },
      },
      { _id: { _data: '82' }, operationType: 'delete', documentKey: { _id: 'x' } },
    ),
    { key: ['id'], columns: { id: 'string', n: 'bigint' }, published: 0 },
  ],
  [
    'dms',
    `Op,id,name,AR_H_CHANGE_SEQ\n${dms('I', 1, 'a', 1)}${dms('I', 2, 'b', 2)}${dms('D', 1, 'a', 3)}`,
    { key: ['id'], columns: { id: 'bigint', name: 'string' }, published: 1 },
  ],
])('changes of %s are drafted as the rows that they make', async (change, content, expected) => {
  const path = write(`${change}.txt`, content);
  const { contract, text, summary } = await runDraft([path]);
  expect(contract.source.change).toBe(change);
  expect(comments(text)).toContain(`as ${change} writes them`);
  const { dedupe } = contract;
  expect({ key: dedupe?.key, columns: columnsOf(contract), published: summary.published }).toMatchObject(
    expected,
  );
  expect(summary.quarantined).toBe(0);
  const records = await draftOf([path], async ({ options }) => options.at(-1)?.name ?? '');
  expect(records.contract.source.change).toBeUndefined();
});

test('changes without a known key, and records that only look like changes, stay records', async () => {
  const change = { op: 'c', source: { lsn: 1 }, after: { code: 7 } };
  const like = { op: 'c', source: 'web', after: { id: 1 } };
  for (const record of [change, like]) {
    const { contract } = await draftOfText('likes.json', lines(record, record));
    expect(contract.source.change).toBeUndefined();
  }
});
