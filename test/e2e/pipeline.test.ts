import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { waitFor } from '../../src/lib/waitFor.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import {
  athena,
  drop,
  failureOf,
  feed,
  isOnHive,
  parquetOf,
  post,
  publishedFrom,
  put,
  quarantinedFrom,
  stage,
} from '../support/stage.ts';

const samples = resolve(import.meta.dirname, '../../datasets/samples');

test('the sample feed is published, registered and accounted for', async () => {
  const key = 'social-media-feed/social-media-feed-1665034800.json';
  const [file] = await drop('social_media', {
    [key]: readFileSync(`${samples}/social-media-feed-1665034800.json`),
  });
  expect(file?.record).toMatchObject({
    state: 'published',
    counts: { rowsRead: 4000, published: 3836, quarantined: 100, duplicates: 64 },
  });
  expect(await publishedFrom('social_media', key)).toBe(3836);
  expect(await quarantinedFrom(key)).toHaveLength(100);
  // Athena shows the partitions of Hive tables only.
  const partitions = isOnHive ? await athena('SHOW PARTITIONS social_media') : [];
  if (isOnHive)
    expect(partitions.map((p) => p.partition)).toEqual(
      expect.arrayContaining(['data_source=social_media/year=2025/month=10/day=06']),
    );
  const [row] = await athena(
    `SELECT count(district) AS placed, count(user_segment) AS segmented, count_if(user_location IN ('London', 'Manchester', 'New York', 'Tokyo', 'Paris')) AS named FROM social_media WHERE _object = '${key}'`,
  );
  expect(Number(row?.placed)).toBeGreaterThan(1000);
  expect(Number(row?.segmented)).toBeGreaterThan(3000);
  expect(Number(row?.named)).toBe(
    Number(
      (await athena(`SELECT count(user_location) AS n FROM social_media WHERE _object = '${key}'`))[0]?.n,
    ),
  );
});

test("Twitter's own answer is published with ids, texts and times exact", async () => {
  const json = readFileSync(`${samples}/twitter.json`, 'utf8');
  const [file] = await drop('tweets', { 'tweets/twitter.json': json });
  expect(file?.record).toMatchObject({ state: 'published', counts: { rowsRead: 100, published: 100 } });
  const [parquet] = await parquetOf('tweets', file?.record.batch ?? '');
  expect(parquet?.folder).toBe('data_source=twitter/year=2014/month=08/day=31');
  expect(parquet?.schema).toMatchObject({
    id: 'INT64 INT_64',
    created_at: 'INT64 TIMESTAMP_MICROS',
    text: 'BYTE_ARRAY UTF8',
    user_verified: 'BOOLEAN',
    retweets: 'INT32 INT_32',
    element: expect.any(String),
  });
  const source = JSON.parse(json) as { statuses: { id_str: string; text: string; created_at: string }[] };
  const rows = new Map(parquet?.rows.map((r) => [String(r.id), r]));
  expect(rows.size).toBe(100);
  for (const tweet of source.statuses)
    expect(rows.get(tweet.id_str)).toMatchObject({
      text: tweet.text,
      created_at: BigInt(Date.parse(tweet.created_at)) * 1000n,
    });
});

test('times keep their microseconds in Parquet', async () => {
  const key = 'social-media-feed/micros.json';
  const line = post(7001, { timestamp: '2025-11-01T11:00:00.123456+01:00' });
  const [file] = await drop('social_media', { [key]: line });
  const [parquet] = await parquetOf('social_media', file?.record.batch ?? '');
  expect(parquet?.rows).toEqual([expect.objectContaining({ id: 7001n, created_at: 1761991200123456n })]);
});

test('the same object dropped twice, and an event delivered twice, are published once', async () => {
  const key = 'social-media-feed/twice.json';
  const text = `${post(8001)}\n${post(8002)}\n`;
  const [file] = await drop('social_media', { [key]: text });
  await put(key, text);
  const sqs = new SQSClient(localClient(stage.endpoint ?? ''));
  const event = {
    source: 'aws.s3',
    'detail-type': 'Object Created',
    detail: {
      bucket: { name: stage.config.rawBucket },
      object: { key, size: text.length, etag: 'x', 'version-id': file?.version, sequencer: '0' },
    },
  };
  await sqs.send(
    new SendMessageCommand({ QueueUrl: stage.config.queueUrl, MessageBody: JSON.stringify(event) }),
  );
  // A later file of the same dataset is published, so the repeated events were processed before.
  await drop('social_media', { 'social-media-feed/after-twice.json': post(8003) });
  expect(await publishedFrom('social_media', key)).toBe(2);
  expect(
    (await Array.fromAsync(stage.ledger.files('social_media'))).filter((f) => f.object === key),
  ).toHaveLength(1);
});

test('a file of garbage is quarantined whole, with a reason', async () => {
  const key = 'social-media-feed/garbage.json';
  const garbage = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 7919) % 256));
  const [file] = await drop('social_media', { [key]: garbage });
  expect(file?.record).toMatchObject({
    state: 'published',
    counts: { rowsRead: 1, published: 0, quarantined: 1 },
  });
  expect(await quarantinedFrom(key)).toEqual([expect.objectContaining({ line: '1', reason: 'not_text' })]);
});

test('an empty file is published with no rows', async () => {
  const [file] = await drop('social_media', { 'social-media-feed/empty.json': '' });
  expect(file?.record).toMatchObject({
    state: 'published',
    counts: { rowsRead: 0, published: 0, quarantined: 0 },
  });
});

test('of a truncated feed the last line is lost, of a truncated document all of it, and both say so', async () => {
  const lines = `${post(9001)}\n${post(9002)}`.slice(0, -20);
  const array = `[${post(9003)},\n${post(9004)}`;
  await drop('social_media', {
    'social-media-feed/cut.json': lines,
    'social-media-feed/cut-array.json': array,
  });
  expect(await publishedFrom('social_media', 'social-media-feed/cut.json')).toBe(1);
  expect(await quarantinedFrom('social-media-feed/cut.json')).toEqual([
    expect.objectContaining({ line: '2', reason: 'invalid_json' }),
  ]);
  expect(await publishedFrom('social_media', 'social-media-feed/cut-array.json')).toBe(0);
  expect(await quarantinedFrom('social-media-feed/cut-array.json')).toEqual([
    expect.objectContaining({ line: '1', reason: 'invalid_document', raw: array }),
  ]);
});

test('malformed lines alone are quarantined, each with line number and reason', async () => {
  const key = 'social-media-feed/some-bad.json';
  const lines = [post(9101), '{"id": 9102,', post(9103, { timestamp: 'soon' }), '', post(9104), 'null'];
  await drop('social_media', { [key]: lines.join('\n') });
  expect(await publishedFrom('social_media', key)).toBe(2);
  expect((await quarantinedFrom(key)).map((q) => [q.line, q.reason, q.column_name, q.value, q.raw])).toEqual([
    ['2', 'invalid_json', null, 'it is cut off: its last bracket does not close', lines[1]],
    ['3', 'bad_type', 'created_at', 'soon', lines[2]],
    ['6', 'not_an_object', null, null, 'null'],
  ]);
});

test('a JSON array and an ndjson file with odd names are one batch', async () => {
  const { lines, counts } = feed({ rows: 300, seed: 21 });
  const clean = lines.filter((line) => {
    try {
      return !Array.isArray(JSON.parse(line));
    } catch {
      return false;
    }
  });
  const array = `[\n${clean.join(',\n')}\n]`;
  const [file] = await drop('social_media', { "social-media-feed/día 1/a+b%20 'x'.json": array });
  const lost = (counts.reasons.invalid_json ?? 0) + (counts.reasons.not_an_object ?? 0);
  expect(file?.record).toMatchObject({
    state: 'published',
    counts: { rowsRead: 300 - lost, published: counts.published, duplicates: counts.duplicates },
  });
});

test('a failing expectation holds the batch: nothing is published, files and Hive’s staging are kept', async () => {
  const key = 'social-media-feed/abroad.json';
  const abroad = Array.from({ length: 10 }, (_, i) =>
    post(9200 + i, { coordinates: { lat: 48.85, lon: 2.35 } }),
  );
  const [file] = await drop('social_media', { [key]: abroad.join('\n') });
  const batch = file?.record.batch ?? '';
  expect(file?.record).toMatchObject({
    state: 'held',
    reason: expect.stringContaining('matched_share(district)'),
  });
  expect(await publishedFrom('social_media', key)).toBe(0);
  expect(await parquetOf('social_media', batch)).toEqual([]);
  const staged = await athena(`SELECT count(*) AS n FROM staging_social_media WHERE _batch = '${batch}'`);
  // Below an Iceberg table nothing stays that no commit names.
  expect(staged).toEqual([{ n: isOnHive ? '10' : '0' }]);
  expect(await failureOf('social_media', batch)).toEqual({
    error: 'ExpectationFailed',
    cause: expect.stringContaining('matched_share(district): found 0.000 of 10, expected at least 0.5'),
  });
  const record = await stage.ledger.batch('social_media', batch);
  expect(record).toMatchObject({ state: 'held', reason: expect.stringContaining('ExpectationFailed') });
});

test('the lease is free when nothing runs, and no message was lost to the dead-letter queue', async () => {
  const lease = await waitFor(
    () => stage.ledger.lease('social_media'),
    (l) => l?.execution === undefined,
    10_000,
  );
  expect(lease).not.toHaveProperty('execution');
  expect(await stage.ledger.pending('social_media')).toEqual([]);
});
