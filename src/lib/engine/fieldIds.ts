/** Field ids in Parquet files: readers of an Iceberg table find a column by its id, not by its name. */
import type { DuckDBConnection } from '@duckdb/node-api';
import { identifier, literal } from '../dialect/duckdbNames.ts';
import type { FieldIds } from '../model/plan.ts';

/** The option of COPY that writes field ids; empty if there are none. */
export function fieldIdsOption(ids: FieldIds | undefined): string {
  const columns = Object.entries(ids ?? {}).map(([name, { id, element }]) =>
    element === undefined
      ? `${identifier(name)}: ${id}`
      : `${identifier(name)}: {__duckdb_field_id: ${id}, element: ${element}}`,
  );
  return columns.length === 0 ? '' : `, FIELD_IDS {${columns.join(', ')}}`;
}

/** The field ids of a file, for its rewritten copy; undefined if one of its columns has none. */
export async function fieldIdsOf(db: DuckDBConnection, path: string): Promise<FieldIds | undefined> {
  const answer = await db.runAndReadAll(
    `SELECT name, field_id::INTEGER AS id, coalesce(num_children, 0)::INTEGER AS children FROM parquet_schema(${literal(path)})`,
  );
  const [, ...elements] = answer.getRowObjectsJson();
  const ids: Record<string, FieldIds[string]> = {};
  for (let at = 0; at < elements.length; ) {
    const { name, id, children } = elements[at++] ?? {};
    if (typeof id !== 'number') return undefined;
    if (children === 0) ids[String(name)] = { id };
    else {
      // In Parquet a list is a group that contains a repeated group with the element.
      const [group, element] = [elements[at++], elements[at++]];
      if (children !== 1 || group?.children !== 1 || element?.children !== 0) return undefined;
      if (typeof element.id !== 'number') return undefined;
      ids[String(name)] = { id, element: element.id };
    }
  }
  return ids;
}
