/** Measures writers of Iceberg tables by hand, on the local AWS: how long each takes to add rows to a number of partitions. */
import { callsPath, type RecordedCalls } from '../offline/recorder.ts';
import type { Stage } from '../src/stage/connect.ts';
import { query } from '../src/stage/query.ts';
import { type Readers, type SparkJudge, startReaders, startSparkJudge } from '../test/support/judges.ts';
import { objectWrites } from './flow.ts';
import { onLocalStage } from './localStage.ts';

export interface Written {
  readonly partitions: number;
  readonly seconds: number;
  readonly s3Writes: number;
  readonly catalogRequests: number;
  readonly queries: number;
}

export interface Writer {
  readonly name: string;
  readonly steps: readonly Written[];
}

const sizes = [1, 100, 1000] as const;
/** The same as in a batch of flow.ts. */
const rowsOf = (partitions: number) => partitions * 10;

interface Measured {
  /** Makes the table, which is not measured. */
  create(table: string, location: string): Promise<unknown>;
  write(table: string, partitions: number): Promise<unknown>;
}

export const measureWriters = (report: (message: string) => void): Promise<Writer[]> =>
  onLocalStage(report, { athena: 'trino' }, (stage, endpoint) => measureOn(stage, endpoint, report));

async function measureOn(
  stage: Stage,
  endpoint: string,
  report: (message: string) => void,
): Promise<Writer[]> {
  const at = `s3://${stage.config.workBucket}/bench/`;
  const [readers, spark] = await Promise.all([
    startReaders(endpoint),
    startSparkJudge(endpoint, `${at}spark/`),
  ]);
  try {
    const measured: Writer[] = [];
    for (const [name, writer] of Object.entries(writersOf(stage, readers, spark))) {
      // The first one loads what each engine needs, and is not measured.
      await stepOf(stage, at, name, writer, 1);
      const steps: Written[] = [];
      for (const partitions of sizes) steps.push(await stepOf(stage, at, name, writer, partitions));
      measured.push({ name, steps });
      report(`${name}: ${steps.map((s) => `${s.partitions} in ${s.seconds.toFixed(2)} s`).join(', ')}`);
    }
    return measured;
  } finally {
    readers.close();
    await spark.close();
  }
}

function writersOf(stage: Stage, readers: Readers, spark: SparkJudge): Readonly<Record<string, Measured>> {
  const { database } = stage.config;
  const create = (table: string, location: string) =>
    query(
      stage,
      `CREATE TABLE ${table} (id bigint, text string, day string) PARTITIONED BY (day)
       LOCATION '${location}' TBLPROPERTIES ('table_type' = 'ICEBERG')`,
    );
  return {
    'pyiceberg, `append`': {
      create,
      write: (table, partitions) =>
        readers.ask(`${database}.${table}`, [{ kind: 'generate', rows: rowsOf(partitions), partitions }]),
    },
    'Athena (Trino), INSERT': {
      create,
      async write(table, partitions) {
        // Athena opens at most 100 partitions in a statement.
        for (let from = 0; from < partitions; from += 100)
          await query(
            stage,
            `INSERT INTO ${table} SELECT i, 'text ' || CAST(i AS varchar), CAST(i % ${partitions} AS varchar)
             FROM UNNEST(sequence(0, ${rowsOf(partitions) - 1})) AS t(i)
             WHERE i % ${partitions} >= ${from} AND i % ${partitions} < ${from + 100}`,
          );
      },
    },
    'Spark, INSERT': {
      // Sorted rows need one open file; one for each partition needs more memory than Spark has here.
      create: (table, location) =>
        spark.run(
          `CREATE TABLE sluice.${database}.${table} (id bigint, text string, day string) USING iceberg
           PARTITIONED BY (day) LOCATION '${location.replace(/\/$/, '')}'
           TBLPROPERTIES ('write.spark.fanout.enabled' = 'false')`,
        ),
      write: (table, partitions) =>
        spark.run(
          `INSERT INTO sluice.${database}.${table}
           SELECT id, concat('text ', id), CAST(id % ${partitions} AS string) FROM range(${rowsOf(partitions)})`,
        ),
    },
  };
}

/** Unique even on a stage that is kept between runs. */
const started = Date.now();
let tables = 0;

async function stepOf(
  stage: Stage,
  at: string,
  name: string,
  { create, write }: Measured,
  partitions: number,
): Promise<Written> {
  const table = `bench_${started}_${++tables}`;
  await create(table, `${at}${table}/`);
  const calls = `${stage.endpoint}${callsPath}`;
  await (await fetch(calls, { method: 'DELETE' })).text();
  const from = performance.now();
  await write(table, partitions);
  const seconds = (performance.now() - from) / 1000;
  const recorded = (await (await fetch(calls)).json()) as RecordedCalls[];
  const [found] = (await query(stage, `SELECT count(*), count(DISTINCT day) FROM ${table}`)).rows;
  if (found?.join() !== `${rowsOf(partitions)},${partitions}`)
    throw new Error(`${name}: ${found?.join(' rows in ')} partitions instead of ${partitions}`);
  const count = (service: string, operations: RegExp) =>
    recorded
      .filter((call) => call.service === service && operations.test(call.operation))
      .reduce((sum, call) => sum + call.count, 0);
  return {
    partitions,
    seconds,
    s3Writes: count('s3', objectWrites),
    catalogRequests: count('glue', /./),
    queries: count('athena', /^StartQueryExecution$/),
  };
}
