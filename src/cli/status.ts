/** `sluice status`: shows the state of every dataset on a stage. */

import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import { counted } from '../lib/counted.ts';
import type { Ledger } from '../lib/ledger/ledger.ts';
import { parallel } from '../lib/parallel.ts';
import { oneLine } from '../lib/visible.ts';
import type { Stage } from '../stage/connect.ts';
import { driftText, lossNow, lossText, recentDrift } from '../stage/drift.ts';
import { complain, print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- status [--dataset NAME] [options]

Shows a line for every dataset: its files by state, since when the oldest pending file waits, which execution holds its lease, and
its last batch. Below the table:
  - what the Data Catalog lacks now, or lacked on the last day
  - files that wait for a person, and pauses
  - batches that run, that failed, or whose rows are all in quarantine
  - the next file, and the queues
The exit status is 1 if readers miss rows or a person is needed: the Data Catalog lacks something, files are held or failed, a dataset
is paused, or the dead-letter queue has messages.

  --dataset NAME
${stageHelp}

Example:
  npm run sluice -- status --stage dev`;

/** Waiting files are counted up to this number. */
const countedUpTo = 100_000;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, { ...stageOptions, dataset: { type: 'string' } });
  const { stage, deps } = await connect(values);
  const queues = queuesOf(stage);
  const rows = await parallel(datasetsOf(deps, values.dataset), 8, async (dataset) => {
    const [status, lost] = await Promise.all([statusOf(deps.ledger, dataset), lossNow(deps, dataset)]);
    return { ...status, ...lost };
  });
  if (values.json) printJson(rows, 2);
  else {
    printTable(
      print,
      [
        'dataset',
        'pending',
        'claimed',
        'published',
        'held',
        'failed',
        'waits since',
        'lease',
        'last batch',
        'state',
        'at',
      ],
      rows.map(({ lastBatch: last, ...r }) => [
        r.dataset,
        r.pending,
        r.claimed,
        r.published,
        r.held,
        r.failed,
        r.waitsSince ?? '-',
        r.lease,
        last?.batch.slice(0, 8) ?? '-',
        last?.state ?? '-',
        last?.at ?? '-',
      ]),
    );
    for (const line of rows.flatMap(notesOn)) print(line);
  }
  const { waiting, dead } = await queues;
  // Beside the answer for scripts.
  const tell = values.json ? complain : print;
  if (waiting > 0) tell(`${counted(waiting, 'notification')} of new files in the queue`);
  if (dead > 0) tell(`${counted(dead, 'message')} in the dead-letter queue; see: sluice redrive --show`);
  return dead > 0 || rows.some((r) => r.held + r.failed > 0 || r.paused !== null || r.lost !== null) ? 1 : 0;
}

/** Notes that do not fit into the table: what waits or went wrong, and which command shows more. */
const notesOn = ({
  dataset,
  held,
  failed,
  running,
  lastBatch,
  next,
  paused,
  restsUntil,
  drift,
  lost,
  unseen,
}: Awaited<ReturnType<typeof statusOf>> & Awaited<ReturnType<typeof lossNow>>): string[] => [
  ...(unseen === null ? [] : [`${dataset}: ${unseen}`]),
  ...(lost === null
    ? []
    : [`${dataset}: ${lossText(lost)}; see docs/operations.md, "A table that was dropped"`]),
  ...(drift === null
    ? []
    : [
        `${dataset}: ${driftText(drift)}; see docs/operations.md, "${drift.account === undefined ? 'A table that was dropped' : 'Rows that do not add up'}"`,
      ]),
  ...(held === 0
    ? []
    : [
        `${dataset}: ${counted(held, 'file')} held; see: sluice files --dataset ${dataset} --state held; then retry, release or reject`,
      ]),
  ...(failed === 0
    ? []
    : [
        `${dataset}: ${counted(failed, 'file')} failed; see: sluice files --dataset ${dataset} --state failed; correct the cause, then retry`,
      ]),
  ...running.map(
    ({ batch, claimedAt, engine, files }) =>
      `${dataset}: batch ${batch.slice(0, 8)} of ${counted(files, 'file')} runs since ${claimedAt} (${engine}); see: sluice executions --dataset ${dataset}`,
  ),
  ...(lastBatch?.state === 'failed' && lastBatch.reason !== null
    ? [`${dataset}: batch ${lastBatch.batch.slice(0, 8)} failed: ${oneLine(lastBatch.reason, 300)}`]
    : []),
  ...(lastBatch?.isAllRefused
    ? [
        `${dataset}: every row of batch ${lastBatch.batch.slice(0, 8)} is in quarantine; see: sluice quarantine --dataset ${dataset} --batch ${lastBatch.batch.slice(0, 8)}`,
      ]
    : []),
  ...(restsUntil === null
    ? []
    : [
        `${dataset}: rests until ${restsUntil}, because AWS has failed several times in a row; start it now with: sluice resume --dataset ${dataset}`,
      ]),
  ...(next === null ? [] : [`${dataset}: next is ${oneLine(next, 200)}`]),
  ...(paused === null
    ? []
    : [
        `${dataset}: paused since ${paused.at}: ${oneLine(paused.reason, 200)}; end it with: sluice resume --dataset ${dataset}`,
      ]),
];

/** How many notifications of new files wait in the queue, and in the dead-letter queue. */
async function queuesOf({ sqs, config }: Stage): Promise<{ waiting: number; dead: number }> {
  const lengthOf = async (QueueUrl: string) => {
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  };
  const [waiting, dead] = await Promise.all([lengthOf(config.queueUrl), lengthOf(config.deadLettersUrl)]);
  return { waiting, dead };
}

/** The state of a dataset from the ledger's lists. No read grows with the history. */
export async function statusOf(ledger: Ledger, dataset: string) {
  const [{ pending, held, failed, since }, published, [last], lease, open, [next], paused, drift] =
    await Promise.all([
      ledger.backlog(dataset, countedUpTo),
      ledger.publishedFiles(dataset),
      ledger.batches(dataset, 1),
      ledger.lease(dataset),
      ledger.findOpenBatches(dataset),
      ledger.nextFiles(dataset, 1),
      ledger.pauseOf(dataset),
      recentDrift(ledger, dataset),
    ]);
  const claimed = await Promise.all(open.map(({ batch }) => ledger.findBatch(dataset, batch)));
  return {
    dataset,
    pending,
    /** Batches that are not over. */
    running: claimed.flatMap((batch) =>
      batch
        ? [{ batch: batch.batch, claimedAt: batch.claimedAt, engine: batch.engine, files: batch.files }]
        : [],
    ),
    claimed: claimed.reduce((sum, batch) => sum + (batch?.files ?? 0), 0),
    published,
    held,
    failed,
    waitsSince: since ?? null,
    /** The next object. */
    next: next?.object ?? null,
    /** By a person. */
    paused: paused === undefined || paused.isTurn ? null : paused,
    /** After an outage of AWS: until when no execution starts. */
    restsUntil: lease !== undefined && ledger.isResting(lease) ? (lease.restsUntil ?? null) : null,
    /** What was last missing in the Data Catalog; shown for a day. */
    drift,
    lease: lease?.execution === undefined ? 'free' : (lease.execution.split(':').at(-1) ?? ''),
    lastBatch: last
      ? {
          batch: last.batch,
          state: last.state,
          at: last.endedAt ?? last.claimedAt,
          reason: last.reason ?? null,
          isAllRefused:
            last.state === 'published' &&
            last.decision === undefined &&
            (last.counts?.rowsRead ?? 0) > 0 &&
            last.counts?.quarantined === last.counts?.rowsRead,
        }
      : null,
  };
}
