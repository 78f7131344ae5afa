/**
 * Errors for which neither the request nor the batch is the cause. The SDK has tried them several times by then. They have many names: an answer
 * without a body is `Unknown`, one with a proxy's page `SyntaxError`, an address that is not found `Error`. The state machine retries by name.
 */
import { AwsUnavailable } from '../errors.ts';

/** https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html */
const statuses = new Set([500, 502, 503, 504]);

/** The same with another status: S3 and Glue say so with 400. */
const names = new Set(['RequestTimeout', 'RequestTimeoutException', 'OperationTimeoutException']);

const networkCodes = new Set([
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/** AwsUnavailable for such an error, and any other error as it is. */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Error) || !isUnavailable(error)) return error;
  return new AwsUnavailable(`${error.name}: ${error.message}`, { cause: error });
}

function isUnavailable(error: Error & { $metadata?: unknown; code?: unknown }): boolean {
  const { $metadata: metadata, code, name } = error;
  const isFailure =
    typeof metadata === 'object' &&
    metadata !== null &&
    'httpStatusCode' in metadata &&
    statuses.has(Number(metadata.httpStatusCode));
  return isFailure || names.has(name) || networkCodes.has(String(code));
}
