/** `sluice retry`: processes held and failed files again. */

import { counted } from '../lib/counted.ts';
import { retry } from '../lib/flow/operate/again.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- retry --dataset NAME [--batch BATCH | --object KEY] [options]

Processes held and failed files again: of a batch, of one key, or of the whole dataset. First correct the contract or the feed.

  --dataset NAME
  --batch BATCH     the batch's id or the beginning of its id
  --object KEY      the key of a raw object
${stageHelp}

Example:
  npm run sluice -- retry --dataset social_media --batch 4cc4b4a2`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    batch: { type: 'string' },
    object: { type: 'string' },
  });
  const { dataset, batch, object } = values;
  if (dataset === undefined) throw new UsageError('--dataset is needed');
  if (batch !== undefined && object !== undefined) throw new UsageError('--batch or --object, not both');
  const { deps } = await connect(values);
  const files = await retry(deps, dataset, { batch, object });
  if (values.json) printJson({ files });
  else print(`${counted(files, 'file')} put back into the queue`);
  return 0;
}
