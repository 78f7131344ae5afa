import { expect, test } from '@jest/globals';
import { requireReadable } from '../../src/lib/catalog/rawSchema.ts';
import { LeaseLost, ObjectMissing, SchemaMismatch, SluiceError } from '../../src/lib/errors.ts';
import { contractWith } from '../support/embedded.ts';

test('an error says in fields what it is about, and keeps its cause', () => {
  const cause = new Error('why');
  const error = new ObjectMissing('s3://raw/a is gone', { object: 'a', cause });
  expect(error).toMatchObject({ name: 'ObjectMissing', object: 'a', cause });
  expect(error).toBeInstanceOf(SluiceError);
  expect(JSON.parse(JSON.stringify(new LeaseLost('gone', { dataset: 'd' })))).toEqual({
    name: 'LeaseLost',
    dataset: 'd',
  });
  expect('cause' in new LeaseLost('gone')).toBe(false);
});

test('a column that cannot be read is a field of the error', () => {
  const rawTable = { name: 'raw', record: { kind: 'struct', fields: [] } } as const;
  let thrown: unknown;
  try {
    requireReadable(contractWith(''), rawTable);
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(SchemaMismatch);
  expect(thrown).toMatchObject({ dataset: 'test', column: 'id' });
});
