/**
 * Trino's client protocol: it posts a statement and fetches the answer page by page.
 * https://trino.io/docs/current/develop/client-protocol.html. Numbers stay texts, because a bigint does not
 * fit into a JavaScript number. The clients on npm do not do that.
 */
import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';
import { catalogName } from './catalogs.ts';

/** A type, such as `bigint` or `array` with its element's type. */
export interface TypeSignature {
  readonly rawType: string;
  readonly arguments: readonly TypeArgument[];
}
type TypeArgument =
  | { readonly kind: 'TYPE'; readonly value: TypeSignature }
  | { readonly kind: 'LONG'; readonly value: string }
  | {
      readonly kind: 'NAMED_TYPE';
      readonly value: {
        readonly fieldName?: { readonly name: string } | null | undefined;
        readonly typeSignature: TypeSignature;
      };
    };

const typeSignature: z.ZodType<TypeSignature> = z.lazy(() =>
  z.object({ rawType: z.string(), arguments: z.array(typeArgument) }),
);
const typeArgument: z.ZodType<TypeArgument> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('TYPE'), value: typeSignature }),
    z.object({ kind: z.literal('LONG'), value: z.string() }),
    z.object({
      kind: z.literal('NAMED_TYPE'),
      value: z.object({
        fieldName: z.object({ name: z.string() }).nullish(),
        typeSignature,
      }),
    }),
  ]),
);

const answerSchema = z.object({
  id: z.string(),
  nextUri: z.string().optional(),
  columns: z.array(z.object({ name: z.string(), typeSignature })).optional(),
  /** Numbers are texts. */
  data: z.array(z.array(z.unknown())).optional(),
  updateType: z.string().optional(),
  updateCount: z.coerce.number().optional(),
  stats: z.object({
    physicalInputBytes: z.coerce.number().default(0),
    processedRows: z.coerce.number().default(0),
  }),
  error: z.object({ message: z.string(), errorName: z.string(), errorType: z.string() }).optional(),
});
type Answer = z.output<typeof answerSchema>;

export interface TrinoResult {
  /** Trino's id of the query. The name of each file that it writes contains it. */
  readonly id: string;
  readonly columns: readonly { readonly name: string; readonly typeSignature: TypeSignature }[];
  readonly rows: readonly (readonly unknown[])[];
  readonly updateCount: number | undefined;
  readonly scannedBytes: number;
  readonly scannedRows: number;
}

/** What Trino answers to a statement that fails. */
export class TrinoError extends Error {
  override readonly name = 'TrinoError';
  /** Such as COLUMN_NOT_FOUND. */
  readonly code: string;
  /** USER_ERROR, INTERNAL_ERROR, INSUFFICIENT_RESOURCES or EXTERNAL. */
  readonly type: string;
  constructor({ message, errorName, errorType }: NonNullable<Answer['error']>) {
    super(message);
    this.code = errorName;
    this.type = errorType;
  }
}

export interface RunOptions {
  /** Ends the query. */
  readonly signal?: AbortSignal;
  /** Session properties, such as `catalog.compression_codec`. */
  readonly session?: Readonly<Record<string, string>>;
  /** The catalog of names that say none: that of Hive, which finds Iceberg tables, too, with one more call of Glue. */
  readonly catalog?: string;
}

export type TrinoClient = ReturnType<typeof createTrinoClient>;

/** `user` is the only user that the server admits. */
export function createTrinoClient(address: string, user: string) {
  const fetchAnswer = async (url: string, init: RequestInit): Promise<Answer> => {
    for (;;) {
      const response = await fetch(url, init);
      const text = await response.text();
      if (response.ok) return answerSchema.parse(JSON.parse(inOrder(text), numbersAsWritten));
      // The server is starting or overloaded, and asks for a retry.
      if (![502, 503, 504].includes(response.status))
        throw new Error(`Trino answers ${response.status}: ${text}`);
      await pause(50);
    }
  };
  const runOnce = async (
    sql: string,
    schema: string,
    { signal, session = {}, catalog = catalogName }: RunOptions,
  ): Promise<TrinoResult> => {
    const headers = {
      'X-Trino-User': user,
      'X-Trino-Catalog': catalog,
      'X-Trino-Schema': schema,
      'X-Trino-Time-Zone': 'UTC',
      'X-Trino-Client-Capabilities': 'PARAMETRIC_DATETIME',
      'X-Trino-Session': Object.entries(session)
        .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
        .join(','),
    };
    let answer = await fetchAnswer(`${address}/v1/statement`, { method: 'POST', headers, body: sql });
    let columns: TrinoResult['columns'] = [];
    const rows: (readonly unknown[])[] = [];
    for (;;) {
      if (answer.error) throw new TrinoError(answer.error);
      columns = answer.columns ?? columns;
      for (const row of answer.data ?? []) rows.push(row);
      if (answer.nextUri === undefined) break;
      if (signal?.aborted) {
        await fetch(answer.nextUri, { method: 'DELETE', headers });
        signal.throwIfAborted();
      }
      answer = await fetchAnswer(answer.nextUri, { headers });
    }
    return {
      id: answer.id,
      columns,
      rows,
      updateCount: answer.updateCount,
      scannedBytes: answer.stats.physicalInputBytes,
      scannedRows: answer.stats.processedRows,
    };
  };
  return {
    /** Runs one statement to its end. Throws TrinoError when it fails. */
    async run(sql: string, schema: string, options: RunOptions = {}): Promise<TrinoResult> {
      for (const deadline = Date.now() + nodePatience; ; await pause(50)) {
        try {
          return await runOnce(sql, schema, options);
        } catch (error) {
          const hasNoNode = error instanceof TrinoError && error.code === 'NO_NODES_AVAILABLE';
          if (!hasNoNode || Date.now() > deadline) throw error;
          options.signal?.throwIfAborted();
        }
      }
    },
  };
}

/**
 * The server is its only worker, and looks every five seconds for the catalogs that a worker has. So for some seconds after its start, a
 * statement that reads a table has no node. It fails before it does anything, and Trino takes its new table back.
 */
const nodePatience = 60_000;

/** Gives access to the source text of a value: https://tc39.es/proposal-json-parse-with-source/ */
const numbersAsWritten = (_: string, value: unknown, context?: { source?: string }): unknown =>
  typeof value === 'number' ? (context?.source ?? String(value)) : value;

const numericKey = '\u0000';

/**
 * JSON whose objects JavaScript keeps in their order: it would move keys such as "7" to the front, and the order of a map's keys is a part of
 * the answer. `nameOf` gives the key itself.
 */
const inOrder = (json: string): string =>
  json.includes('"rawType":"map"')
    ? json.replaceAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g, (token, colon: string | undefined) =>
        colon !== undefined && /^"\d+"/.test(token) ? `"\\u0000${token.slice(1)}` : token,
      )
    : json;

/** The key of a map's entry in an answer. */
export const nameOf = (key: string): string => (key.startsWith(numericKey) ? key.slice(1) : key);
