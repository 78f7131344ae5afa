/** `sluice executions`: the executions of the state machine, or the states of one. */
import { parallel } from '../lib/parallel.ts';
import { failureOf, findExecution, listExecutions, visitsWithData } from '../stage/executions.ts';
import type { ExecutionSummary, Visit } from '../stage/history.ts';
import { complain, print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printReasons, printTable, reasonCell } from './table.ts';
import { readLast, readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- executions [--dataset NAME] [--last N] [options] [EXECUTION]

Lists the latest executions of the state machine, the newest last, with the state in which they are or failed. With the name of an
execution it lists the states of this one instead. Its log: logs --execution EXECUTION.

  --dataset NAME
  --last N          selects from the last N executions of all datasets, at most 1000; default 20
${stageHelp}

Example:
  npm run sluice -- executions --dataset social_media`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    last: { type: 'string', default: '20' },
  });
  const last = Math.min(readLast(values.last), 1000);
  const [name] = positionals;
  if (positionals.length > 1) throw new UsageError('one EXECUTION at most');
  if (name !== undefined && values.dataset !== undefined)
    throw new UsageError('an EXECUTION belongs to one dataset; leave --dataset out');
  const { stage, deps } = await connect(values);
  if (name !== undefined) return showVisits(stage, name, values.json);
  const [wanted] = values.dataset === undefined ? [] : datasetsOf(deps, values.dataset);
  const executions = (await listExecutions(stage, last)).filter(
    ({ dataset }) => wanted === undefined || dataset === wanted,
  );
  const rows = await parallel(executions.reverse(), 4, async (execution) => ({
    ...execution,
    ...(await placeOf(stage, execution)),
  }));
  if (values.json) {
    printJson(
      rows.map(({ arn: _, ...row }) => row),
      2,
    );
    return 0;
  }
  if (rows.length === 0) complain('no executions; Step Functions keeps them for 90 days');
  else
    printTable(
      print,
      ['execution', 'dataset', 'status', 'started at', 'seconds', 'state', 'error'],
      rows.map((row) => [
        row.name,
        row.dataset,
        row.status,
        new Date(row.startedAt).toISOString(),
        secondsOf(row),
        row.state ?? '-',
        reasonCell(row.error ?? undefined),
      ]),
    );
  printReasons(
    print,
    rows.map(({ name, error }) => ({ name, reason: error ?? undefined })),
  );
  return 0;
}

type Stage = Awaited<ReturnType<typeof connect>>['stage'];

/** The state in which an execution is or ended without success, with its error. */
async function placeOf(
  stage: Stage,
  { arn, status }: ExecutionSummary,
): Promise<{ state: string | null; error: string | null }> {
  if (status === 'SUCCEEDED') return { state: null, error: null };
  const visits = await visitsWithData(stage, arn);
  // What comes after a failure is FailBatch, which tells nothing.
  const at = visits.findLast((visit) => visit.status === (status === 'RUNNING' ? 'running' : 'failed'));
  const { error, cause } =
    status === 'RUNNING' ? { error: at?.error ?? undefined } : await failureOf(stage, arn);
  return {
    state: (at ?? visits.at(-1))?.state ?? null,
    error: error === undefined ? null : cause === undefined ? error : `${error}: ${cause}`,
  };
}

async function showVisits(stage: Stage, name: string, json: boolean): Promise<number> {
  const execution = await findExecution(stage, name);
  const visits = (await visitsWithData(stage, execution.arn)).filter(({ type }) => type !== 'Choice');
  if (json) {
    const { arn: _, ...summary } = execution;
    printJson({ ...summary, visits: visits.map(({ input: _i, output: _o, ...visit }) => visit) }, 2);
    return 0;
  }
  printTable(
    print,
    ['state', 'status', 'started at', 'seconds', 'tries', 'error'],
    visits.map((visit) => [
      visit.state,
      visit.status,
      new Date(visit.startedAt).toISOString(),
      secondsOf(visit),
      visit.retries + 1,
      reasonCell(errorOf(visit)),
    ]),
  );
  printReasons(
    print,
    visits.map((visit) => ({ name: visit.state, reason: errorOf(visit) })),
  );
  print(`\n  ${execution.name} ${execution.status}`);
  return 0;
}

const errorOf = ({ error, cause }: Visit): string => [error, cause].filter(Boolean).join(': ');

const secondsOf = ({ startedAt, endedAt }: Pick<Visit, 'startedAt' | 'endedAt'>): number =>
  Math.round(((endedAt ?? Date.now()) - startedAt) / 10) / 100;
