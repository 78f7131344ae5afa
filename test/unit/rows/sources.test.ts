import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { record, transform } from '../../support/embedded.ts';
import { thoroughTest } from '../../support/thorough.ts';

const contractOf = (source: object, more: object = {}) =>
  parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', ...source },
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'text', path: 'text', type: 'string' },
      ],
      partitionBy: [{ name: 'source', constant: 'test' }],
      ...more,
    }),
  );
const csv = contractOf({ formats: ['csv'] });
const ids = (rows: readonly Record<string, unknown>[]) =>
  rows.map((r) => [r.id, r.text ?? null]).sort(([a], [b]) => Number(a) - Number(b));

test.each([
  {
    what: 'a record per line',
    contract: contractOf({ formats: ['ndjson'] }),
    text: '\uFEFF{"id":10}\r\n\r\n  {"id":30}\r\nbad\n{"id":50}',
    lines: ['1 10', '3 30', '4 bad', '5 50'],
  },
  {
    what: 'an array, where the position is known, and the line is not',
    contract: contractOf({ formats: ['ndjson', 'json_array'] }),
    text: '[\n{"id":10},\n\n{"id":20}, 3,\n{"id":40}]',
    lines: ['1 10', '2 20', '3 bad', '4 40'],
  },
  {
    what: 'a map in a document',
    contract: contractOf({ formats: ['json_document'], records: 'a.*' }),
    text: '{"a":{"x":{"id":10},"y":{"id":"x"},\n"z":{"id":30}}}',
    lines: ['1 10', '2 bad', '3 30'],
  },
  {
    what: 'objects on several lines',
    contract: contractOf({ formats: ['json_concatenated'] }),
    text: '\n\n{\n"id":\n30} {"id":50}\n\nbad{"id":70}\n',
    lines: ['3 30', '5 50', '7 70', '7 bad'],
  },
  {
    what: 'separators between objects that are not there',
    contract: contractOf({ formats: ['json_concatenated'] }),
    text: '\n,\n\u001e',
    lines: ['2 bad'],
  },
  {
    what: 'white space only',
    contract: contractOf({ formats: ['json_concatenated'] }),
    text: ' \n\r\n\t',
    lines: [],
  },
  {
    what: 'a CSV with line ends in quotes, and lines that are no records',
    contract: contractOf({ formats: ['csv'], csv: { skipLines: 1, comment: '#' } }),
    text: 'made by x\n# "\n\nid,text\n50,"a\n\nb"\n\n#\n100,\nbad\n120,"\n"\n140,',
    lines: ['5 50', '10 100', '11 bad', '12 120', '14 140'],
  },
  {
    what: 'a CSV without quoted line ends',
    contract: contractOf({ formats: ['csv'], csv: { quotedNewlines: false } }),
    text: '\nid,text\n30,a\n\nbad\n60,b',
    lines: ['3 30', '5 bad', '6 60'],
  },
  {
    what: 'a CSV with a header in the contract',
    contract: contractOf({ formats: ['csv'], csv: { header: ['id', 'text'] } }),
    text: '\n20,a\nbad\n40,b',
    lines: ['2 20', '3 bad', '4 40'],
  },
  {
    what: 'exploded elements, which have the line of their record',
    contract: contractOf(
      { formats: ['ndjson'] },
      { explode: 'a', columns: [{ name: 'id', path: 'a', type: 'bigint', required: true }] },
    ),
    text: '{"a":[10,11]}\n{"a":[20,"x",21]}',
    lines: ['1 10', '1 11', '2 20', '2 21', '2 bad'],
  },
])('a row has the line of its record, as a rejected one has: $what', async ({ contract, text, lines }) => {
  const { rows, quarantine } = await transform(contract, { 'test/a': text });
  const told = [...rows.map((r) => `${r._line} ${r.id}`), ...quarantine.map((q) => `${q.line} bad`)];
  expect(told.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10) || (a < b ? -1 : 1))).toEqual(
    lines,
  );
});

test('CSV: quotes, doubled quotes, embedded newlines and delimiters, CRLF, empty fields', async () => {
  const file =
    '\uFEFFid,text,"n, 1"\r\n1,"a ""b"", c",x\r\n\r\n2,"two\r\nlines",\r\n3,,\r\n4,"",z\r\n5,桜 😋,';
  const { rows, summary } = await transform(csv, { 'test/a.csv': file });
  expect(ids(rows)).toEqual([
    [1n, 'a "b", c'],
    [2n, 'two\r\nlines'],
    [3n, null],
    [4n, ''],
    [5n, '桜 😋'],
  ]);
  expect(summary).toMatchObject({ rowsRead: 5, published: 5, quarantined: 0 });
});

test('CSV: a bad record costs one row, with its line, and says why', async () => {
  const file = 'id,text\n1,a\n2,b,c\n3,"d" x\n4,e "f"\n5,"g\nh"\n6\nx,i\n7,"open\n8,j\n';
  const { rows, quarantine } = await transform(csv, { 'test/a.csv': file });
  expect(ids(rows)).toEqual([
    [1n, 'a'],
    [5n, 'g\nh'],
    [8n, 'j'],
  ]);
  const misquoted = 'a quote has no end, or stands in the middle of a field';
  expect(quarantine.map((q) => [q.line, q.reason, q.value, q.raw])).toEqual([
    [3n, 'invalid_csv', 'fields: 3, in the header: 2', '2,b,c'],
    [4n, 'invalid_csv', misquoted, '3,"d" x'],
    [5n, 'invalid_csv', misquoted, '4,e "f"'],
    [8n, 'invalid_csv', 'fields: 1, in the header: 2', '6'],
    [9n, 'bad_type', 'x', 'x,i'],
    [10n, 'invalid_csv', misquoted, '7,"open'],
  ]);
});

test('CSV: a file that is not UTF-8 is read line by line, and loses its bad lines only', async () => {
  const file = Buffer.concat([
    Buffer.from('id,text\r\n1,ä\\\r\n2,'),
    Buffer.from([0xc3, 0x28]),
    Buffer.from('\r\n3,"c"\n'),
  ]);
  const { rows, quarantine } = await transform(csv, { 'test/a.csv': file });
  expect(ids(rows)).toEqual([
    [1n, 'ä\\'],
    [3n, 'c'],
  ]);
  expect(quarantine.map((q) => [q.line, q.reason])).toEqual([[3n, 'invalid_utf8']]);
});

test('CSV: delimiter, null text, a header in the contract, and a file read by lines', async () => {
  const options = { delimiter: ';', nullText: '\\N', header: ['id', 'text'], quotedNewlines: false };
  const { rows, quarantine } = await transform(contractOf({ formats: ['csv'], csv: options }), {
    'test/a.csv.gz': gzipSync('1;a,b\n2;\\N\n3;"\\N"\n4;"x\ny"\n5;'),
  });
  expect(ids(rows)).toEqual([
    [1n, 'a,b'],
    [2n, null],
    [3n, '\\N'],
    [5n, ''],
  ]);
  expect(quarantine.map((q) => [q.line, q.reason])).toEqual([
    [4n, 'invalid_csv'],
    [5n, 'invalid_csv'],
  ]);
});

test('CSV: each file has its own header, and the order of its fields', async () => {
  const { rows, quarantine } = await transform(
    contractOf({ formats: ['csv'], csv: { quotedNewlines: false } }),
    {
      'test/a.csv': 'id,text\n1,a',
      'test/b.csv': 'text,other,id\nb,x,2',
      'test/c.csv': 'id,id\n3,c',
      'test/d.csv': '',
    },
  );
  expect(ids(rows)).toEqual([
    [1n, 'a'],
    [2n, 'b'],
    [3n, null],
  ]);
  expect(quarantine).toEqual([]);
});

test.each([{}, { quotedNewlines: false }])(
  'CSV whose lines end in CR, with %j: no row vanishes',
  async (options) => {
    const { rows, quarantine, summary } = await transform(contractOf({ formats: ['csv'], csv: options }), {
      'test/a.csv': 'id,text\r1,a\r\r2,"b\rc"\r3,d\re\r4,f\n5,g',
      'test/b.csv': Buffer.concat([
        Buffer.from('text,id\rh,6\ri,'),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('\rj,7\r'),
      ]),
      'test/c.csv': 'id,text\r',
      'test/d.csv': '"id",text\r8,k',
      'test/e.csv': `"id",text\n9,"l\r${options.quotedNewlines === false ? '"' : 'm"'}\n`,
    });
    expect(ids(rows)).toEqual([
      [1n, 'a'],
      [2n, 'b\rc'],
      [3n, 'd'],
      [6n, 'h'],
      [7n, 'j'],
      [8n, 'k'],
      [9n, options.quotedNewlines === false ? 'l\r' : 'l\rm'],
    ]);
    expect(quarantine.map((q) => [q.object, q.line, q.reason, q.raw])).toEqual([
      ['test/a.csv', 7n, 'invalid_csv', 'e'],
      ['test/a.csv', 8n, 'invalid_csv', '4,f\n5,g'],
      ['test/b.csv', 3n, 'invalid_utf8', 'i,\\xC3('],
    ]);
    expect(summary.rowsRead).toBe(10);
  },
);

test('CSV: what stands in the place of the header and is no record is refused, and not left out', async () => {
  const { quarantine, rows } = await transform(csv, {
    'test/a.csv': 'id,te"xt\n1,a\n',
    'test/b.csv': 'id,"text\n1,a\n',
    'test/c.csv': '\nid,text\n1,a\n',
    'test/d.csv': '\r\r\r',
    'test/e.csv': 'id,text\r1,a\n2,b\n',
    'test/f.csv': `id,text,${'x'.repeat(300_000)}"`,
    'test/g.csv': Buffer.from('id,text,na\xefve\n', 'latin1'),
  });
  expect(quarantine.map((q) => [q.object, q.reason])).toEqual([
    ['test/a.csv', 'invalid_header'],
    ['test/b.csv', 'invalid_header'],
    ['test/e.csv', 'invalid_csv'],
    ['test/f.csv', 'invalid_header'],
  ]);
  expect(ids(rows)).toEqual([[1n, 'a']]);
});

test("CSV: a file whose header has few of the contract's fields is quarantined, and both are named", async () => {
  const loose = (options: object) =>
    contractOf(
      { formats: ['csv'], csv: options },
      {
        columns: ['id', 'text', 'Size'].map((name) => ({
          name: name.toLowerCase(),
          path: name,
          type: 'string',
        })),
      },
    );
  const files = {
    'test/a.csv': 'id;text;Size\n1;a;2\n',
    'test/b.csv': 'name,amount\n1,a\n',
    'test/c.csv': 'id,amount\n1,a\n',
    'test/d.csv': 'text,id\na,1\n',
  };
  const { rows, quarantine } = await transform(loose({}), files);
  expect(rows.map((r) => [r.id, r.text, r.size ?? null])).toEqual([['1', 'a', null]]);
  expect(quarantine.map((q) => [q.object, q.reason, q.value, q.raw])).toEqual([
    [
      'test/a.csv',
      'unknown_header',
      'the header has ["id;text;Size"], the contract reads ["id","text","Size"]',
      'id;text;Size\n1;a;2\n',
    ],
    [
      'test/b.csv',
      'unknown_header',
      'the header has ["name","amount"], the contract reads ["id","text","Size"]',
      'name,amount\n1,a\n',
    ],
    [
      'test/c.csv',
      'unknown_header',
      'the header has ["id","amount"], the contract reads ["id","text","Size"]',
      'id,amount\n1,a\n',
    ],
  ]);
  const lenient = await transform(loose({ headerShare: 0 }), files);
  expect(lenient.quarantine.map((q) => q.object)).toEqual(['test/a.csv', 'test/b.csv']);
});

test('CSV: names of a header are read without white space around them, and in any case if the contract says so; an exact name comes first', async () => {
  const contract = contractOf(
    { formats: ['csv'], csv: { header: { anyCase: true } } },
    {
      columns: [
        { name: 'id', path: 'id', type: 'bigint' },
        { name: 'text', path: '"Free Text"', type: 'string' },
      ],
      drift: 'rescue',
    },
  );
  const { rows } = await transform(contract, {
    'test/a.csv': 'ID, FREE TEXT ,Other\n1,a,x\n',
    'test/b.csv': 'Id,id,Free text\n7,2,b\n',
    'test/c.csv': 'id,free text,FREE TEXT\n3,c,d\n',
  });
  expect(rows.map((r) => [r.id, r.text ?? null, r._rescued ?? null])).toEqual([
    [1n, 'a', '{"Other":"x"}'],
    [2n, 'b', '{"Id":"7"}'],
    [3n, null, '{"free text":"c","FREE TEXT":"d"}'],
  ]);
  const exact = await transform(
    { ...contract, source: contractOf({ formats: ['csv'] }).source },
    { 'test/a.csv': ' id ,Free Text\n1,a\n', 'test/b.csv': 'ID,FREE TEXT\n1,a\n' },
  );
  expect(exact.summary).toMatchObject({ published: 1, reasons: { unknown_header: 1 } });
});

test('a path names fields with quotes, backslashes and line ends, in a CSV and in JSON', async () => {
  const columns = [
    { name: 'a', path: '"5\\" disk"', type: 'string' },
    { name: 'b', path: '"back\\\\slash"', type: 'int' },
    { name: 'c', path: '"two\nlines"', type: 'string' },
  ];
  const csv = await transform(contractOf({ formats: ['csv'] }, { columns, drift: 'rescue' }), {
    'test/a.csv': '"5"" disk",back\\slash,"two\nlines","x"""\nq,1,z,9\n',
  });
  expect(csv.rows.map((r) => [r.a, r.b, r.c, r._rescued])).toEqual([['q', 1, 'z', '{"x\\"":"9"}']]);
  const inside = columns.map((column) => ({ ...column, path: `"o\\"".${column.path}` }));
  const list = { name: 'd', path: '"o\\""."l\\""[*]."v\\""', type: 'array<string>' };
  const value = { '5" disk': 'q', 'back\\slash': 1, 'two\nlines': 'z', 'l"': [{ 'v"': 1.5 }] };
  const json = await transform(contractOf({ formats: ['ndjson'] }, { columns: [...inside, list] }), {
    'test/a.json': JSON.stringify({ 'o"': value }),
  });
  expect(json.rows.map((r) => [r.a, r.b, r.c, r.d])).toEqual([['q', 1, 'z', ['1.5']]]);
});

test('CSV: a header of several records, with joined cells, blank lines and comments between', async () => {
  const read = (header: object, file: string, more: object = {}) => {
    const columns = ['"Sales Q1"', '"Sales Q2"', 'Region', '"Q2 (EUR)"'].map((path, i) => ({
      name: `c${i}`,
      path,
      type: 'string',
    }));
    const contract = contractOf(
      { formats: ['csv'], csv: { header, headerShare: 0.25, ...more } },
      { columns },
    );
    return transform(contract, { 'test/a.csv': file });
  };
  const spanned = await read({ rows: 2, spans: true }, ',Sales,,Costs\n#x\n\nRegion,Q1,"Q2"\nNorth,1,2,3\n', {
    comment: '#',
  });
  expect(spanned.rows.map((r) => [r.c0, r.c1, r.c2, r._line])).toEqual([['1', '2', 'North', 5n]]);
  const three = await read({ rows: 3, join: '' }, 'Reg,Sales\nion, Q\n,1\nSouth,4\n');
  expect(three.rows.map((r) => [r.c2, r.c0])).toEqual([['South', null]]);
  const plain = await read({ rows: 2 }, 'Region,Sales\n,Q1\nWest,9\n"a\nb",c\n');
  expect(plain.rows.map((r) => [r.c2, r.c0])).toEqual([
    ['West', '9'],
    ['a\nb', 'c'],
  ]);
  const cut = await read({ rows: 3 }, 'Region,Sales\n,Q1\n');
  expect(cut.summary.reasons).toEqual({ invalid_header: 1 });
});

test('blank lines are no records, but count, however many there are', async () => {
  const blank = (count: number) => '\n'.repeat(count);
  const junk = Buffer.from([0xc3, 0x28, 0x0a]);
  const file = Buffer.concat([
    Buffer.from(`${blank(9)}a\n${blank(7)}b\n${blank(8)}${record({})}\n \t\r\n`),
    Buffer.from(` \r\n`.repeat(30)),
    Buffer.from(`c\n${blank(100_000)}`),
    junk,
    Buffer.from(`${' '.repeat(2_000_000)}\n${blank(3_000_000)}d${blank(12)}`),
  ]);
  const { rows, quarantine, summary } = await transform(contractOf({ formats: ['ndjson'] }), {
    'test/a.json': gzipSync(file),
    'test/b.json': blank(20),
  });
  expect(ids(rows)).toEqual([[1n, null]]);
  expect(quarantine.map((q) => [q.line, q.raw])).toEqual([
    [10n, 'a'],
    [18n, 'b'],
    [59n, 'c'],
    [100_060n, '\\xC3('],
    [3_100_062n, 'd'],
  ]);
  expect(summary.files.map((f) => f.rowsRead)).toEqual([6, 0]);
});

thoroughTest(
  'a small archive of half a gigabyte of line ends is one row, and one that unpacks to more than the limit is refused',
  async () => {
    const contract = contractOf({ formats: ['ndjson'] });
    const bomb = gzipSync(Buffer.alloc(90_000_000, '\n'), { level: 1 });
    const { summary } = await transform(contract, {
      'test/a.json.gz': Buffer.concat([bomb, gzipSync(record({}))]),
    });
    expect(summary).toMatchObject({ rowsRead: 1, published: 1 });
    const { summary: refused } = await transform(contract, {
      'test/a.json.gz': Buffer.concat([bomb, bomb]),
      'test/b.json': record({}),
    });
    expect(refused).toMatchObject({ published: 1, reasons: { archive_too_large: 1 } });
  },
  60_000,
);

test('CSV: a document of blank lines is no record for each', async () => {
  const { rows, quarantine } = await transform(csv, {
    'test/a.csv': `id,text\n\n\r\n1,a\n${'\r\n'.repeat(200_000)}\n"x"y\n`,
  });
  expect(ids(rows)).toEqual([[1n, 'a']]);
  expect(quarantine.map((q) => [q.line, q.reason])).toEqual([[200_006n, 'invalid_csv']]);
});

test('a path may name keys with spaces and dots in quotes', async () => {
  const columns = [{ name: 'mpg', path: '"Miles per Gallon"', type: 'double' }];
  const { rows } = await transform(contractOf({ formats: ['csv'] }, { columns }), {
    'test/a.csv': 'Name,Miles per Gallon\nx,18.5\n',
  });
  expect(rows.map((r) => r.mpg)).toEqual([18.5]);
  const nested = [{ name: 'v', path: 'a."b.c"[1]', type: 'int' }];
  const json = await transform(contractOf({ formats: ['ndjson'] }, { columns: nested }), {
    'test/a.json': '{"a":{"b.c":[7,8]}}',
  });
  expect(json.rows.map((r) => r.v)).toEqual([8]);
});

test('concatenated JSON: objects with or without space between them, over many lines', async () => {
  const file =
    '{"id":1,"text":"a}{\\"\\n"}{"id":2}\n\n{\n "id": 3,\n "text": "c" }  junk {"id":4},{"id":"x"}\n[5]';
  const { rows, quarantine } = await transform(contractOf({ formats: ['json_concatenated'] }), {
    'test/a.json': file,
  });
  expect(ids(rows)).toEqual([
    [1n, 'a}{"\n'],
    [2n, null],
    [3n, 'c'],
    [4n, null],
  ]);
  expect(quarantine.map((q) => `${q.line} ${q.reason} ${q.raw}`).sort()).toEqual([
    '5 bad_type {"id":"x"}',
    '5 invalid_json   junk ',
    '6 not_an_object \n[5]',
  ]);
});

test('an array is exploded into rows; a record without elements keeps one', async () => {
  const exploded = contractOf(
    { formats: ['ndjson'] },
    {
      explode: 'order.items',
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'sku', path: 'order.items.sku', type: 'string' },
        { name: 'tags', path: 'order.items.tags[*]', type: 'array<string>' },
        { name: 'whole', path: 'order.items', type: 'json' },
        { name: 'total', path: 'order.total', type: 'double' },
      ],
    },
  );
  const { rows, quarantine, summary } = await transform(exploded, {
    'test/a.json': [
      '{"id":1,"order":{"total":9.5,"items":[{"sku":"a","tags":["x","y"]},{"sku":"b"}]}}',
      '{"id":2,"order":{"items":[]}}',
      '{"id":3}',
      '{"id":4,"order":{"items":{"sku":"c"}}}',
      '{"id":5,"order":{"items":[{"sku":{}},{"sku":"d"}]}}',
    ].join('\n'),
  });
  expect(rows.map((r) => [r.id, r.sku ?? null, r.tags ?? null, r.whole ?? null, r.total ?? null])).toEqual([
    [1n, 'a', ['x', 'y'], '{"sku":"a","tags":["x","y"]}', 9.5],
    [1n, 'b', null, '{"sku":"b"}', 9.5],
    [2n, null, null, null, null],
    [3n, null, null, null, null],
    [5n, 'd', null, '{"sku":"d"}', null],
  ]);
  expect(quarantine.map((q) => [q.line, q.reason, q.column_name, q.value])).toEqual([
    [4n, 'not_an_array', null, '{"sku":"c"}'],
    [5n, 'bad_type', 'sku', '{}'],
  ]);
  expect(summary).toMatchObject({ rowsRead: 7, published: 5, quarantined: 2 });
});

test('a NUL byte beyond the start of a file costs one line', async () => {
  const filler = `${record({ id: 1, text: 'x'.repeat(1000) })}\n`.repeat(400);
  const { summary } = await transform(contractOf({ formats: ['ndjson'] }), {
    'test/a.json': `${filler}{"id":2,"text":"a\0b"}\n${record({ id: 3 })}`,
  });
  expect(summary).toMatchObject({ rowsRead: 402, published: 401, reasons: { invalid_json: 1 } });
});

test('partition values are escaped as Hive does', async () => {
  const awkward = contractOf(
    { formats: ['ndjson'] },
    {
      partitionBy: [
        { name: 'source', constant: 'a b/c=é:%"x' },
        { name: 'z', constant: '桜' },
      ],
    },
  );
  const { partitions, summary } = await transform(awkward, { 'test/a.json': record({}) });
  expect(partitions).toEqual(['source=a b%2Fc%3Dé%3A%25%22x/z=桜']);
  expect(summary.partitions).toEqual([{ values: ['a b/c=é:%"x', '桜'], rows: 1 }]);
});
