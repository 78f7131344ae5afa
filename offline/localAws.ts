/** Starts and ends the local AWS: ministack and the gateway in front of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { SetupError } from '../src/lib/errors.ts';
import { localEnvironment } from '../src/stage/localEndpoint.ts';
import { createDuckDbEngine } from './athena/duckdb.ts';
import type { SqlEngine } from './athena/engine.ts';
import { metadataOperations } from './athena/metadata.ts';
import { athenaOperations } from './athena/service.ts';
import { createTrinoEngine } from './athena/trino.ts';
import { startTrino, type TrinoServer } from './athena/trinoServer.ts';
import { withDdl } from './athena/withDdl.ts';
import { connectUpstream } from './aws.ts';
import { secretHeader, startGateway } from './gateway.ts';
import { crawlerOperations } from './glue/crawlers.ts';
import { jobOperations } from './glue/jobs.ts';
import { partitionOperations } from './glue/partitions.ts';
import { tableOperations } from './glue/tables.ts';
import { freePort, requireFree } from './ports.ts';
import { ensureMinistack, ensureSpark, ensureTrino, type Report } from './setup/environments.ts';
import { createStrict } from './strict/check.ts';
import { modelsFolder, readModels } from './strict/model.ts';

export interface LocalAws {
  readonly endpoint: string;
  /** Logs, job runs, downloaded objects. Removed on close. */
  readonly folder: string;
  /** Settles when the local AWS ends unexpectedly. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
  /** Ends everything immediately, for a process that is about to exit. */
  abandon(): void;
}

const services =
  's3,lambda,sqs,sns,events,states,dynamodb,glue,athena,cloudformation,iam,sts,logs,cloudwatch,ssm,kms,xray';

export const athenaEngines = ['duckdb', 'trino'] as const;

export interface LocalAwsOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** The engine that answers Athena's queries. */
  readonly athena: (typeof athenaEngines)[number];
  readonly report: Report;
  /** What a person can do if the port is in use. */
  readonly portHint?: string;
  /** Addresses of functions that run elsewhere, by their names. */
  readonly functions?: Readonly<Record<string, string>>;
}

/** Starts the local AWS on 127.0.0.1. Throws SetupError with one line that says what to do. */
export async function startLocalAws(options: LocalAwsOptions): Promise<LocalAws> {
  const python = await ensureMinistack(options.report);
  const port = options.port === 0 ? await freePort() : options.port;
  await requireFree(port, options.portHint ?? 'choose another one with --port, or --port 0 for a free one');
  const upstreamPort = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'sluice-local-'));
  const endpoint = `http://127.0.0.1:${port}`;
  const secret = randomBytes(32).toString('hex');
  const headers = { [secretHeader]: secret };
  const ministack = startMinistack(python, upstreamPort, endpoint, folder, secret, options.functions ?? {});
  const upstream = connectUpstream(`http://127.0.0.1:${upstreamPort}`, headers);
  const models = readModels(modelsFolder(python));
  const jobs = jobOperations({
    upstream,
    endpoint: () => endpoint,
    spark: () => ensureSpark(options.report),
    folder: join(folder, 'jobs'),
  });
  const ended = new Promise<string>((resolveEnded) => {
    ministack.on('exit', (code, signal) => resolveEnded(`ministack ended (${signal ?? code})`));
  });
  let trino: Promise<TrinoServer> | undefined;
  const stop = async () => {
    jobs.close();
    await trino?.then((server) => server.close()).catch(() => {});
    await endProcess(ministack);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    await waitUntilReady(`http://127.0.0.1:${upstreamPort}`, headers, ended, join(folder, 'ministack.log'));
    // It starts during the deployment. The first query waits for it.
    let engine: SqlEngine;
    if (options.athena === 'trino') {
      const server = startTrino(await ensureTrino(options.report), endpoint, join(folder, 'trino'));
      server.catch((error: Error) => options.report(error.message));
      trino = server;
      engine = createTrinoEngine(upstream, async () => (await server).client);
    } else engine = await createDuckDbEngine(upstream, join(folder, 'athena'));
    const gateway = await startGateway({
      port,
      upstream: `http://127.0.0.1:${upstreamPort}`,
      secret,
      // Set by a test run: also a local AWS that a test starts and ends has to answer as AWS does.
      strict: (recorder) => createStrict(models, upstream, recorder, process.env.SLUICE_WRONG_ANSWERS),
      operations: {
        ...crawlerOperations(upstream),
        ...tableOperations(upstream),
        ...partitionOperations(upstream),
        ...jobs.operations,
        ...athenaOperations(upstream, withDdl(upstream, engine)),
        ...metadataOperations(upstream),
      },
    });
    return {
      endpoint,
      folder,
      ended,
      close: async () => {
        await gateway.close();
        await stop();
      },
      abandon: () => {
        jobs.close();
        signalGroup(ministack, 'SIGKILL');
        rmSync(folder, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function startMinistack(
  python: string,
  port: number,
  endpoint: string,
  folder: string,
  secret: string,
  functions: Readonly<Record<string, string>>,
): ChildProcess {
  const child = spawn(python, [join(import.meta.dirname, 'emulator.py')], {
    cwd: folder,
    detached: true,
    // The emulator watches its standard input, so it ends whenever this process ends.
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...localEnvironment,
      // Lambda functions run on the project's Node.
      PATH: [resolve(import.meta.dirname, '../node_modules/.bin'), process.env.PATH].join(delimiter),
      TMPDIR: folder,
      GATEWAY_PORT: String(port),
      BIND_HOST: '127.0.0.1',
      AWS_ENDPOINT_URL: endpoint,
      LAMBDA_EXECUTOR: 'local',
      SERVICES: services,
      IOT_MTLS_ENABLED: '0',
      SFTP_ENABLED: '0',
      S3_PERSIST: '0',
      SLUICE_GATEWAY_SECRET: secret,
      ...Object.fromEntries(
        Object.entries(functions).map(([name, url]) => [`MINISTACK_LAMBDA_PROXY_${name}`, url]),
      ),
    },
  });
  const log = createWriteStream(join(folder, 'ministack.log'));
  child.stdout?.pipe(log, { end: false });
  child.stderr?.pipe(log, { end: false });
  return child;
}

async function waitUntilReady(
  url: string,
  headers: Readonly<Record<string, string>>,
  ended: Promise<string>,
  log: string,
): Promise<void> {
  let reason: string | undefined;
  void ended.then((why) => {
    reason = why;
  });
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
    if (reason !== undefined)
      throw new SetupError(
        `the local AWS did not start: ${reason}\n${(await readFile(log, 'utf8')).slice(-2000)}`,
      );
    try {
      await (await fetch(`${url}/_ministack/health`, { headers })).text();
      return;
    } catch {
      await pause(50);
    }
  }
  throw new SetupError(
    `the local AWS did not answer within a minute\n${(await readFile(log, 'utf8')).slice(-2000)}`,
  );
}

/** Ends the process group: ministack and the Lambda workers it started. */
async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  signalGroup(child, 'SIGTERM');
  await Promise.race([gone, pause(3000, undefined, { ref: false })]);
  signalGroup(child, 'SIGKILL');
  await gone;
}

function signalGroup(child: ChildProcess, name: NodeJS.Signals): void {
  try {
    process.kill(-(child.pid as number), name);
  } catch {
    // The process group has ended already.
  }
}
