/** `sluice quarantine`: why rows were refused, the commonest reasons first, each with rows to look at. */
import { styleText } from 'node:util';
import { type Refused, refusedRows } from '../stage/quarantine.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { oneLine } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- quarantine [--dataset NAME] [--batch ID] [--rows N] [options]

Shows why rows were refused: for every reason and column how many, and some of the rows, with the object and line they
stand in. It asks the table "quarantine" through Athena.

  --dataset NAME
  --batch ID        one batch; the beginning of its id is enough
  --rows N          rows to show of each reason: 2, unless told
${stageHelp}

Example:
  npm run sluice -- quarantine --dataset social_media --rows 5`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    batch: { type: 'string' },
    rows: { type: 'string', default: '2' },
  });
  if (!/^[1-9]\d{0,2}$/.test(values.rows)) throw new UsageError(`--rows ${values.rows}: it is 1 to 999`);
  const { stage, deps } = await connect(values);
  datasetsOf(deps, values.dataset);
  const reasons = await refusedRows(stage, { ...values, rows: Number(values.rows) });
  if (values.json) console.log(JSON.stringify(reasons, null, 2));
  else print(reasons);
  return 0;
}

function print(reasons: readonly Refused[]): void {
  if (reasons.length === 0) console.log('no rows are in quarantine');
  for (const { dataset, reason, column, count, rows } of reasons) {
    const subject = column === null ? '' : ` ${column}`;
    console.log(`${styleText('bold', `${reason}${subject}`)}  ${count} of ${dataset}`);
    for (const { object, line, value, raw } of rows) {
      console.log(styleText('dim', `  ${object}${line === null ? '' : `, line ${line}`}`));
      if (value !== null) console.log(`    value  ${oneLine(value, 110)}`);
      if (raw !== null) console.log(`    row    ${oneLine(raw, 110)}`);
    }
  }
}
