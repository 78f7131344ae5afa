/** DuckDB's SQL for enrichments: equi-joins with tables in the executor's memory. */

import type { Enrichment } from '../contract/schema.ts';
import type { ReferenceData } from '../model/plan.ts';
import { identifier, literal } from './duckdbNames.ts';
import { type LookupSql, lookupSql, orDefault } from './lookup.ts';

/** One enrichment of rows called `placed`. */
export interface EnrichmentSql extends Omit<LookupSql, 'values'> {
  readonly outputs: readonly string[];
}

/** `reference`: null for a lookup that the set part joins. */
export function enrichmentSql(
  e: Enrichment,
  reference: ReferenceData | null | undefined,
): EnrichmentSql | null {
  if (!reference) return null;
  if (e.kind === 'lookup') {
    const { values, ...sql } = lookupSql({ ...e, reference: reference.name }, 'placed', {
      identifier,
      literal,
    });
    return { ...sql, outputs: [...values].map(([column, value]) => `${value} AS ${identifier(column)}`) };
  }
  const table = identifier(reference.name);
  const [x, y] = [`placed.${identifier(e.longitude)}`, `placed.${identifier(e.latitude)}`];
  // Even-odd rule: a ray to the right crosses an edge if the ends of the edge are on different sides of it.
  const crossed = `(g.y1 > ${y}) <> (g.y2 > ${y}) AND ${x} < (g.x2 - g.x1) * (${y} - g.y1) / (g.y2 - g.y1) + g.x1`;
  const inside = `(p.parity + len(list_filter(p.edges, lambda g : ${crossed}))) % 2 = 1`;
  const [cell, border] = [identifier(`__of_${e.column}`), identifier(`__at_${e.column}`)];
  const beyond = `list_filter(${border}.borders, lambda p : ${inside})[1].name`;
  const found = `CASE WHEN ${border}.cell IS NULL THEN ${cell}.name ELSE coalesce(${beyond}, ${cell}.name) END`;
  const isUnmatched = `(${x} IS NOT NULL AND ${y} IS NOT NULL AND ${found} IS NULL)`;
  return {
    // Most points are far from a border, so edges, which are expensive, are joined only near one.
    join: `LEFT JOIN (SELECT cell, name, borders IS NOT NULL AS is_border FROM ${table}) AS ${cell} ON placed.${cellName(e)} = ${cell}.cell
LEFT JOIN (SELECT cell, borders FROM ${table} WHERE borders IS NOT NULL) AS ${border} ON CASE WHEN ${cell}.is_border THEN placed.${cellName(e)} END = ${border}.cell`,
    outputs: [`${orDefault(found, isUnmatched, e.unmatched, literal)} AS ${identifier(e.column)}`],
    isUnmatched,
    column: e.column,
    asked: `${y}::VARCHAR || ', ' || ${x}::VARCHAR`,
  };
}

const cellName = (e: { column: string }): string => identifier(`__cell_${e.column}`);

/** The grid cell of a point: NULL outside the grid. */
export function cellOf(
  e: Extract<Enrichment, { kind: 'polygon' }>,
  reference: ReferenceData | null | undefined,
): string {
  const grid = reference?.grid;
  if (!grid) throw new TypeError(`no grid for ${e.column}`);
  const [x, y] = [identifier(e.longitude), identifier(e.latitude)];
  const [right, top] = [grid.x + grid.width * grid.columns, grid.y + grid.height * grid.rows];
  // Rounding may give one cell too many, which would be the first of the next row.
  const place = (value: string, from: number, size: number, count: number) =>
    `least(floor((${value} - ${real(from)}) / ${real(size)})::BIGINT, ${count - 1})`;
  const column = place(x, grid.x, grid.width, grid.columns);
  const row = place(y, grid.y, grid.height, grid.rows);
  return `CASE WHEN ${x} >= ${real(grid.x)} AND ${x} < ${real(right)} AND ${y} >= ${real(grid.y)} AND ${y} < ${real(top)} THEN ${row} * ${grid.columns} + ${column} END AS ${cellName(e)}`;
}

/** A double as SQL. Without the cast, DuckDB would read it as a decimal. */
const real = (value: number): string => `${literal(String(value))}::DOUBLE`;
