/** What the search for persons looks for, in SQL and in texts. */

import type { DuckDBConnection } from '@duckdb/node-api';
import type { Persons } from '../contract/persons.ts';
import type { Contract } from '../contract/schema.ts';
import { conditionSql } from '../dialect/duckdbExpression.ts';
import type { Typed } from '../expression/check.ts';
import { type Plan, type ReasonCode, type ReferenceData, recordReasons } from '../model/plan.ts';
import { loadRows } from './embedded.ts';

export interface Sought {
  readonly contract: Contract;
  readonly plan: Plan;
  readonly references: readonly ReferenceData[];
  readonly persons: Persons;
  /** Whether no other dataset reads the same files: then records that the contract's `when` leaves out are searched, too. */
  readonly isAlone: boolean;
}

/** Reasons of records whose columns cannot be read. A file that is gone has no records. */
export const unreadable: readonly ReasonCode[] = recordReasons.filter(
  (reason) => reason !== 'object_missing',
);

/** SQL over the columns that name a person: whether a row is of one of them. Never NULL. `called`: how the rows call a column. */
export const isOfPerson = (
  { persons }: Pick<Sought, 'persons'>,
  called: (column: string) => string = (column) => column,
): string =>
  `coalesce(${persons.conditions.map((condition) => `(${conditionSql(renamed(condition, called))})`).join(' OR ')}, false)`;

function renamed(e: Typed, called: (column: string) => string): Typed {
  if (e.kind === 'column') return { ...e, name: called(e.name) };
  return e.kind === 'binary' ? { ...e, left: renamed(e.left, called), right: renamed(e.right, called) } : e;
}

/** Tables of the references that the row part reads. */
export async function loadReferences(
  db: DuckDBConnection,
  references: readonly ReferenceData[],
  scratch: string,
): Promise<void> {
  for (const { name, columns, ndjson } of references) await loadRows(db, name, columns, ndjson, scratch);
}

/** Whether a text without readable columns mentions a person: all values of the key, each as a word of its own, in any case. */
export function mentions({ persons }: Pick<Sought, 'persons'>, text: string): boolean {
  const folded = text.toLowerCase();
  return persons.texts.some((values) =>
    values.every((value) => spellings(value).some((word) => hasWord(folded, word))),
  );
}

/** As itself, and as JSON may write it. */
function spellings(value: string): string[] {
  const folded = value.toLowerCase();
  const json = JSON.stringify(folded).slice(1, -1);
  const ascii = json.replaceAll(
    /[^\x20-\x7e]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return [...new Set([folded, json, ascii, ascii.replaceAll('/', '\\/')])];
}

const inWord = /[\p{L}\p{N}]/u;

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = text.slice(Math.max(0, at - 1), at);
    const behind = text.slice(at + word.length, at + word.length + 1);
    const isWhole =
      !(inWord.test(before) && inWord.test(word[0] ?? '')) &&
      !(inWord.test(behind) && inWord.test(word.at(-1) ?? ''));
    if (isWhole) return true;
  }
  return false;
}
