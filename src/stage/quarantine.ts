/** Why rows were rejected: queries of the table `quarantine`. */
import { identifier, literal } from '../lib/dialect/athenaNames.ts';
import type { Stage } from './connect.ts';
import { query } from './query.ts';
import { findTable } from './tables.ts';

/** Rows that were rejected for one reason, in one column. */
export interface Refused {
  readonly dataset: string;
  readonly reason: string;
  readonly column: string | null;
  /** Their number; `rows` has the first of them. */
  readonly count: number;
  readonly rows: readonly RefusedRow[];
}

export interface RefusedRow {
  readonly batch: string;
  readonly object: string;
  readonly line: number | null;
  readonly value: string | null;
  readonly raw: string | null;
}

/** The most frequent reasons first, each with at most `rows` rows. `batch`: an id or the beginning of one. */
export async function refusedRows(
  stage: Stage,
  which: { dataset?: string | undefined; batch?: string | undefined; rows: number },
): Promise<Refused[]> {
  if (!(await findTable(stage, stage.config.database, 'quarantine'))) return [];
  const found = new Map<string, Refused & { rows: RefusedRow[] }>();
  for (const row of (await query(stage, statement(which))).rows) {
    const [dataset, reason, column, count, batch, object, line, value, raw] = row.map((v) => v ?? null);
    const key = JSON.stringify([dataset, reason, column]);
    const group = found.get(key) ?? {
      dataset: String(dataset),
      reason: String(reason),
      column: column ?? null,
      count: Number(count),
      rows: [],
    };
    group.rows.push({
      batch: String(batch),
      object: String(object),
      line: line === null ? null : Number(line),
      value: value ?? null,
      raw: raw ?? null,
    });
    found.set(key, group);
  }
  return [...found.values()];
}

function statement({ dataset, batch, rows }: Parameters<typeof refusedRows>[1]): string {
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
