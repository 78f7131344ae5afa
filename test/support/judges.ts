/** Other engines that judge the Iceberg tables of Sluice, each a process that answers a line with a line. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { ensureIceberg, ensureSparkIceberg } from '../../offline/setup/environments.ts';
import { submitArguments } from '../../offline/setup/submitArguments.ts';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';

const answersSchema = z.object({ answers: z.array(z.unknown()), metadata: z.string() });
export type Answers = z.output<typeof answersSchema>;

/** pyiceberg and DuckDB's iceberg extension. */
export interface Readers {
  /** Asks both engines the steps of icebergJudge.py. Throws Error with the message of the engine that fails. */
  ask(table: string, steps: readonly object[]): Promise<Answers>;
  close(): void;
}

/** `place`: a folder with the objects of the buckets, or the endpoint of a local AWS. */
export async function startReaders(place: string): Promise<Readers> {
  const python = await ensureIceberg(() => {});
  const program = talkTo(python, [join(import.meta.dirname, 'icebergJudge.py'), place], localEnvironment);
  return {
    ask: async (table, steps) => answersSchema.parse(await program.ask({ table, steps })),
    close: program.close,
  };
}

const rowsSchema = z.object({ rows: z.array(z.array(z.string().nullable())) });

/** A SELECT from `t`, which is a table by its metadata file, at a snapshot. */
export interface SparkRead {
  readonly table: string;
  readonly sql: string;
  readonly snapshot?: string;
}

/** A SELECT from `t`, which is the Parquet files in these folders of a Hive table's partitions. `base`: the table's folder. */
export interface SparkFolders {
  readonly folders: readonly string[];
  readonly base: string;
  readonly sql: string;
}

/** Spark with Iceberg's runtime. */
export interface SparkJudge {
  /** Runs a statement, for which the catalog `sluice` is the Data Catalog, or reads a table. Throws Error with Spark's message. */
  run(request: string | SparkRead | SparkFolders): Promise<(string | null)[][]>;
  close(): Promise<void>;
}

/** Starts a Spark on the tables of a local AWS, or on a folder with the objects of the bucket `processed`. */
export async function startSparkJudge(place: string, ...warehouse: string[]): Promise<SparkJudge> {
  const [spark, folder] = [
    await ensureSparkIceberg(() => {}),
    await mkdtemp(join(tmpdir(), 'sluice-judge-')),
  ];
  const program = talkTo(
    spark.python,
    [join(import.meta.dirname, 'sparkJudge.py'), place, ...warehouse],
    {
      ...localEnvironment,
      JAVA_HOME: spark.javaHome,
      PYSPARK_PYTHON: spark.python,
      PYSPARK_SUBMIT_ARGS: submitArguments(spark, folder),
    },
    '"ready"',
  );
  await program.ready;
  return {
    run: async (request) => rowsSchema.parse(await program.ask(request)).rows,
    async close() {
      program.close();
      await program.over;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Program {
  readonly ready: Promise<void>;
  readonly over: Promise<void>;
  ask(request: unknown): Promise<unknown>;
  close(): void;
}

/** Starts a program that answers each JSON line with one, in order. `greeting`: what it says when it is ready. */
function talkTo(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  greeting?: string,
): Program {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const complaints: string[] = [];
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk.toString()));
  const ready = Promise.withResolvers<void>();
  if (greeting === undefined) ready.resolve();
  const waiting: ((answer: unknown) => void)[] = [];
  const over = new Promise<void>((done) => {
    child.once('close', () => {
      process.off('exit', kill);
      const error = `${program} ended: ${complaints.join('').slice(-2000)}`;
      ready.reject(new Error(error));
      for (const settle of waiting.splice(0)) settle({ error });
      done();
    });
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    // A JVM writes warnings to the same output.
    if (line === greeting) ready.resolve();
    else if (line.startsWith('{')) waiting.shift()?.(JSON.parse(line));
  });
  return {
    ready: ready.promise,
    over,
    async ask(request) {
      const answer = await new Promise<unknown>((settle) => {
        if (child.exitCode !== null) return settle({ error: `${program} has ended` });
        waiting.push(settle);
        child.stdin.write(`${JSON.stringify(request)}\n`);
      });
      const { error } = z.object({ error: z.string().optional() }).parse(answer);
      if (error !== undefined) throw new Error(error);
      return answer;
    },
    close: () => child.stdin.end(),
  };
}
