import { expect, test } from '@jest/globals';
import { formatExact, parseExact } from '../../../../src/lib/table/iceberg/exactJson.ts';

test('integers of metadata are exact', () => {
  const text = '{"a":9007199254740993,"b":-9223372036854775808,"c":1,"d":1.5,"e":"9007199254740993"}';
  expect(formatExact(parseExact(text))).toBe(text);
});
