/** Lookups of tables that other datasets of the project fill. */
import { isDeepStrictEqual } from 'node:util';
import { goldenColumns } from './columns.ts';
import { partitionKeysOf, tableOf } from './contract.ts';
import type { Contract, Lookup } from './schema.ts';

/** What a lookup reads of a table. */
export interface TableLookup {
  readonly table: string;
  /** The key: column of the table -> type of the column that asks. */
  readonly keys: Readonly<Record<string, string>>;
  readonly values: readonly string[];
  /** Of rows with equal keys, the first in this order counts. */
  readonly order: NonNullable<Contract['dedupe']>['order'];
  /** Hive types of the table's columns. */
  readonly types: ReadonlyMap<string, string>;
  /** In the order of the folders. */
  readonly partitionKeys: readonly string[];
}

/** The key of a lookup: column of the file or table -> type of the column that asks. */
export const keyTypesOf = ({ columns }: Pick<Contract, 'columns'>, { on }: Lookup): Record<string, string> =>
  Object.fromEntries(
    Object.entries(on).map(([column, key]) => [
      key,
      columns.find((c) => c.name === column)?.type ?? 'string',
    ]),
  );

/** `filledBy`: a contract of the table. */
export const tableLookupOf = (contract: Contract, lookup: Lookup, filledBy: Contract): TableLookup => ({
  table: tableOf(filledBy),
  keys: keyTypesOf(contract, lookup),
  values: Object.values(lookup.columns),
  order: filledBy.dedupe?.order ?? [],
  types: typesOf(filledBy),
  partitionKeys: filledBy.partitionBy.map(({ name }) => name),
});

/** Whether a contract looks up a table. */
export const looksUp = ({ enrich }: Pick<Contract, 'enrich'>, table: string): boolean =>
  enrich.some((e) => e.kind === 'lookup' && e.table === table);

/** Whether it looks up any. */
export const looksUpTables = ({ enrich }: Pick<Contract, 'enrich'>): boolean =>
  enrich.some((e) => e.kind === 'lookup' && e.table !== undefined);

/** The faults of a contract's lookups of tables, among all contracts that are built together: position in `enrich`, and message. */
export function lookupFaults(
  contract: Contract,
  contracts: Iterable<Contract>,
): { readonly enrichment: number; readonly message: string }[] {
  const all = [...contracts];
  return contract.enrich.flatMap((e, enrichment) => {
    if (e.kind !== 'lookup' || e.table === undefined) return [];
    const filledBy = all.filter((c) => tableOf(c) === e.table);
    const message = faultOf(contract, e, e.table, filledBy);
    return message === null ? [] : [{ enrichment, message }];
  });
}

function faultOf(
  contract: Contract,
  lookup: Lookup,
  table: string,
  filledBy: readonly Contract[],
): string | null {
  const [first] = filledBy;
  if (table === tableOf(contract)) return `looks up its own table "${table}": a lookup is of another one`;
  if (first === undefined) return `there is no dataset that fills the table "${table}"`;
  const others = filledBy.find((c) => !isDeepStrictEqual(c.dedupe?.order, first.dedupe?.order));
  if (others !== undefined)
    return `the datasets ${first.dataset} and ${others.dataset} fill the table "${table}" with different orders in dedupe, so it is not known which row of a key counts`;
  for (const of of filledBy) {
    const fault = rowFault(lookup, table, of) ?? columnFault(contract, lookup, table, of);
    if (fault !== null) return fault;
  }
  return filledBy.length > 1 && first.dedupe?.order.length === 0
    ? `the datasets ${filledBy.map((c) => c.dataset).join(' and ')} fill the table "${table}": dedupe needs an order, which says whose row of a key counts`
    : null;
}

/** Why it is not known which row of a key counts; null if it is. */
function rowFault(
  { on }: Lookup,
  table: string,
  { dataset, dedupe, history, partitionBy }: Contract,
): string | null {
  const asked = Object.values(on);
  if (history !== undefined)
    return `the table "${table}" has a history in the contract ${dataset}: it has a row for each version of a key, and a lookup cannot tell which of them counts`;
  if (dedupe === undefined || !dedupe.key.every((name) => asked.includes(name)))
    return `the table "${table}" may have several rows with equal ${asked.join(', ')}: the contract ${dataset} needs dedupe with a key of no other columns`;
  const isInOnePartition = partitionBy.every((p) => 'constant' in p || dedupe.key.includes(p.of));
  const isUnique = dedupe.scope === 'table' || (dedupe.scope === 'partition' && isInOnePartition);
  return isUnique || dedupe.order.length > 0
    ? null
    : `the table "${table}" may have several rows with equal ${asked.join(', ')}: in the contract ${dataset}, dedupe needs the scope table, or an order, whose first row counts`;
}

function columnFault(contract: Contract, lookup: Lookup, table: string, of: Contract): string | null {
  const types = typesOf(of);
  for (const name of [...Object.values(lookup.on), ...Object.values(lookup.columns)])
    if (!types.has(name))
      return `the table "${table}" has no column "${name}" that the contract ${of.dataset} names`;
  const read = [...Object.values(lookup.columns), ...(of.dedupe?.order ?? []).map(({ column }) => column)];
  for (const name of read) {
    const type = types.get(name) ?? '';
    if (type.startsWith('array<') || precisionOf(type) > exactDigits)
      return `the column "${name}" of the table "${table}" is ${type}; a lookup reads values that are no arrays, and decimals of at most ${exactDigits} digits`;
  }
  for (const [name, asking] of Object.entries(keyTypesOf(contract, lookup))) {
    const type = types.get(name) ?? '';
    if (kindOf(type) !== kindOf(asking))
      return `the column "${name}" of the table "${table}" is ${type}, and is asked with a ${asking}: a text is found by texts, and a whole number by whole numbers`;
  }
  return null;
}

/** Doubles have so many digits exactly. */
const exactDigits = 15;
const precisionOf = (type: string): number => Number(/^decimal\((\d+)/.exec(type)?.[1] ?? 0);

const kindOf = (type: string): string => (type === 'int' || type === 'bigint' ? 'integer' : type);

/** The columns that a contract itself gives to its table. A key that is a transform is none. */
const typesOf = (contract: Contract): Map<string, string> =>
  new Map([
    ...goldenColumns(contract).map(({ name, type }) => [name, type] as const),
    ...partitionKeysOf(contract).flatMap(({ name, transform }) =>
      transform === undefined ? [[name, 'string'] as const] : [],
    ),
  ]);
