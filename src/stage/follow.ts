/** Drops files and follows them: every state of their datasets' executions as it happens. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { FileRecord } from '../lib/model/records.ts';
import { parallel } from '../lib/parallel.ts';
import type { Drop, Stage } from './connect.ts';
import { listExecutions, visitsWithData } from './executions.ts';
import type { Visit } from './history.ts';
import { type Part, type Progress, styled } from './terminal.ts';

export interface FollowedFile extends Drop {
  readonly version: string;
  readonly record: FileRecord;
}

export interface StateTiming {
  readonly state: string;
  readonly seconds: number;
  readonly failed: boolean;
}

export interface FollowedExecution {
  readonly name: string;
  readonly status: string;
  readonly seconds: number;
  readonly states: readonly StateTiming[];
}

export interface FollowedRun {
  /** When the first upload began, in milliseconds. */
  readonly startedAt: number;
  readonly files: readonly FollowedFile[];
  readonly executions: readonly FollowedExecution[];
}

/** An execution that goes on with other files is not waited for any longer, in milliseconds. */
const patience = 10_000;

/**
 * Puts the files into the raw bucket and waits until each is published, held, failed or returned. Follows the executions of their
 * datasets, to their ends if these come soon.
 */
export async function followFiles(
  stage: Stage,
  drops: readonly Drop[],
  progress: Progress,
): Promise<FollowedRun> {
  const startedAt = Date.now();
  const followed = new Map<string, FollowedExecution>();
  const printed = new Map<string, number>();
  const datasets = new Set(drops.map(({ dataset }) => dataset));
  // The names of executions: the dataset and 13 digits.
  const width = Math.max(...[...datasets].map((name) => name.length)) + 14;
  // A running execution may also process the files.
  const all = async () => (await listExecutions(stage, 1000)).filter(({ dataset }) => datasets.has(dataset));
  let settledAt: number | undefined;
  const before = new Set((await all()).filter((e) => e.status !== 'RUNNING').map((e) => e.arn));
  const dropped = [];
  for (const drop of drops) {
    dropped.push({ ...drop, version: await upload(stage, drop) });
    progress.line(styled('green', '↑'), ` ${drop.key}`);
  }
  for (;;) {
    const executions = (await all()).filter((e) => !before.has(e.arn)).reverse();
    const running: string[] = [];
    for (const execution of executions) {
      const known = followed.get(execution.arn);
      if (known && known.status !== 'RUNNING') continue;
      const { states, current } = timings(await visitsWithData(stage, execution.arn));
      for (const [i, state] of states.entries())
        if (i >= (printed.get(execution.arn) ?? 0) && !isPoll(states, i))
          progress.line(...stateLine(execution.name.padEnd(width), state));
      printed.set(execution.arn, states.length);
      const seconds = ((execution.endedAt ?? Date.now()) - execution.startedAt) / 1000;
      followed.set(execution.arn, { name: execution.name, status: execution.status, seconds, states });
      if (execution.status !== 'RUNNING')
        progress.line(...executionLine(execution.name.padEnd(width), execution.status, seconds));
      else if (current) running.push(`${execution.name} ${current} (${seconds.toFixed(0)} s)`);
    }
    progress.now(running.join(', '));
    const files = await settled(stage, dropped);
    const isQuiet = [...followed.values()].every((e) => e.status !== 'RUNNING');
    if (files) settledAt ??= Date.now();
    if (files && (isQuiet || Date.now() > (settledAt ?? 0) + patience)) {
      for (const { key, version, record } of files)
        if (record.version !== version)
          progress.line(styled('dim', '='), ` ${key}: the same bytes as before`);
      return { startedAt, files, executions: [...followed.values()] };
    }
    // AWS limits calls per second. The local AWS takes its time from the batch: the longer it runs, the less often it is looked at.
    await pause(stage.endpoint === undefined ? 1000 : Math.min(150 + (Date.now() - startedAt) / 20, 750));
  }
}

async function upload({ s3, config }: Stage, drop: Drop): Promise<string> {
  const { size } = await stat(drop.path);
  const { VersionId } = await s3.send(
    new PutObjectCommand({
      Bucket: config.rawBucket,
      Key: drop.key,
      Body: createReadStream(drop.path),
      ContentLength: size,
    }),
  );
  return VersionId ?? '';
}

/** The files' records when none of them waits any more; null before. A returned file has at least one attempt. */
async function settled(
  { ledger }: Stage,
  dropped: readonly (Drop & { version: string })[],
): Promise<FollowedFile[] | null> {
  const records = await parallel(dropped, 16, ({ dataset, key, version }) =>
    ledger.file(dataset, { object: key, version }),
  );
  const files = dropped.flatMap((drop, i) => {
    const record = records[i];
    const isOpen =
      !record || record.state === 'claimed' || (record.state === 'pending' && record.attempts === 0);
    return isOpen ? [] : [{ ...drop, record }];
  });
  return files.length === dropped.length ? files : null;
}

/** Finished states with their durations, and the running one. Choices are omitted: they take no time. */
function timings(all: readonly Visit[]): { states: StateTiming[]; current: string | undefined } {
  const visits = all.filter((visit) => visit.type !== 'Choice');
  return {
    states: visits.flatMap(({ state, startedAt, endedAt, status }) =>
      endedAt === null ? [] : [{ state, seconds: (endedAt - startedAt) / 1000, failed: status === 'failed' }],
    ),
    current: visits.find((visit) => visit.endedAt === null)?.state,
  };
}

/** A repeated state in a loop of waiting and checking: shown only the first time, and if it failed. */
const isPoll = (states: readonly StateTiming[], i: number): boolean =>
  states[i]?.failed === false && states[i]?.state === states[i - 2]?.state;

const stateLine = (execution: string, { state, seconds, failed }: StateTiming): Part[] => [
  `  ${execution}  `,
  failed ? styled('red', '✘') : styled('green', '✔'),
  ` ${state.padEnd(20)}`,
  styled('dim', `${seconds.toFixed(2).padStart(7)} s`),
];

const executionLine = (name: string, status: string, seconds: number): Part[] => [
  `  ${name}  `,
  styled(status === 'SUCCEEDED' ? 'green' : 'red', status),
  styled('dim', ` in ${seconds.toFixed(2)} s`),
];
