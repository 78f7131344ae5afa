/** `sluice rollback`: takes the rows of published batches out of the table. */
import { counted } from '../lib/counted.ts';
import { type RolledBack, type RolledBackTo, rollback, rollbackTo } from '../lib/flow/operate/rollback.ts';
import type { FileId } from '../lib/model/records.ts';
import { oneLine } from '../lib/visible.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- rollback --dataset NAME --reason TEXT (--batch BATCH | --to STATE) [options]

Takes the rows of a published batch, or of every batch after a state of an Iceberg table, out of the table and moves them to
quarantine as \`rejected\`. These files are not published again by themselves. A version that one of them had replaced is processed
again from the raw bucket. Files that were corrected or replayed since belong to other batches, and stay. With --to, a version
that was in the table then and was rolled back since is processed again, too.

  --dataset NAME
  --reason TEXT     the ledger keeps it
  --batch BATCH     as the command batches shows it, or the beginning of it
  --object KEY      only this file of the batch
  --to STATE        a tag, the id of a snapshot, or a time (2025-10-06, or 2025-10-06T05:00:00Z)
${stageHelp}

Example:
  npm run sluice -- rollback --dataset social_media --reason "the export of the wrong day" --batch 4cc4b4a2`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    reason: { type: 'string' },
    batch: { type: 'string' },
    object: { type: 'string' },
    to: { type: 'string' },
  });
  const { dataset, reason, batch, object, to } = values;
  if (dataset === undefined || reason === undefined || positionals.length > 0)
    throw new UsageError('--dataset and --reason are needed, and --batch or --to');
  if (object !== undefined && to !== undefined)
    throw new UsageError('--object names a file of a --batch; --to takes whole batches back');
  const why = { reason, at: new Date().toISOString() };
  let done: RolledBack | RolledBackTo;
  if (batch !== undefined && to === undefined) {
    const { deps } = await connect(values);
    done = await rollback(deps, dataset, batch, { ...why, object });
  } else if (to !== undefined && batch === undefined) {
    const { deps } = await connect(values);
    done = await rollbackTo(deps, dataset, to, why);
  } else throw new UsageError('one of --batch and --to is needed');
  if (values.json) printJson({ dataset, ...done });
  else tell(dataset, done);
  return 0;
}

function tell(dataset: string, done: RolledBack | RolledBackTo): void {
  if ('to' in done)
    print(
      `to the snapshot ${done.to.id} of ${done.to.at}: ${counted(done.batches.length, 'batch')} came after it`,
    );
  if (done.rejected.length > 0)
    print(`${counted(done.rejected.length, 'file')} in the queue, to be rejected: ${keysOf(done.rejected)}`);
  if (done.pending.length > 0)
    print(
      `${counted(done.pending.length, 'earlier version')} processed again${done.rejected.length > 0 ? ' after that' : ''}: ${keysOf(done.pending)}`,
    );
  print(`Follow them with: sluice batches --dataset ${dataset}`);
  if (done.others > 0)
    print(
      `${counted(done.others, 'other file')} of these batches stay: corrected, replayed or rolled back since, or processed just now`,
    );
  if ('to' in done && done.replayed > 0)
    print(
      `${counted(done.replayed, 'file')} stay in the version of the snapshot: only replayed since, with the rows of the replay`,
    );
  if ('to' in done && done.running.length > 0)
    print(`in progress, and not rolled back: ${done.running.join(', ')}`);
}

const shownKeys = 10;
const keysOf = (files: readonly FileId[]): string => {
  const shown = files.slice(0, shownKeys).map(({ object }) => oneLine(object, 200));
  return `${shown.join(', ')}${files.length > shownKeys ? `, and ${files.length - shownKeys} more (--json lists all)` : ''}`;
};
