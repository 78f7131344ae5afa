/** Runs the Spark job on local files, without AWS. */
import { spawn } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { localObjects } from '../src/cli/inputs.ts';
import { readStart } from '../src/lib/engine/inputFile.ts';
import { refusedSampleBytes } from '../src/lib/engine/layout.ts';
import { describeJob } from '../src/lib/engine/sparkJob.ts';
import type { PackedInput } from '../src/lib/engine/unpack.ts';
import { SetupError } from '../src/lib/errors.ts';
import type { InputFile } from '../src/lib/model/layout.ts';
import { type Plan, type ReferenceData, type Summary, summarySchema } from '../src/lib/model/plan.ts';
import type { SparkHome } from './setup/environments.ts';
import { submitArguments } from './setup/submitArguments.ts';

const jobScript = resolve(import.meta.dirname, '../glue/job.py');

/** Writes a job into `folder`: references and the description. Gives the path of the description. Inputs stay where they are, packed or not. */
export async function layOutJob(
  folder: string,
  plan: Plan,
  references: readonly ReferenceData[],
  inputs: readonly (InputFile & Partial<Pick<PackedInput, 'compression'>>)[],
  output: {
    batch: string;
    outputDir: string;
    published?: string;
    exclude?: readonly string[];
    /** Published rows of these files leave. */
    replaces?: readonly { object: string; version: string }[];
    /** Local files. */
    tombstones?: readonly string[];
  },
  limits: Parameters<typeof describeJob>[6] = {},
): Promise<{ job: string; summary: string }> {
  await mkdir(folder, { recursive: true });
  const files = await Promise.all(
    inputs.map(async (input) => {
      const head =
        input.layout === 'refused' && input.head === undefined
          ? (await readStart(input.path, refusedSampleBytes)).toString('base64')
          : input.head;
      const { size } = await stat(input.path);
      const { compression = null, member } = input;
      // An unpacked member is the whole local file.
      const place = compression === null && member ? { ...member, start: 0, size } : member;
      return { ...input, compression, size, head, member: place };
    }),
  );
  for (const { name, ndjson } of references) await writeFile(join(folder, `${name}.ndjson`), ndjson);
  const summary = join(folder, 'summary.json');
  const job = join(folder, 'job.json');
  const description = describeJob(
    plan,
    output.batch,
    files,
    references,
    {
      exclude: output.exclude ?? [],
      replaces: output.replaces ?? [],
      deleted: await Promise.all(
        (output.tombstones ?? []).map(async (path) => ({
          address: `file://${path}`,
          bytes: (await stat(path)).size,
        })),
      ),
    },
    {
      input: (index) => `file://${resolve(inputs[index]?.path ?? '')}`,
      reference: (name) => `file://${join(folder, `${name}.ndjson`)}`,
      published: await publishedBelow(output.published, plan),
      data: `file://${join(output.outputDir, 'data')}`,
      quarantine: `file://${join(output.outputDir, 'quarantine')}`,
      replaced: `file://${join(output.outputDir, 'replaced')}`,
      changed: `file://${join(output.outputDir, 'changed')}`,
      tombstones: `file://${join(output.outputDir, 'tombstones')}`,
      lost: `file://${join(output.outputDir, 'lost')}`,
      summary: `file://${summary}`,
      region: null,
    },
    limits,
  );
  await writeFile(job, JSON.stringify(description));
  return { job, summary };
}

/** Where published rows are: below a folder or, to compare all, in its objects. */
async function publishedBelow(
  folder: string | undefined,
  plan: Plan,
): Promise<Parameters<typeof describeJob>[5]['published']> {
  if (folder === undefined) return null;
  if (!plan.set.dedupe?.within) return `file://${folder}`;
  const found = await localObjects(folder, plan.partitionKeys).all();
  return found.map(({ path, ...object }) => ({ address: `file://${join(folder, path)}`, ...object }));
}

/** The environment of a Python process that runs the job on local files. */
export const sparkEnvironment = (spark: SparkHome, folder: string): NodeJS.ProcessEnv => ({
  ...process.env,
  JAVA_HOME: spark.javaHome,
  PYSPARK_PYTHON: spark.python,
  // Spark's workers need the job's modules, too.
  PYTHONPATH: dirname(jobScript),
  PYSPARK_SUBMIT_ARGS: submitArguments(spark, folder, {
    // Writes no checksum files beside the output.
    'spark.hadoop.fs.file.impl': 'org.apache.hadoop.fs.RawLocalFileSystem',
  }),
});

/** A running Spark session for many jobs, several at a time. */
export interface SparkSession {
  /** Throws Error with Spark's message when the job fails. */
  run(job: { job: string; summary: string }): Promise<Summary>;
  close(): void;
}

/** Starts a session. `folder` takes its scratch files. Throws SetupError when it does not start. */
export async function startSparkSession(spark: SparkHome, folder: string): Promise<SparkSession> {
  const child = spawn(spark.python, [resolve(import.meta.dirname, 'spark_session.py')], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: sparkEnvironment(spark, folder),
  });
  process.once('exit', () => child.kill('SIGKILL'));
  const waiting = new Map<string, (said: string) => void>();
  let isReady = () => {};
  const ready = new Promise<void>((done) => {
    isReady = done;
  });
  let isOver = () => {};
  const over = new Promise<void>((done) => {
    isOver = done;
  });
  createInterface({ input: child.stdout })
    .on('line', (line) => {
      if (line === 'ready') return isReady();
      // The JVM writes warnings to the same output.
      if (!line.startsWith('{')) return;
      const { job, said } = JSON.parse(line) as { job: string; said: string };
      waiting.get(job)?.(said);
    })
    .on('close', isOver);
  const orEnd = <T>(answer: Promise<T>): Promise<T> =>
    Promise.race([
      answer,
      over.then(() => {
        throw new SetupError('the Spark session ended');
      }),
    ]);
  await orEnd(ready);
  return {
    async run({ job, summary }) {
      const address = `file://${job}`;
      const answer = new Promise<string>((done) => waiting.set(address, done));
      child.stdin.write(`${address}\n`);
      const said = await orEnd(answer);
      waiting.delete(address);
      if (said !== 'done') throw new Error(said);
      return summarySchema.parse(JSON.parse(await readFile(summary, 'utf8')));
    },
    close: () => child.stdin.end(),
  };
}

/** Runs a laid-out job to its end. Throws SetupError with Spark's last lines when it fails. */
export async function runSparkJob(
  spark: SparkHome,
  folder: string,
  job: { job: string; summary: string },
): Promise<Summary> {
  const output: string[] = [];
  const code = await new Promise<number | null>((done) => {
    const child = spawn(spark.python, [jobScript, '--job', `file://${job.job}`], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: sparkEnvironment(spark, folder),
    });
    process.once('exit', () => child.kill('SIGKILL'));
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.on('error', () => done(-1));
    child.on('close', done);
  });
  if (code !== 0) throw new SetupError(`Spark failed:\n${output.join('').trim().slice(-3000)}`);
  return summarySchema.parse(JSON.parse(await readFile(job.summary, 'utf8')));
}
