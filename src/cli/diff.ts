/** `sluice diff`: what changed between two states of an Iceberg table. */
import { oneLine } from '../lib/visible.ts';
import { diff } from '../stage/diff.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { printTable } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- diff --dataset NAME [--keys N] [options] FROM TO

Compares two states of a dataset's Iceberg table by the contract's dedupe key: how many keys were added, removed and changed, and
the first of them. Athena reads both states, of the partitions that differ. The columns _batch, _object, _version and _line do
not count, so a replay with the same rows changes nothing. Without a key, a row with other values is one removed and one added.

  FROM, TO          each the state after a batch (its id, or the beginning of it), a tag, the id of a snapshot, or a time
  --dataset NAME
  --keys N          how many keys to show; default 20
${stageHelp}

Example:
  npm run sluice -- diff --dataset social_media model-2025-10 4cc4b4a2`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    keys: { type: 'string', default: '20' },
  });
  const [from, to] = positionals;
  if (values.dataset === undefined || from === undefined || to === undefined || positionals.length > 2)
    throw new UsageError('--dataset and two states, FROM and TO, are needed');
  if (!/^\d{1,4}$/.test(values.keys)) throw new UsageError(`--keys ${values.keys}: must be 0 to 9999`);
  const { stage, deps } = await connect(values);
  const found = await diff(stage, deps, values.dataset, [from, to], Number(values.keys));
  if (values.json) {
    printJson({ dataset: values.dataset, ...found }, 2);
    return 0;
  }
  print(`from ${found.from.id} of ${found.from.at}`);
  print(`to   ${found.to.id} of ${found.to.at}\n`);
  printTable(print, ['added', 'removed', 'changed'], [[found.added, found.removed, found.changed]]);
  if (found.keys.length > 0) {
    print('');
    printTable(
      print,
      ['change', ...found.key],
      found.keys.map(({ change, key }) => [
        change,
        ...found.key.map((name) => oneLine(key[name] ?? 'NULL', 60)),
      ]),
    );
  }
  for (const [state, columns] of [
    ['FROM', found.onlyFrom],
    ['TO', found.onlyTo],
  ] as const)
    if (columns.length > 0) print(`\nonly ${state} has, and not compared: ${columns.join(', ')}`);
  return 0;
}
