/** `sluice replay`: processes published files again from raw. */

import { counted } from '../lib/counted.ts';
import { replay } from '../lib/flow/operate/again.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, readTime, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- replay --dataset NAME [--from TIME] [--to TIME] [--prefix KEY] [options]

Processes published files again, in exactly the versions that were read, with the current contract. The new rows replace
the old rows of these files. Rows of other files stay.

  --dataset NAME
  --from TIME       files that arrived at this time or later: 2025-10-06 or 2025-10-06T05:00:00Z
  --to TIME         files that arrived before this time
  --prefix KEY      files whose keys begin with KEY
${stageHelp}

Example:
  npm run sluice -- replay --dataset social_media --from 2025-10-01 --to 2025-11-01`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    prefix: { type: 'string' },
  });
  const { dataset, prefix } = values;
  if (dataset === undefined) throw new UsageError('--dataset is needed');
  if (values.from === undefined && values.to === undefined && prefix === undefined)
    throw new UsageError('--from, --to or --prefix says which files');
  const [from, to] = [values.from, values.to].map((text) =>
    text === undefined ? undefined : readTime(text),
  );
  const { deps } = await connect(values);
  const result = await replay(deps, dataset, { from, to, prefix });
  if (values.json) printJson(result);
  else
    print(`${counted(result.files, 'file')} put back into the queue, in ${counted(result.batches, 'batch')}`);
  return 0;
}
