/** `sluice query`: runs a query in Athena, in the stage's database and workgroup. */
import { statementAsOf } from '../stage/asOf.ts';
import { query } from '../stage/query.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { printAnswer } from './table.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- query [--as-of STATE] [options] SQL

Runs a query in Athena, in the stage's database, and prints the rows. With --json each row is an object. Without --write it
accepts only SELECT, SHOW, DESCRIBE and EXPLAIN.

  --as-of STATE     reads the tables of datasets as they were: a tag, the id of a snapshot, or a time (2025-10-06, or
                    2025-10-06T05:00:00Z). For Iceberg tables and SELECT; a Hive table keeps no earlier state
  --write           accepts any statement, such as DROP TABLE
${stageHelp}

Example:
  npm run sluice -- query 'SELECT lang, count(*) FROM social_media GROUP BY lang'`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    'as-of': { type: 'string' },
    write: { type: 'boolean', default: false },
  });
  const [sql] = positionals;
  if (sql === undefined || positionals.length > 1) throw new UsageError('one SQL is needed, in quotes');
  if (!values.write && !isReading(sql))
    throw new UsageError('the statement may change data; run it with --write');
  const { stage, deps } = await connect(values);
  const asOf = values['as-of'];
  const { columns, rows } = await query(
    stage,
    asOf === undefined ? sql : await statementAsOf(deps, sql, asOf),
  );
  if (values.json)
    printJson(
      rows.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null]))),
      2,
    );
  else printAnswer(print, columns, rows);
  return 0;
}

/** Whether a statement only reads, by its first word after comments and brackets. */
export const isReading = (sql: string): boolean =>
  /^(select|with|values|table|show|describe|desc|explain)\b/i.test(
    sql.replace(/^(\s|\(|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)*/, ''),
  );
