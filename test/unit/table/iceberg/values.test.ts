/** Values, bounds and transforms as the spec's own tables have them: https://iceberg.apache.org/spec/ */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compare,
  fromBytes,
  lowerBound,
  toBytes,
  upperBound,
} from '../../../../src/lib/table/iceberg/values.ts';

const long = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

test('binary forms are read back, whatever the value', () => {
  fc.assert(
    fc.property(long, fc.integer(), fc.string({ unit: 'binary' }), (n, i, text) => {
      expect(fromBytes('long', toBytes('long', n))).toBe(n);
      expect(fromBytes('decimal(38, 2)', toBytes('decimal(38, 2)', n * n))).toBe(n * n);
      expect(fromBytes('int', toBytes('int', i))).toBe(i);
      expect(fromBytes('string', toBytes('string', text))).toBe(text);
    }),
  );
  expect(toBytes('decimal(9, 2)', 1420n)).toEqual(Buffer.from([0x05, 0x8c]));
  expect(toBytes('decimal(9, 2)', -1n)).toEqual(Buffer.from([0xff]));
  // Written before an int was widened.
  expect(fromBytes('long', toBytes('int', -7))).toBe(-7n);
});

test('bounds lie around the value, and are short', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
      const low = lowerBound('string', text);
      const high = upperBound('string', text);
      const value = Buffer.from(text);
      expect(low && Buffer.compare(low, value)).toBeLessThanOrEqual(0);
      if (high) expect(Buffer.compare(high, value)).toBeGreaterThanOrEqual(0);
      expect([...(low?.toString() ?? '')].length).toBeLessThanOrEqual(16);
      expect([...(high?.toString() ?? '')].length).toBeLessThanOrEqual(16);
    }),
  );
  const most = '\u{10ffff}'.repeat(17);
  expect(upperBound('string', most)).toBeUndefined();
  expect(upperBound('string', `a${most}`)?.toString()).toBe('b');
  expect(upperBound('string', `${'a'.repeat(15)}\ud7ffx`)?.toString()).toBe(`${'a'.repeat(15)}\ue000`);
  expect(upperBound('binary', Buffer.alloc(17, 0xff))).toBeUndefined();
  expect(lowerBound('double', Number.NaN)).toBeUndefined();
  expect(lowerBound('double', 0)).toEqual(toBytes('double', -0));
});

test('text is ordered by its bytes, not by UTF-16', () => {
  expect(compare('\uffff', '\u{10000}')).toBeLessThan(0);
});
