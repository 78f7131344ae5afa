/** The deployed local stage, and helpers of the end-to-end tests. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { test } from '@jest/globals';
import { parquetMetadata, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { type FeedCounts, type FeedOptions, generateFeed } from '../../scripts/generate-feed.ts';
import { tableFormatOf } from '../../src/lib/contract/contract.ts';
import { objectName, withinAttempt } from '../../src/lib/table/objectName.ts';
import { connectStage, depsOf, type Stage } from '../../src/stage/connect.ts';
import { failureOf as failureOfExecution } from '../../src/stage/executions.ts';
import { type FollowedFile, followFiles } from '../../src/stage/follow.ts';
import { query } from '../../src/stage/query.ts';
import { exactParsers, type Row } from './embedded.ts';

const endpoint = process.env.SLUICE_TEST_ENDPOINT;
if (!endpoint) throw new Error('end-to-end tests need a local AWS: run them with npm test');
export const stage: Stage = await connectStage(endpoint);

/** Whether tables whose contracts name no format are Hive tables; `npm test -- --format iceberg` makes them Iceberg tables. */
export const isOnHive = [...stage.contracts.values()].some((contract) => tableFormatOf(contract) === 'hive');
/** A test of what only Hive tables have: partitions in the Data Catalog, and copies of staged objects. */
export const testOnHive = isOnHive ? test : test.skip;

const silent = { line: () => {}, now: () => {} };

/** Drops files (key -> content) and waits until they are settled. */
export async function drop(
  dataset: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<FollowedFile[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-drop-'));
  try {
    const drops = await Promise.all(
      Object.entries(files).map(async ([key, content], i) => {
        const path = join(folder, `${i}-${basename(key)}`);
        await writeFile(path, content);
        return { dataset, key, path };
      }),
    );
    return [...(await followFiles(stage, drops, silent)).files];
  } finally {
    await rm(folder, { recursive: true });
  }
}

interface Command {
  /** What it has printed so far. */
  readonly out: string;
  readonly err: string;
  readonly ended: Promise<number | null>;
}

/** Starts the command line as a person would, and does not wait. */
export function startSluice(...args: string[]): Command {
  const root = resolve(import.meta.dirname, '../..');
  const child = spawn(
    resolve(root, 'node_modules/.bin/node'),
    ['src/cli/sluice.ts', ...args, '--endpoint', stage.endpoint ?? ''],
    { cwd: root },
  );
  const command = { out: '', err: '', ended: new Promise<number | null>((done) => child.on('close', done)) };
  child.stdout.on('data', (data) => {
    command.out += data;
  });
  child.stderr.on('data', (data) => {
    command.err += data;
  });
  return command;
}

/** Runs the command line to its end. */
export async function sluice(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const command = startSluice(...args);
  const code = await command.ended;
  return { code, out: command.out, err: command.err };
}

/** Puts an object and does not wait. */
export const put = async (key: string, body: string | Uint8Array): Promise<string> => {
  const { VersionId } = await stage.s3.send(
    new PutObjectCommand({ Bucket: stage.config.rawBucket, Key: key, Body: body }),
  );
  return VersionId ?? '';
};

/** A generated feed as NDJSON, with its expected counts. */
export function feed(options: Partial<FeedOptions>): { lines: string[]; text: string; counts: FeedCounts } {
  const generator = generateFeed(options);
  const lines: string[] = [];
  let next = generator.next();
  for (; !next.done; next = generator.next()) lines.push(next.value);
  return { lines, text: `${lines.join('\n')}\n`, counts: next.value };
}

/** A clean post of the feed. */
export const post = (id: number | bigint, fields: Row = {}): string =>
  JSON.stringify({
    id: Number(id),
    timestamp: '2025-11-01T10:00:00Z',
    text: 'hello',
    user: { id: 4000001, screen_name: 'ana', location: 'London', followers: 1 },
    coordinates: null,
    entities: { hashtags: [] },
    lang: 'en',
    retweets: 0,
    ...fields,
  });

/** Rows of an Athena query, as objects. */
export async function athena(sql: string): Promise<Record<string, string | null>[]> {
  const { columns, rows } = await query(stage, sql);
  return rows.map((row) => Object.fromEntries(columns.map((c, i) => [c, row[i] ?? null])));
}

/** The number of rows of the golden table that came from an object. */
export const publishedFrom = async (table: string, object: string): Promise<number> =>
  Number((await athena(`SELECT count(*) AS n FROM ${table} WHERE _object = '${object}'`))[0]?.n);

/** Quarantined rows of an object, by line. */
export const quarantinedFrom = (object: string) =>
  athena(
    `SELECT line, reason, column_name, value, raw, batch FROM quarantine WHERE object = '${object}' ORDER BY line`,
  );

/** The error of the last execution of a batch. */
export const failureOf = async (dataset: string, batch: string) =>
  failureOfExecution(stage, String((await stage.ledger.batch(dataset, batch))?.execution));

/** The Parquet objects of a batch with the folders of their partitions, read by a library that did not write them. */
export async function parquetOf(
  table: string,
  batch: string,
): Promise<{ folder: string; schema: Record<string, string>; rows: Row[] }[]> {
  const Bucket = stage.config.processedBucket;
  const keys = (await depsOf(stage).store.list(Bucket, `${table}/`))
    .map(({ key }) => key)
    .filter((key) => objectName(key)?.batch === batch && key.endsWith('.parquet'));
  return Promise.all(
    keys.map(async (Key) => {
      const { Body } = await stage.s3.send(new GetObjectCommand({ Bucket, Key }));
      const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array();
      const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
      const schema = Object.fromEntries(
        parquetMetadata(file)
          .schema.filter((e) => e.type)
          .map((e) => [e.name, [e.type, e.converted_type].filter(Boolean).join(' ')]),
      );
      const rows = (await parquetReadObjects({ file, compressors, parsers: exactParsers })) as Row[];
      return { folder: dirname(withinAttempt(Key.slice(table.length + 1))), schema, rows };
    }),
  );
}
