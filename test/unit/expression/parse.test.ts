import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkExpression } from '../../../src/lib/expression/check.ts';
import { parseExpression } from '../../../src/lib/expression/parse.ts';
import { evaluate } from '../../support/evaluate.ts';

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
