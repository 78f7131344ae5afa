/** The contracts of docs/feeds.md on their samples: rows.json next to them has the expected rows. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { outcomeOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';
import { isThorough } from '../../support/thorough.ts';
import { samplesFolder, usualFeeds } from '../../support/usualFeeds.ts';

const expected = JSON.parse(readFileSync(join(samplesFolder, 'rows.json'), 'utf8')) as Record<
  string,
  unknown
>;

// `npm test` runs all, `npm run check` some.
const chosen = usualFeeds.filter((_feed, i) => isThorough || i % 4 === 1);

test.each(chosen.map((feed) => [feed.file, feed] as const))('%s', async (file, { contract, sample }) => {
  const result = await transform(contract, { [file]: sample });
  expect({ ...outcomeOf(contract, result), duplicates: result.summary.duplicates }).toEqual(expected[file]);
});

test('each sample has a contract, and the other way round', () => {
  const files = usualFeeds.map(({ file }) => file);
  expect(Object.keys(expected).sort()).toEqual([...files].sort());
  expect(readdirSync(samplesFolder).filter((name) => name !== 'rows.json')).toEqual([...files].sort());
});
