/** `sluice engine`: chooses the engine of a dataset's batches. */
import { engineChoiceSchema } from '../lib/config.ts';
import { contractOf } from '../lib/flow/batch/deps.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- engine --dataset NAME [options] [ENGINE]

Sets the engine of a dataset's next batches. Without ENGINE it shows the current setting. It does not change running batches.

  --dataset NAME
  ENGINE            embedded (DuckDB in a Lambda), glue (Spark), or auto: the stage's setting, by default the batch's size decides
${stageHelp}

Example:
  npm run sluice -- engine --dataset social_media glue`;

export const values = { '': engineChoiceSchema.options };

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, { ...stageOptions, dataset: { type: 'string' } });
  if (values.dataset === undefined || positionals.length > 1)
    throw new UsageError('--dataset and at most one ENGINE are needed');
  const { success, data: engine } = engineChoiceSchema.optional().safeParse(positionals[0]);
  if (!success)
    throw new UsageError(`${positionals[0]}: must be one of ${engineChoiceSchema.options.join(', ')}`);
  const { deps } = await connect(values);
  const { dataset } = contractOf(deps, values.dataset);
  if (engine !== undefined) await deps.ledger.chooseEngine(dataset, engine);
  const chosen = engine ?? (await deps.ledger.engineChoice(dataset));
  if (values.json) printJson({ dataset, engine: chosen });
  else print(`${dataset}: ${chosen}`);
  return 0;
}
