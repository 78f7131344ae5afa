import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import { applyTransform, resultType } from '../../../../src/lib/table/iceberg/transforms.ts';
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

test.each([
  ['bucket[4]', 'int long date time timestamp timestamptz string uuid binary decimal(9,2) fixed[4]', 'int'],
  ['truncate[4]', 'int long string binary decimal(9,2)', null],
  ['year', 'date timestamp timestamptz', 'int'],
  ['month', 'date timestamp timestamptz', 'int'],
  ['day', 'date timestamp timestamptz', 'int'],
  ['hour', 'timestamp timestamptz', 'int'],
  ['identity', 'double boolean string', null],
  ['void', 'double boolean string', null],
])('%s takes %s', (transform, takes, result) => {
  const all =
    'boolean int long float double date time timestamp timestamptz string uuid binary decimal(9,2) fixed[4]';
  for (const type of all.split(' ')) {
    const isTaken = takes.split(' ').includes(type) || ['identity', 'void'].includes(transform);
    if (isTaken) expect(resultType(transform, type)).toBe(result ?? type);
    else
      expect(() => resultType(transform, type)).toThrow(
        `no partition can be made of a ${type} by ${transform}`,
      );
  }
});

test('what is no transform of this width, or no number, is refused', () => {
  for (const wrong of ['bucket', 'bucket[x]', 'truncate[0]', 'xbucket[2]', 'bucket[2]x'])
    expect(() => resultType(wrong, 'string')).toThrow(TableUnsupported);
  expect(resultType('truncate[1]', 'string')).toBe('string');
  expect(() => applyTransform('day', 'date', 'x')).toThrow('not a whole number: x');
  expect(applyTransform('void', 'string', 'x')).toBeNull();
  expect(applyTransform('truncate[2]', 'binary', Buffer.from([1, 2, 3]))).toEqual(Buffer.from([1, 2]));
  expect(applyTransform('bucket[100]', 'decimal(9, 2)', 1420n)).toBe((-500754589 & 0x7fffffff) % 100);
  const uuid = 'f79c3e09677c4bbda4793f349cb785e7'; // pragma: allowlist secret
  expect(applyTransform('bucket[100]', 'uuid', Buffer.from(uuid, 'hex'))).toBe(1488055340 % 100);
});
