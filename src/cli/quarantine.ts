/** `sluice quarantine`: why rows were refused, the commonest reasons first, each with rows to look at. */
import { styleText } from 'node:util';
import { identifier, literal } from '../lib/dialect/athenaNames.ts';
import { query } from '../stage/query.ts';
import { findTable } from '../stage/tables.ts';
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

interface Reason {
  readonly dataset: string;
  readonly reason: string;
  readonly column: string | null;
  readonly count: number;
  readonly rows: readonly {
    readonly batch: string;
    readonly object: string;
    readonly line: number | null;
    readonly value: string | null;
    readonly raw: string | null;
  }[];
}

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
  const isThere = await findTable(stage, stage.config.database, 'quarantine');
  const reasons = isThere
    ? reasonsOf((await query(stage, statement(values.dataset, values.batch, Number(values.rows)))).rows)
    : [];
  if (values.json) console.log(JSON.stringify(reasons, null, 2));
  else print(reasons);
  return 0;
}

function statement(dataset: string | undefined, batch: string | undefined, rows: number): string {
  const conditions = [
    ...(dataset === undefined ? [] : [`${identifier('dataset')} = ${literal(dataset)}`]),
    ...(batch === undefined ? [] : [`starts_with(${identifier('batch')}, ${literal(batch)})`]),
  ];
  const group = 'PARTITION BY dataset, reason, column_name';
  return `WITH numbered AS (
  SELECT dataset, reason, column_name, batch, object, line, value, raw,
    count(*) OVER (${group}) AS of_reason,
    row_number() OVER (${group} ORDER BY batch, object, line) AS place
  FROM quarantine${conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`}
)
SELECT dataset, reason, column_name, of_reason, batch, object, line, value, raw FROM numbered
WHERE place <= ${rows} ORDER BY of_reason DESC, dataset, reason, column_name, place`;
}

function reasonsOf(rows: readonly (readonly (string | null)[])[]): Reason[] {
  const reasons = new Map<string, Reason & { rows: Reason['rows'][number][] }>();
  for (const [
    dataset = '',
    reason = '',
    column = null,
    count,
    batch,
    object,
    line,
    value = null,
    raw = null,
  ] of rows) {
    const key = JSON.stringify([dataset, reason, column]);
    const group = reasons.get(key) ?? {
      dataset: String(dataset),
      reason: String(reason),
      column,
      count: Number(count),
      rows: [],
    };
    group.rows.push({
      batch: String(batch),
      object: String(object),
      line: line === null || line === undefined ? null : Number(line),
      value,
      raw,
    });
    reasons.set(key, group);
  }
  return [...reasons.values()];
}

function print(reasons: readonly Reason[]): void {
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
