/** Tombstones as published rows. They may be older than the contract: their columns had other names and types, or did not exist. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { identifier, list, literal } from '../dialect/duckdbNames.ts';
import type { Plan } from '../model/plan.ts';
import { comparedTypes, decidingColumns } from './publishedKeys.ts';

/** The SELECTs of local tombstone files, in the form of the view `published`. */
export async function tombstoneRows(
  db: DuckDBConnection,
  plan: Plan,
  paths: readonly string[],
): Promise<string[]> {
  const types = comparedTypes(plan);
  const keys = plan.partitionKeys.map(({ name }) => name);
  const wanted = [...decidingColumns(plan), ...keys];
  const earlier = earlierNames(plan);
  const selects: string[] = [];
  for (const alike of await groupsOf(db, paths)) {
    const files = `read_parquet(${list(alike.map(literal))}, hive_partitioning = false)`;
    const described = (await db.runAndReadAll(`DESCRIBE FROM ${files}`)).getRowObjectsJson();
    const there = new Map(
      described.map((c) => [
        String(c.column_name),
        String(c.column_type).replace('TIMESTAMP WITH TIME ZONE', 'TIMESTAMPTZ'),
      ]),
    );
    const names = namesAmong(new Set(there.keys()), wanted, earlier);
    const value = (name: string): string => {
      const type = types.get(name) ?? 'VARCHAR';
      const own = names.get(name);
      const isHeld = own !== undefined && holds(type, there.get(own) ?? '');
      return `${isHeld ? identifier(own) : 'NULL'}::${type} AS ${identifier(name)}`;
    };
    const truncates = there.has('_truncates') ? 'coalesce(_truncates, false)' : 'false';
    selects.push(
      `SELECT ${[
        ...decidingColumns(plan).map(value),
        "'' AS _path, false AS _is_fixed, NULL::BIGINT AS _row",
        ...keys.map(value),
        'true AS _is_tombstone',
        ...(plan.set.dedupe?.truncates ? [`${truncates} AS _truncates`] : []),
      ].join(', ')} FROM ${files}`,
    );
  }
  return selects;
}

/** The names that columns had before. */
const earlierNames = ({ columns, fieldIds }: Plan): ReadonlyMap<string, readonly string[]> =>
  new Map(columns.map(({ name, was = [] }) => [name, [...was, ...(fieldIds?.[name]?.names ?? [])]]));

/**
 * How a file with the columns `there` calls the wanted ones: as they are called now, or were called before. A column that was another one in
 * this file is not that one: its name may have become free.
 */
export function namesAmong(
  there: ReadonlySet<string>,
  wanted: readonly string[],
  earlier: ReadonlyMap<string, readonly string[]>,
): ReadonlyMap<string, string> {
  const found = new Map(wanted.flatMap((name) => (there.has(name) ? [[name, name]] : [])));
  const taken = new Set<string>();
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const name of wanted) {
      if (found.has(name)) continue;
      const before = earlier.get(name)?.find((old) => there.has(old) && !taken.has(old));
      if (before === undefined) continue;
      if (found.get(before) === before) found.delete(before);
      found.set(name, before);
      taken.add(before);
      isChanged = true;
    }
  }
  return found;
}

/** Files with the same columns, together: DuckDB cannot read columns of one name and several types as one. */
async function groupsOf(db: DuckDBConnection, paths: readonly string[]): Promise<readonly string[][]> {
  if (paths.length === 0) return [];
  const shapes = await db.runAndReadAll(
    `SELECT file_name, string_agg(concat_ws(' ', name, type, converted_type, logical_type), ', ' ORDER BY name) AS shape
      FROM parquet_schema(${list(paths.map(literal))}) WHERE type IS NOT NULL GROUP BY file_name ORDER BY file_name`,
  );
  const files = shapes.getRowObjectsJson();
  return [...Map.groupBy(files, ({ shape }) => String(shape)).values()].map((some) =>
    some.map((file) => String(file.file_name)),
  );
}

/** Whether a column of one type can hold every value of another type. A time cannot become a number. */
function holds(wide: string, narrow: string): boolean {
  const [a, b] = [wide, narrow].map((type) => /^DECIMAL\((\d+),(\d+)\)$/.exec(type));
  if (a && b) return a[2] === b[2] && Number(a[1]) >= Number(b[1]);
  return wide === narrow || (wide === 'BIGINT' && narrow === 'INTEGER');
}
