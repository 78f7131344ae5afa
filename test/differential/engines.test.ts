/**
 * Both engines give the same rows, the same quarantine and the same counts, on generated contracts and inputs.
 * `npm run differential -- --cases 5000` compares more.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parallel } from '../../src/lib/parallel.ts';
import { sparkSession } from '../support/sparkSession.ts';
import { cases } from './cases.ts';
import { difference, together } from './compareEngines.ts';

const session = sparkSession();

test('property: Spark and the embedded engine agree', async () => {
  const found: string[] = [];
  await parallel(fc.sample(cases, { numRuns: 40, seed: 1 }), together, async (each) => {
    const told = await difference(session, each);
    if (told !== null) found.push(told);
  });
  expect(found).toEqual([]);
}, 600_000);
