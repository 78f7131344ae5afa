/** `sluice batches`: the batches of a dataset, the latest last. */
import { contractOf } from '../lib/flow/batch/deps.ts';
import { batchStates } from '../lib/model/records.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { accountingColumns, printReasons, printTable, reasonCell } from './table.ts';
import { readLast, readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- batches --dataset NAME [--state STATE] [--last N] [options]

Shows the batches of a dataset, the latest last: state, engine, counts, failed expectations and decisions.

  --dataset NAME
  --state STATE     running, published, held or failed
  --last N          selects from the last N batches; default 100
${stageHelp}

Example:
  npm run sluice -- batches --dataset social_media --state failed`;

export const values = { '--state': batchStates };

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    state: { type: 'string' },
    last: { type: 'string', default: '100' },
  });
  const last = readLast(values.last);
  if (values.state !== undefined && !batchStates.some((state) => state === values.state))
    throw new UsageError(`--state ${values.state}: must be one of ${batchStates.join(', ')}`);
  if (values.dataset === undefined) throw new UsageError('--dataset is needed');
  const { deps } = await connect(values);
  contractOf(deps, values.dataset);
  const batches = (await deps.ledger.batches(values.dataset, last)).filter(
    (b) => values.state === undefined || b.state === values.state,
  );
  if (values.json) {
    printJson(batches, 2);
    return 0;
  }
  const accounting = accountingColumns(batches.map(({ counts }) => counts));
  printTable(
    print,
    [
      'batch',
      'state',
      'engine',
      'files',
      ...accounting.heads,

      'claimed at',
      'reason',
    ],
    batches.map(({ batch, state, engine, files, counts, claimedAt, decision, reason }) => [
      batch.slice(0, 8),
      state,
      engine,
      files,
      ...accounting.cells(counts),
      claimedAt,
      reasonCell(decision ? `${decision.kind}: ${decision.reason}` : reason),
    ]),
  );
  printReasons(
    print,
    batches.map(({ batch, decision, reason }) => ({
      name: batch.slice(0, 8),
      reason: decision ? `${decision.kind}: ${decision.reason}` : reason,
    })),
  );
  return 0;
}
