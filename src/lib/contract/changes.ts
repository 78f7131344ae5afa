/** Change feeds: what `source.change` sets in a contract. The row part gives each record the fields below before its own. */
import { columnSchema } from './columnSchema.ts';
import type { Contract } from './schema.ts';

/** Fields of a change, beside those of its row: the operation, the place in the order of all changes, and the feed's time. */
export const changeFields = { op: '_op', sequence: '_sequence', time: '_time' } as const;

export const isChangeField = (path: string): boolean =>
  Object.values(changeFields).some((field) => field === path);

/** The names of the columns that a feed adds. */
const [operation, sequence] = ['change_op', 'change_sequence'];

const isOperation = ({ name }: { readonly name: string }): boolean => name === operation;

/** A record that is no change of a row has no operation: it is counted and skipped. */
const isChange = `${operation} is not null`;

/**
 * The contract of a change feed with its columns, its order, the condition of a delete, and the scope `table`, as far as it does not name
 * them itself. A contract that has them already stays as it is.
 */
export function withChange<C extends Contract>(contract: C): C {
  const { source, columns, dedupe, when, history } = contract;
  if (source.change === undefined || dedupe === undefined) return contract;
  const isOrdered = dedupe.order.length > 0;
  const scope = dedupe.scope === 'batch' ? 'table' : dedupe.scope;
  // With another order or scope, or a history, truncates are quarantined.
  const isTruncated =
    history === undefined &&
    scope === 'table' &&
    (!isOrdered || (dedupe.order.length === 1 && dedupe.order[0]?.direction === 'desc'));
  const added = [
    {
      name: operation,
      path: changeFields.op,
      type: 'string',
      publish: false,
      map: { create: ['c'], update: ['u'], delete: ['d'], read: ['r'], truncate: ['t'] },
      mapDefault: 'reject',
    },
    ...(isOrdered ? [] : [{ name: sequence, path: changeFields.sequence, type: 'string', required: true }]),
  ].filter(({ name, path }) => !columns.some((c) => c.name === name && c.path === path));
  return {
    ...contract,
    // The operation comes first: of a row with several faults, its own is the reason.
    columns: [
      ...added.filter(isOperation).map((column) => columnSchema.parse(column)),
      ...columns,
      ...added.filter((column) => !isOperation(column)).map((column) => columnSchema.parse(column)),
    ],
    when: when === undefined ? isChange : when.includes(isChange) ? when : `(${when}) and ${isChange}`,
    dedupe: {
      ...dedupe,
      order: isOrdered ? dedupe.order : [{ column: sequence, direction: 'desc' }],
      scope,
      deleteWhen: dedupe.deleteWhen ?? `${operation} = 'delete'`,
      ...(isTruncated ? { truncateWhen: dedupe.truncateWhen ?? `${operation} = 'truncate'` } : {}),
    },
  };
}
