/** Values, bounds and transforms as the spec's own tables have them: https://iceberg.apache.org/spec/ */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  compare,
  fromBytes,
  lowerBound,
  toBytes,
  upperBound,
  type Value,
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

test.each<[string, Value, string]>([
  ['boolean', true, '01'],
  ['boolean', false, '00'],
  ['int', -2, 'feffffff'],
  ['date', 1, '01000000'],
  ['long', 1n, '0100000000000000'],
  ['timestamptz', -1n, 'ffffffffffffffff'],
  ['float', 1, '0000803f'],
  ['double', 1, '000000000000f03f'],
  ['string', 'ä', 'c3a4'],
  ['binary', Buffer.from([1, 2]), '0102'],
  ['uuid', Buffer.alloc(16, 1), '01'.repeat(16)],
  ['fixed[2]', Buffer.from([3, 4]), '0304'],
  ['decimal(9, 2)', 128n, '0080'],
  ['decimal(9, 2)', 0n, '00'],
])('the %s %s is written as %s, and read back', (type, value, hex) => {
  expect(toBytes(type, value).toString('hex')).toBe(hex);
  expect(fromBytes(type, Buffer.from(hex, 'hex'))).toEqual(value);
});

test('what was written before its column was widened is read', () => {
  expect(fromBytes('double', toBytes('float', 0.5))).toBe(0.5);
  expect(fromBytes('decimal(20, 2)', Buffer.alloc(0))).toBe(0n);
});

test.each<[string, Value, string | undefined, string | undefined]>([
  ['string', 'a'.repeat(16), 'a'.repeat(16), 'a'.repeat(16)],
  ['string', 'a'.repeat(17), 'a'.repeat(16), `${'a'.repeat(15)}b`],
  ['string', `${'a'.repeat(15)}\u{10ffff}x`, `${'a'.repeat(15)}\u{10ffff}`, `${'a'.repeat(14)}b`],
])('the bounds of the %s %j are short', (type, value, low, high) => {
  expect([lowerBound(type, value)?.toString(), upperBound(type, value)?.toString()]).toEqual([low, high]);
});

test('the bounds of bytes and numbers', () => {
  const long = Buffer.from([...Array(17).keys()]);
  expect([lowerBound('binary', long), upperBound('binary', long)]).toEqual([
    long.subarray(0, 16),
    Buffer.from([...Array(15).keys(), 16]),
  ]);
  const full = Buffer.from([1, ...Array(16).fill(0xff)]);
  expect(upperBound('binary', full)).toEqual(Buffer.from([2]));
  const short = Buffer.from([0xff, 0xff]);
  expect([lowerBound('binary', short), upperBound('binary', short)]).toEqual([short, short]);
  expect(upperBound('binary', full.subarray(0, 16))).toEqual(full.subarray(0, 16));
  const fixed = Buffer.alloc(20, 7);
  expect([lowerBound('fixed[20]', fixed), upperBound('fixed[20]', fixed)]).toEqual([fixed, fixed]);
  for (const type of ['float', 'double']) {
    expect([lowerBound(type, 0), upperBound(type, -0)]).toEqual([toBytes(type, -0), toBytes(type, 0)]);
    expect([lowerBound(type, Number.NaN), upperBound(type, Number.NaN)]).toEqual([undefined, undefined]);
    expect([lowerBound(type, 1), upperBound(type, 1)]).toEqual([toBytes(type, 1), toBytes(type, 1)]);
  }
  expect([lowerBound('int', 0), upperBound('int', 0)]).toEqual([toBytes('int', 0), toBytes('int', 0)]);
});

test.each<[Value, Value, number]>([
  [1, 2, -1],
  [2n, 1n, 1],
  [3, 3, 0],
  [true, false, 1],
  ['a', 'b', -1],
  [Buffer.from([2]), Buffer.from([10]), -1],
  [Buffer.from([1, 0]), Buffer.from([1]), 1],
  [Buffer.from([1]), Buffer.from([1]), 0],
])('%s and %s', (a, b, order) => {
  expect(Math.sign(compare(a, b))).toBe(order);
});
