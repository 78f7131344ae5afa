/** A statement as a list of named steps. Each has a name and a query. */

/** A name and a query. The query can read earlier steps by their names. */
export type Step = readonly [name: string, sql: string];

/** Joins the steps into one statement with the rows of the last step. The others are common table expressions. */
export function statementOf(steps: readonly Step[]): string {
  const [, last] = steps.at(-1) ?? [];
  if (last === undefined) throw new RangeError('a statement has a step');
  const before = steps.slice(0, -1).map(([name, sql]) => `${name} AS (\n  ${sql}\n)`);
  return `${before.length === 0 ? '' : `WITH ${before.join(', ')}\n`}${last}`;
}

/** The steps up to the one with a name; null if there is none. */
export function upTo(steps: readonly Step[], name: string): readonly Step[] | null {
  const place = steps.findIndex(([step]) => step === name);
  return place < 0 ? null : steps.slice(0, place + 1);
}

/** A step that adds values to the rows of the step before it. Each value is an expression with its name; null adds nothing. */
export const layer = (name: string, values: readonly (string | null)[], from: string): Step => [
  name,
  `SELECT *${values.map((sql) => (sql ? `,\n    ${sql}` : '')).join('')}\n  FROM ${from}`,
];
