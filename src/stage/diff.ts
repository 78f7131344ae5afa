/** What changed between two states of an Iceberg table: counts and keys, which Athena finds. */
import { dedupeKey, tableOf } from '../lib/contract/contract.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { identifier, literal } from '../lib/dialect/athenaNames.ts';
import { InvalidInput } from '../lib/errors.ts';
import { contractOf } from '../lib/flow/batch/deps.ts';
import type { OperatorDeps } from '../lib/flow/operate/again.ts';
import { stateOrBatch, tableHistory } from '../lib/flow/operate/history.ts';
import { lineage } from '../lib/model/plan.ts';
import type { StateDifference, TableSnapshot } from '../lib/table/format.ts';
import type { Stage } from './connect.ts';
import { query } from './query.ts';

export interface Diff {
  readonly table: string;
  readonly from: TableSnapshot;
  readonly to: TableSnapshot;
  /** The contract's dedupe key; all compared columns if it has none. */
  readonly key: readonly string[];
  /** Columns that only one of the states has: they are not compared. */
  readonly onlyFrom: readonly string[];
  readonly onlyTo: readonly string[];
  /** Numbers of keys. */
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
  /** The first keys that differ. */
  readonly keys: readonly {
    readonly change: string;
    readonly key: Readonly<Record<string, string | null>>;
  }[];
}

/** A query with more partitions than these would be too long; it reads the whole table then. */
const mostPartitions = 300;

/**
 * Compares two states of a dataset's table (each a batch, a tag, the id of a snapshot, or a time) by the contract's dedupe key. Columns that
 * only trace a row do not count. Only partitions with other objects are read. Gives at most `shown` keys. Throws InvalidInput for a Hive table
 * and for a state that does not exist.
 */
export async function diff(
  stage: Pick<Stage, 'athena' | 'config'>,
  deps: OperatorDeps,
  dataset: string,
  [a, b]: readonly [string, string],
  shown: number,
): Promise<Diff> {
  const contract = contractOf(deps, dataset);
  const table = tableOf(contract);
  const from = await stateOrBatch(deps, dataset, a);
  const to = await stateOrBatch(deps, dataset, b);
  const { history } = await tableHistory(deps, dataset);
  const difference = await history.difference(table, from.id, to.id);
  const traced = new Set(lineage.map(({ name }) => name));
  const columns = difference.columns.filter((column) => !traced.has(column.to));
  const key = dedupeKey(contract)?.filter((name) => !traced.has(name)) ?? columns.map((column) => column.to);
  const absent = key.find((name) => !columns.some((column) => column.to === name));
  if (absent !== undefined)
    throw new InvalidInput(
      `${dataset}: one of the two states has no column ${absent}, which is part of the key`,
      {
        dataset,
        column: absent,
      },
    );
  const known = { table, from, to, key, onlyFrom: difference.onlyFrom, onlyTo: difference.onlyTo };
  if (difference.isSame) return { ...known, added: 0, removed: 0, changed: 0, keys: [] };
  const compared = comparisonOf({ contract, from, to, key, columns, partitions: difference.partitions });
  const { rows } = await query(stage, `${compared} ${countsOf}`);
  const [added = 0, removed = 0, changed = 0] = (rows[0] ?? []).map(Number);
  const keys =
    shown === 0 || added + removed + changed === 0
      ? []
      : (await query(stage, `${compared} ${firstKeys(key, shown)}`)).rows;
  return {
    ...known,
    added,
    removed,
    changed,
    keys: keys.map(([change, ...values]) => ({
      change: change ?? '',
      key: Object.fromEntries(key.map((name, i) => [name, values[i] ?? null])),
    })),
  };
}

interface Compared {
  readonly contract: Contract;
  readonly from: Pick<TableSnapshot, 'id'>;
  readonly to: Pick<TableSnapshot, 'id'>;
  readonly key: readonly string[];
  readonly columns: StateDifference['columns'];
  readonly partitions: StateDifference['partitions'];
}

/**
 * `_keys`: each key with the number of its rows in both states, and of its rows whose number differs. Rows with equal values are one group,
 * so values of any type are compared as the engine compares them, and rows without a unique key are counted.
 */
export function comparisonOf({ contract, from, to, key, columns, partitions }: Compared): string {
  const table = identifier(tableOf(contract));
  const names = columns.map((column) => identifier(column.to)).join(', ');
  const side = (of: 'from' | 'to', { id }: Pick<TableSnapshot, 'id'>) => {
    const selected = columns.map((column) => `${identifier(column[of])} AS ${identifier(column.to)}`);
    const named = (name: string) => identifier(columns.find((column) => column.to === name)?.[of] ?? name);
    const conditions = [ownRows(contract, named), inPartitions(partitions, named)].filter(
      (c) => c !== undefined,
    );
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    return `SELECT ${of === 'from' ? 0 : 1} AS _side, ${selected.join(', ')} FROM ${table} FOR VERSION AS OF ${id}${where}`;
  };
  const keys = key.map(identifier).join(', ');
  return `WITH _states AS (${side('from', from)} UNION ALL ${side('to', to)}),
_rows AS (SELECT ${names}, count_if(_side = 0) AS _from, count_if(_side = 1) AS _to FROM _states GROUP BY ${names}),
_keys AS (SELECT ${keys}, sum(_from) AS _from, sum(_to) AS _to, count_if(_from <> _to) AS _differing FROM _rows GROUP BY ${keys})`;
}

/** The numbers of keys that were added, removed and changed. */
export const countsOf = `SELECT count_if(_from = 0) AS added, count_if(_to = 0) AS removed, count_if(_from > 0 AND _to > 0 AND _differing > 0) AS changed FROM _keys`;

/** The first keys that differ, with their change. */
export const firstKeys = (key: readonly string[], shown: number): string => {
  const keys = key.map(identifier).join(', ');
  const change = "CASE WHEN _from = 0 THEN 'added' WHEN _to = 0 THEN 'removed' ELSE 'changed' END AS _change";
  return `SELECT ${change}, ${keys} FROM _keys WHERE _differing > 0 ORDER BY ${keys} LIMIT ${shown}`;
};

/** Another dataset may fill the same table: a constant tells its rows apart. */
function ownRows({ partitionBy }: Contract, named: (name: string) => string): string | undefined {
  const own = partitionBy.flatMap((p) =>
    'constant' in p ? [`${named(p.name)} = ${literal(p.constant)}`] : [],
  );
  return own.length === 0 ? undefined : own.join(' AND ');
}

function inPartitions(
  partitions: StateDifference['partitions'],
  named: (name: string) => string,
): string | undefined {
  if (partitions === undefined || partitions.length > mostPartitions) return undefined;
  const each = partitions.map((values) =>
    Object.entries(values)
      .map(([name, value]) => `${named(name)} = ${literal(value)}`)
      .join(' AND '),
  );
  return `(${each.map((condition) => `(${condition})`).join(' OR ')})`;
}
