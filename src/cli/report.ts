/** `sluice report`: saves the data-quality report of a batch as a file. */
import { writeFile } from 'node:fs/promises';
import { ObjectMissing } from '../lib/errors.ts';
import { places } from '../lib/flow/batch/addresses.ts';
import { batchOf } from '../lib/flow/operate/again.ts';
import { qualityReportSchema } from '../lib/quality/report.ts';
import { complain, print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- report --dataset NAME [--out FILE] [options] BATCH

Writes the data-quality report of a batch to a file: one self-contained HTML page. A batch has a report as soon as it is
validated, also if it is held. With --json it prints the report as data instead.

  --dataset NAME
  --out FILE        default: NAME-BATCH.html in the current folder
${stageHelp}

Example:
  npm run sluice -- report --dataset social_media 4cc4b4a2`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    out: { type: 'string' },
  });
  const { dataset } = values;
  const [id] = positionals;
  if (dataset === undefined || id === undefined || positionals.length > 1)
    throw new UsageError('--dataset and one BATCH are needed');
  const { deps } = await connect(values);
  const { batch } = await batchOf(deps, dataset, id);
  const { page, data } = places(deps.config).report(dataset, batch);
  try {
    if (values.json) {
      printJson(await deps.store.readJson(data, qualityReportSchema), 2);
      return 0;
    }
    const out = values.out ?? `${dataset}-${batch.slice(0, 8)}.html`;
    await writeFile(out, await deps.store.readText(page));
    print(out);
    return 0;
  } catch (error) {
    if (!(error instanceof ObjectMissing)) throw error;
    complain(`${batch} has no report: it was not validated yet, or before there were reports`);
    return 1;
  }
}
