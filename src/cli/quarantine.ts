/** `sluice quarantine`: shows why rows were refused, the most common reasons first, with sample rows. */
import { oneLine, visibleLine } from '../lib/visible.ts';
import { type Refused, refusedRows } from '../stage/quarantine.ts';
import { print, printJson, styled } from '../stage/terminal.ts';
import { connect, datasetsOf, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- quarantine [--dataset NAME] [--batch ID] [--rows N] [options]

Shows why rows were rejected: the count of every reason and column, and some of the rows with object and line. It
queries the table "quarantine" with Athena.

  --dataset NAME
  --batch ID        one batch; the beginning of its id is enough
  --rows N          how many rows to show for each reason; default 2
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
  if (!/^[1-9]\d{0,2}$/.test(values.rows)) throw new UsageError(`--rows ${values.rows}: must be 1 to 999`);
  const { stage, deps } = await connect(values);
  datasetsOf(deps, values.dataset);
  const reasons = await refusedRows(stage, { ...values, rows: Number(values.rows) });
  if (values.json) printJson(reasons, 2);
  else show(reasons);
  return 0;
}

function show(reasons: readonly Refused[]): void {
  if (reasons.length === 0) print('no rows are in quarantine');
  for (const { dataset, reason, column, count, rows } of reasons) {
    const subject = column === null ? '' : ` ${column}`;
    print(styled('bold', visibleLine(`${reason}${subject}`)), `  ${count} of ${visibleLine(dataset)}`);
    for (const { object, line, value, raw } of rows) {
      print(styled('dim', `  ${visibleLine(object)}${line === null ? '' : `, line ${line}`}`));
      if (value !== null) print(`    value  ${oneLine(value, 110)}`);
      if (raw !== null) print(`    row    ${oneLine(raw, 110)}`);
    }
  }
}
