import { gzipSync } from 'node:zlib';
import {
  DeleteTableCommand,
  GetCrawlerCommand,
  paginateGetTables,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { crawlerOf } from '../../src/lib/flow/batch/rawTable.ts';
import { findTable } from '../../src/stage/tables.ts';
import {
  athena,
  drop,
  failureOf,
  post,
  publishedFrom,
  quarantinedFrom,
  stage,
  testOnHive,
} from '../support/stage.ts';

const rawTable = async (prefix: string) => {
  const pages = paginateGetTables({ client: stage.glue }, { DatabaseName: stage.config.database });
  for await (const { TableList = [] } of pages) {
    const found = TableList.find((t) => t.StorageDescriptor?.Location?.endsWith(`/${prefix}/`));
    if (found) return found;
  }
  return undefined;
};

const lastCrawl = async () => {
  const { Crawler } = await stage.glue.send(
    new GetCrawlerCommand({ Name: crawlerOf(stage.config, 'social_media') }),
  );
  return Crawler;
};
/** Wait for the first crawl, which lists the whole folder. */
const withoutTable = async (id: number) => {
  if (!(await rawTable('social-media-feed')))
    await drop('social_media', { [`social-media-feed/before-${id}.json`]: post(id, { of_before: 1 }) });
  const table = await rawTable('social-media-feed');
  await stage.glue.send(new DeleteTableCommand({ DatabaseName: stage.config.database, Name: table?.Name }));
};

test('a crawl reads the objects of its batch, and names types as Glue does', async () => {
  await withoutTable(6000);
  await drop('social_media', {
    'social-media-feed/crawl +ü%.json': post(6001, { brand_new: { field: 1.5 } }),
  });
  const table = await rawTable('social-media-feed');
  const columns = Object.fromEntries(table?.StorageDescriptor?.Columns?.map((c) => [c.Name, c.Type]) ?? []);
  expect(table?.Name).toBe('raw_social_media_feed');
  expect(columns.user).toContain('struct<id:int,screen_name:string');
  expect(columns.entities).toBe('struct<hashtags:array<string>>');
  expect(columns.brand_new).toBe('struct<field:double>');
  // Objects of earlier batches have this field.
  expect(columns.of_before).toBeUndefined();
  expect(await lastCrawl()).toMatchObject({ State: 'READY', LastCrawl: { Status: 'SUCCEEDED' } });
});

test('a field that no column reads starts no crawl', async () => {
  const before = (await lastCrawl())?.LastCrawl?.StartTime;
  const [file] = await drop('social_media', {
    'social-media-feed/ignored.json': post(6007, { nobody_reads: { this: 1 } }),
  });
  expect(file?.record.state).toBe('published');
  expect(before).toBeInstanceOf(Date);
  expect((await lastCrawl())?.LastCrawl?.StartTime).toEqual(before);
});

test('a batch is refused by name when the Catalog and its own records have a required column as something unreadable', async () => {
  const table = await rawTable('social-media-feed');
  const columns = table?.StorageDescriptor?.Columns ?? [];
  await stage.glue.send(
    new UpdateTableCommand({
      DatabaseName: stage.config.database,
      TableInput: {
        Name: table?.Name,
        PartitionKeys: table?.PartitionKeys,
        StorageDescriptor: {
          ...table?.StorageDescriptor,
          Columns: columns.map((c) => (c.Name === 'text' ? { ...c, Type: 'struct<en:string>' } : c)),
        },
      },
    }),
  );
  const key = 'social-media-feed/refused.json';
  const [file] = await drop('social_media', { [key]: post(6002, { text: { en: 'hello' } }) });
  expect(file?.record.state).toBe('held');
  expect(await failureOf('social_media', file?.record.batch ?? '')).toEqual({
    error: 'SchemaMismatch',
    cause: expect.stringContaining('column "text" (string, from text) cannot be read from struct<…>'),
  });
  await stage.glue.send(new DeleteTableCommand({ DatabaseName: stage.config.database, Name: table?.Name }));
});

test('with no raw table the crawler is started and the batch goes on', async () => {
  expect(await rawTable('social-media-feed')).toBeUndefined();
  const key = 'social-media-feed/first.json.gz';
  const [file] = await drop('social_media', { [key]: gzipSync(post(6003)) });
  expect(file?.record.state).toBe('published');
  expect((await rawTable('social-media-feed'))?.Parameters).toMatchObject({ classification: 'json' });
  expect(await publishedFrom('social_media', key)).toBe(1);
});

test('a table gets the columns that a newer contract, or a newer Sluice, has', async () => {
  const { database } = stage.config;
  const file = (id: number) => `${post(id)}\n{"id":`;
  await drop('social_media', { 'social-media-feed/narrow.json': file(6005) });
  const tables = await Promise.all(
    ['social_media', 'staging_social_media', 'quarantine'].map((name) => findTable(stage, database, name)),
  );
  for (const table of tables) {
    const { Name, TableType, Parameters, PartitionKeys, StorageDescriptor } = table ?? {};
    const narrow = { ...StorageDescriptor, Columns: StorageDescriptor?.Columns?.slice(0, -1) };
    const TableInput = { Name, TableType, Parameters, PartitionKeys, StorageDescriptor: narrow };
    await stage.glue.send(new UpdateTableCommand({ DatabaseName: database, TableInput }));
  }
  const key = 'social-media-feed/wide.json';
  await drop('social_media', { [key]: file(6006) });
  for (const table of tables)
    expect((await findTable(stage, database, String(table?.Name)))?.StorageDescriptor?.Columns).toEqual(
      table?.StorageDescriptor?.Columns,
    );
  expect(await publishedFrom('social_media', key)).toBe(1);
  expect(await quarantinedFrom(key)).toMatchObject([{ line: '2', raw: '{"id":' }]);
});

testOnHive('Athena sees registered partitions only; DDL registers, drops and repairs them', async () => {
  await drop('social_media', {
    'social-media-feed/ddl.json': post(6004, { timestamp: '2025-12-24T10:00:00Z' }),
  });
  const where = `FROM social_media WHERE year = '2025' AND month = '12' AND day = '24'`;
  const partition = `PARTITION (data_source='social_media', year='2025', month='12', day='24')`;
  const count = async () => Number((await athena(`SELECT count(*) AS n ${where}`))[0]?.n);
  expect(await count()).toBe(1);
  await athena(`ALTER TABLE social_media DROP ${partition}`);
  expect(await count()).toBe(0);
  await athena('MSCK REPAIR TABLE social_media');
  expect(await count()).toBe(1);
  await athena(`ALTER TABLE social_media ADD IF NOT EXISTS ${partition}`);
  await expect(athena(`ALTER TABLE social_media ADD ${partition}`)).rejects.toThrow(
    'Partition already exists',
  );
  expect(await athena(`SELECT id, day ${where}`)).toEqual([{ id: '6004', day: '24' }]);
});

test('a table made by DDL is read and dropped', async () => {
  const place = `s3://${stage.config.processedBucket}/tweets/data_source=twitter/`;
  await athena(
    `CREATE EXTERNAL TABLE made (id bigint, nothing string) STORED AS PARQUET LOCATION '${place}'`,
  );
  expect(await athena('SELECT count(id) AS ids, count(nothing) AS nothings FROM made')).toEqual([
    { ids: expect.stringMatching(/^\d+$/), nothings: '0' },
  ]);
  await athena('DROP TABLE made');
  await expect(athena('SELECT * FROM made')).rejects.toThrow('TABLE_NOT_FOUND');
});
