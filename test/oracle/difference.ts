/** Differences between the engine and the interpreter. */

/** One case in which they differ, small enough to read. */
export interface Difference {
  /** The column, the expression or the contract. */
  readonly about: unknown;
  readonly given: string;
  readonly interpreter: string;
  readonly engine: string;
}

/** The first of each kind of difference, as lines for a person. */
export function report(differences: readonly Difference[]): string {
  const kinds = Map.groupBy(differences, ({ about }) => JSON.stringify(about));
  return [...kinds]
    .slice(0, 20)
    .map(([about, of]) => {
      const lines = of
        .slice(0, 5)
        .map(
          ({ given, interpreter, engine }) =>
            `  given ${short(given)}\n    interpreter ${short(interpreter)}\n    engine      ${short(engine)}`,
        );
      return `${about} (${of.length} cases)\n${lines.join('\n')}`;
    })
    .join('\n');
}

const short = (text: string): string => (text.length > 2000 ? `${text.slice(0, 2000)}…` : text);
