/** `sluice undo`: takes the rows of a published batch out of the table. */
import { undo } from '../lib/flow/operate/undo.ts';
import { visible } from '../lib/visible.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { quoted, readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- undo --dataset NAME --reason TEXT [--object KEY] [options] BATCH

Takes the rows of a published batch out of the table, in one commit, and moves them to quarantine as \`rejected\`. Files that were
corrected or replayed since belong to other batches, and stay.

  BATCH             as the command batches shows it, or the beginning of it
  --dataset NAME
  --reason TEXT     the ledger keeps it
  --object KEY      only this file of the batch
${stageHelp}

Example:
  npm run sluice -- undo --dataset social_media --reason "the export of the wrong day" 4cc4b4a2`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    reason: { type: 'string' },
    object: { type: 'string' },
  });
  const { dataset, reason, object } = values;
  const [id] = positionals;
  if (dataset === undefined || reason === undefined || id === undefined || positionals.length > 1)
    throw new UsageError('--dataset, --reason and one BATCH are needed');
  const { deps } = await connect(values);
  const at = new Date().toISOString();
  const { batch, files, others, corrections } = await undo(deps, dataset, id, { object, reason, at });
  if (values.json) {
    printJson({ dataset, batch, files, others, corrections });
    return 0;
  }
  print(
    `${batch}: the rows of ${files.length} files leave the table; follow it with: sluice batches --dataset ${dataset}`,
  );
  if (others > 0)
    print(
      `${others} other files of the batch were corrected, replayed or undone since, or are processed just now; they stay`,
    );
  for (const file of corrections)
    print(
      `${visible(file.object)} had replaced an earlier version, which comes back if you delete this one: aws s3api delete-object --bucket ${deps.config.rawBucket} --key ${quoted(visible(file.object))} --version-id ${quoted(visible(file.version))}`,
    );
  return 0;
}
