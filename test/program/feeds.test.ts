/** Real feeds run with only a contract, and with the contract that infer drafts. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import type { Summary } from '../../src/lib/model/plan.ts';
import { readParquet } from '../support/embedded.ts';

const feeds = resolve(import.meta.dirname, '../fixtures/feeds');
const node = resolve(import.meta.dirname, '../../node_modules/.bin/node');
const sluice = (...args: string[]) =>
  execFileSync(node, [resolve(import.meta.dirname, '../../src/cli/sluice.ts'), ...args], {
    encoding: 'utf8',
  });

async function run(contract: string, feed: string) {
  const out = mkdtempSync(join(tmpdir(), 'sluice-feed-'));
  try {
    const summary = JSON.parse(
      sluice('transform', '--contract', contract, '--out', out, join(feeds, feed)),
    ) as Summary;
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).filter((f) =>
      f.endsWith('.parquet'),
    );
    return { summary, rows: (await Promise.all(files.map((f) => readParquet(join(out, f))))).flat() };
  } finally {
    rmSync(out, { recursive: true });
  }
}

test('a CSV of daily weather', async () => {
  const { summary, rows } = await run(join(feeds, 'weather.yml'), 'seattle-weather.csv');
  expect(summary).toMatchObject({ rowsRead: 1461, published: 1461, quarantined: 0, duplicates: 0 });
  expect(summary.partitions).toHaveLength(48);
  expect(
    rows.find((r) => r.day instanceof Date && r.day.toISOString().startsWith('2012-01-01')),
  ).toMatchObject({
    precipitation: 0,
    spread: 12.8 - 5,
    weather: 'rain',
    wind: '4.7',
  });
});

test('nested JSON of countries', async () => {
  const { summary, rows } = await run(join(feeds, 'countries.yml'), 'countries.json');
  expect(summary).toMatchObject({ rowsRead: 8, published: 8, quarantined: 0, duplicates: 0 });
  const swiss = rows.find((r) => r.code === 'CHE');
  expect(swiss).toMatchObject({
    capitals: ['Bern'],
    latitude: 47,
    longitude: 8,
    borders: ['AUT', 'FRA', 'ITA', 'LIE', 'DEU'],
    idd_root: '+4',
    idd_suffixes: ['1'],
  });
  expect(JSON.parse(String(swiss?._rescued)).languages).toMatchObject({ fra: 'French', roh: 'Romansh' });
});

test.each([
  ['seattle-weather.csv', 1461],
  ['countries.json', 8],
])('what infer drafts for %s runs as drafted', async (feed, rows) => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-draft-'));
  try {
    const draft = join(folder, 'draft.yml');
    writeFileSync(draft, sluice('infer', join(feeds, feed)));
    const { summary } = await run(draft, feed);
    expect(summary).toMatchObject({ rowsRead: rows, published: rows, quarantined: 0, duplicates: 0 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
