/** The errors that the state machine and the ledger tell apart, by their names. */

import type { Outcome } from './errors.ts';
import * as errors from './errors.ts';

/** Uses the names of exports, because a bundle keeps them but minifies the names of classes. */
export const namesOf = (outcome: Outcome): string[] =>
  Object.entries(errors).flatMap(([name, type]) =>
    'outcome' in type && type.outcome === outcome ? [name] : [],
  );

/**
 * The errors that the state machine retries (statemachines/ingest.yml): throttling, dropped connections, and failures of AWS's own. If the
 * retries do not help, AWS has a longer outage, or an object is too much for it each time.
 * https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html
 */
export const transientErrors: ReadonlySet<string> = new Set([
  ...namesOf('retry'),
  'Lambda.ServiceException',
  'Lambda.AWSLambdaException',
  'Lambda.SdkClientException',
  'Lambda.TooManyRequestsException',
  'ThrottlingException',
  'ThrottledException',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'ProvisionedThroughputExceededException',
  'TransactionConflictException',
  'TransactionInProgressException',
  'InternalError',
  'InternalException',
  'InternalFailure',
  'InternalServerError',
  'InternalServerException',
  'InternalServiceException',
  'ServiceUnavailable',
  'SlowDown',
  'TimeoutError',
]);

/** Errors that an outage of AWS may have caused. WorkLeft is none of them: the step has more work than all of its calls can do. */
export const outageErrors: ReadonlySet<string> = new Set(
  [...transientErrors, 'QueryBrokenOff'].filter((name) => name !== 'WorkLeft'),
);
