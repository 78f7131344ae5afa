/** `npm run judges -- dbt`: dbt-athena's own functional tests, and examples/dbt, against the local Athena. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { knownFailures, lanes } from '../../judges/dbtAdapter.ts';
import { adapterTests, dbt, wrongAnswers } from '../../support/dbt.ts';
import { root } from '../../support/docs.ts';
import { athena, drop, feed, post, sluice, stage } from '../../support/stage.ts';

const endpoint = String(stage.endpoint);
const { database, workBucket } = stage.config;

test('examples/dbt builds, documents and updates its tables, and its tests pass', async () => {
  const marts = `marts_${Date.now()}`;
  const target = await mkdtemp(join(tmpdir(), 'sluice-dbt-'));
  const environment = {
    AWS_ENDPOINT_URL: endpoint,
    SLUICE_DATABASE: database,
    MARTS_DATABASE: marts,
    MARTS_BUCKET: workBucket,
  };
  const run = async (...command: string[]) => {
    const { code, output } = await dbt(command, join(root, 'examples/dbt'), target, environment);
    expect({ command, code, output: code === 0 ? '' : output }).toEqual({ command, code: 0, output: '' });
  };
  const counted = async (day: string) =>
    (await athena(`SELECT posts, users FROM ${marts}.daily_activity WHERE created_on = DATE '${day}'`))[0];
  try {
    await drop('social_media', { 'social-media-feed/dbt.json': feed({ rows: 200, seed: 26 }).text });
    await run('build');
    // A day that was built already gets a post late, and a new day has one. Then both are rolled back.
    const [late, early] = ['2025-10-07', '2031-01-02'];
    const before = await counted(late);
    const files = await drop('social_media', {
      'social-media-feed/dbt-late.json': post(26_001, { timestamp: `${late}T10:00:00Z` }),
      'social-media-feed/dbt-early.json': post(26_002, { timestamp: `${early}T10:00:00Z` }),
    });
    await run('build');
    expect(await counted(late)).toMatchObject({ posts: String(Number(before?.posts ?? 0) + 1) });
    expect(await counted(early)).toEqual({ posts: '1', users: '1' });
    for (const batch of new Set(files.map(({ record }) => String(record.batch)))) {
      const told = await sluice(
        ...['rollback', '--dataset', 'social_media', '--reason', 'a test of dbt', '--batch', batch],
      );
      expect(told).toMatchObject({ code: 0 });
    }
    await run('build');
    expect(await counted(late)).toEqual(before);
    expect(await counted(early)).toBeUndefined();
    await run('docs', 'generate');
  } finally {
    await rm(target, { recursive: true, force: true });
  }
}, 900_000);

test('dbt-athena passes its own functional tests, but for failures with a known reason', async () => {
  const ended = await Promise.all(lanes.map((files) => adapterTests(endpoint, workBucket, files)));
  const tests = ended.flat();
  const ran = tests.filter(({ outcome }) => outcome !== 'skipped');
  const failures = ran.filter(({ outcome }) => outcome === 'failed');
  console.log(
    [
      `dbt-athena: ${ran.length - failures.length} of ${ran.length}, ${tests.length - ran.length} skipped by dbt-athena`,
      ...failures.map(({ name, why }) => `${name}: ${knownFailures[name] ?? why}`),
    ].join('\n'),
  );
  expect(failures.filter(({ name }) => knownFailures[name] === undefined)).toEqual([]);
  expect(failures.length / ran.length).toBeLessThanOrEqual(0.1);
  expect(await wrongAnswers(endpoint)).toEqual([]);
}, 7_200_000);
