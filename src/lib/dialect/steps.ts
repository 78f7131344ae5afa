/** A statement as a list of named steps: what each is called, and the query that gives its rows. */

/** A name, and a query. It may read the steps before it by their names. */
export type Step = readonly [name: string, sql: string];

/** The steps as one statement, with the rows of the last. Each is a common table expression of those behind it. */
export function statementOf(steps: readonly Step[]): string {
  const [, last] = steps.at(-1) ?? [];
  if (last === undefined) throw new RangeError('a statement has a step');
  const before = steps.slice(0, -1).map(([name, sql]) => `${name} AS (\n  ${sql}\n)`);
  return `${before.length === 0 ? '' : `WITH ${before.join(', ')}\n`}${last}`;
}

/** The steps up to one of them; null where none is called so. */
export function upTo(steps: readonly Step[], name: string): readonly Step[] | null {
  const place = steps.findIndex(([step]) => step === name);
  return place < 0 ? null : steps.slice(0, place + 1);
}

/** A step that adds values, each an expression with its name, to the rows of the one before it; a null adds nothing. */
export const layer = (name: string, values: readonly (string | null)[], from: string): Step => [
  name,
  `SELECT *${values.map((sql) => (sql ? `,\n    ${sql}` : '')).join('')}\n  FROM ${from}`,
];
