/** `sluice snapshots`: the snapshots of a dataset's Iceberg table, the latest last. */
import { snapshots } from '../lib/flow/operate/history.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readLast, readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- snapshots --dataset NAME [--last N] [options]

Shows the snapshots of a dataset's Iceberg table, the latest last: each is the state after one commit. A row of a rewritten
object counts as added and as removed. "standing" is current, earlier (on the way to the current one), or aside: for example a
snapshot that was left behind when somebody set the table back.

  --dataset NAME
  --last N          only the last N snapshots; default 100
${stageHelp}

Example:
  npm run sluice -- snapshots --dataset social_media`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    last: { type: 'string', default: '100' },
  });
  const last = readLast(values.last);
  if (values.dataset === undefined) throw new UsageError('--dataset is needed');
  const { deps } = await connect(values);
  const found = (await snapshots(deps, values.dataset)).slice(-last);
  if (values.json) {
    printJson(found, 2);
    return 0;
  }
  printTable(
    print,
    ['snapshot', 'at', 'operation', 'batch', 'rows added', 'rows removed', 'contract', 'standing', 'tags'],
    found.map((s) => [
      s.id,
      s.at,
      s.operation,
      s.attempt?.batch.slice(0, 8) ?? '',
      s.rowsAdded ?? '-',
      s.rowsRemoved ?? '-',
      s.contract?.slice(0, 8) ?? '',
      s.standing,
      s.tags.join(', '),
    ]),
  );
  return 0;
}
