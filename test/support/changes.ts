/**
 * A source whose rows change, and what Debezium, DMS and DynamoDB tell of it: inserts, updates, deletes, changed keys and truncates, with
 * repeats, in disorder, cut into files. A file may come with errors first, and is corrected later.
 */
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { Dice } from '../oracle/dice.ts';

export const feeds = ['debezium', 'dms', 'dynamodb'] as const;
export type Feed = (typeof feeds)[number];

interface SourceRow {
  readonly id: number;
  readonly n: number;
  readonly v: number;
}

interface Change {
  readonly op: 'read' | 'create' | 'update' | 'delete' | 'truncate';
  /** Its place in the order of all changes. */
  readonly at: number;
  readonly row: SourceRow;
}

export interface ChangedFile {
  readonly key: string;
  readonly lines: readonly string[];
  /** What it has at first, if it is corrected later. */
  readonly wrong?: readonly string[];
}

/** How each feed writes a change, as a line. */
const written: Readonly<Record<Feed, (change: Change) => string>> = {
  debezium: ({ op, at, row }) => {
    const isGone = op === 'delete' || op === 'truncate';
    return JSON.stringify({
      op: { read: 'r', create: 'c', update: 'u', delete: 'd', truncate: 't' }[op],
      source: { connector: 'postgresql', lsn: at },
      before: op === 'delete' ? { id: row.id } : null,
      after: isGone ? null : row,
    });
  },
  dms: ({ op, at, row: { id, n, v } }) =>
    op === 'read'
      ? `,,${id},${n},${v}`
      : `${{ create: 'I', update: 'U', delete: 'D', truncate: 'T' }[op]},${String(at).padStart(12, '0')},${id},${n},${v}`,
  dynamodb: ({ op, at, row }) => {
    const numbers = (of: object) =>
      Object.fromEntries(Object.entries(of).map(([name, value]) => [name, { N: String(value) }]));
    if (op === 'read') return JSON.stringify({ Item: numbers(row) });
    return JSON.stringify({
      eventName: op === 'create' ? 'INSERT' : op === 'update' ? 'MODIFY' : 'REMOVE',
      dynamodb: {
        Keys: numbers({ id: row.id }),
        SequenceNumber: String(at),
        ...(op === 'delete' ? {} : { NewImage: numbers(row) }),
      },
    });
  },
};

interface ContractOptions {
  readonly scope?: string | undefined;
  readonly hasHistory?: boolean | undefined;
  /** Its files begin with this name, too. */
  readonly dataset?: string;
}

/** The text of a contract for a feed. */
export const changesText = (
  feed: Feed,
  format: string,
  { scope = 'table', hasHistory = false, dataset = 'feed' }: ContractOptions = {},
): string =>
  JSON.stringify({
    dataset,
    table: { format },
    source: {
      prefix: `${dataset}/`,
      change: feed,
      ...(feed === 'dms'
        ? { formats: ['csv'], csv: { header: ['Op', 'AR_H_CHANGE_SEQ', 'id', 'n', 'v'] } }
        : { formats: ['ndjson'] }),
    },
    columns: ['id', 'n', 'v'].map((name) => ({
      name,
      path: feed === 'dynamodb' ? `${name}.N` : name,
      type: 'bigint',
      ...(name === 'id' ? { required: true } : {}),
    })),
    dedupe: { key: ['id'], scope },
    ...(hasHistory ? { history: { validFrom: 'since', validTo: 'until', current: 'is_current' } } : {}),
    partitionBy: [
      { name: 'source', constant: dataset },
      ...(scope === 'table' ? [{ name: 'part', of: 'n' }] : []),
    ],
  });

export const changesContract = (feed: Feed, format: string, options?: ContractOptions): Contract =>
  parseContract('feed.yml', changesText(feed, format, options));

export interface Told {
  readonly files: readonly ChangedFile[];
  /** The rows of the source in the end, as texts, sorted. */
  readonly state: readonly string[];
  /** All versions of its rows with their validity, as texts, sorted. */
  readonly versions: readonly string[];
}

export const textOf = ({ id, n, v }: { id: unknown; n: unknown; v: unknown }): string => `${id} ${n} ${v}`;

/** Changes of a source with `keys` rows at most, in files of up to `fileLines` lines. */
export function tellChanges(
  feed: Feed,
  dice: Dice,
  {
    changes: count,
    keys,
    fileLines,
    window,
    truncates = true,
  }: { changes: number; keys: number; fileLines: number; window: number; truncates?: boolean },
): Told {
  const state = new Map<number, SourceRow>();
  const changes: Change[] = [];
  const tell = (op: Change['op'], row: SourceRow) => changes.push({ op, at: 1000 + changes.length, row });
  for (let id = 1; id <= keys / 3; id++) {
    const row = { id, n: dice.from(1, 3), v: 0 };
    state.set(id, row);
    tell('read', row);
  }
  while (changes.length < count) {
    const id = dice.from(1, keys);
    const there = state.get(id);
    const row = { id, n: dice.from(1, 3), v: changes.length };
    if (truncates && feed === 'debezium' && dice.isOne(Math.max(200, keys * 20))) {
      state.clear();
      tell('truncate', row);
    } else if (there === undefined) {
      state.set(id, row);
      tell('create', row);
    } else if (dice.isOne(4)) {
      state.delete(id);
      tell('delete', there);
    } else if (dice.isOne(8) && !state.has(id + keys)) {
      const other = { ...row, id: id + keys };
      state.delete(id);
      tell('delete', there);
      state.set(other.id, other);
      tell('create', other);
    } else {
      state.set(id, row);
      tell('update', row);
    }
  }
  const line = written[feed];
  const arriving = [...changes, ...dice.some(changes, 0.1)]
    .map((change) => ({ change, at: change.at + dice.from(0, window) }))
    .sort((a, b) => a.at - b.at)
    .map(({ change }) => change);
  /** A change that never happened: another value, a delete, or a row that the source never had. */
  const forged = ({ at, row }: Change): Change =>
    dice.oneOf<Change>(
      () => ({ op: 'update', at, row: { ...row, v: -at } }),
      () => ({ op: 'update', at: at + dice.from(1, window), row: { ...row, n: dice.from(1, 3), v: -at } }),
      () => ({ op: 'delete', at: at + dice.from(1, window), row }),
      () => ({ op: 'create', at, row: { ...row, id: row.id + 10 * keys, v: -at } }),
    );
  const files: ChangedFile[] = [];
  for (let from = 0; from < arriving.length; ) {
    const own = arriving.slice(from, from + dice.from(1, fileLines));
    from += own.length;
    const wrong = own.flatMap((change) =>
      dice.isOne(4) ? [] : dice.isOne(4) ? [change, forged(change)] : [change],
    );
    files.push({
      key: `feed/${String(dice.from(0, 999_999)).padStart(6, '0')}-${files.length}.${feed === 'dms' ? 'csv' : 'json'}`,
      lines: own.map(line),
      ...(dice.isOne(3) ? { wrong: wrong.map(line) } : {}),
    });
  }
  return { files, state: [...state.values()].map(textOf).sort(), versions: versionsOf(feed, changes) };
}

/** The files in the order in which they come: a correction comes at some time after its file. */
export function inTurn({ files }: Told, dice: Dice): { key: string; lines: readonly string[] }[] {
  const first = files.map(({ key, lines, wrong = lines }, at) => ({ key, lines: wrong, at }));
  const corrections = files.flatMap(({ key, lines, wrong }, at) =>
    wrong === undefined ? [] : [{ key, lines, at: at + dice.from(1, files.length) + 0.5 }],
  );
  return [...first, ...corrections].sort((a, b) => a.at - b.at);
}

/** Each version of a row is valid until the next change of its key; the last one, without a change behind it, is current. */
function versionsOf(feed: Feed, changes: readonly Change[]): string[] {
  const placeOf = ({ op, at }: Change) => (op === 'read' && feed !== 'debezium' ? 0 : at);
  const byKey = Map.groupBy(
    changes.filter(({ op }) => op !== 'truncate'),
    ({ row }) => row.id,
  );
  return [...byKey.values()]
    .flatMap((of) =>
      of.flatMap((change, i) => {
        const next = of[i + 1];
        const [since, until] = [placeOf(change), next && placeOf(next)];
        const current = next === undefined;
        return change.op === 'delete' ? [] : [versionText({ ...change.row, since, until, current })];
      }),
    )
    .sort();
}

export const versionText = (row: {
  id: unknown;
  n: unknown;
  v: unknown;
  since: unknown;
  until: unknown;
  current: unknown;
}): string =>
  // A place is a text with zeros before the number; rows that a feed has read at first may have none.
  `${textOf(row)} from ${Number(row.since)} to ${row.until ? Number(row.until) : '-'}${row.current ? ' current' : ''}`;
