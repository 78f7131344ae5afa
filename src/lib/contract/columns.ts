/** The columns of a contract's table, and whether contracts with a common table agree on them. */
import { isDeepStrictEqual } from 'node:util';
import { lineage, type OutputColumn, rescued, type TableColumn } from '../model/plan.ts';
import { tableFormatOf } from './contract.ts';
import { versionColumns } from './history.ts';
import type { Contract, PartitionKey } from './schema.ts';

/** The columns from enrichments. All are texts. */
export const enrichedColumns = ({ enrich }: Pick<Contract, 'enrich'>): OutputColumn[] =>
  enrich
    .flatMap((e) => (e.kind === 'lookup' ? Object.keys(e.columns) : [e.column]))
    .map((name) => ({ name, type: 'string' }));

/** Whether a partition key has the values of a column themselves. */
export const isOwnValue = (key: PartitionKey): key is Extract<PartitionKey, { part?: unknown }> =>
  'of' in key && !('transform' in key) && key.part === undefined;

/** Whether a column is in the table: neither a helper nor a partition key with the column's name. */
export const isPublished = (
  { partitionBy }: Pick<Contract, 'partitionBy'>,
  column: { readonly name: string; readonly publish?: false | undefined },
): boolean =>
  column.publish !== false &&
  !partitionBy.some((p) => isOwnValue(p) && p.name === column.name && p.of === column.name);

/** The published columns that a contract reads or derives itself. */
export const ownColumns = (contract: Pick<Contract, 'columns' | 'derive' | 'partitionBy'>) =>
  [...contract.columns, ...contract.derive].filter((column) => isPublished(contract, column));

/** The derived columns of the key: a row without a value in one of them is quarantined. */
export const derivedKeys = ({ derive, dedupe }: Pick<Contract, 'derive' | 'dedupe'>): string[] =>
  derive.flatMap(({ name }) => (dedupe?.key.includes(name) ? [name] : []));

/** A column's earlier names. */
export const earlierNames = (was: string | readonly string[] = []): readonly string[] =>
  typeof was === 'string' ? [was] : was;

/** The columns that it reads or derives and does not publish, by name. */
export const helpersOf = (
  contract: Pick<Contract, 'columns' | 'derive' | 'partitionBy'>,
): ReadonlySet<string> =>
  new Set(
    [...contract.columns, ...contract.derive].flatMap((c) => (isPublished(contract, c) ? [] : [c.name])),
  );

/** The published columns of a contract, in order, without partition keys. */
export function goldenColumns(contract: Contract): TableColumn[] {
  return [
    ...ownColumns(contract).map(({ name, type, description, was }) => ({
      name,
      type: type === 'json' ? 'string' : type,
      ...(description === undefined ? {} : { comment: description }),
      ...(was === undefined ? {} : { was: earlierNames(was) }),
    })),
    ...enrichedColumns(contract),
    ...(contract.drift === 'rescue' ? [rescued] : []),
    ...lineage,
  ];
}

/** Whether a partition key is a part of a time. */
const isTime = (key: Extract<PartitionKey, { of: string }>): boolean =>
  'transform' in key ? key.width === 0 : key.part !== undefined;

/** The order of rows within an object. Event time first: files of one day are mostly read by time. */
export function sortColumns(
  contract: Pick<Contract, 'partitionBy' | 'dedupe'> & Partial<Pick<Contract, 'history'>>,
  published: ReadonlySet<string>,
): string[] {
  const eventTimes = contract.partitionBy.flatMap((p) =>
    'of' in p && isTime(p) && published.has(p.of) ? [p.of] : [],
  );
  return [...new Set([...eventTimes, ...(contract.dedupe?.key ?? []), ...versionColumns(contract)])];
}

/**
 * Why two contracts cannot fill one table; empty if they can. Their columns and partition keys must be equal, and a constant must separate
 * their partitions, because each dataset has its own lease.
 */
export function disagreements(a: Contract, b: Contract): string[] {
  const byName = (contract: Contract) => new Map(goldenColumns(contract).map((c) => [c.name, c]));
  const [left, right] = [byName(a), byName(b)];
  const columns = [...new Set([...left.keys(), ...right.keys()])].flatMap((name) => {
    const [mine, other] = [left.get(name), right.get(name)];
    if (mine === undefined || other === undefined)
      return [`the column "${name}" is only in ${mine === undefined ? b.dataset : a.dataset}`];
    if (mine.type !== other.type)
      return [`the column "${name}" is ${mine.type} in ${a.dataset} and ${other.type} in ${b.dataset}`];
    if (mine.comment !== other.comment)
      return [`the column "${name}" has another description in ${a.dataset} than in ${b.dataset}`];
    if (!isDeepStrictEqual(mine.was, other.was))
      return [`the column "${name}" was another one in ${a.dataset} than in ${b.dataset}`];
    return [];
  });
  if (!isDeepStrictEqual(a.dropped, b.dropped))
    return [...columns, `it loses other columns (dropped) by ${a.dataset} than by ${b.dataset}`];
  const keys = (contract: Contract) => contract.partitionBy.map((p) => p.name).join(', ') || 'none';
  if (keys(a) !== keys(b))
    return [...columns, `the partition keys are ${keys(a)} in ${a.dataset} and ${keys(b)} in ${b.dataset}`];
  if (tableFormatOf(a) !== tableFormatOf(b))
    return [
      ...columns,
      `its format is ${tableFormatOf(a)} in ${a.dataset} and ${tableFormatOf(b)} in ${b.dataset}`,
    ];
  const isApart = a.partitionBy.some((p, i) => {
    const other = b.partitionBy[i];
    return 'constant' in p && other && 'constant' in other && p.constant !== other.constant;
  });
  return isApart
    ? columns
    : [...columns, `no constant in partitionBy keeps the rows of ${a.dataset} and ${b.dataset} apart`];
}
