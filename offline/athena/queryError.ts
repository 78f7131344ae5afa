/** A statement fails, with Athena's category (1 system, 2 user, 3 other) and a message that begins with its error code. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
  readonly category: number;
  constructor(message: string, category = 2) {
    super(message);
    this.category = category;
  }
}

/** What the local engine refuses, by name, rather than answer otherwise than Athena. */
export const notSupported = (what: string): QueryError =>
  new QueryError(`NOT_SUPPORTED: the local Athena does not answer ${what}`);
