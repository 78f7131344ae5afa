/**
 * LHBench's merge microbenchmark (https://www.cidrdb.org/cidr2023/papers/p92-jain.pdf): a batch changes a share of TPC-DS's table store_sales, half of its
 * rows by keys that the table has, half by new ones. Sluice's steps run beside MERGE by Trino and by Spark, and pyiceberg's upsert, on one
 * local AWS, and all tables must be equal after each change.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { ensureVenv, type Report } from '../offline/setup/environments.ts';
import { waitFor } from '../src/lib/waitFor.ts';
import type { Stage } from '../src/stage/connect.ts';
import { visitsWithData } from '../src/stage/executions.ts';
import type { Visit } from '../src/stage/history.ts';
import { query } from '../src/stage/query.ts';
import { copyCheckout } from '../test/support/checkout.ts';
import { type Readers, type SparkJudge, startReaders, startSparkJudge } from '../test/support/judges.ts';
import { onLocalStage } from './localStage.ts';

export interface Merge {
  /** Of the rows of the table. */
  readonly share: number;
  readonly rows: number;
  /** Seconds by the name of who merged. Null: it was not asked any more, because it took too long before. */
  readonly seconds: Readonly<Record<string, number | null>>;
}

export const mergedBy = {
  sluice: 'Sluice, TransformEmbedded, ReplaceRows and Publish',
  whole: 'Sluice, the whole batch',
  trino: 'Trino, MERGE',
  spark: 'Spark, MERGE',
  pyiceberg: 'pyiceberg, `upsert`',
} as const;

const dataset = 'store_sales';
const key = ['ss_item_sk', 'ss_ticket_number'];
/** Who has taken longer is not asked for more rows. */
const patience = 60;

const shapeSchema = z.object({
  rows: z.int(),
  columns: z.array(z.string()),
  changes: z.array(z.object({ share: z.number(), rows: z.int() })),
});
type Shape = z.output<typeof shapeSchema>;

/** Throws Error if two tables differ. `scale`: TPC-DS's scale factor. */
export async function measureMerges(
  report: Report,
  { scale = 1, shares = [1e-6, 1e-4, 1e-3, 1e-2, 1e-1] } = {},
): Promise<Merge[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-merges-'));
  // The stage needs a dataset that the project has not.
  const checkout = copyCheckout();
  try {
    const shape = await generate(folder, scale, shares, report);
    report(`store_sales has ${shape.rows} rows`);
    const contract = JSON.stringify(contractOf(shape));
    await writeFile(join(checkout, 'datasets', `${dataset}.yml`), contract);
    return await onLocalStage(report, { athena: 'trino', format: 'iceberg', checkout }, (stage, endpoint) =>
      mergeAll(stage, endpoint, { folder, shape, report }),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(checkout, { recursive: true, force: true });
  }
}

async function generate(folder: string, scale: number, shares: readonly number[], report: Report) {
  const requirements = await readFile(join(import.meta.dirname, 'tpcds.txt'), 'utf8');
  const python = join(await ensureVenv('tpcds', requirements, report), 'bin', 'python');
  const program = join(import.meta.dirname, 'peers/tpcds.py');
  const { stdout } = await promisify(execFile)(python, [
    program,
    folder,
    String(scale),
    ...shares.map(String),
  ]);
  return shapeSchema.parse(JSON.parse(stdout));
}

const typeOf = (column: string): string =>
  /_(sk|number|quantity)$/.test(column) ? 'bigint' : 'decimal(7,2)';

const contractOf = ({ columns }: Shape) => ({
  dataset,
  table: dataset,
  source: { prefix: `${dataset}/`, formats: ['parquet'] },
  columns: [
    ...columns.map((name) => ({ name, path: name, type: typeOf(name), required: key.includes(name) })),
    { name: 'changed', path: 'changed', type: 'int', required: true },
  ],
  dedupe: { key, scope: 'table', order: [{ column: 'changed', direction: 'desc' }] },
  partitionBy: [],
});

interface Data {
  readonly folder: string;
  readonly shape: Shape;
  readonly report: Report;
}

async function mergeAll(stage: Stage, endpoint: string, data: Data): Promise<Merge[]> {
  const { folder, shape, report } = data;
  const at = `s3://${stage.config.workBucket}/bench/`;
  for (const name of await readdir(join(folder, 'sales'))) {
    await publish(stage, join(folder, 'sales', name), `sales-${name}`);
    report(`Sluice has published ${name} of store_sales`);
  }
  const [readers, spark] = await Promise.all([
    startReaders(endpoint),
    startSparkJudge(endpoint, `${at}spark/`),
  ]);
  try {
    // The judge leaves it out, because its statements are small.
    for (const on of ['wholeStage=true', 'factoryMode=FALLBACK'])
      await spark.run(`SET spark.sql.codegen.${on}`);
    const peers = peersOf(stage, { readers, spark, data });
    for (const { table } of Object.values(peers))
      await query(
        stage,
        `CREATE TABLE ${table} WITH (table_type = 'ICEBERG', is_external = false, location = '${at}${table}/')
         AS SELECT ${[...shape.columns, 'changed'].join(', ')} FROM ${dataset}`,
      );
    const merges: Merge[] = [];
    const gaveUp = new Set<string>();
    for (const [i, { share, rows }] of shape.changes.entries()) {
      const file = `changes_${i + 1}`;
      await offer(stage, { at, file, data });
      const seconds: Record<string, number | null> = await publish(
        stage,
        join(folder, `${file}.parquet`),
        `${file}.parquet`,
      );
      for (const [name, { table, merge }] of Object.entries(peers)) {
        seconds[name] = null;
        if (gaveUp.has(name)) continue;
        const started = performance.now();
        await merge(file);
        const took = (performance.now() - started) / 1000;
        seconds[name] = took;
        if (took > patience) gaveUp.add(name);
        await requireEqual(stage, table);
      }
      merges.push({ share, rows, seconds });
      const each = Object.entries(seconds).map(([name, s]) => `${name} ${s?.toFixed(2) ?? '-'} s`);
      report(`${rows} rows changed: ${each.join(', ')}`);
    }
    return merges;
  } finally {
    readers.close();
    await spark.close();
  }
}

/** Publishes a file, and gives the time that its batch took. */
async function publish(stage: Stage, path: string, name: string): Promise<Record<string, number>> {
  const { s3, config, ledger } = stage;
  const object = `${dataset}/${name}`;
  await s3.send(new PutObjectCommand({ Bucket: config.rawBucket, Key: object, Body: await readFile(path) }));
  const file = await waitFor(
    async () => (await Array.fromAsync(ledger.files(dataset))).find((f) => f.object === object),
    (found) => found !== undefined && !['pending', 'claimed'].includes(found.state),
    1_200_000,
  );
  if (file?.state !== 'published')
    throw new Error(`${object} is ${file?.state}, not published: ${file?.reason}`);
  const batch = (await ledger.batches(dataset)).find((b) => b.batch === file.batch);
  await waitFor(
    async () => (await ledger.lease(dataset))?.execution,
    (execution) => execution === undefined,
    120_000,
  );
  const visits = await visitsWithData(stage, String(batch?.execution));
  const secondsOf = ({ startedAt, endedAt }: Visit) => ((endedAt ?? startedAt) - startedAt) / 1000;
  const merging = [
    'TransformEmbedded',
    'StartGlueJob',
    'WaitForGlueJob',
    'CheckGlueJob',
    'ReplaceRows',
    'StartRewriting',
    'Publish',
  ];
  return {
    [mergedBy.sluice]: visits
      .filter((v) => merging.includes(v.state))
      .reduce((sum, v) => sum + secondsOf(v), 0),
    [mergedBy.whole]: visits.reduce((sum, v) => sum + secondsOf(v), 0),
  };
}

/** Shows the changes to Trino and Spark as a table. */
async function offer(
  stage: Stage,
  { at, file, data: { folder, shape } }: { at: string; file: string; data: Data },
): Promise<void> {
  const { s3, config } = stage;
  const place = `${at}${file}/`;
  await s3.send(
    new PutObjectCommand({
      Bucket: config.workBucket,
      Key: `bench/${file}/rows.parquet`,
      Body: await readFile(join(folder, `${file}.parquet`)),
    }),
  );
  const columns = [...shape.columns.map((name) => `${name} ${typeOf(name)}`), 'changed int'];
  await query(
    stage,
    `CREATE EXTERNAL TABLE ${file} (${columns.join(', ')}) STORED AS PARQUET LOCATION '${place}'`,
  );
  await query(
    stage,
    `CREATE TABLE ${file}_iceberg WITH (table_type = 'ICEBERG', is_external = false, location = '${at}${file}_iceberg/')
     AS SELECT * FROM ${file}`,
  );
}

interface Peer {
  readonly table: string;
  merge(changes: string): Promise<unknown>;
}

function peersOf(
  stage: Stage,
  { readers, spark, data }: { readers: Readers; spark: SparkJudge; data: Data },
): Readonly<Record<string, Peer>> {
  const { database } = stage.config;
  const all = [...data.shape.columns, 'changed'];
  const merged = (table: string, changes: string) => `MERGE INTO ${table} t USING ${changes} s
    ON ${key.map((name) => `t.${name} = s.${name}`).join(' AND ')}
    WHEN MATCHED THEN UPDATE SET ${all.map((name) => `${name} = s.${name}`).join(', ')}
    WHEN NOT MATCHED THEN INSERT (${all.join(', ')}) VALUES (${all.map((name) => `s.${name}`).join(', ')})`;
  return {
    [mergedBy.trino]: {
      table: 'sales_trino',
      merge: (changes) => query(stage, merged('sales_trino', changes)),
    },
    [mergedBy.spark]: {
      table: 'sales_spark',
      merge: (changes) =>
        spark.run(merged(`sluice.${database}.sales_spark`, `sluice.${database}.${changes}_iceberg`)),
    },
    [mergedBy.pyiceberg]: {
      table: 'sales_pyiceberg',
      merge: (changes) =>
        readers.ask(`${database}.sales_pyiceberg`, [
          { kind: 'upsert', path: join(data.folder, `${changes}.parquet`), on: key },
        ]),
    },
  };
}

/** Throws Error if a table differs from Sluice's. */
async function requireEqual(stage: Stage, table: string): Promise<void> {
  const sums = (name: string) =>
    query(
      stage,
      `SELECT count(*), sum(ss_quantity), sum(changed), sum(ss_net_profit),
       sum((ss_item_sk * 31 + ss_ticket_number) % 1000003 * coalesce(ss_quantity, 1)) FROM ${name}`,
    );
  const [own, other] = [await sums(dataset), await sums(table)];
  if (own.rows.join() !== other.rows.join())
    throw new Error(`${table} has ${other.rows.join()}, and ${dataset} ${own.rows.join()}`);
}
