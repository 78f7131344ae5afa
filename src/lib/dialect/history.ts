/**
 * The set part of a history. The marks of a key are the orders of its versions and deletes. A version is valid until the next mark of its
 * key; one without a next mark is current.
 */
import type { SetPart } from '../model/plan.ts';
import type { Quoting } from './lookup.ts';
import { type Step, statementOf } from './steps.ts';

type Dedupe = NonNullable<SetPart['dedupe']>;
type History = NonNullable<Dedupe['history']>;
type Identifier = Pick<Quoting, 'identifier'>;

/** The published rows of the keys that the batch touches: keys of its rows, and of rows that leave with their file. */
export function touchedRows({ key }: History, rows: string, { identifier }: Identifier): string {
  const columns = key.map((name) => identifier(name));
  const given = columns.map((name, i) => `${name} AS _g${i}`).join(', ');
  return `SELECT published.* FROM published
SEMI JOIN (SELECT ${given} FROM ${rows} WHERE _reason IS NULL
UNION ALL SELECT ${given} FROM published WHERE _is_gone) AS given ON ${columns.map((name, i) => `published.${name} = given._g${i}`).join(' AND ')}`;
}

/**
 * `following`: each mark of the touched keys with the next one. `ranked`: the name of the relation with the fates of the batch's rows. A
 * published `validTo` that no version and no tombstone explains is of a delete that is not remembered any more, and stays a mark.
 */
export function validitySteps(
  { key, version, validTo }: History,
  ranked: string,
  deletes: boolean,
  { identifier }: Identifier,
): Step[] {
  const columns = key.map((name) => identifier(name));
  const [at, until] = [identifier(version), identifier(validTo)];
  const named = (time: string) =>
    [...columns.map((name, i) => `${name} AS _h${i}`), `${time} AS _at`].join(', ');
  const marks = columns.map((_, i) => `_h${i}`).join(', ');
  return [
    ['known', `SELECT DISTINCT ${named(at)} FROM before`],
    [
      'closed',
      `SELECT ${named(until)} FROM before WHERE ${until} IS NOT NULL${deletes ? ' AND NOT _is_tombstone' : ''}`,
    ],
    [
      'marks',
      `SELECT ${named(at)} FROM ${ranked} WHERE _fate IN ('published', 'deletes') AND ${at} IS NOT NULL
UNION SELECT ${named(at)} FROM candidates WHERE ${at} IS NOT NULL
UNION SELECT closed.* FROM closed ANTI JOIN known ON ${columns.map((_, i) => `closed._h${i} = known._h${i}`).join(' AND ')} AND closed._at = known._at`,
    ],
    ['following', `SELECT marks.*, lead(_at) OVER (PARTITION BY ${marks} ORDER BY _at) AS _next FROM marks`],
  ];
}

/** The rows of the batch with their validity. `columns`: all columns of the relation. */
export function withValidity(
  { key, version, validTo, current }: History,
  columns: readonly string[],
  { identifier }: Identifier,
): string {
  const values = columns.map((name) =>
    name === validTo
      ? `_next AS ${identifier(name)}`
      : name === current
        ? `_next IS NULL AS ${identifier(name)}`
        : `decided.${identifier(name)}`,
  );
  return `SELECT ${values.join(', ')} FROM decided
LEFT JOIN following ON ${isMark('decided', { key, version }, identifier)}`;
}

/** The published rows that stay, and whose validity is another one now. A row that its object shares with other partitions stays as it is. */
export function changedSql(
  { key, deletes = false }: Dedupe,
  history: History,
  gone: readonly string[],
  dialect: Identifier,
): string {
  const { identifier } = dialect;
  const [until, current] = [identifier(history.validTo), identifier(history.current)];
  const won = key.map((name, i) => `candidates.${identifier(name)} = won._w${i}`).join(' AND ');
  const steps: Step[] = [
    ...validitySteps(history, 'ranked', deletes, dialect),
    [
      'won',
      `SELECT ${key.map((name, i) => `${identifier(name)} AS _w${i}`).join(', ')} FROM ranked WHERE _fate IN ('published', 'deletes')`,
    ],
    ['staying', `SELECT candidates.* FROM candidates ANTI JOIN won ON ${won}`],
  ];
  const chosen = gone.map((name) => name.replace(/^candidates\./, 'staying.'));
  return statementOf([
    ...steps,
    [
      'changed',
      `SELECT ${[...chosen, `_next AS ${until}`].join(', ')} FROM staying
JOIN following ON ${isMark('staying', history, identifier)}
WHERE NOT _is_fixed${deletes ? ' AND NOT _is_tombstone' : ''} AND (${until} IS DISTINCT FROM _next OR ${current} IS DISTINCT FROM (_next IS NULL))`,
    ],
  ]);
}

const isMark = (
  of: string,
  { key, version }: Pick<History, 'key' | 'version'>,
  identifier: Quoting['identifier'],
): string =>
  [
    ...key.map((name, i) => `${of}.${identifier(name)} = following._h${i}`),
    `${of}.${identifier(version)} = following._at`,
  ].join(' AND ');
