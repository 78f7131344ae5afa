/** `npm run judges -- hive`: Trino and Spark read a Hive table of Sluice, each with its own reader of Parquet and of partitions. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { parseAddress } from '../../../offline/aws.ts';
import { depsOf } from '../../../src/stage/connect.ts';
import { query } from '../../../src/stage/query.ts';
import { findTable, listPartitions } from '../../../src/stage/tables.ts';
import { startSparkJudge } from '../../support/judges.ts';
import { score } from '../../support/scores.ts';
import { drop, feed, stage } from '../../support/stage.ts';

const { database } = stage.config;

/** Columns of social_media, in each engine's words where they differ. */
const columns: readonly (string | { trino: string; spark: string })[] = [
  'id',
  'user_id',
  'user_screen_name',
  'user_location',
  'user_followers',
  'lang',
  'retweets',
  'district',
  'user_segment',
  '_batch',
  '_object',
  '_version',
  '_line',
  'data_source',
  'length(text)',
  'CAST(floor(latitude * 1000000) AS bigint)',
  'CAST(floor(longitude * 1000000) AS bigint)',
  'CAST(year AS int)',
  'CAST(month AS int)',
  'CAST(day AS int)',
  { trino: 'CAST(floor(to_unixtime(created_at) * 1000) AS bigint)', spark: 'unix_millis(created_at)' },
  { trino: "array_join(hashtags, ' ', 'null')", spark: "array_join(hashtags, ' ', 'null')" },
];

test('Trino and Spark read the same rows and values from a Hive table', async () => {
  await drop('social_media', { 'social-media-feed/readers.json': feed({ rows: 3000, seed: 27 }).text });
  const clients = { glue: stage.glue };
  const [table, partitions] = [
    await findTable(clients, database, 'social_media'),
    await listPartitions(clients, database, 'social_media'),
  ];
  const select = (engine: 'trino' | 'spark', from: string) =>
    `SELECT ${columns.map((c) => (typeof c === 'string' ? c : c[engine])).join(', ')} FROM ${from} ORDER BY id, _object, _line`;
  const copy = await mkdtemp(join(tmpdir(), 'sluice-hive-'));
  const base = parseAddress(String(table?.StorageDescriptor?.Location));
  const folders: string[] = [];
  for (const { location } of partitions) {
    const { bucket: Bucket, key } = parseAddress(location);
    folders.push(join(copy, key));
    await mkdir(join(copy, key), { recursive: true });
    for (const { key: Key } of await depsOf(stage).store.list(Bucket, key)) {
      const { Body } = await stage.s3.send(new GetObjectCommand({ Bucket, Key }));
      await writeFile(join(copy, Key), (await Body?.transformToByteArray()) ?? '');
    }
  }
  const spark = await startSparkJudge(copy);
  try {
    const [ofTrino, ofSpark] = await Promise.all([
      query(stage, select('trino', 'social_media')),
      spark.run({
        folders,
        base: join(copy, base.key),
        sql: select('spark', 't'),
      }),
    ]);
    const isEqual = (i: number) =>
      ofTrino.rows.length === ofSpark.length && ofTrino.rows.every((row, n) => row[i] === ofSpark[n]?.[i]);
    score({
      judge: "Trino's and Spark's own readers",
      right: columns.filter((_, i) => isEqual(i)).length,
      of: columns.length,
      more: `columns and expressions of ${ofTrino.rows.length} posts`,
    });
    expect(ofTrino.rows.length).toBeGreaterThan(2000);
    expect(ofSpark).toEqual(ofTrino.rows);
  } finally {
    await spark.close();
    await rm(copy, { recursive: true, force: true });
  }
}, 600_000);
