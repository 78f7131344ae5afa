/** Lets a query read the tables of datasets as they were: each becomes a subquery of its name, which reads one snapshot. */
import { tableOf } from '../lib/contract/contract.ts';
import { identifier } from '../lib/dialect/athenaNames.ts';
import { InvalidInput } from '../lib/errors.ts';
import type { Deps } from '../lib/flow/batch/deps.ts';
import { quarantineTable } from '../lib/flow/batch/tables.ts';
import { type HistoryDeps, stateOf } from '../lib/flow/operate/history.ts';

/**
 * The SELECT with every table of a dataset that it names in the state `which`: a tag, the id of a snapshot, or a time. Throws InvalidInput
 * for a Hive table, for a state that one of the tables does not have, and for a statement that would read another state unnoticed.
 */
export async function statementAsOf(
  deps: HistoryDeps & Pick<Deps, 'config'>,
  sql: string,
  which: string,
): Promise<string> {
  const words = wordsOf(sql);
  const [first, second] = words;
  if (first === undefined || first.isQuoted || !/^(select|with|values|table)$/i.test(first.name))
    throw new InvalidInput('only a SELECT can be read as of an earlier state');
  if (isWith(first) && /^recursive$/i.test(second?.name ?? ''))
    throw new InvalidInput('WITH RECURSIVE cannot be read as of an earlier state');
  const quarantine = quarantineTable(deps.config).name;
  const states: string[] = [];
  const tables = new Map(
    [...deps.contracts.values()].map((contract) => [tableOf(contract), contract.dataset]),
  );
  for (const name of new Set(words.map((word) => word.name.toLowerCase()))) {
    const dataset = tables.get(name);
    if (dataset === undefined && name !== quarantine) continue;
    if (dataset === undefined)
      throw new InvalidInput(`the table ${name} is a Hive table, which keeps no snapshots`, { table: name });
    if (words.some((word) => word.name.toLowerCase() === name && word.isPart))
      throw new InvalidInput(
        `name the table ${name} without its database: only so it is read as of ${which}`,
        {
          dataset,
          table: name,
        },
      );
    const { id } = await stateOf(deps, dataset, which);
    states.push(`${identifier(name)} AS (SELECT * FROM ${identifier(name)} FOR VERSION AS OF ${id})`);
  }
  if (states.length === 0)
    throw new InvalidInput(
      `the statement names no table of a dataset; the datasets are ${[...deps.contracts.keys()].join(', ')}`,
    );
  const before = `WITH ${states.join(', ')}`;
  // The statement's own subqueries come after them.
  return isWith(first) ? `${before}, ${sql.slice(first.at + first.name.length)}` : `${before} ${sql}`;
}

const isWith = ({ name }: Word): boolean => /^with$/i.test(name);

interface Word {
  readonly name: string;
  readonly at: number;
  readonly isQuoted: boolean;
  /** It stands behind a point: a column, or the table of a named database. */
  readonly isPart: boolean;
}

/** The names and keywords of a statement, outside of its texts and comments. */
function wordsOf(sql: string): Word[] {
  const words: Word[] = [];
  let before = '';
  for (const { 0: text, index } of sql.matchAll(
    /\s+|--[^\n]*|\/\*[\s\S]*?\*\/|'(?:[^']|'')*'|"(?:[^"]|"")*"|[\p{L}\p{N}_$@]+|[\s\S]/gu,
  )) {
    if (/^(\s|--|\/\*)/.test(text)) continue;
    const isQuoted = text.startsWith('"');
    if (isQuoted || /^[\p{L}_]/u.test(text))
      words.push({
        name: isQuoted ? text.slice(1, -1).replaceAll('""', '"') : text,
        at: index,
        isQuoted,
        isPart: before === '.',
      });
    before = text;
  }
  return words;
}
