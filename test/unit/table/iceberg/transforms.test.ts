import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import { applyTransform } from '../../../../src/lib/table/iceberg/transforms.ts';
import type { Value } from '../../../../src/lib/table/iceberg/values.ts';

const micros = (text: string) => BigInt(Date.parse(text)) * 1000n;

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
