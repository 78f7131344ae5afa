import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { GetJobCommand } from '@aws-sdk/client-glue';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { parseAddress } from '../../offline/aws.ts';
import { failureOf, visitsWithData } from '../../src/stage/executions.ts';
import type { FollowedFile } from '../../src/stage/follow.ts';
import { dataset, executionsThat, untilSettled } from '../support/faults.ts';
import {
  athena,
  drop,
  feed,
  parquetOf,
  post,
  publishedFrom,
  put,
  quarantinedFrom,
  stage,
} from '../support/stage.ts';

const root = resolve(import.meta.dirname, '../..');
const script = readFileSync(resolve(root, 'glue/job.py'), 'utf8');
/** Replaces the job's script. */
const deployScript = async (body: string) => {
  const { Job } = await stage.glue.send(new GetJobCommand({ JobName: stage.config.job }));
  const { bucket, key } = parseAddress(Job?.Command?.ScriptLocation ?? '');
  await stage.s3.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
};
const force = (engine: 'auto' | 'glue') =>
  Promise.all(['social_media', 'tweets'].map((dataset) => stage.ledger.chooseEngine(dataset, engine)));

beforeAll(() => force('glue'));
afterAll(() => force('auto'));

/** The result of a file, without the names that differ between two drops. */
async function outcome(table: string, file: FollowedFile | undefined) {
  const parquet = await parquetOf(table, file?.record.batch ?? '');
  const rows = parquet.flatMap(({ folder, rows }) =>
    rows
      .filter((r) => r._object === file?.key)
      .map(({ _batch, _object, _version, ...row }) => ({ ...row, folder })),
  );
  const text = (value: unknown) =>
    JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v)) ?? '';
  return {
    counts: file?.record.counts,
    rows: rows.map(text).sort(),
    quarantine: (await quarantinedFrom(file?.key ?? '')).map(({ batch: _, ...q }) => q),
    types:
      rows.length === 0
        ? []
        : Object.values(parquet[0]?.schema ?? {}).map((type) => type.replace(/ INT_(32|64)$/, '')),
  };
}

test('Spark and the embedded engine give the same rows, quarantine, types and counts', async () => {
  const { text } = feed({ rows: 2500, seed: 77, dirt: 0.1 });
  const { lines } = feed({ rows: 40, seed: 78, dirt: 0 });
  const bad = Buffer.concat([
    Buffer.from(`${post(1)}\r\n\r\n`),
    Buffer.from([0xff, 0xfe, 0x0a]),
    Buffer.from('{"id":'),
  ]);
  const array = `\uFEFF[${lines.join(',')}]`;
  const files = (engine: string) => ({
    [`social-media-feed/${engine}/feed.json`]: text,
    [`social-media-feed/${engine}/bad.json`]: bad,
    [`social-media-feed/${engine}/array.json`]: array,
    [`social-media-feed/${engine}/garbage.json`]: Buffer.from([0, 1, 2, 3]),
    [`social-media-feed/${engine}/empty.json`]: '',
    // Hadoop cannot read such a key.
    [`social-media-feed/${engine}/odd: key #1?+ü%20.json`]: feed({ rows: 20, seed: 82 }).text,
    [`social-media-feed/${engine}/cut.json`]: '[{"id":',
    [`social-media-feed/${engine}/packed.json.gz`]: gzipSync(feed({ rows: 60, seed: 79 }).text),
    [`social-media-feed/${engine}/packed.json.zst`]: zstdCompressSync(feed({ rows: 60, seed: 80 }).text),
    [`social-media-feed/${engine}/cut.json.gz`]: gzipSync(feed({ rows: 60, seed: 81 }).text).subarray(0, -20),
  });
  const spark = await drop('social_media', files('spark'));
  await stage.ledger.chooseEngine('social_media', 'embedded');
  const embedded = await drop('social_media', files('embedded'));
  await stage.ledger.chooseEngine('social_media', 'glue');
  expect((await stage.ledger.batch('social_media', spark[0]?.record.batch ?? ''))?.engine).toBe('glue');
  expect((await stage.ledger.batch('social_media', embedded[0]?.record.batch ?? ''))?.engine).toBe(
    'embedded',
  );
  for (const [i, file] of spark.entries()) {
    expect(file.record.state).toBe('published');
    expect(await outcome('social_media', file)).toEqual(await outcome('social_media', embedded[i]));
  }
  expect((await outcome('social_media', spark[0])).rows.length).toBeGreaterThan(2000);
});

test("Spark reads Twitter's document with ids and times exact", async () => {
  const json = readFileSync(resolve(root, 'datasets/samples/twitter.json'), 'utf8');
  const [file] = await drop('tweets', { 'tweets/by-spark.json': json });
  expect(file?.record.counts).toMatchObject({ rowsRead: 100, published: 100 });
  const [parquet] = await parquetOf('tweets', file?.record.batch ?? '');
  expect(parquet?.rows.map((r) => r.id)).toContain(505874924095815681n);
  expect(parquet?.rows.find((r) => r.id === 505874924095815681n)?.created_at).toBe(
    BigInt(Date.parse('2014-08-31T00:29:15Z')) * 1000n,
  );
});

test("a Glue job that fails ends its execution with Spark's own message, and its file is tried again", async () => {
  const key = 'social-media-feed/unlucky.json';
  const folder = await mkdtemp(join(tmpdir(), 'sluice-glue-'));
  try {
    const failsOnce = [
      'import os',
      `    if not os.path.exists("${folder}/failed"):`,
      `        open("${folder}/failed", "w").close()`,
      '        spark.read.parquet("file:/no-such-folder-here/x").count()',
      '    job = json.loads(',
    ].join('\n');
    await deployScript(script.replace('job = json.loads(', failsOnce));
    await put(key, post(5001));
    const [file] = await untilSettled('social_media', [key]);
    expect(file).toMatchObject({ state: 'published', attempts: 2 });
    expect(await publishedFrom('social_media', key)).toBe(1);
  } finally {
    await deployScript(script);
    await rm(folder, { recursive: true });
  }
  const [failed] = await executionsThat('FAILED');
  const { error, cause } = await failureOf(stage, String(failed?.executionArn));
  expect(error).toBe('GlueJobFailed');
  expect(cause).toMatch(/no-such-folder-here/);
});

test('a correction of more objects than a function rewrites is rewritten by the job', async () => {
  await force('auto');
  const times = Array.from({ length: 44 }, (_, i) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString());
  const posts = (first: number, text: string) =>
    times.map((timestamp, i) => post(first + i, { timestamp, text })).join('\n');
  const many = 'social-media-feed/many/a.json';
  await drop(dataset, {
    [many]: posts(9000, 'old'),
    'social-media-feed/many/b.json': posts(9100, 'stays'),
  });
  const version = await put(many, posts(9000, 'new'));
  const files = await untilSettled(dataset, [many], [version], { seconds: 280 });
  const batch = files.find((file) => file.version === version)?.batch;
  const { execution } = (await stage.ledger.batch(dataset, batch ?? '')) ?? {};
  const states = (await visitsWithData(stage, String(execution))).map(({ state }) => state);
  expect(states).toContain('StartRewriting');
  const sql = `SELECT text, count(*) AS n, count(DISTINCT id) AS ids FROM ${dataset} WHERE _object LIKE 'social-media-feed/many/%' GROUP BY text ORDER BY text`;
  expect(await athena(sql)).toEqual(['new', 'stays'].map((text) => ({ text, n: '44', ids: '44' })));
}, 300_000);
