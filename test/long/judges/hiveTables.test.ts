/** `npm run judges -- hive`: Trino and Spark read a Hive table of Sluice, each with its own reader of Parquet and of partitions. */
import { expect, test } from '@jest/globals';
import { query } from '../../../src/stage/query.ts';
import { findTable, listPartitions } from '../../../src/stage/tables.ts';
import { startSparkJudge } from '../../support/judges.ts';
import { drop, feed, stage } from '../../support/stage.ts';

const { database, workBucket } = stage.config;

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
  const spark = await startSparkJudge(String(stage.endpoint), `s3://${workBucket}/readers/`);
  try {
    const [ofTrino, ofSpark] = await Promise.all([
      query(stage, select('trino', 'social_media')),
      spark.run({
        folders: partitions.map(({ location }) => location),
        base: String(table?.StorageDescriptor?.Location),
        sql: select('spark', 't'),
      }),
    ]);
    expect(ofTrino.rows.length).toBeGreaterThan(2000);
    expect(ofSpark).toEqual(ofTrino.rows);
  } finally {
    await spark.close();
  }
}, 600_000);
