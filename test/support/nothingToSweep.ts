/** Runs with every end-to-end test file. */
import { afterAll } from '@jest/globals';
import { expectNothingToSweep } from './sweeps.ts';

afterAll(expectNothingToSweep, 60_000);
