import { expect, test } from '@jest/globals';
import { SchemaMismatch } from '../../src/lib/errors.ts';
import { shortened } from '../../src/lib/shortened.ts';

test('an error of any length fits into what a state may be told, and keeps its name and its beginning', () => {
  const columns = Array.from({ length: 100_000 }, (_, i) => `column_${i} is missing`);
  const error = shortened(new SchemaMismatch(columns.join('; ')));
  expect(error).toBeInstanceOf(SchemaMismatch);
  expect(error.name).toBe('SchemaMismatch');
  expect(error.message).toMatch(/^column_0 is missing; column_1 [\s\S]*… \(\d{7} characters\)$/);
  const payload = { errorType: error.name, errorMessage: error.message, trace: error.stack?.split('\n') };
  expect(Buffer.byteLength(JSON.stringify(payload))).toBeLessThan(100 * 1024);
});

test('an error that is short enough, and what is no error, stay as they are', () => {
  const error = new Error('short');
  const { message, stack } = error;
  expect(shortened(error)).toBe(error);
  expect([error.message, error.stack]).toEqual([message, stack]);
  expect(shortened(null)).toBeNull();
});
