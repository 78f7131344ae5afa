import { expect, test } from '@jest/globals';
import { formatExact, parseExact } from '../../../../src/lib/table/iceberg/exactJson.ts';

test('integers of metadata are exact', () => {
  const text = '{"a":9007199254740993,"b":-9223372036854775808,"c":1,"d":1.5,"e":"9007199254740993"}';
  expect(formatExact(parseExact(text))).toBe(text);
});

test.each([
  // Ids of snapshots.
  '{"current-snapshot-id":9223372036854775807,"refs":{"main":{"snapshot-id":-9007199254740993}},"x":[{"parent-snapshot-id":9007199254740993}]}',
  // The same in texts, in names, and as texts.
  String.raw`{"a":"\"snapshot-id\":9007199254740993,","b\"snapshot-id":9007199254740993,"snapshot-id":"9007199254740993"}`,
  String.raw`{"a":"\\","snapshot-id":9007199254740993}`,
  // Texts that look like what stands for an id meanwhile.
  String.raw`{"a":"\u00011","snapshot-id":9007199254740993}`,
  '{"a":", 9007199254740993","snapshot-id":9007199254740993}',
  '{"snapshot-id":9007199254740993,"__proto__":{"snapshot-id":9007199254740993},"b":9007199254740993}',
  '{"snapshot-id":null,"summary":{},"list":[],"deep":[[9007199254740993]]}',
  '9007199254740993',
])('%s is the same after it was read', (text) => {
  expect(formatExact(parseExact(text))).toBe(text);
});

test.each(['{"snapshot-id":900719925474099300e2}', '{"snapshot-id":9007199254740993.5}'])(
  '%s has no long integer',
  (text) => {
    expect(parseExact(text)).toEqual(JSON.parse(text));
  },
);

test('a text that is not JSON is rejected, also where an id stands', () => {
  for (const text of ['{"snapshot-id":9007199254740993', '{snapshot-id":9007199254740993}', ''])
    expect(() => parseExact(text)).toThrow(SyntaxError);
});
