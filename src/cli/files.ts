/** `sluice files`: the files of a dataset, with their state and counts. */
import { contractOf } from '../lib/flow/deps.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { accountingCells, printTable } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- files --dataset NAME [--state STATE] [options]

Shows the files of a dataset: their state, batch, counts, and why one is held or failed.

  --dataset NAME
  --state STATE     pending, claimed, published, held or failed
${stageHelp}

Example:
  npm run sluice -- files --dataset social_media --state held`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    state: { type: 'string' },
  });
  if (values.dataset === undefined) throw new UsageError('--dataset is needed');
  const { deps } = await connect(values);
  contractOf(deps, values.dataset);
  const files = (await deps.ledger.files(values.dataset)).filter(
    (f) => values.state === undefined || f.state === values.state,
  );
  if (values.json) console.log(JSON.stringify(files, null, 2));
  else
    printTable(
      console.log,
      [
        'object',
        'state',
        'bytes',
        'tries',
        'batch',
        'rows read',
        'published',
        'quarantined',
        'duplicates',
        'reason',
      ],
      files.map((f) => [
        f.object,
        f.state,
        f.size,
        f.attempts,
        f.batch?.slice(0, 8) ?? '-',
        ...accountingCells(f.counts),
        f.reason?.slice(0, 100) ?? '',
      ]),
    );
  return 0;
}
