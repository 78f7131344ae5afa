/** The generator of the differential tests uses the whole contract language. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isJsonObject } from '../../../src/lib/json.ts';
import { contracts, sources } from '../../differential/contracts.ts';

const schema: unknown = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../../../docs/contract.schema.json'), 'utf8'),
);

/** Neither engine carries them out. */
const notOfEngines = [
  /^description$|\.description$/, // comments of the table
  /\.was$|^dropped$/, // columns that the table has already: src/lib/table
  /^table\.(name|maintenance)/, // src/lib/flow/maintain
  /^gather/, // dispatch
  /^expectations/, // Athena: athena.test.ts
];

/** The paths of all options, and the values of those with a choice. */
function* optionsIn(node: unknown, path = ''): Generator<string> {
  if (!isJsonObject(node)) return;
  const { properties = {}, items, enum: choices, anyOf = [], oneOf = [] } = node as Record<string, unknown>;
  if (Array.isArray(choices)) for (const choice of choices) yield `${path}=${choice}`;
  for (const branch of [anyOf, oneOf].flat()) yield* optionsIn(branch, path);
  yield* optionsIn(items, path);
  for (const [name, below] of Object.entries(properties as object)) {
    const place = path === '' ? name : `${path}.${name}`;
    yield place;
    yield* optionsIn(below, place);
  }
}

/** The same of a contract. */
function* usedIn(value: unknown, path = ''): Generator<string> {
  if (value === undefined) return;
  if (Array.isArray(value)) {
    yield path;
    for (const item of value) yield* usedIn(item, path);
  } else if (isJsonObject(value)) {
    yield path;
    for (const [name, below] of Object.entries(value))
      yield* usedIn(below, path === '' ? name : `${path}.${name}`);
  } else yield* [path, `${path}=${value}`];
}

test('every option, and each of its choices, is in generated contracts', () => {
  const some = <T>(of: fc.Arbitrary<T>, numRuns: number) => fc.sample(of, { numRuns, seed: 1 });
  const written = [
    ...some(contracts, 500).map((each) => each.written),
    ...Object.values(sources).flatMap((source) => some(source, 100).map((each) => ({ source: each }))),
  ];
  const used = new Set(written.flatMap((each) => [...usedIn(each)]));
  const options = [...new Set(optionsIn(schema))].filter((o) => !notOfEngines.some((not) => not.test(o)));
  expect(options.length).toBeGreaterThan(150);
  expect(options.filter((option) => !used.has(option))).toEqual([]);
});
