/** Glue job runs: they run the job's script on a local Spark with the arguments of the job and the run. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { GetJobCommand, type Job } from '@aws-sdk/client-glue';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import * as z from 'zod';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';
import { ApiError, type Operation } from '../apiError.ts';
import { parseAddress, type Upstream } from '../aws.ts';
import type { SparkHome } from '../setup/environments.ts';
import { submitArguments } from '../setup/submitArguments.ts';

interface JobRun {
  Id: string;
  JobName: string;
  JobRunState: 'RUNNING' | 'STOPPING' | 'STOPPED' | 'SUCCEEDED' | 'FAILED' | 'TIMEOUT';
  Arguments: Record<string, string>;
  StartedOn: number;
  LastModifiedOn: number;
  CompletedOn?: number;
  ExecutionTime: number;
  ErrorMessage?: string;
  Timeout: number;
  GlueVersion: string;
  LogGroupName: string;
  Attempt: number;
}

const startRequest = z.object({
  JobName: z.string(),
  Arguments: z.record(z.string(), z.string()).default({}),
  /** In minutes. */
  Timeout: z.number().positive().optional(),
});
const runRequest = z.object({ JobName: z.string(), RunId: z.string() });
const stopRequest = z.object({ JobName: z.string(), JobRunIds: z.array(z.string()) });

export interface JobOptions {
  readonly upstream: Upstream;
  /** Where Spark finds the local AWS. */
  readonly endpoint: () => string;
  /** Installed when the first job runs. */
  readonly spark: () => Promise<SparkHome>;
  /** For scripts, their modules and logs. */
  readonly folder: string;
}

/** The operations on job runs, and a function that ends all runs. */
export function jobOperations(options: JobOptions): { operations: Record<string, Operation>; close(): void } {
  const runs = new Map<string, { run: JobRun; process?: ChildProcess }>();

  const find = (id: string) => {
    const found = runs.get(id);
    if (!found) throw new ApiError('EntityNotFoundException', `Job run ${id} not found`);
    return found;
  };

  const operations: Record<string, Operation> = {
    'AWSGlue.StartJobRun': async (request) => {
      const { JobName, Arguments, Timeout } = startRequest.parse(request);
      const { Job } = await options.upstream.glue.send(new GetJobCommand({ JobName }));
      if (!Job) throw new ApiError('EntityNotFoundException', `Job ${JobName} not found`);
      const active = [...runs.values()].filter(
        ({ run }) => run.JobName === JobName && ['RUNNING', 'STOPPING'].includes(run.JobRunState),
      );
      const limit = Number(Job.ExecutionProperty?.MaxConcurrentRuns ?? 1);
      if (active.length >= limit)
        throw new ApiError(
          'ConcurrentRunsExceededException',
          `Concurrent runs exceeded for ${JobName} (limit ${limit})`,
        );
      const id = `jr_${createHash('sha256').update(randomUUID()).digest('hex')}`;
      const started = Date.now() / 1000;
      const entry: { run: JobRun; process?: ChildProcess } = {
        run: {
          Id: id,
          JobName,
          JobRunState: 'RUNNING',
          Arguments: { ...Job.DefaultArguments, ...Arguments },
          StartedOn: started,
          LastModifiedOn: started,
          ExecutionTime: 0,
          Timeout: Timeout ?? Job.Timeout ?? 2880,
          GlueVersion: Job.GlueVersion ?? '',
          LogGroupName: '/aws-glue/jobs',
          Attempt: 0,
        },
      };
      runs.set(id, entry);
      void runJob(options, Job, entry).then((outcome) => {
        const ended = Date.now() / 1000;
        const isStopped = entry.run.JobRunState === 'STOPPING';
        Object.assign(entry.run, isStopped ? { JobRunState: 'STOPPED' } : outcome, {
          CompletedOn: ended,
          LastModifiedOn: ended,
          ExecutionTime: Math.round(ended - started),
        });
      });
      return { JobRunId: id };
    },
    'AWSGlue.GetJobRun': async (request) => ({ JobRun: find(runRequest.parse(request).RunId).run }),
    'AWSGlue.GetJobRuns': async (request) => {
      const { JobName } = z.object({ JobName: z.string() }).parse(request);
      const found = [...runs.values()].map((r) => r.run).filter((r) => r.JobName === JobName);
      return { JobRuns: found.reverse() };
    },
    'AWSGlue.BatchStopJobRun': async (request) => {
      const { JobRunIds, JobName } = stopRequest.parse(request);
      const known = JobRunIds.filter((id) => runs.has(id));
      for (const id of known) {
        const { run, process } = find(id);
        if (run.JobRunState !== 'RUNNING') continue;
        run.JobRunState = 'STOPPING';
        endGroup(process);
      }
      return {
        SuccessfulSubmissions: known.map((JobRunId) => ({ JobName, JobRunId })),
        Errors: JobRunIds.filter((id) => !known.includes(id)).map((JobRunId) => ({
          JobName,
          JobRunId,
          ErrorDetail: {
            ErrorCode: 'EntityNotFoundException',
            ErrorMessage: `Job run ${JobRunId} not found`,
          },
        })),
      };
    },
  };
  const close = () => {
    for (const { process: child } of runs.values()) endGroup(child);
  };
  process.once('exit', close);
  return { operations, close };
}

/** Arguments for Glue itself, which the script does not get. https://docs.aws.amazon.com/glue/latest/dg/aws-glue-programming-etl-glue-arguments.html */
const glueArguments =
  /^--(job-language|enable-|additional-python-modules|python-modules-installer-option|TempDir|conf|extra-|job-bookmark|continuous-log)/;

type Outcome = Pick<JobRun, 'JobRunState' | 'ErrorMessage'>;

async function runJob(
  options: JobOptions,
  job: Job,
  entry: { run: JobRun; process?: ChildProcess },
): Promise<Outcome> {
  try {
    const spark = await options.spark();
    const folder = join(options.folder, entry.run.Id);
    await mkdir(folder, { recursive: true });
    const fetch = async (address: string, name: string) => {
      const { bucket, key } = parseAddress(address);
      const { Body } = await options.upstream.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const path = join(folder, name);
      await writeFile(path, (await Body?.transformToByteArray()) ?? '');
      return path;
    };
    const script = await fetch(job.Command?.ScriptLocation ?? '', 'script.py');
    const extra = (entry.run.Arguments['--extra-py-files'] ?? '').split(',').filter(Boolean);
    const modules = await Promise.all(extra.map((address, i) => fetch(address, `${i}-${basename(address)}`)));
    // Stopped before it was started.
    if (entry.run.JobRunState === 'STOPPING') return { JobRunState: 'STOPPED' };
    const args = Object.entries(entry.run.Arguments).filter(([name]) => !glueArguments.test(name));
    const child = spawn(
      spark.python,
      [script, '--JOB_NAME', entry.run.JobName, '--JOB_RUN_ID', entry.run.Id, ...args.flat()],
      {
        cwd: folder,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...process.env,
          ...localEnvironment,
          // The job reads raw objects itself. It names itself in these calls, as Hadoop does in the others.
          AWS_ENDPOINT_URL: options.endpoint(),
          AWS_SDK_UA_APP_ID: 'glueJob',
          JAVA_HOME: spark.javaHome,
          PYSPARK_PYTHON: spark.python,
          // Spark's own workers have it too.
          PYTHONPATH: modules.join(delimiter),
          PYSPARK_SUBMIT_ARGS: submitArguments(spark, folder, s3Settings(options.endpoint())),
        },
      },
    );
    entry.process = child;
    const log = createWriteStream(join(folder, 'log.txt'));
    let tail = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        log.write(chunk);
        tail = (tail + chunk.toString()).slice(-32_768);
      });
    let isTooLate = false;
    const timer = setTimeout(() => {
      isTooLate = true;
      endGroup(child);
    }, entry.run.Timeout * 60_000);
    const code = await new Promise<number | null>((resolve) => {
      child.on('error', () => resolve(-1));
      child.on('close', resolve);
    });
    clearTimeout(timer);
    log.end();
    if (isTooLate)
      return {
        JobRunState: 'TIMEOUT',
        ErrorMessage: `The job exceeded its timeout of ${entry.run.Timeout} minutes`,
      };
    if (code === 0) return { JobRunState: 'SUCCEEDED' };
    return { JobRunState: 'FAILED', ErrorMessage: errorOf(tail, code) };
  } catch (error) {
    return { JobRunState: 'FAILED', ErrorMessage: error instanceof Error ? error.message : String(error) };
  }
}

/** Spark reads and writes the local AWS. */
const s3Settings = (endpoint: string): Record<string, string> => ({
  'spark.hadoop.fs.s3.impl': 'org.apache.hadoop.fs.s3a.S3AFileSystem',
  'spark.hadoop.fs.s3a.endpoint': endpoint,
  'spark.hadoop.fs.s3a.path.style.access': 'true',
  'spark.hadoop.fs.s3a.connection.ssl.enabled': 'false',
  'spark.hadoop.fs.s3a.access.key': localEnvironment.AWS_ACCESS_KEY_ID,
  'spark.hadoop.fs.s3a.secret.key': localEnvironment.AWS_SECRET_ACCESS_KEY,
  'spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version': '2',
});

/**
 * The exception that ended a Python program, in Glue's form: without the path of its module. Py4J prints the Java exception on the
 * line after its own.
 */
function errorOf(log: string, code: number | null): string {
  const exception = /^(?:[\w.]+\.)?(\w*(?:Error|Exception|Exit)\w*): (.+)(?:\n: (.+))?$/gm;
  const last = [...log.matchAll(exception)].at(-1);
  if (last) return `${last[1]}: ${[last[2], last[3]].filter(Boolean).join(' ')}`;
  return `Command failed with exit code ${code}: ${log.trim().split('\n').at(-1) ?? ''}`;
}

function endGroup(child: ChildProcess | undefined): void {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The process ended before it could be killed.
  }
}
