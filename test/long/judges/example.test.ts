/** `npm run judges -- example`: examples/dbt on the local Athena. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { dbt } from '../../support/dbt.ts';
import { root } from '../../support/docs.ts';
import { score } from '../../support/scores.ts';
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
  let [right, of] = [0, 0];
  const run = async (...command: string[]) => {
    const { code, output } = await dbt(command, join(root, 'examples/dbt'), target, environment);
    const [, pass, total] = /PASS=(\d+).* TOTAL=(\d+)/.exec(output) ?? [];
    right += Number(pass ?? 0);
    of += Number(total ?? 0);
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
    score({ judge: 'examples/dbt', right, of, more: 'models and tests of three builds' });
    await rm(target, { recursive: true, force: true });
  }
}, 900_000);
