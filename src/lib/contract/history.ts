/** Histories: what `history` adds to a contract. The set part gives the columns their values: see src/lib/dialect/history.ts. */
import type { Contract } from './schema.ts';

/** The types by which versions are found again in published objects. */
export const versionTypes = ['string', 'int', 'bigint', 'date', 'timestamp'] as const;

/** The columns by which the versions of a key are different rows; none without a history. */
export const versionColumns = ({
  dedupe,
  history,
}: Pick<Contract, 'dedupe'> & Partial<Pick<Contract, 'history'>>): string[] =>
  history === undefined ? [] : (dedupe?.order.map(({ column }) => column) ?? []);

type Derived = Contract['derive'][number];

/** The contract with the columns of its history. A contract that has them already stays as it is. */
export function withHistory<C extends Contract>(contract: C): C {
  const { history, dedupe, columns, derive } = contract;
  const [version] = dedupe?.order ?? [];
  const column = columns.find(({ name }) => name === version?.column);
  const type = versionTypes.find((each) => each === column?.type);
  // The checks say what is missing.
  if (history === undefined || column === undefined || type === undefined) return contract;
  const added: Derived[] = [
    ...(history.validFrom === column.name
      ? []
      : [{ name: history.validFrom, type, expression: column.name }]),
    { name: history.validTo, type, expression: `if(false, ${column.name}, null)` },
    { name: history.current, type: 'boolean', expression: 'true' },
  ];
  const isThere = ({ name, expression }: Derived) =>
    derive.some((d) => d.name === name && d.expression === expression);
  return { ...contract, derive: [...derive, ...added.filter((d) => !isThere(d))] };
}
