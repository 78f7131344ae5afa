/** Numbers of every type: what is read, exactly, and what is rejected. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { expectationQuery } from '../../../src/lib/compiler/expectations.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { contractWith, transform } from '../../support/embedded.ts';

const at = '"at":1759729200';

/** The values of one column for JSON texts, in one run; `refused` for a row in quarantine. */
async function read(column: string, values: readonly string[], more = '') {
  const { rows, quarantine } = await transform(contractWith(`  - { name: v, path: v, ${column} }`, more), {
    'test/a.json': values.map((v, id) => `{"id":${id},${at},"v":${v}}`).join('\n'),
  });
  expect(rows.length + quarantine.length).toBe(values.length);
  const byId = new Map(rows.map((row) => [Number(row.id), row.v ?? null]));
  return values.map((_, id) => (byId.has(id) ? byId.get(id) : 'refused'));
}
const texts = (values: readonly string[]) => values.map((v) => JSON.stringify(v));

test('JSON numbers keep their text in columns of texts', async () => {
  const numbers = [
    '1e5',
    '1.50',
    '-0',
    '-0.0',
    '1E-7',
    '936299847.92375604',
    '123456789012345678901234567890',
    '0.0000001',
    '1.0',
    '12',
    '1e400',
  ];
  expect(await read('type: string', numbers)).toEqual(numbers);
  expect(await read('type: string', texts(['1.50', '-0', 'a 1.50 "b', '']))).toEqual([
    '1.50',
    '-0',
    'a 1.50 "b',
    '',
  ]);
  expect(await read('type: string, trim: true, nullValues: ["1.50"]', ['1.50', '1.5'])).toEqual([
    null,
    '1.5',
  ]);
});

test('JSON columns and arrays of texts keep the text of their numbers, and their strings', async () => {
  const subtree = '{"a":1.50,"b":[1e5,-0,"1.50","\\u00011.50"],"c\\"1.50":{"d":"x, 2.50, y"},"a":2.0}';
  expect(
    await read('type: json', [subtree, `[${subtree}]`, '-0', '1.50', '"1.50"', 'null', '"\\u00011.50"']),
  ).toEqual([subtree, `[${subtree}]`, '-0', '1.50', '"1.50"', null, '"\\u00011.50"']);
  const array = contractWith(
    '  - { name: v, path: "v[*]", type: array<string> }\n  - { name: w, path: "w[*].x", type: array<string> }',
  );
  const { rows } = await transform(array, {
    'test/a.json': `{"id":1,${at},"v":[1.50,"1.50",1e5,-0,null,true],"w":[{"x":1.50},{},null,3,{"x":"q"},{"x":null}]}`,
  });
  expect(rows[0]).toMatchObject({
    v: ['1.50', '1.50', '1e5', '-0', null, 'true'],
    w: ['1.50', null, null, null, 'q', null],
  });
});

test('what no column reads, and the elements of documents and of exploded arrays, keep the text of their numbers', async () => {
  const contract = (more: object) =>
    parseContract(
      'test.yml',
      JSON.stringify({
        dataset: 'test',
        source: { prefix: 'x/', formats: ['json_document'], records: 'rows' },
        columns: [{ name: 's', path: 's', type: 'string' }],
        partitionBy: [{ name: 'source', constant: 'test' }],
        ...more,
      }),
    );
  const file = '{"rows":[{"s":1.50,"rest":[1e5,{"x":-0}],"l":[1.10,{"s":2.0e1}]}]}';
  expect((await transform(contract({ drift: 'rescue' }), { 'x/a.json': file })).rows).toMatchObject([
    { s: '1.50', _rescued: '{"rest":[1e5,{"x":-0}],"l":[1.10,{"s":2.0e1}]}' },
  ]);
  const exploded = contract({ explode: 'l', columns: [{ name: 's', path: 'l', type: 'json' }] });
  expect((await transform(exploded, { 'x/a.json': file })).rows.map((r) => r.s).sort()).toEqual([
    '1.10',
    '{"s":2.0e1}',
  ]);
  const refused = contract({ columns: [{ name: 's', path: 's', type: 'int' }] });
  expect((await transform(refused, { 'x/a.json': file })).quarantine).toMatchObject([
    { value: '1.50', raw: '{"s":1.50,"rest":[1e5,{"x":-0}],"l":[1.10,{"s":2.0e1}]}' },
  ]);
});

test('a decimal keeps every digit of a JSON number, and is never rounded', async () => {
  /** Which texts are read as exactly `value`; a double, as tests read a decimal, has fewer digits. */
  const areRead = async (type: string, value: string, values: readonly string[]) =>
    (await read(`type: "${type}", range: { min: "${value}", max: "${value}" }`, values)).map(
      (v) => v !== 'refused',
    );
  const long = '936299847.92375604';
  expect(
    await areRead('decimal(18,8)', long, [
      long,
      `"${long}"`,
      `${long}0000`,
      '936299847.923756',
      `${long}1`,
      '9.3629984792375604e8',
    ]),
  ).toEqual([true, true, true, false, false, false]);
  expect(
    await areRead('decimal(38,0)', '12345678901234567890123456789012345678', [
      '12345678901234567890123456789012345678',
      '12345678901234567890123456789012345678.0',
      '123456789012345678901234567890123456780',
      `"${'0'.repeat(50)}12345678901234567890123456789012345678"`,
    ]),
  ).toEqual([true, true, false, true]);
  expect(
    await areRead('decimal(38,38)', '0.00000000000000000000000000000000000012', [
      '0.00000000000000000000000000000000000012',
      '1.2e-37',
    ]),
  ).toEqual([true, false]);
  expect(
    await read('type: "decimal(12,2)"', [
      '1e3',
      '0.001',
      '1.500',
      '-0',
      '"007.25"',
      '0.0000001',
      '1E-7',
      '12345678901.00',
      '1234567890.99',
    ]),
  ).toEqual(['refused', 'refused', 1.5, 0, 7.25, 'refused', 'refused', 'refused', 1234567890.99]);
});

test('what the contract compares with a text is the text of the number', async () => {
  expect(await read('type: double, nullValues: ["1.50"]', ['1.50', '1.5', '"1.50"'])).toEqual([
    null,
    1.5,
    null,
  ]);
  expect(await read('type: bigint, nullValues: ["-0"]', ['-0', '0'])).toEqual([null, 0n]);
  expect(await read('type: int, extract: "^1e(.)"', ['1e5', '100000'])).toEqual([5, 'refused']);
  const arrays = contractWith('  - { name: v, path: "v[*]", type: array<bigint>, nullValues: ["0"] }');
  const { rows } = await transform(arrays, { 'test/a.json': `{"id":1,${at},"v":[-0,0,12345678901234567]}` });
  expect(rows[0]?.v).toEqual([0n, null, 12345678901234567n]);
});

test('signs and points are written alike for every type', async () => {
  const odd = [
    '+',
    '.',
    '+-5',
    '',
    ' 5',
    '5 ',
    '0x10',
    '1_000',
    '٣',
    'NaN',
    'Infinity',
    '-',
    '1e',
    '1e5.0',
    '--5',
  ];
  for (const type of ['int', 'bigint', 'double', '"decimal(12,2)"'])
    expect(await read(`type: ${type}`, texts(odd))).toEqual(odd.map(() => 'refused'));
  const zeros = `${'0'.repeat(60)}7`;
  for (const type of ['int', 'double', '"decimal(12,2)"'])
    expect(await read(`type: ${type}`, texts([zeros, `-${zeros}`, '-0']))).toEqual([7, -7, 0]);
  expect(
    await read(
      'type: bigint',
      texts(['9223372036854775807', '9223372036854775808', '-9223372036854775808', zeros]),
    ),
  ).toEqual([9223372036854775807n, 'refused', -9223372036854775808n, 7n]);
});

test('a zero of a double has no sign, whatever other rows have', async () => {
  const found = await read('type: double', [
    '-0.0',
    '0.0',
    '-0',
    '"-0"',
    '"-0.0"',
    '-1e-400',
    '"-1e-400"',
    '1e400',
    '"1e400"',
    '4.9e-324',
  ]);
  expect(found).toEqual([0, 0, 0, 0, 0, 0, 0, 'refused', 'refused', 5e-324]);
  expect((await read('type: double', ['0.0', '-0.0', '1'])).map((v) => Object.is(v, -0))).toEqual([
    false,
    false,
    false,
  ]);
});

test('a range compares every digit', async () => {
  const range = (type: string, bounds: string, values: readonly string[]) =>
    read(`type: "${type}", range: ${bounds}`, values);
  expect(
    await range('bigint', '{ min: "9007199254740993" }', ['9007199254740992', '9007199254740993']),
  ).toEqual(['refused', 9007199254740993n]);
  expect(await range('bigint', '{ min: -0.5, max: 1.5 }', ['-1', '0', '1', '2'])).toEqual([
    'refused',
    0n,
    1n,
    'refused',
  ]);
  expect(await range('int', '{ min: 1e20 }', ['1', '2147483647'])).toEqual(['refused', 'refused']);
  expect(await range('int', '{ max: 1e20, min: -1e20 }', ['1'])).toEqual([1]);
  expect(await range('decimal(38,0)', '{ min: 0.5 }', ['0', '1'])).toEqual(['refused', 1]);
  expect(await range('decimal(4,2)', '{ min: "0.101", max: 0.5 }', ['0.10', '0.11', '0.50', '0.51'])).toEqual(
    ['refused', 0.11, 0.5, 'refused'],
  );
  expect(await range('decimal(4,2)', '{ min: -0.005, max: -0.001 }', ['-0.01', '0'])).toEqual([
    'refused',
    'refused',
  ]);
  expect(
    await range('double', '{ min: 0.1, max: 1e300 }', ['0.1', '0.09999999999999999', '1e300', '1.1e300']),
  ).toEqual([0.1, 'refused', 1e300, 'refused']);
  expect(() =>
    contractWith('  - { name: v, path: v, type: bigint, range: { min: 9007199254740993 } }'),
  ).toThrow('write it in quotes');
  const expected = (min: string) =>
    contractWith(
      '  - { name: v, path: v, type: bigint }',
      `expectations: [{ check: range, column: v, min: ${min} }]`,
    );
  const staging = { table: 'staging_x', column: 'run', value: 'r' };
  expect(expectationQuery(expected('"9007199254740993"'), staging)).toContain('"v" < 9007199254740993)');
  expect(() => expected('9007199254740993')).toThrow('write it in quotes');
  expect(() => expected(`"${'9'.repeat(39)}"`)).toThrow('at most 38 digits');
  expect(() => expected('"x"')).toThrow('must be a number');
});

test('property: a decimal, a text and a JSON column read any number of JSON as it is written', async () => {
  const digits = (most: number) =>
    fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: 1, maxLength: most });
  const number = fc
    .tuple(
      fc.constantFrom('', '-'),
      digits(20),
      fc.option(digits(18), { nil: null }),
      fc.constantFrom('', '', '', 'e5', 'E-3', 'e+12', 'e-320', 'e400'),
    )
    .map(
      ([sign, whole, fraction, exponent]) =>
        `${sign}${whole.replace(/^0+(?=\d)/, '')}${fraction === null ? '' : `.${fraction}`}${exponent}`,
    );
  const numbers = fc.sample(number, { numRuns: 2000, seed: 19 });
  expect(await read('type: string', numbers)).toEqual(numbers);
  expect(
    await read(
      'type: json',
      numbers.map((n) => `{"a": [${n} ]}`),
    ),
  ).toEqual(numbers.map((n) => `{"a":[${n}]}`));
});
