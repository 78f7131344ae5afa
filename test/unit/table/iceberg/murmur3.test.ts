import { expect, test } from '@jest/globals';
import { murmur3 } from '../../../../src/lib/table/iceberg/murmur3.ts';
import { toBytes } from '../../../../src/lib/table/iceberg/values.ts';

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
