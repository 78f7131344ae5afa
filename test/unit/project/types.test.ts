/** What the compiler and the linter cannot forbid. */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../../..');

test('no value is declared to be of a type that it does not have', () => {
  const files = globSync('{src,offline,scripts,bench,infra,test}/**/*.{ts,tsx}', {
    cwd: root,
    exclude: (name) => name === 'node_modules',
  });
  expect(files.length).toBeGreaterThan(300);
  const forbidden = /\bas\s+(unknown|any|never)\s+as\b/;
  expect(files.filter((file) => forbidden.test(readFileSync(join(root, file), 'utf8')))).toEqual([]);
});
