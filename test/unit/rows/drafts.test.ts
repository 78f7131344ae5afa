/** Small files in the shape of reported ones: what a draft makes of its own file, and what it says of its guesses. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { container } from '../../support/avroFiles.ts';
import { draftOf } from '../../support/drafts.ts';
import { transform } from '../../support/embedded.ts';
import { workbook } from '../../support/xlsxFiles.ts';
import { zipOf } from '../../support/zipArchive.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-drafts-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Files = Readonly<Record<string, string | Uint8Array>>;

async function drafted(files: Files) {
  const paths = Object.entries(files).map(([name, content]) => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  });
  const { text, contract } = await draftOf(paths);
  const { rows, quarantine } = await transform(contract, files);
  return {
    text,
    contract,
    rows: rows
      .map((row) => contract.columns.map(({ name }) => plain(row[name])))
      .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
    refused: quarantine.map((q) => [Number(q.line), q.reason]),
  };
}

/** Timestamps are microseconds. */
const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Date ? value.toISOString().slice(0, 10) : (value ?? null);
};

interface Case {
  readonly is: string;
  readonly files: Files;
  /** By column: its type, or its options. */
  readonly columns?: object;
  readonly source?: object;
  readonly rows: readonly (readonly unknown[])[];
  readonly refused?: readonly (readonly [line: number, reason: string])[];
  readonly says?: string;
}

const csv = (text: string): Files => ({ 'a.csv': text });
const json = (text: string): Files => ({ 'a.json': text });
const march = Date.UTC(2024, 2, 4, 5, 6, 7) * 1000;
const cell = (text: string) => `<c t="inlineStr"><is><t>${text}</t></is></c>`;

const cases: readonly Case[] = [
  {
    is: 'postal codes and telephone numbers without a leading zero in the sample',
    files: csv('zip,phone\n10115,4930123\n80331,4930124\n'),
    columns: { zip: 'string', phone: 'string' },
    rows: [
      ['10115', '4930123'],
      ['80331', '4930124'],
    ],
    says: 'Numbers under such a name are labels',
  },
  {
    is: 'booleans as Excel and JavaScript write them, mixed',
    files: csv('id,a,b\n1,true,TRUE\n2,,TRUE\n3,FALSE,TRUE\n'),
    columns: { a: 'boolean', b: 'boolean' },
    rows: [
      [1, true, true],
      [2, null, true],
      [3, false, true],
    ],
  },
  {
    is: 'numbers as pandas, R and Oracle write them',
    files: csv('a,b\n1e-05,.5\n0.5,-.25\n12,1\n'),
    columns: { a: 'double', b: 'double' },
    rows: [
      [0.00001, 0.5],
      [0.5, -0.25],
      [12, 1],
    ],
  },
  {
    is: 'codes that look like numbers with exponents',
    files: csv('id,code\n1,12e4567\n2,9912345\n'),
    columns: { code: 'string' },
    rows: [
      [1, '12e4567'],
      [2, '9912345'],
    ],
  },
  {
    is: 'groups of three digits with Swiss apostrophes, narrow spaces and Indian commas',
    files: csv(
      "a;b;c;d\n1'234.50;1\u00a0234,50;12,34,567.00;\u22125.5\n1\u2019000.00;12\u202f000,00;1,00,000.00;3\n",
    ),
    columns: { a: 'double', b: 'double', c: 'double', d: 'double' },
    rows: [
      [1000, 12000, 100000, 3],
      [1234.5, 1234.5, 1234567, -5.5],
    ],
  },
  {
    is: 'more digits than a double keeps',
    files: csv('id,a\n1,0.1234567890123456789012\n'),
    rows: [[1, 0.12345678901234568]],
    says: 'more digits than a double keeps',
  },
  {
    is: 'the null of MySQL and Hive',
    files: csv('id\tname\tx\n1\t\\N\t\\N\n2\tAnn\t\\N\n'),
    rows: [
      [1, null, null],
      [2, 'Ann', null],
    ],
  },
  {
    is: 'a column of nothing but NULL',
    files: csv('id,name,x\n1,-,NULL\n2,,NULL\n'),
    rows: [
      [1, '-', null],
      [2, null, null],
    ],
    says: 'It has only "NULL" in the sample',
  },
  ...[
    ['2024-03-04 05:06:07 UTC', { pattern: '%Y-%m-%d %H:%M:%S UTC' }],
    ['2024-03-04 05:06:07,000', { pattern: '%Y-%m-%d %H:%M:%S,%f' }],
    ['20240304T050607Z', { pattern: '%Y%m%dT%H%M%S%z' }],
    ['20240304050607', { pattern: '%Y%m%d%H%M%S' }],
    ['"Mar 4, 2024, 5:06:07 AM"', { pattern: '%b %-d, %Y, %-I:%M:%S %p' }],
    ['"March 4, 2024 05:06:07"', { pattern: '%B %-d, %Y %H:%M:%S' }],
    ['04-MAR-24 05.06.07.000000 AM', { pattern: '%d-%b-%y %I.%M.%S.%f %p' }],
    ['1709528767.0', 'epoch_s'],
    ['1709528767000.0', 'epoch_ms'],
  ].map(([text, format]) => ({
    is: `the time ${text}`,
    files: csv(`at\tid\n${text}\t1\n`),
    columns: { at: { type: 'timestamp', formats: [format] } },
    rows: [[march, 1]],
  })),
  {
    is: 'dates with and without a time',
    files: csv('a,b\n2024-03-04,3/14/2024\n2024-03-04 05:06:07,3/4/2024 5:06\n'),
    columns: {
      a: { formats: ['iso8601', 'iso8601_date'] },
      b: { formats: [{ pattern: '%-m/%d/%Y' }, { pattern: '%-m/%-d/%Y %-H:%M' }] },
    },
    rows: [
      [Date.UTC(2024, 2, 4) * 1000, Date.UTC(2024, 2, 14) * 1000],
      [march, Date.UTC(2024, 2, 4, 5, 6) * 1000],
    ],
  },
  ...['2024-03-04T24:00:00Z', '2016-12-31T23:59:60Z', 'Mon, 05 Mar 2024 05:06:07 GMT'].map((at) => ({
    is: `${at}, which no format reads`,
    files: csv(`id;at\n1;${at}\n`),
    columns: { at: 'string' },
    rows: [[1, at]],
  })),
  {
    is: 'a field that is called like a column for the key of the object',
    files: json('{"$key":1,"a":{"$key":2}}\n{"$key":3}\n'),
    rows: [
      [1, 2],
      [3, null],
    ],
  },
  {
    is: 'objects with commas behind them',
    files: json('{"id":1},\n{"id":2},\n{"id":3}\n'),
    source: { formats: ['json_concatenated'] },
    rows: [[1], [2], [3]],
  },
  {
    is: 'a JSON text sequence (RFC 7464)',
    files: json('\u001e{"id":1}\n\u001e{"id":2}\n'),
    source: { formats: ['json_concatenated'] },
    rows: [[1], [2]],
  },
  {
    is: 'an array with other elements than objects',
    files: json('[{"id":1},null,{"id":2}]'),
    rows: [[1], [2]],
    refused: [[2, 'not_an_object']],
    says: '1 of 3 elements is not a JSON object',
  },
  {
    is: 'a lone surrogate',
    files: json('{"id":1,"a":"\\ud800"}\n{"id":2,"a":"x"}\n'),
    rows: [[2, 'x']],
    refused: [[1, 'invalid_json']],
    says: '1 of 2 lines is not a JSON object',
  },
  {
    is: 'JSON in another encoding',
    files: { 'a.json': Buffer.from('{"id":1,"a":"caf\xe9"}\n{"id":2,"a":"x"}\n', 'latin1') },
    rows: [[2, 'x']],
    refused: [[1, 'invalid_utf8']],
    says: '1 line is not UTF-8',
  },
  {
    is: 'pages of an API, the first without records',
    files: { 'a.json': '{"data":[],"next":null}', 'b.json': '{"data":[{"id":1},{"id":2}],"next":"x"}' },
    source: { records: 'data' },
    rows: [[1], [2]],
  },
  {
    is: 'JSON in a CSV without quotes',
    files: csv('id,j\n1,{"a":5}\n2,{"a":6}\n'),
    source: { formats: ['csv'] },
    rows: [
      [1, 5],
      [2, 6],
    ],
  },
  {
    is: 'an Avro file with one record that has a list, a map and a decimal',
    files: {
      'a.avro': container(
        JSON.stringify({
          type: 'record',
          name: 'R',
          fields: [
            { name: 'id', type: 'long' },
            { name: 'm', type: { type: 'map', values: 'int' } },
            { name: 'd', type: ['null', { type: 'bytes', logicalType: 'decimal', precision: 9, scale: 2 }] },
            {
              name: 'a',
              type: {
                type: 'array',
                items: { type: 'record', name: 'X', fields: [{ name: 'x', type: 'int' }] },
              },
            },
          ],
        }),
        'null',
        // 1; {"k": 5}; -1.23; [{"x": 7}]
        [[1, Buffer.from([2, 2, 2, 0x6b, 10, 0, 2, 2, 0x85, 2, 14, 0])]],
      ),
    },
    source: { formats: ['avro'] },
    columns: { m: 'json', d: 'decimal(9,2)' },
    rows: [[1, '{"k":5}', -1.23, '[{"x":7}]']],
  },
  {
    is: 'a UTF-8 file with a bad line',
    files: {
      'a.csv': Buffer.concat([Buffer.from('id,a\n1,é\n2,'), Buffer.from([0xe9, 0x0a]), Buffer.from('3,ä\n')]),
    },
    rows: [
      [1, 'é'],
      [3, 'ä'],
    ],
    refused: [[3, 'invalid_utf8']],
    says: '1 line is not UTF-8',
  },
  {
    is: 'a table of psql',
    files: csv(' id | name \n----+------\n  1 | Ann\n  2 | Bob\n'),
    source: { csv: { comment: '--', trimFields: true } },
    rows: [
      [1, 'Ann'],
      [2, 'Bob'],
    ],
  },
  {
    is: 'a table of Markdown',
    files: csv('| id | name |\n|----|:-----|\n| 1 | Ann |\n| 2 | Bob |\n'),
    source: { csv: { comment: '|-' } },
    rows: [
      [1, 'Ann'],
      [2, 'Bob'],
    ],
  },
  {
    is: 'the rule of sqlcmd below the header',
    files: csv('id,name\n--,----\n1,Ann\n2,Bob\n'),
    source: { csv: { comment: '--' } },
    rows: [
      [1, 'Ann'],
      [2, 'Bob'],
    ],
  },
  {
    is: 'fields between one or more spaces',
    files: csv('host       cpu mem\nweb1 0.5 12\nweb-long-2  10.25   7\n'),
    source: { csv: { delimiter: 'whitespace' } },
    columns: { cpu: 'double', mem: 'bigint' },
    rows: [
      ['web-long-2', 10.25, 7],
      ['web1', 0.5, 12],
    ],
  },
  {
    is: 'escaped delimiters and line ends without quotes',
    files: csv('id,text,x\n1,a\\, b,\\N\n2,c\\\nd,x\n3,e,y\n'),
    source: { csv: { quote: 'none', escape: '\\', nullText: '\\N' } },
    rows: [
      [1, 'a, b', null],
      [2, 'c\nd', 'x'],
      [3, 'e', 'y'],
    ],
  },
  {
    is: 'CR CR LF',
    files: csv('id,text\r\r\n1,a\r\r\n2,b\r\r\n'),
    rows: [
      [1, 'a'],
      [2, 'b'],
    ],
  },
  {
    is: 'a file without a header whose numbers begin with zeros',
    files: csv('C01|Hallmark|01012024|64108\nC02|AMA|01022024|01250\n'),
    rows: [
      ['C01', 'Hallmark', '01012024', '64108'],
      ['C02', 'AMA', '01022024', '01250'],
    ],
    says: 'The first line is taken for data',
  },
  {
    is: 'a file of PostgreSQL without a header, with a null in its first line',
    files: csv('1\tann\t\\N\tt\n2\tbob\t2024-03-04 05:06:07+00\tf\n'),
    rows: [
      [1, 'ann', null, true],
      [2, 'bob', march, false],
    ],
    says: 'The first line is taken for data',
  },
  {
    is: 'files without records next to others',
    files: { 'a.csv': 'id,text\n1,a\n', 'b.csv': '', 'c.csv': 'id,text\n' },
    rows: [[1, 'a']],
    says: 'The draft leaves b.csv aside: it is empty.',
  },
  {
    is: 'files that need different options',
    files: { 'a.csv': 'id,text\n1,a\n2,b\n', 'b.csv': 'id,text\n3,c,\n4,"d \\"e\\""\n' },
    source: { csv: { escape: '\\', longRows: 'trim' } },
    rows: [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
      [4, 'd "e"'],
    ],
  },
  {
    is: 'an archive that macOS has packed',
    files: {
      'a.zip': zipOf([
        { name: 'a.csv', bytes: 'id,text\n1,a\n' },
        { name: '__MACOSX/._a.csv', bytes: Buffer.from([0, 5, 22, 7]) },
      ]),
    },
    rows: [[1, 'a']],
    refused: [[1, 'not_text']],
    says: 'The draft leaves ._a.csv aside',
  },
  {
    is: 'lines without a header, with values that are repeated',
    files: csv('(Ann);Berlin\n(Bob);Berlin\n(Cy);Köln\n'),
    rows: [
      ['(Ann)', 'Berlin'],
      ['(Bob)', 'Berlin'],
      ['(Cy)', 'Köln'],
    ],
    says: 'The first line is taken for data',
  },
  {
    is: 'cells of Excel beside the last name',
    files: {
      'a.xlsx': workbook({
        sheets: '<x:sheet name="Data" r:id="b"/>',
        rows: `<row>${cell('id')}${cell('name')}</row><row><c><v>1</v></c>${cell('Ann')}${cell('new')}</row><row><c><v>2</v></c>${cell('Bob')}</row>`,
      }),
    },
    source: { xlsx: { header: ['id', 'name', 'column_3'], skipLines: 1 } },
    rows: [
      [1, 'Ann', 'new'],
      [2, 'Bob', null],
    ],
  },
];

test.each(cases.map((each) => [each.is, each] as const))('%s', async (_, each) => {
  const { text, contract, rows, refused } = await drafted(each.files);
  expect({ rows, refused }).toEqual({ rows: each.rows, refused: each.refused ?? [] });
  expect(contract.source).toMatchObject(each.source ?? {});
  const columns = Object.entries(each.columns ?? {}).map(([name, column]) =>
    typeof column === 'string' ? { name, type: column } : { name, ...column },
  );
  for (const column of columns)
    expect(contract.columns.find(({ name }) => name === column.name)).toMatchObject(column);
  expect(text).toContain(each.says ?? '');
});

test.each([
  ['UTF-32', { 'a.csv': Buffer.from('\ufeff\0i\0,\0d\0', 'utf16le') }, 'it is UTF-32'],
  ['JSON in UTF-16', { 'a.json': Buffer.from('\ufeff{"id":1}', 'utf16le') }, 'JSON in UTF-16'],
  ['lines of arrays', json('[1,"a"]\n[2,"b"]\n'), 'no JSON record was found'],
  ['an array without objects', json('[1,2]'), 'no JSON record was found'],
  ['an array with a comma at its end', json('[\n{"id":1},\n{"id":2},\n]'), 'no JSON record was found'],
])('%s: nothing is drafted that its own file would not pass', async (_, files, says) => {
  await expect(drafted(files)).rejects.toThrow(says);
});
