/** Documents within records: several exploded arrays, maps, lists of lists, and JSON in texts. */
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { filesOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

const contractOf = (more: object) =>
  parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'x/', formats: ['ndjson'] },
      partitionBy: [{ name: 'source', constant: 'test' }],
      ...more,
    }),
  );
const columns = (types: Readonly<Record<string, string>>) =>
  Object.entries(types).map(([path, type], i) => ({ name: `c${i}`, path, type }));

/** The columns of each row as JSON, sorted, and each rejected row with its reason, column and value. */
async function rowsOf(more: object, files: Readonly<Record<string, string | Uint8Array>>) {
  const contract = contractOf(more);
  const { rows, quarantine } = await transform(contract, files);
  const plain = (_: string, v: unknown) => (typeof v === 'bigint' ? Number(v) : v);
  return {
    rows: rows
      .map((row) =>
        JSON.stringify(
          contract.columns.map(({ name }) => row[name] ?? null),
          plain,
        ),
      )
      .sort(),
    refused: quarantine.map((q) => [Number(q.line), q.reason, q.column_name ?? null, q.value ?? null]),
  };
}

test('an array of arrays is exploded twice, and lists of lists are one list', async () => {
  const found = await rowsOf(
    {
      explode: ['m', 'm'],
      columns: columns({ id: 'bigint', 'm.x': 'bigint', 'n[*][*]': 'array<bigint>' }),
    },
    filesOf('j11b-double-explode'),
  );
  expect(found).toEqual({
    rows: ['[1,1,[1,2,3]]', '[1,2,[1,2,3]]', '[1,3,[1,2,3]]', '[2,null,[]]'],
    refused: [],
  });
});

test('the fields of a map are rows of key and value', async () => {
  const found = await rowsOf(
    {
      explode: 'prices.*',
      columns: columns({ id: 'bigint', 'prices._key': 'string', 'prices._value': 'int' }),
    },
    filesOf('j12b-explode-map'),
  );
  expect(found.rows).toEqual([
    '[0,"C0_0",0]',
    '[0,"C0_1",1]',
    '[0,"C0_2",2]',
    '[1,"C1_0",0]',
    '[1,"C1_1",1]',
    '[1,"C1_2",2]',
  ]);
});

test('arrays in elements of arrays and in values of maps: a row each, with what is above it', async () => {
  const record = {
    id: 1,
    orders: [
      { no: 'a', items: [{ sku: 1, price: 1.1 }, { sku: 2 }] },
      { no: 'b', items: [] },
      { no: 'c' },
      { no: 'd', items: 7 },
    ],
    tags: { x: { n: [1, 2] }, y: { n: null }, z: 3 },
  };
  const files = { 'x/a': `${JSON.stringify(record).replace('1.1', '1.10')}\n{"id":2,"orders":{}}\n{"id":3}` };
  expect(
    await rowsOf(
      {
        explode: ['orders', 'orders.items'],
        columns: columns({
          id: 'bigint',
          'orders.no': 'string',
          'orders.items.sku': 'int',
          'orders.items.price': 'string',
        }),
      },
      files,
    ),
  ).toEqual({
    rows: [
      '[1,"a",1,"1.10"]',
      '[1,"a",2,null]',
      '[1,"b",null,null]',
      '[1,"c",null,null]',
      '[3,null,null,null]',
    ],
    refused: [
      [1, 'not_an_array', null, '7'],
      [2, 'not_an_array', null, '{}'],
    ],
  });
  const both = await rowsOf(
    {
      explode: ['tags.*', 'tags.n', 'orders'],
      columns: columns({ 'tags._key': 'string', 'tags.n': 'int', 'orders.no': 'string' }),
    },
    { 'x/a': JSON.stringify({ ...record, orders: [{ no: 'a' }, { no: 'b' }] }) },
  );
  expect(both.rows).toHaveLength(8);
  expect(both.rows).toContain('["x",2,"b"]');
  expect(both.rows).toContain('["z",null,"a"]');
});

test('the rows of several arrays have places of their own: of equal keys the first stays', async () => {
  const rows = await transform(
    contractOf({
      explode: ['a', 'a.b'],
      columns: [
        { name: 'k', path: 'k', type: 'int', required: true },
        { name: 'v', path: 'a.b', type: 'int' },
      ],
      dedupe: { key: ['k'] },
    }),
    { 'x/a': '{"k":1,"a":[{"b":[]},{"b":[7,8]},{"b":[9]}]}\n{"k":2,"a":[{"b":[5,4]}]}' },
  );
  expect(rows.rows.map(({ k, v }) => [k, v ?? null])).toEqual([
    [1, null],
    [2, 5],
  ]);
  expect(rows.summary).toMatchObject({ rowsRead: 6, duplicates: 4 });
});

test('lists of lists keep the places of their elements, and refuse what is no list', async () => {
  const found = await rowsOf(
    {
      columns: [
        ...columns({ id: 'int', 'a[*].b[*].c': 'array<string>' }),
        { name: 'd', path: 'a[*].b[*].d', type: 'array<int>', onError: 'null' },
      ],
    },
    {
      'x/a': [
        '{"id":1,"a":[{"b":[{"c":1.50,"d":1},{"d":2}]},{"b":null},{},null,{"b":[{"c":"x"}]}]}',
        '{"id":2,"a":[{"b":7}]}',
        '{"id":3,"a":[{"b":[{"c":{"x":1}}]}]}',
        '{"id":4,"a":[]}',
        '{"id":5,"a":{"b":[]}}',
      ].join('\n'),
    },
  );
  expect(found).toEqual({
    rows: ['[1,["1.50",null,"x"],[1,2,null]]', '[4,[],[]]'],
    refused: [
      [2, 'bad_type', 'c1', '[{"b":7}]'],
      [3, 'bad_type', 'c1', '[{"b":[{"c":{"x":1}}]}]'],
      [5, 'bad_type', 'c1', '{"b":[]}'],
    ],
  });
});

test('JSON in a text is read, with paths into it', async () => {
  const more = {
    parse: { body: 'json' },
    columns: columns({
      messageId: 'string',
      'body.order.id': 'bigint',
      'body.order.total': 'decimal(8,2)',
      'body.at': 'string',
    }),
  };
  expect(await rowsOf(more, filesOf('j05-double-encoded'))).toEqual({
    rows: ['["m1",7,12.5,"2024-05-01T10:00:00Z"]', '["m2",8,1.5,"2024-05-01T11:00:00Z"]'],
    refused: [],
  });
});

test('JSON in a text: numbers as written, texts in texts, arrays to explode, and what is none', async () => {
  const more = {
    parse: { body: 'json', 'body.Message': 'json' },
    explode: 'body.Message.items',
    columns: columns({
      id: 'int',
      'body.n': 'string',
      'body.Message.items.v': 'string',
      'body.Message.at': 'int',
      'body.Message': 'json',
      body: 'string',
    }),
  };
  const inner = (message: unknown) =>
    JSON.stringify({ n: 0, Message: JSON.stringify(message) }).replace('"n":0', '"n":1.50');
  const body = inner({ items: [{ v: 1 }, { v: 'x' }], at: 3 });
  const files = [
    { id: 1, body },
    { id: 2, body: { n: 2, Message: { items: [{ v: 'as an object' }] } } },
    { id: 3, body: '' },
    { id: 4 },
    { id: 5, body: 'no JSON' },
    { id: 6, body: '{"Message":"{"}' },
    { id: 7, body: ' \n' },
    { id: 8, body: '{"Message":"7"}' },
    { id: 9, body: null },
  ].map((record) => JSON.stringify(record));
  const found = await rowsOf(more, { 'x/a': files.join('\n') });
  const message = '{"items":[{"v":1},{"v":"x"}],"at":3}';
  expect(found.rows).toEqual(
    [
      [1, '1.50', '1', 3, message, body],
      [1, '1.50', 'x', 3, message, body],
      [3, null, null, null, null, ''],
      [4, null, null, null, null, null],
      [7, null, null, null, null, ' \n'],
      [8, null, null, null, '7', '{"Message":"7"}'],
      [9, null, null, null, null, null],
    ]
      .map((row) => JSON.stringify(row))
      .sort(),
  );
  expect(found.refused).toEqual([
    [2, 'bad_type', 'c5', expect.stringContaining('as an object')],
    [5, 'bad_type', 'c1', 'no JSON'],
    [6, 'bad_type', 'c2', '{'],
  ]);
});

test('one row a log event, with its message as JSON', async () => {
  const found = await rowsOf(
    {
      source: { prefix: 'x/', formats: ['json_concatenated'] },
      explode: 'logEvents',
      parse: { 'logEvents.message': 'json' },
      columns: columns({
        'logEvents.id': 'string',
        'logEvents.message.level': 'string',
        'logEvents.message.ms': 'int',
        logGroup: 'string',
      }),
    },
    filesOf('g10-cw-logs'),
  );
  expect(found.rows).toEqual([
    '["00","info",0,"g"]',
    '["01","info",1,"g"]',
    '["10","info",0,"g"]',
    '["11","info",1,"g"]',
  ]);
});

test('a field of a CSV may hold JSON', async () => {
  const found = await rowsOf(
    {
      source: { prefix: 'x/', formats: ['csv'] },
      parse: { payload: 'json' },
      explode: 'payload.tags',
      columns: columns({
        id: 'int',
        'payload.user.id': 'bigint',
        'payload.tags': 'string',
        'payload.x': 'string',
      }),
    },
    { 'x/a.csv': 'id,payload\n1,"{""user"":{""id"":7},""tags"":[""a"",""b""],""x"":1.50}"\n2,\n3,{' },
  );
  expect(found).toEqual({
    rows: ['[1,7,"a","1.50"]', '[1,7,"b","1.50"]', '[2,null,null,null]'],
    refused: [[4, 'bad_type', 'c1', '{']],
  });
});

test.each([
  [{ explode: ['a', 'b[*]'] }, 'may not have [*]: name each array'],
  [{ explode: ['a', 'b', 'c', 'd'] }, 'explode'],
  [{ parse: { 'a[*].b': 'json' } }, 'may not have [*]: explode the array'],
  [{ parse: { a: 'xml' } }, 'parse'],
  [{ source: { prefix: 'x/', formats: ['csv'] }, explode: 'a' }, 'a field of a CSV holds no array'],
  [{ columns: columns({ 'a[*][*][*][*]': 'array<int>' }) }, 'may have [*] 3 times'],
])('%j is refused', (more, message) => {
  expect(() => contractOf({ columns: columns({ id: 'int' }), ...more })).toThrow(message);
});
