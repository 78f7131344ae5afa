/** `sluice batches`: the batches of a dataset, the latest last. */
import { contractOf } from '../lib/flow/deps.ts';
import { decisionOf } from '../lib/flow/operate.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- batches --dataset NAME [--state STATE] [options]

Shows the batches of a dataset, the latest last: state, engine, counts, failed expectations, and what was decided about one.

  --dataset NAME
  --state STATE     running, published, held or failed
${stageHelp}`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    state: { type: 'string' },
  });
  if (values.dataset === undefined) throw new UsageError('--dataset is needed');
  const { deps } = await connect(values);
  contractOf(deps, values.dataset);
  const batches = (await deps.ledger.batches(values.dataset))
    .filter((b) => values.state === undefined || b.state === values.state)
    .sort((a, b) => String(a.claimedAt).localeCompare(String(b.claimedAt)));
  if (values.json) {
    console.log(JSON.stringify(batches, null, 2));
    return 0;
  }
  const counts = (b: (typeof batches)[number]) => (b.counts ?? {}) as Record<string, number | undefined>;
  printTable(
    console.log,
    [
      'batch',
      'state',
      'engine',
      'files',
      'rows read',
      'published',
      'quarantined',
      'duplicates',
      'claimed at',
      'reason',
    ],
    batches.map((b) => {
      const decision = decisionOf(b);
      return [
        b.batch.slice(0, 8),
        b.state,
        String(b.engine),
        Number(b.files),
        counts(b).rowsRead ?? '-',
        counts(b).published ?? '-',
        counts(b).quarantined ?? '-',
        counts(b).duplicates ?? '-',
        String(b.claimedAt ?? ''),
        decision ? `${decision.kind}: ${decision.reason}` : String(b.reason ?? '').slice(0, 100),
      ];
    }),
  );
  return 0;
}
