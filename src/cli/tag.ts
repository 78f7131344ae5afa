/** `sluice tag`: pins a snapshot of an Iceberg table under a name. */
import { tag, untag } from '../lib/flow/operate/history.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- tag --dataset NAME [--snapshot ID] [options] TAG

Pins a snapshot of a dataset's Iceberg table under a name. Its rows stay readable under this name, whatever happens to the table
later, until the tag is deleted. Without --snapshot it pins the current one. A tag never moves: to move it, delete it first.

  TAG               begins with a letter; letters, digits, "_", "." and "-"
  --dataset NAME
  --snapshot ID     as the command snapshots shows it, or another tag
  --delete          deletes the tag; maintenance may then remove the snapshot
${stageHelp}

Example:
  npm run sluice -- tag --dataset social_media model-2025-10`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    snapshot: { type: 'string' },
    delete: { type: 'boolean', default: false },
  });
  const { dataset, snapshot } = values;
  const [name] = positionals;
  if (dataset === undefined || name === undefined || positionals.length > 1)
    throw new UsageError('--dataset and one TAG are needed');
  if (values.delete && snapshot !== undefined)
    throw new UsageError('--delete takes the tag away from whatever snapshot it has; leave out --snapshot');
  const { deps } = await connect(values);
  if (values.delete) {
    const deleted = await untag(deps, dataset, name);
    if (values.json) printJson({ dataset, tag: name, deleted });
    else print(deleted ? `${name}: the tag is deleted` : `${name}: there is no such tag`);
    return 0;
  }
  const pinned = await tag(deps, dataset, name, snapshot);
  if (values.json) printJson({ dataset, tag: name, snapshot: pinned });
  else print(`${name}: the snapshot ${pinned.id} of ${pinned.at}`);
  return 0;
}
