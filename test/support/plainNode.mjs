/**
 * npm run check runs unit tests in plain Node, where a worker loads a module once for all test files instead of once for each: half
 * the time. What tests import from @jest/globals is in globalThis there.
 * Not there: isolation of test files, and a test's time limit. npm test has both.
 */
import { registerHooks } from 'node:module';

const { jest: mocks } = globalThis;
export const { expect, test, it, describe, beforeAll, afterAll, beforeEach, afterEach } = globalThis;
export const jest = { ...mocks, setTimeout: () => jest };

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@jest/globals' ? { url: import.meta.url, shortCircuit: true } : next(specifier, context),
});
