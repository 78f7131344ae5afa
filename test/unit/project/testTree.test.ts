/** The path of a test is the path of what it tests. A test of several modules is in the folder of its subject. */
import { existsSync, globSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../../..');

/** Folders of behaviour that several modules have in common. */
const behaviours = [
  'flow', // a batch on its way through several states
  'oracle', // values, rows and counts against the reference in test/oracle
  'project', // files of the repository that must agree with each other
  'rows', // what the row part makes of a file
];

test('each unit test has the path of a module, or is in a folder of behaviour', () => {
  const tests = globSync('**/*.test.ts', { cwd: join(root, 'test/unit') });
  expect(tests.length).toBeGreaterThan(100);
  const strays = tests.filter((file) => {
    const module = file.replace(/\.test\.ts$/, '.ts');
    const places = ['src/lib', 'src', '.', 'test'].map((place) => join(root, place, module));
    return !behaviours.includes(dirname(file)) && !places.some((place) => existsSync(place));
  });
  expect(strays).toEqual([]);
});
