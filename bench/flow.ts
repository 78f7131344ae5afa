/** Measures the whole flow on the local AWS: latency until a row is visible, files per second, and the cost of a batch. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { parse } from 'yaml';
import { callsPath, type RecordedCalls } from '../offline/recorder.ts';
import { generateFeed } from '../scripts/generate-feed.ts';
import type { TableFormatName } from '../src/lib/model/plan.ts';
import { parallel } from '../src/lib/parallel.ts';
import { waitFor } from '../src/lib/waitFor.ts';
import type { Stage } from '../src/stage/connect.ts';
import { functionOf, visitsWithData } from '../src/stage/executions.ts';
import type { Visit } from '../src/stage/history.ts';
import { query } from '../src/stage/query.ts';
import { cpuSeconds, lambdaProcesses } from '../test/support/lambdaProcesses.ts';
import { onLocalStage } from './localStage.ts';
import { prices } from './prices.ts';

const dataset = 'social_media';

export interface Latency {
  readonly files: number;
  readonly rows: number;
  /** Seconds from PutObject to the answer of the first Athena query that has the row. */
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export interface Burst {
  readonly files: number;
  readonly seconds: number;
  readonly batches: number;
}

/** One scenario's use of each service, counted at the gateway and in the execution histories. */
export interface Usage {
  readonly name: string;
  readonly batches: number;
  readonly transitions: number;
  readonly invocations: number;
  readonly gigabyteSeconds: number;
  readonly s3Writes: number;
  readonly s3Reads: number;
  readonly dynamoWrites: number;
  readonly dynamoReads: number;
  readonly catalogRequests: number;
  readonly queries: number;
}

/** What it takes to make a batch's staged rows visible: the steps Publish and RepairPartitions. */
export interface Publication {
  readonly partitions: number;
  readonly seconds: number;
  /** Of CPU, which other work on the machine hardly changes. */
  readonly cpuSeconds: number;
  /** The same as `seconds` with the transform, which writes the Parquet objects. */
  readonly withTransform: number;
  /** Of Publish and RepairPartitions. */
  readonly s3Writes: number;
  readonly catalogRequests: number;
}

export interface FlowResults {
  readonly format: TableFormatName;
  readonly latency: Latency;
  readonly burst: Burst;
  readonly usage: readonly Usage[];
}

/** The latency, a burst, and the use of services with tables of a format. */
export const measureFlow = (
  report: (message: string) => void,
  files: number,
  format: TableFormatName,
): Promise<FlowResults> =>
  onStage(report, format, async (bench) => ({
    format,
    latency: await bench.latency(files, 10_000),
    burst: await bench.burst(300),
    usage: [
      await bench.usage('1 file, 10,000 rows, 2 days', 1, 10_000, 2),
      await bench.usage('100 files, 100 rows each, 2 days', 100, 100, 2),
      await bench.usage('1 file, 10,000 rows, 100 days', 1, 10_000, 100),
      await bench.usage('1 file, 10,000 rows, 1,000 days', 1, 10_000, 1000),
    ],
  }));

/** Batches of 1 to 10,000 partitions in a table of a format. */
export const measurePublications = (
  report: (message: string) => void,
  format: TableFormatName,
): Promise<Publication[]> => onStage(report, format, (bench) => bench.publications([1, 100, 1000, 10_000]));

/** Measures on a warm stage. */
function onStage<T>(
  report: (message: string) => void,
  format: TableFormatName,
  work: (bench: ReturnType<typeof flowOf>) => Promise<T>,
): Promise<T> {
  return onLocalStage(report, { format }, async (stage) => {
    const bench = flowOf(stage, format, report);
    // The first run warms everything up and is not measured.
    await bench.latency(5, 10_000);
    return work(bench);
  });
}

function flowOf(stage: Stage, format: TableFormatName, report: (message: string) => void) {
  const { s3, config, ledger, endpoint } = stage;
  let seed = Date.now() % 1_000_000;
  const nextFile = (rows: number, days = 2) => {
    seed++;
    // The generator returns the counts after its last line.
    const lines = [...generateFeed({ rows, seed, hours: days * 24 })];
    return { key: `social-media-feed/bench/${seed}.json`, text: `${lines.join('\n')}\n` };
  };
  const put = ({ key, text }: { key: string; text: string }) =>
    s3.send(new PutObjectCommand({ Bucket: config.rawBucket, Key: key, Body: text }));
  const isIdle = async () => {
    const lease = await ledger.lease(dataset);
    return (
      lease !== undefined && lease.execution === undefined && (await ledger.pending(dataset, 1)).length === 0
    );
  };
  const isPublished = async (keys: readonly string[]) => {
    if (!(await isIdle())) return false;
    const states = new Map((await Array.fromAsync(ledger.files(dataset))).map((f) => [f.object, f.state]));
    return keys.every((key) => states.get(key) === 'published');
  };
  /** Puts files at once, and waits until they are published: their batches, visits of states, and AWS calls. */
  const observed = async (files: number, rows: number, days: number) => {
    const before = new Set((await ledger.batches(dataset)).map((b) => b.batch));
    await (await fetch(`${endpoint}${callsPath}`, { method: 'DELETE' })).text();
    const dropped = Array.from({ length: files }, () => nextFile(rows, days));
    await parallel(dropped, 16, put);
    await waitFor(
      () => isPublished(dropped.map((f) => f.key)),
      (done) => done,
      600_000,
    );
    const calls = (await (await fetch(`${endpoint}${callsPath}`)).json()) as RecordedCalls[];
    const own = calls.filter((call) => call.function !== '');
    const batches = (await ledger.batches(dataset)).filter((b) => !before.has(b.batch));
    const executions = [...new Set(batches.map((b) => String(b.execution)))];
    const visits = (await Promise.all(executions.map((arn) => visitsWithData(stage, arn)))).flat();
    const count = (service: string, operations: RegExp, functions?: readonly string[]) =>
      own
        .filter((c) => c.service === service && operations.test(c.operation))
        .filter((c) => functions?.includes(c.function) ?? true)
        .reduce((sum, c) => sum + c.count, 0);
    return { batches, visits, tasks: visits.filter((v) => v.type === 'Task'), count };
  };
  return {
    /** Puts one file at a time, each when the one before is published. */
    async latency(files: number, rows: number): Promise<Latency> {
      const seconds: number[] = [];
      for (let i = 0; i < files; i++) {
        const file = nextFile(rows);
        const started = performance.now();
        await put(file);
        const isSeen = async () => {
          const sql = `SELECT 1 FROM ${dataset} WHERE _object = '${file.key}' LIMIT 1`;
          return (await query(stage, sql).catch(() => ({ rows: [] }))).rows.length > 0;
        };
        if (!(await waitFor(isSeen, (seen) => seen, 120_000))) {
          const found = (await Array.fromAsync(ledger.files(dataset))).find((f) => f.object === file.key);
          throw new Error(
            `${file.key} is not seen after two minutes; the ledger has ${JSON.stringify(found)}`,
          );
        }
        seconds.push((performance.now() - started) / 1000);
        await waitFor(isIdle, (idle) => idle, 120_000);
        if (i % 10 === 9) report(`latency: ${i + 1} of ${files} files`);
      }
      seconds.sort((a, b) => a - b);
      const at = (share: number) => seconds[Math.min(files - 1, Math.floor(files * share))] ?? 0;
      return { files, rows, p50: at(0.5), p95: at(0.95), max: at(1) };
    },

    /** Puts files as fast as possible. */
    async burst(files: number): Promise<Burst> {
      const dropped = Array.from({ length: files }, () => nextFile(100));
      const before = (await ledger.batches(dataset)).length;
      const started = performance.now();
      await parallel(dropped, 16, put);
      const keys = dropped.map((f) => f.key);
      await waitFor(
        () => isPublished(keys),
        (done) => done,
        600_000,
      );
      const seconds = (performance.now() - started) / 1000;
      report(`burst: ${files} files in ${seconds.toFixed(1)} s`);
      return { files, seconds, batches: (await ledger.batches(dataset)).length - before };
    },

    async usage(name: string, files: number, rows: number, days: number): Promise<Usage> {
      const { batches, visits, tasks, count } = await observed(files, rows, days);
      report(`counted: ${name}`);
      return {
        name,
        batches: batches.length,
        transitions: visits.length,
        invocations: tasks.length,
        gigabyteSeconds: tasks.reduce(
          (sum, visit) => sum + secondsOf(visit) * (memoryMb(visit.state) / 1024),
          0,
        ),
        s3Writes: count('s3', s3Writes),
        s3Reads: count('s3', /^(Get|Head)/),
        dynamoWrites: count('dynamodb', /^(Put|Update|Delete|TransactWrite|BatchWrite)/),
        dynamoReads: count('dynamodb', /^(Get|Query|BatchGet|Scan)/),
        catalogRequests: count('glue', /./),
        queries: count('athena', /^StartQueryExecution$/),
      };
    },

    /** A batch of each number of partitions, ten rows a partition. */
    async publications(sizes: readonly number[]): Promise<Publication[]> {
      const found: Publication[] = [];
      const by = ['publish', 'repairPartitions'];
      const cpu = () => cpuSeconds(by.flatMap((name) => lambdaProcesses(endpoint, name)));
      for (const days of sizes) {
        const before = cpu();
        const { batches, tasks, count } = await observed(1, days * 10, days);
        const of = (...states: string[]) =>
          tasks
            .filter(({ state }) => states.includes(state))
            .reduce((sum, visit) => sum + secondsOf(visit), 0);
        const seconds = of('Publish', 'RepairPartitions');
        found.push({
          partitions: batches.reduce((sum, { partitions = 0 }) => sum + partitions, 0),
          seconds,
          cpuSeconds: cpu() - before,
          withTransform: seconds + of('TransformEmbedded', 'StartGlueJob', 'CheckGlueJob', 'WaitForGlueJob'),
          s3Writes: count('s3', objectWrites, by),
          catalogRequests: count('glue', /./, by),
        });
        report(
          `${format}: ${found.at(-1)?.partitions} partitions published in ${seconds.toFixed(2)} s, ${found.at(-1)?.cpuSeconds.toFixed(2)} s of CPU`,
        );
      }
      return found;
    },
  };
}

/** Requests at the price of a write. */
const s3Writes = /^(Put|Copy|Create|Upload|Complete|List)/;
/** Requests that write. */
export const objectWrites = /^(Put|Copy|Create|Upload|Complete)/;

const secondsOf = ({ startedAt, endedAt }: Visit): number => ((endedAt ?? startedAt) - startedAt) / 1000;

/** The cost in dollars at list prices. A query of a small batch costs Athena's minimum. */
export function priceOf(usage: Usage): number {
  const scanned = (usage.queries * prices.athenaMinimumBytes) / 1024 ** 4;
  return (
    usage.transitions * prices.stateTransition +
    usage.invocations * prices.lambdaRequest +
    usage.gigabyteSeconds * prices.lambdaGigabyteSecond +
    usage.s3Writes * prices.s3Write +
    usage.s3Reads * prices.s3Read +
    usage.dynamoWrites * prices.dynamoWrite +
    usage.dynamoReads * prices.dynamoRead +
    usage.catalogRequests * prices.catalogRequest +
    scanned * prices.athenaTerabyte
  );
}

interface FunctionConfig {
  readonly memorySize?: number;
}

const root = resolve(import.meta.dirname, '..');
const functions = parse(readFileSync(join(root, 'infra/functions.yml'), 'utf8'), {
  logLevel: 'silent',
}) as Record<string, FunctionConfig>;
const { provider } = parse(readFileSync(join(root, 'serverless.yml'), 'utf8'), {
  logLevel: 'silent',
}) as { provider: { memorySize: number } };

const memoryMb = (state: string): number => functions[functionOf(state)]?.memorySize ?? provider.memorySize;
