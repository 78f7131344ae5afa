/** The dialects of CSV, each with the option that reads it. */
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { namesOf } from '../../../src/lib/engine/csvStart.ts';
import { contractOf as contractOfCase, csvCases, filesOf, outcomeOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

test.each(csvCases.map((each) => [`${each.name} ${JSON.stringify(each.csv ?? {})}`, each] as const))(
  'the case %s',
  async (_, each) => {
    const contract = contractOfCase(each);
    const result = await transform(contract, filesOf(each.name));
    expect(outcomeOf(contract, result)).toEqual({ rows: each.rows, refused: each.refused ?? [] });
  },
);

const contractOf = (csv: object, more: object = {}) =>
  parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['csv'], csv },
      columns: [
        { name: 'id', path: 'id', type: 'string' },
        { name: 'text', path: 'text', type: 'string' },
      ],
      partitionBy: [{ name: 'source', constant: 'test' }],
      ...more,
    }),
  );
const rowsOf = (rows: readonly Record<string, unknown>[]) =>
  rows.map((r) => [r.id ?? null, r.text ?? null]).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));

test.each([{}, { quotedNewlines: false }])(
  'with %j: blank lines, comments and a preamble before the header count as lines, and are no records',
  async (options) => {
    const { rows, quarantine } = await transform(contractOf({ ...options, skipLines: 1, comment: '#' }), {
      'a.csv': 'Report "of May\n\n# made by x\n \t\nid,text\n#1,a\n1,b\nbad\n"#2",c\n\n# "end',
      'b.csv.gz': gzipSync('x\r\n\r\nid,text\r\n3,d\r\n'),
    });
    expect(rowsOf(rows)).toEqual([
      ['#2', 'c'],
      ['1', 'b'],
      ['3', 'd'],
    ]);
    expect(quarantine.map((q) => [q.object, q.line, q.reason])).toEqual([['a.csv', 8n, 'invalid_csv']]);
  },
);

test('the line sep= of Excel is no record; with another delimiter than the contract the file is refused', async () => {
  const { rows, quarantine } = await transform(contractOf({ delimiter: ';' }), {
    'a.csv': '\uFEFFsep=;\r\nid;text\r\n1;a\r\n',
    'b.csv': 'sep=,\nid,text\n2,b\n',
  });
  expect(rowsOf(rows)).toEqual([['1', 'a']]);
  expect(quarantine.map((q) => [q.object, q.line, q.reason])).toEqual([['b.csv', 1n, 'invalid_header']]);
});

test.each([{}, { quotedNewlines: false }])(
  'with %j: a header longer than the first look at a file',
  async (options) => {
    const names = Array.from({ length: 40_000 }, (_, i) => `name_${i}`);
    const file = `id,${names.join(',')},text\n1,${names.map(() => '').join(',')},a\n`;
    const { rows, quarantine } = await transform(contractOf(options), {
      'a.csv': file,
      'b.csv.gz': gzipSync(file),
    });
    expect(rowsOf(rows)).toEqual([
      ['1', 'a'],
      ['1', 'a'],
    ]);
    expect(quarantine).toEqual([]);
  },
);

test('a field without a name is called by its place, and without a value it is nothing', async () => {
  const contract = contractOf({}, { drift: 'rescue' });
  const { rows } = await transform(contract, {
    'a.csv': ',id,text,\n0,1,a,\n5,2,b,x\n',
    'b.csv': 'id,text,\n3,c,\n',
  });
  expect(rows.map((r) => [r.id, r._rescued ?? null])).toEqual([
    ['1', '{"column_1":"0"}'],
    ['2', '{"column_1":"5","column_4":"x"}'],
    ['3', null],
  ]);
  const strict = await transform(contractOf({}, { drift: 'reject' }), { 'a.csv': 'id,text,\n1,a,\n2,b,x\n' });
  expect(strict.summary).toMatchObject({ published: 1, reasons: { unexpected_field: 1 } });
});

test.each([
  [
    ['a', 'a', 'a_2', ''],
    ['a', 'a_3', 'a_2', 'column_4'],
  ],
  [
    ['column_2', ' ', '', 'b'],
    ['column_2', 'column_2_2', 'column_3', 'b'],
  ],
  [
    ['size 5"', 'a\\b', '*', 'a*'],
    ['size 5"', 'a\\b', '_', 'a*'],
  ],
  [
    ['x\0', 'x_', 'x"'],
    ['x_', 'x__2', 'x"'],
  ],
])('names of %j are %j', (fields, names) => {
  expect(namesOf(fields)).toEqual(names);
});

test.each<[object, string, [string | null, string | null][]]>([
  [{ quote: "'" }, "id,text\n1,'a, ''b'' \"c\"'\n", [['1', `a, 'b' "c"`]]],
  [
    { escape: '\\' },
    'id,text\n1,"a\\\\"\n2,"b\\"\n3"\n4,"c""d"\n5,e\\\n',
    [
      ['1', 'a\\'],
      ['2', 'b"\n3'],
      ['4', 'c"d'],
      ['5', 'e\\'],
    ],
  ],
  [
    { delimiter: '||', nullText: 'NA' },
    'id||text\n"1||x"||a|b\n2||NA\n3||"NA"\n',
    [
      ['1||x', 'a|b'],
      ['2', null],
      ['3', 'NA'],
    ],
  ],
  [
    { delimiter: '::', quote: 'none' },
    'id::text\n1::a:b\n2:::c\n',
    [
      ['1', 'a:b'],
      ['2', ':c'],
    ],
  ],
  [{ delimiter: ' ', trimFields: true }, 'id text\n1 a\n', [['1', 'a']]],
  [
    { trimFields: true, nullText: 'NA' },
    'id , text\n 1 ,\t"a "" b" \n2, NA \n3,c d \n',
    [
      ['1', 'a " b'],
      ['2', null],
      ['3', 'c d'],
    ],
  ],
  [
    { skipFooter: 2 },
    'id,text\n1,a\n2,b\n\nTotal,2\nEnd\n\n',
    [
      ['1', 'a'],
      ['2', 'b'],
    ],
  ],
  [{ skipFooter: 5 }, 'id,text\n1,a\n', []],
  [{ delimiter: '.', quote: '|' }, 'id.text\n1.|a.b|\n', [['1', 'a.b']]],
  [{ delimiter: '^', comment: ']' }, 'id^text\n]x^y\n1^a\n', [['1', 'a']]],
  [{ delimiter: '§' }, 'id§text\n1§a\n', [['1', 'a']]],
  [{ header: ['id', 'text'], comment: '--', skipLines: 1 }, 'id,text\n-- x\n1,a\n', [['1', 'a']]],
  [{ encoding: 'iso-8859-1' }, 'id,text\n1,a\n', [['1', 'a']]],
  [
    { longRows: 'trim', shortRows: 'pad' },
    'id,text\n1,a,,""\n2\n3,c\n',
    [
      ['1', 'a'],
      ['2', null],
      ['3', 'c'],
    ],
  ],
  [
    { strayQuotes: 'keep' },
    [
      'id,text',
      '1,Table 48"',
      '2,"Table, 48" wide"',
      '4,""a, ""b"" c"',
      '"5,"f"',
      '6,"x ""y"""',
      '7,"two\nlines"',
      '8,"open',
    ].join('\n'),
    [
      ['"5', 'f'],
      ['1', 'Table 48"'],
      ['2', 'Table, 48" wide'],
      ['4', '"a, "b" c'],
      ['6', 'x "y"'],
      ['7', 'two\nlines'],
      ['8', '"open'],
    ],
  ],
  [{ strayQuotes: 'keep', header: { anyCase: true } }, 'ID,Text,4" "x\n1,a,b\n', [['1', 'a']]],
  [
    { strayQuotes: 'keep', delimiter: '||', quote: "'", escape: '\\', trimFields: true, nullText: 'NA' },
    "id||text\n1|| 'Men's || Boots' \n2||'a\\'||b's'\n3|| 'x\n4||it's NA\n5's||NA",
    [
      ['1', "Men's || Boots"],
      ['2', "a'||b's"],
      ['3', "'x"],
      ['4', "it's NA"],
      ["5's", null],
    ],
  ],
])('%j reads %j', async (options, content, expected) => {
  const { rows, quarantine } = await transform(contractOf(options), { 'a.csv': content });
  expect([rowsOf(rows), quarantine]).toEqual([expected, []]);
});

test('every encoding is read by its own table, and bytes that are no UTF-16 are refused as a file', async () => {
  const text = 'id,text\n1,ж\n';
  const encoded: [string, Uint8Array][] = [
    ['koi8-r', Uint8Array.from([...Buffer.from('id,text\n1,'), 0xd6, 0x0a])],
    ['windows-1251', Uint8Array.from([...Buffer.from('id,text\n1,'), 0xe6, 0x0a])],
    ['ibm866', Uint8Array.from([...Buffer.from('id,text\n1,'), 0xa6, 0x0a])],
    ['utf-16', Buffer.from(text, 'utf16le')],
    ['windows-1252', Buffer.from(`\uFEFF${text}`)],
    ['utf-8', Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()],
  ];
  for (const [encoding, bytes] of encoded) {
    const { rows } = await transform(contractOf({ encoding, quotedNewlines: false }), {
      'a.csv': bytes,
      'b.csv': gzipSync(bytes),
    });
    expect([encoding, rowsOf(rows)]).toEqual([
      encoding,
      [
        ['1', 'ж'],
        ['1', 'ж'],
      ],
    ]);
  }
  const half = Buffer.from('\uFEFFid,text\n1,\ud83d\n', 'utf16le');
  const { quarantine } = await transform(contractOf({}), { 'a.csv': half, 'b.csv': gzipSync(half) });
  expect(quarantine.map((q) => [q.object, q.line, q.reason])).toEqual([
    ['a.csv', 1n, 'not_text'],
    ['b.csv', 1n, 'not_text'],
  ]);
});

test('a record with stray quotes or further fields is refused if no reading has the fields of its header, or a value would be lost', async () => {
  const { rows, quarantine } = await transform(contractOf({ strayQuotes: 'keep', longRows: 'trim' }), {
    'a.csv': 'id,text\n1,a,b\n2,c"d,e\n3,"f"g\rh\n4,"i\n5,"j",k"\n6,l\n',
  });
  expect(rowsOf(rows)).toEqual([
    ['4', '"i'],
    ['6', 'l'],
  ]);
  const stray = 'a quote has no end, or stands in the middle of a field';
  expect(quarantine.map(({ line, value }) => [Number(line), value])).toEqual([
    [2, 'fields: 3, in the header: 2'],
    [3, stray],
    [4, stray],
    [6, stray],
  ]);
});

test('the characters that stand for a long delimiter meanwhile are text as any other', async () => {
  const { rows, quarantine } = await transform(contractOf({ delimiter: '||' }), {
    'a.csv': 'id||text\n1\ufdd0a\n2||b\ufdd0\ufdd1\ufdd2|\n',
  });
  expect(rowsOf(rows)).toEqual([['2', 'b\ufdd0\ufdd1\ufdd2|']]);
  expect(quarantine.map((q) => q.reason)).toEqual(['invalid_csv']);
});

test.each([
  [{ delimiter: '"' }, 'must be one character to eight'],
  [{ delimiter: "'", quote: "'" }, 'has the quote in the delimiter'],
  [{ quote: 'ab' }, 'or none'],
  [{ quote: 'none', strayQuotes: 'keep' }, 'has strayQuotes without quotes'],
  [{ delimiter: '\\', escape: '\\' }, 'has the escape in the delimiter'],
  [{ delimiter: 'whitespace', strayQuotes: 'keep' }, 'with the delimiter whitespace'],
  [{ quotedNewlines: false, skipFooter: 1 }, 'has skipFooter, for which files are read whole'],
  [{ encoding: 'utf-7' }, 'must be utf-8, utf-16'],
])('%j is refused: %s', (options, message) => {
  expect(() => contractOf(options)).toThrow(message);
});

test.each([
  {},
  { trimFields: true },
  { delimiter: '||', nullText: 'b' },
  { quote: 'none' },
  { quote: 'none', escape: '\\' },
  { delimiter: 'whitespace' },
  { shortRows: 'pad', longRows: 'trim', strayQuotes: 'keep' },
])('with %j: records give the same rows field by field as by an object of all their fields', async (csv) => {
  const { delimiter = ',' }: { delimiter?: string } = csv;
  const mark = delimiter === 'whitespace' ? ' \t' : delimiter;
  const fields = ['', ' a ', 'b', '"c"', '"d""e"', '"f,||g"', '"h\ni"', 'j"k', '[1]', '{"l":1}', 'ü\ufdd0'];
  const records = fields.flatMap((first) => fields.map((second) => [first, second, first]));
  const lines = [['text', 'other', 'id'], ...records, ['1'], ['1', '2', '3', ''], ['1', '2', '3', '4']];
  const files = {
    'a.csv': lines.map((line) => line.join(mark)).join('\n'),
    // Another order of the header, and one without a field.
    'b.csv': [
      ['id', 'text'],
      ['1', 'a'],
      ['2', '"b"'],
    ]
      .map((line) => line.join(mark))
      .join('\n'),
    'c.csv': 'id\n1\n',
  };
  const [cells, objects] = await Promise.all(
    ['ignore', 'rescue'].map((drift) => transform(contractOf(csv, { drift }), files)),
  );
  expect(cells && rowsOf(cells.rows)).toEqual(objects && rowsOf(objects.rows));
  const refused = (of: typeof cells) =>
    of?.quarantine.map((q) => [q.object, q.line, q.reason, q.value]).sort();
  expect(refused(cells)).toEqual(refused(objects));
  expect(cells?.rows.length).toBeGreaterThan(20);
});

test.each([{}, { quotedNewlines: false }])(
  'with %j: one or more spaces and tabs separate fields, and are no field at the ends of a line',
  async (options) => {
    const { rows, quarantine } = await transform(contractOf({ ...options, delimiter: 'whitespace' }), {
      'a.csv': '  id \t text\n1   "a  b"\t\n\t20\tc\r\n3 ""\n4\n5 d e\n6 "f"g\n',
      'b.csv': 'text   id\nh  7',
    });
    expect(rowsOf(rows)).toEqual([
      ['1', 'a  b'],
      ['20', 'c'],
      ['3', ''],
      ['7', 'h'],
    ]);
    expect(quarantine.map((q) => [q.line, q.reason])).toEqual([
      [5n, 'invalid_csv'],
      [6n, 'invalid_csv'],
      [7n, 'invalid_csv'],
    ]);
  },
);

test('an escape without quotes makes the next character text, also a delimiter and a line end', async () => {
  const contract = contractOf({ quote: 'none', escape: '\\', nullText: '\\N' });
  const { rows, quarantine } = await transform(contract, {
    'a.csv': 'id,te\\xt\n1,a\\,b\n2,c\\\\\n3,\\N\n4,x\\\ny\\N\n5,"q"\n6,end\\',
  });
  expect(rowsOf(rows)).toEqual([
    ['1', 'a,b'],
    ['2', 'c\\'],
    ['3', null],
    ['4', 'x\nyN'],
    ['5', '"q"'],
  ]);
  expect(quarantine.map((q) => [q.line, q.value])).toEqual([
    [8n, 'a CR is in the middle of a field, or the record ends in an escape'],
  ]);
});

test.each([{}, { quotedNewlines: false }])('with %j: CR CR LF is one line end', async (options) => {
  const { rows, quarantine } = await transform(contractOf(options), {
    'a.csv': 'id,text\r\r\n1,a\r\r\n\r\r\n2,"b"\r\r\n3,c\rd\r\r\n',
  });
  expect(rowsOf(rows)).toEqual([
    ['1', 'a'],
    ['2', 'b'],
  ]);
  expect(quarantine.map((q) => [q.line, q.value])).toEqual([[5n, 'a CR is in the middle of a field']]);
});
