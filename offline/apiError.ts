/** An error in AWS's form: a name, which SDKs turn into an exception, and a message. */
export class ApiError extends Error {
  override readonly name: string;
  readonly status: number;
  /** Further fields of the answer, such as CancellationReasons. */
  readonly details: Readonly<Record<string, unknown>>;
  constructor(name: string, message: string, details: Readonly<Record<string, unknown>> = {}, status = 400) {
    super(message);
    this.name = name;
    this.status = status;
    this.details = details;
  }
}

/** An operation of the gateway: the request's JSON in, the answer's JSON out. */
export type Operation = (request: Readonly<Record<string, unknown>>) => Promise<Record<string, unknown>>;
