import { expect, test } from '@jest/globals';
import { counted } from '../../src/lib/counted.ts';

test('one thing is in the singular, and any other count in the plural', () => {
  expect([0, 1, 2].map((n) => counted(n, 'file'))).toEqual(['0 files', '1 file', '2 files']);
  expect([1, 1000].map((n) => counted(n, 'batch'))).toEqual(['1 batch', '1000 batches']);
});
