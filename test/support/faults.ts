/** Faults for end-to-end tests: the gateway's switch, killed Lambdas and aborted executions, and the checks afterwards. */
import { ListExecutionsCommand, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { afterEach, beforeAll, expect } from '@jest/globals';
import { type Fault, faultsPath } from '../../offline/faults.ts';
import { tableFormatOf } from '../../src/lib/contract/contract.ts';
import type { FileRecord } from '../../src/lib/model/records.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { lambdaProcesses } from './lambdaProcesses.ts';
import { athena, drop, post, publishedFrom, put, stage } from './stage.ts';
import { expectNothingToSweep, sweepGarbage, sweepNow, takeFinds } from './sweeps.ts';

const address = `${stage.endpoint}${faultsPath}`;

/** Sets the gateway's faults; by default none. Calls that were held continue. */
export async function setFaults(faults: readonly Fault[] = []): Promise<void> {
  const response = await fetch(address, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(faults),
  });
  // An unread answer would keep its connection and the process alive.
  const text = await response.text();
  if (!response.ok) throw new Error(`the faults were refused: ${text}`);
}

/** Waits until each fault has hit so many calls. */
export async function untilHit(hits = 1): Promise<void> {
  const found = await waitFor(
    async () => (await (await fetch(address)).json()) as (Fault & { hits: number })[],
    (faults) => faults.every((f) => f.hits >= hits),
    20_000,
  );
  const unhit = found.filter((f) => f.hits < hits);
  if (unhit.length > 0) throw new Error(`a fault has hit no call: ${JSON.stringify(unhit)}`);
}

/** Kills the processes that run a function, as if the Lambda's host had died. */
export function killLambda(name: string): void {
  const found = lambdaProcesses(stage.endpoint, name);
  if (found.length === 0) throw new Error(`no process runs the function ${name}`);
  for (const pid of found) process.kill(pid, 'SIGKILL');
}

/** The first page of the executions in a state, the latest first. */
export async function executionsThat(statusFilter: 'RUNNING' | 'FAILED') {
  const { executions = [] } = await stage.sfn.send(
    new ListExecutionsCommand({ stateMachineArn: stage.config.stateMachineArn, statusFilter }),
  );
  return executions;
}

/** Aborts all running executions, as an operator does in the console. */
export async function abortExecutions(): Promise<void> {
  const executions = await executionsThat('RUNNING');
  if (executions.length === 0) throw new Error('nothing runs');
  for (const { executionArn } of executions)
    await stage.sfn.send(new StopExecutionCommand({ executionArn, error: 'Aborted', cause: 'a test' }));
}

/**
 * Waits until all files of these keys, including these versions, are in a final state and nobody holds the lease. `sweeping`:
 * only the sweep repairs some faults, so it is called every few seconds instead of minutes, at most once in `pause` seconds.
 */
export async function untilSettled(
  dataset: string,
  keys: readonly string[],
  versions: readonly string[] = [],
  {
    sweeping = false,
    pause = 4,
    seconds = 300,
  }: { sweeping?: boolean; pause?: number; seconds?: number } = {},
): Promise<FileRecord[]> {
  const last = ['published', 'rejected', 'held', 'failed', 'replaced'];
  const filesOf = async () =>
    (await Array.fromAsync(stage.ledger.files(dataset))).filter((f) => keys.includes(f.object));
  let swept = Date.now();
  const look = async () => {
    if (sweeping && Date.now() > swept + pause * 1000) {
      // A fault may hit the sweep as well; it is called again.
      await sweepNow().catch(() => {});
      swept = Date.now();
    }
    const isFree = (await stage.ledger.lease(dataset))?.execution === undefined;
    // The files of a dataset are many calls, and tests look often.
    return { isFree, files: isFree ? await filesOf() : [] };
  };
  const { files, isFree } = await waitFor(
    look,
    (found) =>
      found.isFree &&
      keys.every((key) => found.files.some((f) => f.object === key)) &&
      versions.every((version) => found.files.some((f) => f.version === version)) &&
      found.files.every((f) => last.includes(f.state)),
    seconds * 1000,
  );
  if (!isFree || files.some((f) => !last.includes(f.state))) {
    const found = await sweepNow().catch(String);
    throw new Error(
      `not settled: lease ${isFree ? 'free' : 'held'}, ${JSON.stringify(await filesOf())}; a sweep then did ${JSON.stringify(found)}`,
    );
  }
  return files;
}

/** Every good row exists once, every bad one is in quarantine once, and nothing is pending or held. */
export async function expectWhole(
  dataset: string,
  wanted: { ids: readonly number[]; bad: Readonly<Record<string, number>> },
): Promise<void> {
  if (wanted.ids.length > 0) {
    const rows = await athena(
      `SELECT id, count(*) AS n FROM ${dataset} WHERE id IN (${wanted.ids.join(', ')}) GROUP BY id ORDER BY id`,
    );
    expect(rows).toEqual([...wanted.ids].sort((a, b) => a - b).map((id) => ({ id: String(id), n: '1' })));
  }
  const objects = Object.keys(wanted.bad);
  if (objects.length > 0) {
    const refused = await athena(
      `SELECT object, count(*) AS n FROM quarantine WHERE object IN (${objects.map((o) => `'${o}'`).join(', ')}) GROUP BY object`,
    );
    expect(Object.fromEntries(refused.map((r) => [r.object, Number(r.n)]))).toEqual(wanted.bad);
  }
  expect(await stage.ledger.pending(dataset)).toEqual([]);
  // A repeated event may start an execution that finds no files and ends at once.
  const lease = await waitFor(
    () => stage.ledger.lease(dataset),
    (found) => found?.execution === undefined,
    10_000,
  );
  expect(lease).not.toHaveProperty('execution');
}

/** The embedded engine's reading of an object. */
export const readingOf = (key: string) =>
  ({ service: 's3', function: 'transformEmbedded', operation: 'GetObject', path: key }) as const;

/** Errors that are not retried, so that the batch fails and returns its files: S3's, and that of the other services. */
export const denied = { mode: 'error', name: 'AccessDenied' } as const;
export const refused = { mode: 'error', name: 'AccessDeniedException' } as const;
/** All writes that move files and batches. */
export const ledgerWrite = { service: 'dynamodb', operation: 'TransactWriteItems' };
/** Calls that make rows visible, by the format of the table. */
const publishing = {
  hive: { service: 's3', operation: 'CopyObject', function: 'publish' },
  iceberg: { service: 'glue', operation: 'UpdateTable', function: 'publish' },
};

/** A dataset under test, and a good line of its files. */
export interface Subject {
  readonly dataset: string;
  readonly prefix: string;
  readonly line: (id: number) => string;
}

/** The dataset under test. */
export const dataset = 'social_media';
const posts: Subject = { dataset, prefix: 'social-media-feed/', line: (id) => post(id) };
const contract = stage.contracts.get(dataset);
export const publishCall = publishing[contract ? tableFormatOf(contract) : 'hive'];

export const publishDenied = { ...publishCall, ...(publishCall.service === 's3' ? denied : refused) };

/** A dataset whose table is always Iceberg's. */
export const visits: Subject = {
  dataset: 'visits',
  prefix: 'visits/',
  line: (id) => JSON.stringify({ id, time: '2025-11-01T10:00:00Z', page: '/', seconds: 1 }),
};
export const swap = publishing.iceberg;

/** Unique even on a stage that is kept between runs. */
let next = Date.now() % 1_000_000_000;
export const nextId = (): number => next++;

/** A unique file: two good records and a bad line. */
export function someFile({ prefix, line }: Subject = posts) {
  const ids = [nextId(), nextId()];
  const key = `${prefix}fault-${ids[0]}.json`;
  return { key, ids, text: `${ids.map(line).join('\n')}\n{"id":` };
}

/** For each test of a file: it starts on a stage that has published, and leaves no faults and nothing to sweep. */
export function onWarmStage(...others: readonly Subject[]): void {
  beforeAll(async () => {
    for (const subject of [posts, ...others]) {
      const { key, text } = someFile(subject);
      await drop(subject.dataset, { [key]: text });
    }
  }, 60_000);
  afterEach(async () => {
    await setFaults();
    await expectNothingToSweep();
  }, 60_000);
}

/**
 * Drops a file under faults, runs `during`, and checks the result. `isSweepNeeded`: only the sweep can repair it.
 */
export async function survive(
  faults: readonly Fault[],
  during?: () => Promise<void>,
  {
    isSweepNeeded = false,
    on = posts,
    seconds,
  }: { isSweepNeeded?: boolean; on?: Subject; seconds?: number } = {},
) {
  const { dataset } = on;
  const { key, ids, text } = someFile(on);
  await setFaults(faults);
  await put(key, text);
  await during?.();
  const patience = seconds === undefined ? {} : { seconds };
  const [file] = await untilSettled(dataset, [key], [], { sweeping: isSweepNeeded, ...patience });
  // A fault that hit nothing would prove nothing.
  if (during === undefined) await untilHit();
  await setFaults();
  expect(file?.state).toBe('published');
  // Effects of stalled calls.
  if (faults.some(({ mode }) => mode === 'stall')) await sweepGarbage(dataset);
  await expectWhole(dataset, { ids, bad: { [key]: 1 } });
  const { ledger, table } = await publishedCounts(dataset, key);
  expect(ledger).toBe(table);
  if (isSweepNeeded) await takeFinds();
}

/** Corrects a published file under faults: the new rows exist once, and no old ones. */
export async function surviveCorrection(faults: readonly Fault[], on = posts) {
  const { dataset, line } = on;
  const { key, ids, text } = someFile(on);
  await drop(dataset, { [key]: text });
  const [kept = 0, gone = 0] = ids;
  const added = nextId();
  await setFaults(faults);
  const version = await put(key, `${line(kept)}\n${line(added)}\n{"other":`);
  await untilSettled(dataset, [key], [version]);
  await untilHit();
  await setFaults();
  if (faults.some(({ mode }) => mode === 'stall')) await sweepGarbage(dataset);
  await expectWhole(dataset, { ids: [kept, added], bad: { [key]: 1 } });
  expect(await athena(`SELECT id FROM ${dataset} WHERE id = ${gone}`)).toEqual([]);
}

/** The number of published rows of an object, in the ledger and in the table. */
async function publishedCounts(dataset: string, key: string): Promise<{ ledger: number; table: number }> {
  const files = (await Array.fromAsync(stage.ledger.files(dataset))).filter(
    (f) => f.object === key && f.state === 'published',
  );
  return {
    ledger: files.reduce((sum, f) => sum + (f.counts?.published ?? 0), 0),
    table: await publishedFrom(dataset, key),
  };
}

/** A lease whose execution does not exist. */
export async function leaveLease(): Promise<void> {
  const fence = await stage.ledger.acquireLease(dataset);
  const gone = `${stage.config.stateMachineArn.replace(':stateMachine:', ':execution:')}:gone`;
  await stage.ledger.takeOver(dataset, { execution: gone, fence: fence ?? 0 });
}
