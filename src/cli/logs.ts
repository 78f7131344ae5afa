/** `sluice logs`: log lines of the functions, of one execution, batch or step. */
import { setTimeout as pause } from 'node:timers/promises';
import { batchOf } from '../lib/flow/operate/again.ts';
import { timeOf } from '../lib/time.ts';
import { findExecution, functionOf, stepFunctions } from '../stage/executions.ts';
import { type About, fieldsOf, type LogEvent, linesAbout, mostLines, readLogs } from '../stage/logs.ts';
import { complain, print, printJson, styled } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { readOptions, suggestion, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- logs [--dataset NAME] [--execution NAME | --batch ID] [--step NAME] [--since T] [--follow] [options]

Prints log lines of the stage's functions, the oldest first: of one execution, of one batch, or of the last 15 minutes.

  --dataset NAME    lines about this dataset
  --execution NAME  lines of this execution, as the command executions names it
  --batch ID        lines about this batch of the dataset
  --step NAME       one function: a state such as Publish, or dispatch, recover, sweep, reconcile, maintain
  --since T         30s, 15m, 2h, 3d, or a time such as 2025-10-06T05:00:00Z; default 15m
  --follow          goes on with new lines, until the execution or the batch has ended, or until Ctrl-C
${stageHelp}

Example:
  npm run sluice -- logs --dataset social_media --step Publish --since 1h`;

/** The states with a function, for completion; the stage itself has the list that counts. */
export const stepStates = [
  'ClaimBatch',
  'CheckCrawler',
  'TransformEmbedded',
  'StartGlueJob',
  'CheckGlueJob',
  'ReplaceRows',
  'StartRewriting',
  'StartValidation',
  'CheckValidation',
  'Publish',
  'RepairPartitions',
  'CompleteBatch',
  'FailBatch',
];

/** Functions that no state calls. */
export const others = ['dispatch', 'recover', 'sweep', 'reconcile', 'maintain', 'loadServing'];

export const values = { '--step': [...stepStates, ...others] };

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    execution: { type: 'string' },
    batch: { type: 'string' },
    step: { type: 'string' },
    since: { type: 'string' },
    follow: { type: 'boolean', default: false },
  });
  const { execution, batch, since } = values;
  if (execution !== undefined && (batch !== undefined || values.dataset !== undefined))
    throw new UsageError('--execution names dataset and time; leave --dataset and --batch out');
  if (batch !== undefined && values.dataset === undefined) throw new UsageError('--batch needs --dataset');
  if (since !== undefined && (execution ?? batch) !== undefined)
    throw new UsageError('--since does not go with --execution or --batch, which say the time');
  const from = sinceTime(since ?? '15m', Date.now());
  const { stage, deps } = await connect(values);
  const [dataset] = values.dataset === undefined ? [] : datasetsOf(deps, values.dataset);
  const functions = chosen([...(await stepFunctions(stage)), ...others], values.step);
  const look = async (): Promise<Wanted> => {
    if (execution !== undefined) {
      const found = await findExecution(stage, execution);
      return { about: { dataset: found.dataset }, from: found.startedAt, to: found.endedAt };
    }
    if (dataset === undefined || batch === undefined) return { about: { dataset }, from, to: null };
    const { batch: id, claimedAt, endedAt, state } = await batchOf(deps, dataset, batch);
    const isOver = state !== 'running' && endedAt !== undefined;
    return {
      about: { dataset, batch: id },
      from: Date.parse(claimedAt),
      to: isOver ? Date.parse(endedAt) : null,
    };
  };
  const show = values.json ? printEvent : printLine;
  /** The lines of the last read: the next one begins earlier than this one has ended. */
  let known: ReadonlySet<string> = new Set<string>();
  let count = 0;
  let start: number | undefined;
  for (;;) {
    const wanted = await look();
    const end = wanted.to === null ? Date.now() : wanted.to + margin;
    const isOver =
      wanted.to !== null && Date.now() > wanted.to + (stage.endpoint === undefined ? late : margin);
    const events = await readLogs(stage, functions, { from: start ?? wanted.from - margin, to: end });
    const lines = linesAbout(events, wanted.about);
    for (const line of lines.filter(({ id }) => !known.has(id))) {
      count++;
      show(line);
    }
    known = new Set(lines.map(({ id }) => id));
    if (events.length === mostLines)
      complain(
        `these are the first ${mostLines.toLocaleString('en')} lines of the time; choose less with --since, --step, --batch or --execution`,
      );
    if (!values.follow || isOver) break;
    start = Math.max(wanted.from - margin, Date.now() - overlap);
    // AWS limits calls per second; the local AWS does not.
    await pause(stage.endpoint === undefined ? 3000 : 500);
  }
  if (count === 0) complain('no log lines');
  return 0;
}

interface Wanted {
  readonly about: About;
  readonly from: number;
  /** Null while it goes on. */
  readonly to: number | null;
}

/** Clocks differ a little, in milliseconds. */
const margin = 2000;
/** CloudWatch shows a line some seconds after it was written. */
const late = 15_000;
const overlap = 60_000;

/** The functions that `--step` names, by state or function. Throws UsageError. */
function chosen(all: readonly string[], step: string | undefined): readonly string[] {
  if (step === undefined) return all;
  const found = all.find((name) => name === functionOf(step));
  if (found !== undefined) return [found];
  const names = all.map((name) =>
    others.includes(name) ? name : name.charAt(0).toUpperCase() + name.slice(1),
  );
  const near = suggestion(step, names);
  throw new UsageError(`--step ${step}: there is no such function${near || `, only ${names.join(', ')}`}`);
}

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `15m` before now, or a time; in milliseconds. Throws UsageError. */
export function sinceTime(text: string, now: number): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const time = count === undefined ? timeOf(text) : now - Number(count) * (units[unit] ?? 0);
  if (time === undefined || time < 0)
    throw new UsageError(
      `--since ${text}: must be 30s, 15m, 2h, 3d, or a time such as 2025-10-06 or 2025-10-06T05:00:00Z`,
    );
  return time;
}

const printEvent = (event: LogEvent): void => printJson({ ...event, at: new Date(event.at).toISOString() });

/** Fields that stand elsewhere in the line, or that only machines need. */
const left =
  /^(level|message|timestamp|service|cold_start|function_.*|sampling_rate|xray_trace_id|dataset|batch)$/;

/** Metrics, and Lambda's own lines but the report, are for machines. */
function printLine(event: LogEvent): void {
  const time = new Date(event.at).toISOString();
  const head = [styled('dim', time), ` ${event.function.padEnd(17)} `];
  const fields = fieldsOf(event);
  if (fields === undefined) {
    if (!/^(START|END|INIT_START) /.test(event.message))
      print(...head, styled('dim', event.message.replaceAll('\t', '  ')));
    return;
  }
  if ('_aws' in fields) return;
  const rest = Object.entries(fields).filter(([name]) => !left.test(name));
  const level = String(fields.level ?? '');
  print(
    ...head,
    level === 'ERROR' || level === 'WARN' ? styled('red', level.padEnd(5)) : level.padEnd(5),
    ` ${String(fields.message ?? '')}`,
    ...(rest.length === 0 ? [] : [` ${JSON.stringify(Object.fromEntries(rest))}`]),
  );
}
