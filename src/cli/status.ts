/** `sluice status`: shows the state of every dataset on a stage. */

import type { Ledger } from '../lib/ledger/ledger.ts';
import { oneLine } from '../lib/visible.ts';
import { driftText, recentDrift } from '../stage/drift.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- status [--dataset NAME] [options]

Shows for every dataset: files by state, since when the oldest pending file waits, who holds its lease, and its last batch; below
the table, which file is next, which datasets are paused, and what the Data Catalog lacked on the last day. Exit status 1 when anything waits for a person: held or failed
files, or a paused dataset.

  --dataset NAME
${stageHelp}

Example:
  npm run sluice -- status --stage dev`;

/** Waiting files are counted up to this number. */
const countedUpTo = 100_000;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, { ...stageOptions, dataset: { type: 'string' } });
  const { deps } = await connect(values);
  const rows = await Promise.all(
    datasetsOf(deps, values.dataset).map((dataset) => statusOf(deps.ledger, dataset)),
  );
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
  return rows.some((r) => r.held + r.failed > 0 || r.paused !== null) ? 1 : 0;
}

/** Notes that do not fit into the table. */
const notesOn = ({ dataset, next, paused, drift }: Awaited<ReturnType<typeof statusOf>>): string[] => [
  ...(drift === null
    ? []
    : [`${dataset}: ${driftText(drift)}; see docs/operations.md, "A table that was dropped"`]),
  ...(next === null ? [] : [`${dataset}: next is ${oneLine(next, 200)}`]),
  ...(paused === null
    ? []
    : [
        `${dataset}: paused since ${paused.at}: ${oneLine(paused.reason, 200)}; end it with: sluice resume --dataset ${dataset}`,
      ]),
];

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
    claimed: claimed.reduce((sum, batch) => sum + (batch?.files ?? 0), 0),
    published,
    held,
    failed,
    waitsSince: since ?? null,
    /** The next object. */
    next: next?.object ?? null,
    paused: paused ?? null,
    /** What was last missing in the Data Catalog; shown for a day. */
    drift,
    lease: lease?.execution === undefined ? 'free' : (lease.execution.split(':').at(-1) ?? ''),
    lastBatch: last ? { batch: last.batch, state: last.state, at: last.endedAt ?? last.claimedAt } : null,
  };
}
