/**
 * Unit tests run in plain Node, where a worker loads a module once for all test files, not once per file. This takes half the
 * time. globalThis has what tests import from @jest/globals. Isolation of test files and time limits are missing: the project
 * `unit` has both, for a closer look at one test.
 */
import { registerHooks } from 'node:module';

const { jest: mocks } = globalThis;
export const { expect, test, it, describe, beforeAll, afterAll, beforeEach, afterEach } = globalThis;
export const jest = { ...mocks, setTimeout: () => jest };

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@jest/globals' ? { url: import.meta.url, shortCircuit: true } : next(specifier, context),
});
