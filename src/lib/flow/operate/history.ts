/** The snapshots of a dataset's table: lists and pins them. */
import { tableFormatOf, tableOf } from '../../contract/contract.ts';
import { InvalidInput } from '../../errors.ts';
import type { TableHistory, TableSnapshot } from '../../table/format.ts';
import { timeOf } from '../../time.ts';
import { contractOf, type Deps } from '../batch/deps.ts';
import { batchOf } from './again.ts';

export type HistoryDeps = Pick<Deps, 'contracts' | 'formats'>;

/** The history of a dataset's table. Throws InvalidInput if the table keeps none, or nothing was published yet. */
export async function tableHistory(
  deps: HistoryDeps,
  dataset: string,
): Promise<{ readonly table: string; readonly history: TableHistory }> {
  const contract = contractOf(deps, dataset);
  const table = tableOf(contract);
  const format = deps.formats[tableFormatOf(contract)];
  const { history } = format;
  if (history === undefined)
    throw new InvalidInput(
      `${dataset}: the table ${table} is a Hive table, which keeps no snapshots; an Iceberg table does (table: { format: iceberg } in the contract)`,
      { dataset, table },
    );
  if (!(await format.isThere(table)))
    throw new InvalidInput(`${dataset}: the table ${table} does not exist; publish a file first`, {
      dataset,
      table,
    });
  return { table, history };
}

/** The snapshots of a dataset's table that can still be read, in the order of their commits. Throws as `tableHistory`. */
export async function snapshots(deps: HistoryDeps, dataset: string): Promise<readonly TableSnapshot[]> {
  const { table, history } = await tableHistory(deps, dataset);
  return history.snapshots(table);
}

/** The state after a batch, or one that `stateOf` knows. Throws as `stateOf`, and InvalidInput if the batch's snapshot has expired. */
export async function stateOrBatch(
  deps: HistoryDeps & Pick<Deps, 'ledger'>,
  dataset: string,
  which: string,
): Promise<TableSnapshot> {
  const { table, history } = await tableHistory(deps, dataset);
  const all = await history.snapshots(table);
  // The id of a batch has 20 hexadecimal digits. A tag or a snapshot of this name goes first.
  const batches = /^[0-9a-f]{4,20}$/.test(which) ? await deps.ledger.batchesLike(dataset, which) : [];
  if (batches.length === 0 || find(all, which)) return stateOf(deps, dataset, which);
  const record = await batchOf(deps, dataset, which);
  const { batch, committed } = record;
  const found = all.find((s) => s.attempt?.batch === batch && s.attempt.fence === committed);
  if (found) return found;
  throw new InvalidInput(
    `${dataset}: the table ${table} has no snapshot of the batch ${batch}: it ${committed === undefined ? 'was not published' : 'has expired'}`,
    { dataset, batch, table },
  );
}

/**
 * An earlier state of a dataset's table: that of a tag, of a snapshot by its id, or of a time (2025-10-06, 2025-10-06T05:00:00Z). Throws as
 * `tableHistory`, and InvalidInput if the table has no such state.
 */
export async function stateOf(deps: HistoryDeps, dataset: string, which: string): Promise<TableSnapshot> {
  const { table, history } = await tableHistory(deps, dataset);
  const all = await history.snapshots(table);
  const named = find(all, which);
  if (named) return named;
  const at = timeOf(which);
  if (at === undefined) throw noState(dataset, table, which);
  const found = await history.at(table, at);
  if (found) return found;
  const [oldest] = all;
  throw new InvalidInput(
    `${dataset}: the table ${table} has no state of ${which}${oldest === undefined ? '' : `; its oldest snapshot is of ${oldest.at}`}`,
    { dataset, table },
  );
}

const noState = (dataset: string, table: string, which: string): InvalidInput =>
  new InvalidInput(
    `${dataset}: the table ${table} has no snapshot or tag ${which}; the command snapshots lists them`,
    { dataset, table },
  );

/** Names that no snapshot id and no time can have. */
const tagName = /^[A-Za-z][A-Za-z0-9_.-]{0,127}$/;

/**
 * Pins a snapshot under a name, so that maintenance never removes it; the current one if none is given. `which` may be the id of a
 * snapshot or another tag. A repeated call changes nothing. Throws InvalidInput for a name or snapshot that cannot be, TableConflict if the
 * name belongs to another snapshot, CommitUnclear if the call must be repeated.
 */
export async function tag(
  deps: HistoryDeps,
  dataset: string,
  name: string,
  which: string | undefined,
): Promise<TableSnapshot> {
  requireTagName(name);
  const { table, history } = await tableHistory(deps, dataset);
  const all = await history.snapshots(table);
  const snapshot = which === undefined ? all.find((s) => s.standing === 'current') : find(all, which);
  if (snapshot === undefined)
    throw which === undefined
      ? new InvalidInput(`${dataset}: the table ${table} has no snapshot yet; publish a file first`, {
          dataset,
          table,
        })
      : noState(dataset, table, which);
  return history.tag(table, name, snapshot.id);
}

/** Removes a tag. Gives false if there was none. Throws as `tag`. */
export async function untag(deps: HistoryDeps, dataset: string, name: string): Promise<boolean> {
  requireTagName(name);
  const { table, history } = await tableHistory(deps, dataset);
  return history.dropTag(table, name);
}

function requireTagName(name: string): void {
  if (!tagName.test(name))
    throw new InvalidInput(
      `${name}: a tag begins with a letter, and has at most 128 letters, digits, "_", "." and "-"`,
    );
}

const find = (all: readonly TableSnapshot[], which: string): TableSnapshot | undefined =>
  all.find((s) => s.tags.includes(which)) ?? all.find((s) => s.id === which);
