import { expect, test } from '@jest/globals';
import { javaDouble } from '../../../../offline/athena/values.ts';

test('doubles are written as Java writes them', () => {
  expect([1, 0.1, 1e7, 1.5e-5, -0, 123456.789, 1e21].map(javaDouble)).toEqual([
    '1.0',
    '0.1',
    '1.0E7',
    '1.5E-5',
    '-0.0',
    '123456.789',
    '1.0E21',
  ]);
});
