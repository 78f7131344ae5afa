import { expect, test } from '@jest/globals';
import { contractWith, type Row, record, transform } from '../../support/embedded.ts';
import { columns, evaluate } from '../../support/evaluate.ts';

test('operators bind as everywhere', async () => {
  expect(
    await evaluate(
      {
        a: ['bigint', '1 + 2 * 3 - 4'],
        b: ['bigint', '(1 + 2) * -3 % 4'],
        c: ['double', '7 / 2'],
        d: ['boolean', "not n = 1 or n > 4 and s != 'it''s'"],
        e: ['boolean', "n in (4, 5) and s not in ('a', 'b') and x is null and s is not null"],
        f: ['string', "concat(upper(s), '-', if(ok, 'yes', 'no'))"],
        g: ['bigint', 'coalesce(null, length(s), 0) + year(at)'],
        h: ['string', 'substring(s, 2, 3)'],
        i: ['date', 'to_date(at)'],
      },
      { n: 5, s: "it's", ok: true },
    ),
  ).toMatchObject({ a: 3n, b: -1n, c: 3.5, d: true, e: true, f: "IT'S-yes", g: 2029n, h: "t's" });
});

test('a missing value makes a result missing; overflow and division by zero have no value', async () => {
  expect(
    await evaluate(
      {
        a: ['bigint', 'n + 1'],
        b: ['double', '1 / 0'],
        c: ['bigint', '5 % 0'],
        d: ['int', '3000000000 * 2'],
        e: ['string', "concat(s, 'x')"],
        f: ['bigint', '9223372036854775807 + 1 - 1'],
        g: ['boolean', 'n = 1'],
      },
      {},
    ),
  ).toEqual({ a: null, b: null, c: null, d: null, e: null, f: 9223372036854775807n, g: null });
});

test('a filter quarantines the rows it does not keep, and they are accounted for', async () => {
  const contract = contractWith(columns, "filter: n > 1 and s != 'no'");
  const lines = [{ n: 2, s: 'a' }, { n: 1, s: 'a' }, { n: 2, s: 'no' }, { n: 2 }, { n: 'x', s: 'a' }];
  const { summary, quarantine } = await transform(contract, {
    'test/a.json': lines.map((fields, id) => record({ id, ...fields })).join('\n'),
  });
  expect(summary).toMatchObject({ rowsRead: 5, published: 1, quarantined: 4 });
  expect(quarantine.map((q) => q.reason)).toEqual(['filtered', 'filtered', 'filtered', 'bad_type']);
});

test.each([
  ['n +', 'a value is missing before "the end" (at character 4)'],
  ['n ; drop', '";" is not understood (at character 3)'],
  ['nope = 1', 'there is no column "nope" (at character 1)'],
  ["n = 'a'", 'integer and text do not go together (at character 3)'],
  ['upper(n)', '"upper" takes text, not integer'],
  ['read_text(s)', 'there is no function "read_text"'],
  ['lower(s, s)', 'lower takes 1 arguments, not 2'],
  ['n', 'gives integer, not boolean'],
  ['toString(s)', 'there is no function "tostring"'],
  [`${'('.repeat(60)}n${')'.repeat(60)} = 1`, 'nested too deeply'],
])('the condition %s is refused with its place', (filter, message) => {
  expect(() => contractWith(columns, `filter: ${JSON.stringify(filter)}`)).toThrow(message);
});

/** Values of expressions over many records: one run. */
async function evaluateAll(
  expressions: readonly (readonly [type: string, text: string])[],
  records: readonly Row[],
) {
  const derive = expressions.map(([type, expression], i) => ({ name: `v${i}`, type, expression }));
  const { rows, quarantine } = await transform(
    contractWith(
      `${columns}\n  - { name: w, path: w, type: "decimal(38,10)" }`,
      `derive: ${JSON.stringify(derive)}`,
    ),
    { 'test/a.json': records.map((fields, id) => record({ id, ...fields })).join('\n') },
  );
  expect(quarantine).toEqual([]);
  const byId = [...rows].sort((a, b) => Number(a.id) - Number(b.id));
  expect(byId).toHaveLength(records.length);
  return byId.map((row) => expressions.map((_, i) => row[`v${i}`] ?? null));
}

test('only the part that overflows has no value, and the parts around it go on', async () => {
  const most = '9223372036854775807';
  const found = await evaluateAll(
    [
      ['bigint', 'n * n * n'],
      ['bigint', 'coalesce(n * n * n, -1)'],
      ['boolean', 'n * n * n is null'],
      ['boolean', 'n * n * n > 0'],
      ['boolean', 'n + 1 > 0'],
      ['bigint', 'n + 1'],
      ['bigint', 'if(n * n * n is null, 1, 0)'],
      ['boolean', 'n * n * n > 0 or ok'],
      ['boolean', 'n * n * n > 0 and not ok'],
      ['boolean', 'n * n + 14929408269765384152603092215767498750 = 99999999999999999999999999999999999999'],
      ['boolean', 'n * n + 14929408269765384152603092215767498751 is null'],
      ['double', 'x * x'],
      ['double', 'coalesce(1 / (x * x), -1)'],
      ['boolean', 'x * x > 0'],
      ['double', 'x * x - x * x'],
      ['bigint', 'coalesce(floor(x), 7)'],
      ['double', '-(x * x)'],
      ['double', 'if(x * x is null, 2, x * x)'],
    ],
    [{ n: most, x: 1e300, ok: true }, { n: 2, x: 3.5, ok: true }, {}],
  );
  expect(found[0]).toEqual([
    ...[null, -1n, true, null, true, null, 1n, true, false],
    true,
    true,
    ...[null, -1, null, null, 7n, null, 2],
  ]);
  expect(found[1]?.slice(0, 9)).toEqual([8n, 8n, false, true, true, 3n, 0n, true, false]);
  expect(found[1]?.slice(11)).toEqual([12.25, 1 / 12.25, true, 0, 3n, -12.25, 12.25]);
  expect(found[2]).toEqual([
    ...[null, -1n, true, null, null, null, 1n, null, null],
    ...[null, true, null, -1, null, null, 7n, null, 2],
  ]);
});

test('any place and count of substring is read, however large', async () => {
  const found = await evaluateAll(
    [
      ['string', 'coalesce(substring(s, n, 9223372036854775807), s)'],
      ['string', 'if(substring(s, n, n) is null, s, substring(s, 1, n))'],
      ['string', "coalesce(substring('äbc', n * n, n * n), 'none')"],
      ['string', 'substring(s, 0 - n, 2)'],
    ],
    [{ n: '9223372036854775807', s: 'äbc' }, { n: '-9223372036854775808', s: 'äbc' }, { s: 'äbc' }],
  );
  expect(found).toEqual([
    ['', 'äbc', '', 'äb'],
    ['äbc', '', '', ''],
    ['äbc', 'äbc', 'none', null],
  ]);
});

test('a zero that is derived has no sign, and a null is read where any type is', async () => {
  const found = await evaluateAll(
    [
      ['double', 'x * 0'],
      ['double', '-(x - x)'],
      ['bigint', 'year(null) + length(null) + abs(null) + floor(null)'],
      ['string', 'concat(upper(null), lower(null), trim(null), substring(null, null, null))'],
      [
        'boolean',
        "starts_with(null, 'a') or contains(null, null) or null = null or null in (null) or not null",
      ],
      ['double', 'coalesce(null, -null, null / null, null % null, 1.5)'],
      ['date', 'to_date(null)'],
      ['bigint', 'coalesce(if(null, null, null), hour(null), month(null), day(null), 3)'],
    ],
    [{ x: -5 }],
  );
  expect(found).toEqual([[0, 0, null, null, null, 1.5, null, 3n]]);
});

test('decimals and whole numbers become their nearest double', async () => {
  const found = await evaluateAll(
    [
      ['double', 'w + 0'],
      ['double', 'n * n / 1'],
      ['boolean', 'n * 1.0 = n'],
      ['double', 'n + 0'],
      ['double', '-n'],
      ['boolean', 'x in (n, 2)'],
      ['boolean', 'floor(x * 50000000000000000000000000000000000000.0) > 0'],
    ],
    [
      { w: '9007199254740993.0000000001', n: '9007199254740993', x: 9007199254740992 },
      { w: '0.1', n: 3, x: 2 },
      { n: '-9007199254740995' },
    ],
  );
  expect(found).toEqual([
    [
      9007199254740994,
      Number(9007199254740993n ** 2n),
      true,
      9007199254740992,
      -9007199254740992,
      true,
      null,
    ],
    [0.1, 9, true, 3, -3, true, true],
    [null, Number(9007199254740995n ** 2n), true, -9007199254740996, 9007199254740996, null, null],
  ]);
});

test('no function and no operator ends a run at the limits of its types', async () => {
  const whole = ['n', '-n', '99999999999999999999999999999999999999', 'null'];
  const real = ['x', 'w', '0.1'];
  const binary = (operands: readonly string[], operators: readonly string[]) =>
    operands.flatMap((a) => operands.flatMap((b) => operators.map((o) => `(${a}) ${o} (${b})`)));
  const numbers = binary([...whole, ...real], ['+', '-', '*', '/', '%']);
  const every = (n: number, all: readonly string[]) => all.filter((_, i) => i % n === 0);
  const texts = whole.flatMap((from) =>
    whole.flatMap((count) => ['s', 'null'].map((t) => `coalesce(substring(${t}, ${from}, ${count}), s)`)),
  );
  const gives = (type: string, all: readonly string[]) => all.map((e) => [type, e] as const);
  const found = await evaluateAll(
    [
      ...gives('double', numbers),
      ...gives('string', texts),
      ...gives(
        'double',
        every(4, numbers).flatMap((e) => [`abs(${e})`, `-(${e})`, `0 - floor(${e})`]),
      ),
      ...gives(
        'boolean',
        every(3, numbers).flatMap((e) => [`${e} is null`, `if(${e} > 1, ok, not ok)`]),
      ),
    ],
    [
      {
        n: '9223372036854775807',
        x: 1.7976931348623157e308,
        w: `${'9'.repeat(28)}.${'9'.repeat(10)}`,
        s: '\0äß😀',
        ok: true,
      },
      { n: '-9223372036854775808', x: -5e-324, w: '-0.0000000001', s: '', ok: false },
      { n: 0, x: 0, w: 0 },
      {},
    ],
  );
  const numbersFound = found.flat().filter((value) => typeof value === 'number');
  expect(numbersFound.filter((value) => !Number.isFinite(value) || Object.is(value, -0))).toEqual([]);
  expect(numbersFound.length).toBeGreaterThan(300);
});
