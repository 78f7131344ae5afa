/** Finds the source fields of each published column, for lineage. */
import { helpersOf } from '../contract/columns.ts';
import type { Contract } from '../contract/schema.ts';
import { columnsIn, parseExpression } from '../expression/parse.ts';

/** Published column or partition key -> the fields of the record, as paths, and of references, as `file#column` or `table#column`. */
export function fieldsOf(contract: Contract): Record<string, string[]> {
  const fields = new Map(contract.columns.map(({ name, path }) => [name, [path]]));
  const behind = (columns: Iterable<string>) => [
    ...new Set([...columns].flatMap((name) => fields.get(name) ?? [])),
  ];
  for (const { name, expression } of contract.derive)
    fields.set(name, behind(columnsIn(parseExpression(expression))));
  for (const e of contract.enrich)
    if (e.kind === 'lookup')
      for (const [name, from] of Object.entries(e.columns))
        fields.set(name, [...behind(Object.keys(e.on)), `${e.file ?? e.table}#${from}`]);
    else fields.set(e.column, [...behind([e.longitude, e.latitude]), `${e.file}#${e.property}`]);
  for (const key of contract.partitionBy) fields.set(key.name, 'of' in key ? behind([key.of]) : []);
  const keys = new Set(contract.partitionBy.map(({ name }) => name));
  for (const name of helpersOf(contract)) if (!keys.has(name)) fields.delete(name);
  return Object.fromEntries(fields);
}
