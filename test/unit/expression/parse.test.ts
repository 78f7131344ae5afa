import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkExpression } from '../../../src/lib/expression/check.ts';
import { parseExpression } from '../../../src/lib/expression/parse.ts';
import { contractWith, type Row, record, transform } from '../../support/embedded.ts';

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
