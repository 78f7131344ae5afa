/** Reads `FOR VERSION AS OF` and `FOR TIMESTAMP AS OF`, which DuckDB does not have. */
import { idAt, type Metadata, type Snapshot, snapshotOf } from '../../src/lib/table/iceberg/metadata.ts';
import { notSupported, QueryError } from './queryError.ts';
import { type Name, tokenize } from './sqlReader.ts';

/** A state of a table: the id of a snapshot, a tag or branch, or a time (milliseconds since 1970). */
export type State = { readonly id: bigint } | { readonly ref: string } | { readonly time: number };

export interface PastTable extends Name {
  readonly state: State;
}

/**
 * The statement with a name of its own for each table that it reads in an earlier state, and these tables by their new names. Throws
 * QueryError for a state that is computed.
 */
export function separatePast(sql: string): { sql: string; past: ReadonlyMap<string, PastTable> } {
  const tokens = tokenize(sql);
  const word = (i: number) => tokens[i]?.text.toUpperCase() ?? '';
  const past = new Map<string, PastTable>();
  let result = '';
  let from = 0;
  for (let i = 1; i < tokens.length; i++) {
    const kind = word(i + 1);
    const isState =
      word(i) === 'FOR' && /^(VERSION|TIMESTAMP)$/.test(kind) && word(i + 2) === 'AS' && word(i + 3) === 'OF';
    if (!isState) continue;
    const parts = [nameIn(tokens[i - 1]?.text)];
    let first = i - 1;
    for (; word(first - 1) === '.'; first -= 2) parts.unshift(nameIn(tokens[first - 2]?.text));
    const [table = '', database] = parts.reverse();
    const { state, last } =
      kind === 'VERSION'
        ? versionIn(tokens[i + 4]?.text, i + 4)
        : timeIn(word(i + 4), tokens[i + 5]?.text, i + 5);
    const name = `state_${past.size}_of_${table}`;
    past.set(name, { table, database, state });
    // Without an alias, the rest of the statement knows the table by its own name.
    const alias = isAlias(tokens[last + 1]?.text) ? '' : ` AS "${table}"`;
    result += `${sql.slice(from, tokens[first]?.at)}"${name}"${alias}`;
    const end = tokens[last];
    from = end === undefined ? sql.length : end.at + end.text.length;
    i = last;
  }
  return { sql: result + sql.slice(from), past };
}

const nameIn = (token = ''): string => token.replace(/^[`"](.*)[`"]$/s, '$1').toLowerCase();

function versionIn(token = '', last: number): { state: State; last: number } {
  if (/^\d{1,19}$/.test(token)) return { state: { id: BigInt(token) }, last };
  if (token.startsWith("'")) return { state: { ref: textIn(token) }, last };
  throw notSupported('FOR VERSION AS OF with a computed version');
}

function timeIn(type: string, token = '', last: number): { state: State; last: number } {
  const [, day, time = '00:00', zone = 'Z'] =
    /^(\d{4}-\d{2}-\d{2})(?: (\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?))?(?: ?(UTC|[+-]\d{2}:\d{2}))?$/.exec(
      textIn(token),
    ) ?? [];
  const at = Date.parse(`${day}T${time}${zone === 'UTC' ? 'Z' : zone}`);
  if (type !== 'TIMESTAMP' || Number.isNaN(at))
    throw notSupported('FOR TIMESTAMP AS OF with a computed time or a named zone');
  return { state: { time: at }, last };
}

const textIn = (token: string): string => token.slice(1, -1).replaceAll("''", "'");

/** Words that may stand behind a table. Any other one is its alias. */
const behindTables =
  /^(where|group|having|order|limit|offset|fetch|window|union|intersect|except|join|inner|left|right|full|cross|natural|on|using|tablesample|for)$/i;
const isAlias = (token = ''): boolean => /^[\w"`]/.test(token) && !behindTables.test(token);

/** The snapshot of a state. Throws QueryError as Trino words it. */
export function snapshotIn(metadata: Metadata, table: string, state: State): Snapshot {
  const found =
    'time' in state
      ? idAt(metadata, state.time)
      : 'id' in state
        ? state.id
        : Object.hasOwn(metadata.refs, state.ref)
          ? metadata.refs[state.ref]?.['snapshot-id']
          : undefined;
  const snapshot = found === undefined ? undefined : snapshotOf(metadata, found);
  if (snapshot) return snapshot;
  throw new QueryError(
    'time' in state
      ? `INVALID_ARGUMENTS: No version history table ${table} at or before ${new Date(state.time).toISOString()}`
      : 'id' in state
        ? `INVALID_ARGUMENTS: Iceberg snapshot ID does not exist: ${state.id}`
        : `INVALID_ARGUMENTS: Cannot find snapshot with reference name: ${state.ref}`,
  );
}
