/** Texts: cleaning, maps, and surrounding characters. */

import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { literal } from '../../../src/lib/dialect/duckdbNames.ts';
import { contractWith, record, transform } from '../../support/embedded.ts';

/** The values of one column for texts, in one run; `refused` for a row in quarantine. */
async function read(column: string, values: readonly unknown[]) {
  const { rows, quarantine } = await transform(contractWith(`  - { name: v, path: v, ${column} }`), {
    'test/a.json': values.map((v, id) => record({ id, v })).join('\n'),
  });
  expect(rows.length + quarantine.length).toBe(values.length);
  const byId = new Map(rows.map((row) => [Number(row.id), row.v ?? null]));
  return values.map((_, id) => (byId.has(id) ? byId.get(id) : 'refused'));
}

test('a map finds a value that is written exactly as a synonym, in any case', async () => {
  const map =
    'type: string, map: { Athens: [ΑΘΗΝΑΣ], Istanbul: [İstanbul], Gross: [STRAẞE] }, mapDefault: reject';
  expect(
    await read(map, ['ΑΘΗΝΑΣ', 'αθηνασ', 'İstanbul', 'ISTANBUL', 'straße', 'athens', 'ATHENS', 'Sparta']),
  ).toEqual(['Athens', 'Athens', 'Istanbul', 'Istanbul', 'Gross', 'Athens', 'Athens', 'refused']);
  expect(() => contractWith('  - { name: v, path: v, type: string, map: { a: [Σ], b: [σ] } }')).toThrow(
    'twice',
  );
});

test('normalize also applies to what the contract compares with', async () => {
  const [composed, apart] = ['\u00e9', 'e\u0301'];
  expect(
    await read(`type: string, normalize: true, map: { yes: ["${apart}"] }, nullValues: ["n${apart}"]`, [
      composed,
      apart,
      `n${composed}`,
      `n${apart}`,
    ]),
  ).toEqual(['yes', 'yes', null, null]);
});

test('upper case is the same for a column and in an expression, and keeps ß', async () => {
  const contract = contractWith(
    '  - { name: v, path: v, type: string, case: upper }\n  - { name: s, path: v, type: string }',
    'derive: [{ name: u, type: string, expression: upper(s) }]',
  );
  const values = ['straße', 'ß', 'ẞ', 'ﬁ ŉ ᾳ ǆ', 'abc'];
  const { rows } = await transform(contract, {
    'test/a.json': values.map((v, id) => record({ id, v })).join('\n'),
  });
  const byId = [...rows].sort((a, b) => Number(a.id) - Number(b.id));
  expect(byId.map((r) => r.v)).toEqual(['STRAßE', 'ß', 'ẞ', 'ﬁ ŉ ᾼ Ǆ', 'ABC']);
  expect(byId.map((r) => r.u)).toEqual(byId.map((r) => r.v));
});

test('texts that mean nothing are compared without white space, in arrays for each element', async () => {
  expect(
    await read('type: string, nullValues: [" n/a ", ""]', ['n/a', ' n/a\t', ' ', 'x ', '\u00a0']),
  ).toEqual([null, null, null, 'x ', null]);
  const arrays = contractWith(
    '  - { name: v, path: "v[*]", type: array<string>, nullValues: ["n/a"] }\n  - { name: w, path: "v[*]", type: array<int>, nullValues: ["n/a", x], trim: true }',
  );
  const { rows } = await transform(arrays, {
    'test/a.json': `${record({ id: 1, v: [' n/a ', 'x', '1'] })}\n${record({ id: 2, v: ['x', ' 1 '] })}`,
  });
  expect([...rows].sort((a, b) => Number(a.id) - Number(b.id)).map((r) => [r.v, r.w])).toEqual([
    [
      [null, 'x', '1'],
      [null, null, 1],
    ],
    [
      ['x', ' 1 '],
      [null, 1],
    ],
  ]);
});

test('an extraction may ignore case, and a group that took no part gives no value', async () => {
  expect(await read(`type: string, extract: "(?i)^a(b)?c"`, ['abc', 'ABC', 'ac', 'x'])).toEqual([
    'b',
    'B',
    null,
    'refused',
  ]);
  expect(await read(`type: int, extract: "n=(\\\\d*)"`, ['n=12', 'n='])).toEqual([12, null]);
});

test('a NUL does not end the text of a query', async () => {
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  const text = "it's \0 a \0";
  const found = await db.runAndReadAll(`SELECT ${literal(text)}, 'whole'`);
  expect(found.getRows()).toEqual([[text, 'whole']]);
  db.closeSync();
});

test('an index that no array has is refused with the contract', () => {
  const column = (path: string) => contractWith(`  - { name: v, path: "${path}", type: string }`);
  expect(() => column('l[99999999999999999999]')).toThrow('must be keys apart by dots');
  expect(column('l[999999999]').columns).toHaveLength(3);
});

test('a broken CSV record of several lines is refused alone', async () => {
  const csv = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['csv'] },
      columns: ['n', 'a', 'b'].map((name) => ({ name, path: name, type: 'string' })),
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const readCsv = async (text: string) => {
    const { rows, quarantine } = await transform(csv, { 'test/a.csv': text });
    return { rows: rows.map((r) => r.n), refused: quarantine.map((q) => [Number(q.line), q.reason, q.raw]) };
  };
  expect(await readCsv('n,a,b\n1,x"y,"p\n2,q,r\n"\n3,ok,ok\n')).toEqual({
    rows: ['3'],
    refused: [[2, 'invalid_csv', '1,x"y,"p\n2,q,r\n"']],
  });
  expect(await readCsv('n,a,b\r\n1,"a ""b"" c"" d",x"\r\n2,q,"r\r\ns"\r\n')).toMatchObject({
    rows: ['2'],
    refused: [[2, 'invalid_csv', expect.anything()]],
  });
  // A quote without an end costs only its line.
  expect(await readCsv('n,a,b\n1,"open,x\n2,q,r\n3,"s",t\n')).toMatchObject({
    rows: ['2', '3'],
    refused: [[2, 'invalid_csv', '1,"open,x']],
  });
});

test('a closing brace that closes nothing is refused alone', async () => {
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['json_concatenated'] },
      columns: [{ name: 'id', path: 'id', type: 'int', required: true }],
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const { rows, quarantine } = await transform(contract, {
    'test/a.json': '{"id":1}}\n{"id":2,"in":{"id":3}}\n}}{"id":4}',
  });
  expect(rows.map((r) => r.id).sort()).toEqual([1, 2, 4]);
  expect(quarantine.map((q) => [q.reason, String(q.raw).trim()])).toEqual([
    ['invalid_json', '}'],
    ['invalid_json', '}'],
    ['invalid_json', '}'],
  ]);
});
