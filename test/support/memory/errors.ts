/** AWS's errors, of the SDK's own classes, so that `instanceof` and `name` hold as they do in production. */
import * as athena from '@aws-sdk/client-athena';
import * as dynamodb from '@aws-sdk/client-dynamodb';
import * as events from '@aws-sdk/client-eventbridge';
import * as glue from '@aws-sdk/client-glue';
import * as s3 from '@aws-sdk/client-s3';
import * as sfn from '@aws-sdk/client-sfn';

export type Service = 's3' | 'dynamodb' | 'glue' | 'athena' | 'events' | 'states';

interface Options {
  readonly name: string;
  readonly message: string;
  readonly $fault: 'client' | 'server';
  readonly $metadata: { readonly httpStatusCode: number; readonly attempts: number };
}

/** The base class of all errors of a service. */
const base: Record<Service, new (options: Options) => Error> = {
  s3: s3.S3ServiceException,
  dynamodb: dynamodb.DynamoDBServiceException,
  glue: glue.GlueServiceException,
  athena: athena.AthenaServiceException,
  events: events.EventBridgeServiceException,
  states: sfn.SFNServiceException,
};

/** The classes of errors that have one of their own. */
const classes: Record<Service, readonly (new (options: Options) => Error)[]> = {
  s3: [s3.NoSuchKey, s3.NoSuchBucket, s3.NoSuchUpload, s3.NotFound, s3.AccessDenied, s3.InvalidRequest],
  dynamodb: [
    dynamodb.ConditionalCheckFailedException,
    dynamodb.IdempotentParameterMismatchException,
    dynamodb.InternalServerError,
    dynamodb.ProvisionedThroughputExceededException,
    dynamodb.RequestLimitExceeded,
    dynamodb.ResourceNotFoundException,
    dynamodb.ThrottlingException,
    dynamodb.TransactionConflictException,
    dynamodb.TransactionInProgressException,
  ],
  glue: [
    glue.AccessDeniedException,
    glue.AlreadyExistsException,
    glue.ConcurrentModificationException,
    glue.ConcurrentRunsExceededException,
    glue.CrawlerRunningException,
    glue.EntityNotFoundException,
    glue.InternalServiceException,
    glue.InvalidInputException,
    glue.OperationTimeoutException,
    glue.ResourceNumberLimitExceededException,
    glue.ThrottlingException,
  ],
  athena: [athena.InternalServerException, athena.InvalidRequestException, athena.TooManyRequestsException],
  events: [events.InternalException],
  states: [
    sfn.ExecutionAlreadyExists,
    sfn.ExecutionDoesNotExist,
    sfn.ExecutionLimitExceeded,
    sfn.InvalidArn,
    sfn.InvalidExecutionInput,
    sfn.InvalidName,
    sfn.StateMachineDoesNotExist,
  ],
};

const byName = new Map<string, new (options: Options) => Error>();
for (const [service, own] of Object.entries(classes))
  for (const one of own) byName.set(`${service}.${one.name}`, one);

/** Status codes other than 400. */
const statuses: Readonly<Record<string, number>> = {
  AccessDenied: 403,
  ConditionalRequestConflict: 409,
  InternalError: 500,
  InternalException: 500,
  InternalServerError: 500,
  InternalServerException: 500,
  InternalServiceException: 500,
  InvalidRange: 416,
  MethodNotAllowed: 405,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NotFound: 404,
  OperationAborted: 409,
  PreconditionFailed: 412,
  ServiceUnavailable: 503,
  SlowDown: 503,
};

export function awsError(service: Service, name: string, message: string): Error {
  const status = statuses[name] ?? 400;
  const type = byName.get(`${service}.${name}`) ?? base[service];
  const make = () =>
    new type({
      name,
      message,
      $fault: status >= 500 ? 'server' : 'client',
      $metadata: { httpStatusCode: status, attempts: 1 },
    });
  // An invalid request is a fault of the code, so it gets a stack.
  return name === 'ValidationException' ? make() : withoutStack(make);
}

/** The flow expects this error. A stack would take most of the time, and the SDK's stack is not useful either. */
export function withoutStack<E extends Error>(make: () => E): E {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return make();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** What each service answers in an outage; the SDK retries it. */
export const troubleOf: Record<Service, string> = {
  s3: 'InternalError',
  dynamodb: 'InternalServerError',
  glue: 'InternalServiceException',
  athena: 'InternalServerException',
  events: 'InternalException',
  states: 'ServiceUnavailable',
};

/** The names that the SDK retries besides 5xx: @smithy/core's lists of throttling and transient errors. */
const retried = new Set([
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'RequestTimeout',
  'RequestTimeoutException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequestsException',
  'TransactionInProgressException',
]);

/** Whether the SDK would retry the call. */
export function isRetried(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    retried.has(error.name) ||
    ('$fault' in error && error.$fault === 'server' && (statuses[error.name] ?? 0) >= 500)
  );
}
