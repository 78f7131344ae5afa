import { expect, test } from '@jest/globals';
import { batchId } from '../../../../src/lib/flow/batch/id.ts';

test('a batch id follows from its files, not from their order', () => {
  const a = { object: 'x/a', version: '1' };
  const b = { object: 'x/b', version: '1' };
  expect(batchId([a, b])).toBe(batchId([b, a]));
  expect(batchId([a])).not.toBe(batchId([{ ...a, version: '2' }]));
});

test('a replay of files is another batch, and another replay another one', () => {
  const files = [{ object: 'x/a', version: '1' }];
  const ids = [undefined, 'replay-1', 'replay-2'].map((replay) => batchId(files, replay));
  expect(new Set(ids).size).toBe(3);
  expect(batchId(files, 'replay-1')).toBe(ids[1]);
});
