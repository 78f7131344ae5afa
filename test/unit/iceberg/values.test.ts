/** Values, bounds and transforms as the spec's own tables have them: https://iceberg.apache.org/spec/ */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { TableUnsupported } from '../../../src/lib/errors.ts';
import { formatExact, parseExact } from '../../../src/lib/table/iceberg/exactJson.ts';
import { murmur3 } from '../../../src/lib/table/iceberg/murmur3.ts';
import { applyTransform } from '../../../src/lib/table/iceberg/transforms.ts';
import {
  compare,
  fromBytes,
  lowerBound,
  toBytes,
  upperBound,
  type Value,
} from '../../../src/lib/table/iceberg/values.ts';

const micros = (text: string) => BigInt(Date.parse(text)) * 1000n;

test('hashes are those of the spec', () => {
  expect(murmur3(Buffer.from('iceberg'))).toBe(1210000089);
  expect(murmur3(Buffer.from([0, 1, 2, 3]))).toBe(-188683207);
  expect(murmur3(toBytes('long', 34n))).toBe(2017239379);
  expect(murmur3(toBytes('decimal(9, 2)', 1420n))).toBe(-500754589);
  expect(murmur3(toBytes('timestamp', micros('2017-11-16T22:31:08Z')))).toBe(-2047944441);
  expect(murmur3(Buffer.from('f79c3e09-677c-4bbd-a479-3f349cb785e7'.replaceAll('-', ''), 'hex'))).toBe(
    1488055340,
  );
});

test('an int and a long of one value are in one bucket', () => {
  expect(applyTransform('bucket[16]', 'int', 34)).toBe(applyTransform('bucket[16]', 'long', 34n));
});

test.each<[string, string, Value, Value]>([
  ['truncate[10]', 'int', 1, 0],
  ['truncate[10]', 'int', -1, -10],
  ['truncate[10]', 'long', -1n, -10n],
  ['truncate[50]', 'decimal(9, 2)', 1065n, 1050n],
  ['truncate[3]', 'string', 'iceberg', 'ice'],
  ['truncate[1]', 'string', '😀😀', '😀'],
  ['day', 'timestamptz', micros('1969-12-31T23:59:59.999Z'), -1],
  ['hour', 'timestamp', micros('2017-11-16T22:31:08Z'), 419_686],
  ['day', 'timestamp', micros('2017-11-16T22:31:08Z'), 17_486],
  ['month', 'timestamp', micros('2017-11-16T22:31:08Z'), 574],
  ['year', 'timestamp', micros('2017-11-16T22:31:08Z'), 47],
  ['month', 'date', -1, -1],
  ['year', 'date', -1, -1],
  ['identity', 'string', 'x', 'x'],
])('%s of the %s %s is %s', (transform, type, value, wanted) => {
  expect(applyTransform(transform, type, value)).toEqual(wanted);
});

test('null stays null, and a transform that a type does not have is refused', () => {
  expect(applyTransform('bucket[4]', 'string', null)).toBeNull();
  expect(() => applyTransform('bucket[4]', 'double', 1)).toThrow(TableUnsupported);
  expect(() => applyTransform('bucket[0]', 'string', 'x')).toThrow(TableUnsupported);
  expect(() => applyTransform('hour', 'date', 1)).toThrow(TableUnsupported);
  expect(() => applyTransform('zorder', 'string', 'x')).toThrow(TableUnsupported);
});

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
  // From before an int was widened.
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

test('integers of metadata are exact', () => {
  const text = '{"a":9007199254740993,"b":-9223372036854775808,"c":1,"d":1.5,"e":"9007199254740993"}';
  expect(formatExact(parseExact(text))).toBe(text);
});
