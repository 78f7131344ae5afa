/** The columns of a contract's table, and whether contracts with a common table agree on them. */
import { lineage, type OutputColumn, rescued } from '../model/plan.ts';
import { tableFormatOf } from './contract.ts';
import type { Contract } from './schema.ts';

/** The columns from enrichments. All are texts. */
export const enrichedColumns = ({ enrich }: Pick<Contract, 'enrich'>): OutputColumn[] =>
  enrich
    .flatMap((e) => (e.kind === 'lookup' ? Object.keys(e.columns) : [e.column]))
    .map((name) => ({ name, type: 'string' }));

/** Whether a column is in the table: neither a helper nor a partition key with the column's name. */
export const isPublished = (
  { partitionBy }: Pick<Contract, 'partitionBy'>,
  column: { readonly name: string; readonly publish?: false | undefined },
): boolean =>
  column.publish !== false &&
  !partitionBy.some(
    (p) => 'of' in p && p.part === undefined && p.name === column.name && p.of === column.name,
  );

/** The published columns that a contract reads or derives itself. */
export const ownColumns = (contract: Pick<Contract, 'columns' | 'derive' | 'partitionBy'>) =>
  [...contract.columns, ...contract.derive].filter((column) => isPublished(contract, column));

/** The columns that it reads or derives and does not publish, by name. */
export const helpersOf = (
  contract: Pick<Contract, 'columns' | 'derive' | 'partitionBy'>,
): ReadonlySet<string> =>
  new Set(
    [...contract.columns, ...contract.derive].flatMap((c) => (isPublished(contract, c) ? [] : [c.name])),
  );

/** The published columns of a contract, in order, without partition keys. */
export function goldenColumns(contract: Contract): OutputColumn[] {
  return [
    ...ownColumns(contract).map(({ name, type }) => ({ name, type: type === 'json' ? 'string' : type })),
    ...enrichedColumns(contract),
    ...(contract.drift === 'rescue' ? [rescued] : []),
    ...lineage,
  ];
}

/**
 * Why two contracts cannot fill one table; empty if they can. Their columns and partition keys must be equal, and a constant must separate
 * their partitions, because each dataset has its own lease.
 */
export function disagreements(a: Contract, b: Contract): string[] {
  const types = (contract: Contract) => new Map(goldenColumns(contract).map((c) => [c.name, c.type]));
  const [left, right] = [types(a), types(b)];
  const columns = [...new Set([...left.keys(), ...right.keys()])].flatMap((name) => {
    const [mine, other] = [left.get(name), right.get(name)];
    if (mine === other) return [];
    if (mine === undefined || other === undefined)
      return [`the column "${name}" is only in ${mine === undefined ? b.dataset : a.dataset}`];
    return [`the column "${name}" is ${mine} in ${a.dataset} and ${other} in ${b.dataset}`];
  });
  const keys = (contract: Contract) => contract.partitionBy.map((p) => p.name).join(', ');
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
