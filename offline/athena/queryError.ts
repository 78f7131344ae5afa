/** A failed statement: Athena's category (1 system, 2 user, 3 other) and a message that begins with Athena's error code. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly category: number;
  constructor(message: string, category = 2) {
    super(message);
    this.category = category;
  }
}

/** The local engine refuses a statement by name if it cannot give Athena's answer. */
export const notSupported = (what: string): QueryError =>
  new QueryError(`NOT_SUPPORTED: the local Athena does not answer ${what}`);
