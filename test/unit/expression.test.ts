import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkExpression } from '../../src/lib/expression/check.ts';
import { parseExpression } from '../../src/lib/expression/parse.ts';
import { contractWith, type Row, record, transform } from '../support/embedded.ts';

const columns = `  - { name: n, path: n, type: bigint }
  - { name: x, path: x, type: double }
  - { name: s, path: s, type: string }
  - { name: ok, path: ok, type: boolean }`;

/** Values of expressions over one record; `types` say what each gives. */
async function evaluate(expressions: Readonly<Record<string, [type: string, text: string]>>, fields: Row) {
  const derive = Object.entries(expressions).map(([name, [type, expression]]) => ({
    name,
    type,
    expression,
  }));
  const { rows, quarantine } = await transform(contractWith(columns, `derive: ${JSON.stringify(derive)}`), {
    'test/a.json': record({ id: 1, ...fields }),
  });
  expect(quarantine).toEqual([]);
  return Object.fromEntries(Object.keys(expressions).map((name) => [name, rows[0]?.[name] ?? null]));
}

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

test('property: whatever text is given, it is understood or refused, and texts stay texts', async () => {
  const known = new Map([['s', 'string']]);
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), (text) => {
      try {
        checkExpression(parseExpression(text), known);
      } catch (error) {
        expect((error as Error).name).toBe('ExpressionError');
      }
    }),
    { numRuns: 2000, seed: 3 },
  );
  const nasty = ["'; DROP TABLE files; --", '"', "\\'", '$1', '桜'];
  const quoted = Object.fromEntries(
    nasty.map((text, i): [string, [string, string]] => [
      `v${i}`,
      ['string', `'${text.replaceAll("'", "''")}'`],
    ]),
  );
  expect(Object.values(await evaluate(quoted, {}))).toEqual(nasty);
});
