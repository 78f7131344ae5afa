/**
 * AWS's documented quotas, each with the page that says it. Model: a length or range of the service's own model, which
 * validate.ts checks. Gateway: checked here, in copies.ts or in transactions.ts. Emulator: checked by ministack, or by
 * offline/executions.py inside it; a test in test/e2e/strict.test.ts holds each of these.
 */
import * as z from 'zod';
import { Refusal } from './refusal.ts';

export interface Quota {
  /** As in the credential scope. */
  readonly service: string;
  /** Absent: every operation of the service. */
  readonly operations?: readonly string[];
  readonly says: string;
  readonly page: string;
  readonly heldBy: 'model' | 'gateway' | 'emulator';
  /** What AWS answers to an input beyond the quota. The input fits the service's model. */
  readonly check?: (input: Input, headers: Headers) => Refusal | undefined;
}

export type Input = Readonly<Record<string, unknown>>;
export type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

const kib = 1024;
const mib = 1024 * kib;
const gib = 1024 * mib;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html */
const keyBytes = 1024;
/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export const copySourceBytes = 5 * gib;
/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html */
const putBytes = 5 * gib;
/** https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html */
const payloadBytes = 256 * kib;
/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html: 256 KB until January 2026. */
const putEventsBytes = mib;
/** https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html: 256 KB for events until October 2025. */
const invokeBytes = { RequestResponse: 6 * mib, Event: mib };
/** https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html */
const environmentBytes = 4 * kib;
/** https://docs.aws.amazon.com/athena/latest/ug/service-limits.html */
const queryBytes = 262_144;
/** https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html */
const templateBytes = 51_200;

const s3 = 'https://docs.aws.amazon.com/AmazonS3/latest';
const dynamodb = 'https://docs.aws.amazon.com/amazondynamodb/latest';
const glue = 'https://docs.aws.amazon.com/glue/latest/webapi';
const states = 'https://docs.aws.amazon.com/step-functions/latest';

export const quotas: readonly Quota[] = [
  {
    service: 's3',
    says: 'a key has at most 1,024 bytes of UTF-8',
    page: `${s3}/userguide/object-keys.html`,
    heldBy: 'gateway',
    check: (input) => keysOf(input).map(longKey).find(Boolean),
  },
  {
    service: 's3',
    operations: ['DeleteObjects'],
    says: 'DeleteObjects takes 1 to 1,000 keys',
    page: `${s3}/API/API_DeleteObjects.html`,
    heldBy: 'gateway',
    check: (input) => {
      const count = deleteSchema.parse(input).Delete.Objects.length;
      return count >= 1 && count <= 1000
        ? undefined
        : new Refusal(
            'MalformedXML',
            'The XML you provided was not well-formed or did not validate against our published schema',
          );
    },
  },
  {
    service: 's3',
    operations: ['PutObject', 'UploadPart'],
    says: 'one upload has at most 5 GB',
    page: `${s3}/userguide/upload-objects.html`,
    heldBy: 'gateway',
    check: (_, headers) => {
      const size = Number(headers['x-amz-decoded-content-length'] ?? headers['content-length'] ?? 0);
      if (size <= putBytes) return undefined;
      return new Refusal('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
        ProposedSize: size,
        MaxSizeAllowed: putBytes,
      });
    },
  },
  {
    service: 's3',
    operations: ['CopyObject', 'UploadPartCopy'],
    says: 'a source of CopyObject has at most 5 GB, and so has the range of one UploadPartCopy',
    page: `${s3}/API/API_CopyObject.html`,
    heldBy: 'gateway',
  },
  {
    service: 's3',
    operations: ['CopyObject'],
    says: 'CopyObject copies tags unless x-amz-tagging-directive is REPLACE, and needs s3:GetObjectTagging and s3:PutObjectTagging for it',
    page: `${s3}/API/API_CopyObject.html`,
    heldBy: 'gateway',
  },
  {
    service: 's3',
    operations: ['PutObject', 'CopyObject', 'CreateMultipartUpload'],
    says: "an object's own metadata have at most 2 KB",
    page: `${s3}/userguide/UsingMetadata.html`,
    heldBy: 'gateway',
    check: (_, headers) => {
      const own = Object.entries(headers).filter(([name]) => name.startsWith('x-amz-meta-'));
      const size = own
        .map(
          ([name, value]) =>
            Buffer.byteLength(name.slice('x-amz-meta-'.length)) + Buffer.byteLength(String(value)),
        )
        .reduce((a, b) => a + b, 0);
      if (size <= 2 * kib) return undefined;
      return new Refusal(
        'MetadataTooLarge',
        'Your metadata headers exceed the maximum allowed metadata size',
        { Size: size, MaxSizeAllowed: 2 * kib },
      );
    },
  },
  {
    service: 's3',
    operations: ['PutObject', 'CopyObject', 'CreateMultipartUpload'],
    says: 'an object has at most 10 tags',
    page: `${s3}/userguide/object-tagging.html`,
    heldBy: 'gateway',
    check: (_, headers) =>
      [...new URLSearchParams(String(headers['x-amz-tagging'] ?? ''))].length <= 10
        ? undefined
        : new Refusal('BadRequest', 'Object tags cannot be greater than 10'),
  },
  {
    service: 's3',
    operations: ['ListObjects', 'ListObjectsV2', 'ListObjectVersions'],
    says: 'max-keys is not negative; more than 1,000 counts as 1,000',
    page: `${s3}/API/API_ListObjectsV2.html`,
    heldBy: 'gateway',
    check: ({ MaxKeys }) =>
      typeof MaxKeys === 'number' && MaxKeys < 0
        ? new Refusal('InvalidArgument', 'Argument maxKeys must be an integer between 0 and 2147483647')
        : undefined,
  },
  {
    service: 'dynamodb',
    says: 'an item has at most 400 KB',
    page: `${dynamodb}/developerguide/Constraints.html`,
    heldBy: 'emulator',
  },
  {
    service: 'dynamodb',
    says: 'a partition key has 1 to 2,048 bytes, a sort key 1 to 1,024',
    page: `${dynamodb}/developerguide/Constraints.html`,
    heldBy: 'emulator',
  },
  {
    service: 'dynamodb',
    operations: ['TransactWriteItems'],
    says: 'a transaction has 1 to 100 items',
    page: `${dynamodb}/APIReference/API_TransactWriteItems.html`,
    heldBy: 'model',
  },
  {
    service: 'dynamodb',
    operations: ['TransactWriteItems'],
    says: 'the items of a transaction have at most 4 MB in all, and no two of its operations are on one item',
    page: `${dynamodb}/APIReference/API_TransactWriteItems.html`,
    heldBy: 'emulator',
  },
  {
    service: 'dynamodb',
    operations: ['TransactWriteItems', 'TransactGetItems', 'PutItem', 'UpdateItem', 'DeleteItem'],
    says: 'a transaction, or a write, that meets an ongoing transaction on the same item is refused: TransactionConflict',
    page: `${dynamodb}/developerguide/transaction-apis.html#transaction-conflict-handling`,
    heldBy: 'gateway',
  },
  {
    service: 'dynamodb',
    operations: ['BatchGetItem'],
    says: 'BatchGetItem takes 1 to 100 keys of a table',
    page: `${dynamodb}/APIReference/API_BatchGetItem.html`,
    heldBy: 'model',
  },
  {
    service: 'dynamodb',
    operations: ['BatchWriteItem'],
    says: 'BatchWriteItem takes 1 to 25 requests',
    page: `${dynamodb}/APIReference/API_BatchWriteItem.html`,
    heldBy: 'emulator',
  },
  {
    service: 'states',
    operations: ['StartExecution', 'StartSyncExecution'],
    says: 'an execution\'s name has no white space, brackets, wildcards, control characters or any of " # % \\ ^ | ~ ` $ & , ; : /',
    page: `${states}/apireference/API_StartExecution.html`,
    heldBy: 'gateway',
    check: ({ name }) =>
      typeof name === 'string' && /[\s<>{}[\]?*"#%\\^|~`$&,;:/\p{Cc}]/u.test(name)
        ? new Refusal('InvalidName', `Invalid Name: '${name}'`)
        : undefined,
  },
  {
    service: 'states',
    operations: ['StartExecution', 'StartSyncExecution', 'CreateStateMachine'],
    says: 'a name has 1 to 80 characters',
    page: `${states}/apireference/API_StartExecution.html`,
    heldBy: 'model',
  },
  {
    service: 'states',
    operations: ['StartExecution', 'StartSyncExecution'],
    says: 'the input has at most 256 KiB of UTF-8 and is JSON',
    page: `${states}/dg/service-quotas.html`,
    heldBy: 'gateway',
    check: ({ input = '{}' }) => {
      const text = String(input);
      if (Buffer.byteLength(text) > payloadBytes)
        return new Refusal(
          'ValidationException',
          `1 validation error detected: Value at 'input' failed to satisfy constraint: Member must have length less than or equal to ${payloadBytes}`,
        );
      return isJson(text)
        ? undefined
        : new Refusal(
            'InvalidExecutionInput',
            `Invalid State Machine Execution Input: '${text.slice(0, 200)}'`,
          );
    },
  },
  {
    service: 'states',
    operations: ['StartExecution'],
    says: 'a name is used once in 90 days; the same name with the same input while it runs answers as the first time',
    page: `${states}/apireference/API_StartExecution.html`,
    heldBy: 'emulator',
  },
  {
    service: 'states',
    says: 'an input, a result and an output of a state have at most 256 KiB: States.DataLimitExceeded',
    page: `${states}/dg/service-quotas.html`,
    heldBy: 'emulator',
  },
  {
    service: 'states',
    says: "an execution's history has at most 25,000 events; the last one is its failure",
    page: `${states}/dg/service-quotas.html`,
    heldBy: 'emulator',
  },
  {
    service: 'states',
    says: 'TimeoutSeconds of a Task and of a state machine end them',
    page: `${states}/dg/concepts-error-handling.html`,
    heldBy: 'emulator',
  },
  {
    service: 'events',
    operations: ['PutEvents'],
    says: 'PutEvents takes 1 to 10 entries',
    page: 'https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html',
    heldBy: 'model',
  },
  {
    service: 'events',
    operations: ['PutEvents'],
    says: 'the entries of a request have less than 1 MB in all',
    page: 'https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size',
    heldBy: 'gateway',
    check: (input) => {
      const size = putEventsSchema
        .parse(input)
        .Entries.map(entryBytes)
        .reduce((a, b) => a + b, 0);
      return size < putEventsBytes
        ? undefined
        : new Refusal('ValidationException', 'Total size of the entries in the request is over the limit.');
    },
  },
  {
    service: 'sqs',
    operations: ['SendMessageBatch', 'DeleteMessageBatch', 'ChangeMessageVisibilityBatch', 'ReceiveMessage'],
    says: 'a request has at most 10 messages',
    page: 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html',
    heldBy: 'emulator',
  },
  {
    service: 'sqs',
    operations: ['SendMessage', 'SendMessageBatch'],
    says: 'a message, and all messages of a request, have at most 1 MiB (256 KiB until August 2025)',
    page: 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html',
    heldBy: 'emulator',
  },
  {
    service: 'lambda',
    operations: ['Invoke'],
    says: 'a payload has at most 6 MB, and 1 MB for an event',
    page: 'https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html',
    heldBy: 'gateway',
    check: ({ InvocationType }, headers) => {
      const most = InvocationType === 'Event' ? invokeBytes.Event : invokeBytes.RequestResponse;
      if (Number(headers['content-length'] ?? 0) <= most) return undefined;
      return new Refusal(
        'RequestTooLargeException',
        `Request must be smaller than ${most} bytes for the InvokeFunction operation`,
        {},
        413,
      );
    },
  },
  {
    service: 'lambda',
    operations: ['Invoke'],
    says: "a function's answer has at most 6 MB: Function.ResponseSizeTooLarge",
    page: 'https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html',
    heldBy: 'emulator',
  },
  {
    service: 'lambda',
    operations: ['CreateFunction', 'UpdateFunctionConfiguration'],
    says: 'all environment variables of a function have at most 4 KB',
    page: 'https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html',
    heldBy: 'gateway',
    check: (input) => {
      const measured = JSON.stringify(environmentSchema.parse(input).Environment?.Variables ?? {});
      if (Buffer.byteLength(measured) <= environmentBytes) return undefined;
      return new Refusal(
        'InvalidParameterValueException',
        `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: ${measured}`,
      );
    },
  },
  {
    service: 'lambda',
    operations: ['CreateFunction', 'UpdateFunctionConfiguration'],
    says: 'the timeout of a function is at most 900 seconds',
    page: 'https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html',
    heldBy: 'gateway',
    check: ({ Timeout }) =>
      typeof Timeout === 'number' && Timeout > 900
        ? new Refusal(
            'ValidationException',
            `1 validation error detected: Value '${Timeout}' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900`,
          )
        : undefined,
  },
  {
    service: 'lambda',
    says: 'a function that runs longer than its timeout is ended: Sandbox.Timedout',
    page: 'https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html',
    heldBy: 'emulator',
  },
  {
    service: 'cloudformation',
    says: 'a template in the request has at most 51,200 bytes',
    page: 'https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html',
    heldBy: 'gateway',
    check: ({ TemplateBody }) =>
      typeof TemplateBody === 'string' && Buffer.byteLength(TemplateBody) > templateBytes
        ? new Refusal(
            'ValidationError',
            `1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than or equal to ${templateBytes}`,
          )
        : undefined,
  },
  {
    service: 'glue',
    operations: ['BatchCreatePartition', 'BatchUpdatePartition'],
    says: 'a request has at most 100 partitions',
    page: `${glue}/API_BatchCreatePartition.html`,
    heldBy: 'model',
  },
  {
    service: 'glue',
    operations: ['BatchDeletePartition'],
    says: 'BatchDeletePartition takes at most 25 partitions',
    page: `${glue}/API_BatchDeletePartition.html`,
    heldBy: 'model',
  },
  {
    service: 'glue',
    operations: ['BatchGetPartition'],
    says: 'BatchGetPartition takes at most 1,000 partitions',
    page: `${glue}/API_BatchGetPartition.html`,
    heldBy: 'model',
  },
  {
    service: 'glue',
    says: "a partition's value has at most 1,024 characters",
    page: `${glue}/API_PartitionValueList.html`,
    heldBy: 'model',
  },
  {
    service: 'glue',
    operations: ['GetPartitions'],
    says: 'an expression has at most 2,048 characters',
    page: `${glue}/API_GetPartitions.html`,
    heldBy: 'model',
  },
  {
    service: 'glue',
    says: 'names of databases, tables and columns have 1 to 255 characters, types at most 131,072, parameters at most 512,000',
    page: `${glue}/API_TableInput.html`,
    heldBy: 'model',
  },
  {
    service: 'athena',
    operations: ['StartQueryExecution'],
    says: 'a query has at most 262,144 bytes of UTF-8',
    page: 'https://docs.aws.amazon.com/athena/latest/ug/service-limits.html',
    heldBy: 'gateway',
    check: ({ QueryString }) =>
      Buffer.byteLength(String(QueryString)) <= queryBytes
        ? undefined
        : new Refusal(
            'InvalidRequestException',
            `Your query has exceeded the maximum query length of ${queryBytes} bytes.`,
          ),
  },
  {
    service: 'athena',
    operations: ['StartQueryExecution'],
    says: 'ClientRequestToken has 32 to 128 characters',
    page: 'https://docs.aws.amazon.com/athena/latest/APIReference/API_StartQueryExecution.html',
    heldBy: 'model',
  },
  {
    service: 'athena',
    operations: ['GetQueryResults'],
    says: 'MaxResults is 1 to 1,000',
    page: 'https://docs.aws.amazon.com/athena/latest/APIReference/API_GetQueryResults.html',
    heldBy: 'model',
  },
];

/** The first quota of an operation that an input exceeds. */
export function checkQuotas(
  service: string,
  operation: string,
  input: Input,
  headers: Headers,
): Refusal | undefined {
  for (const { check, ...quota } of quotas)
    if (check && quota.service === service && (quota.operations?.includes(operation) ?? true)) {
      const refusal = check(input, headers);
      if (refusal) return refusal;
    }
  return undefined;
}

const deleteSchema = z.object({
  Delete: z.object({ Objects: z.array(z.object({ Key: z.string().optional() })).default([]) }),
});

const putEventsSchema = z.object({
  Entries: z.array(
    z.object({
      Time: z.unknown().optional(),
      Source: z.string().default(''),
      DetailType: z.string().default(''),
      Detail: z.string().default(''),
      Resources: z.array(z.string()).default([]),
    }),
  ),
});

const environmentSchema = z.object({
  Environment: z.object({ Variables: z.record(z.string(), z.string()).optional() }).optional(),
});

/** https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevent-size */
const entryBytes = ({ Time, ...texts }: z.output<typeof putEventsSchema>['Entries'][number]): number =>
  (Time === undefined ? 0 : 14) +
  [texts.Source, texts.DetailType, texts.Detail, ...texts.Resources]
    .map((text) => Buffer.byteLength(text))
    .reduce((a, b) => a + b, 0);

function keysOf(input: Input): string[] {
  const own = typeof input.Key === 'string' ? [input.Key] : [];
  const named = deleteSchema.safeParse(input);
  return [...own, ...(named.data?.Delete.Objects ?? []).map(({ Key = '' }) => Key)];
}

function longKey(key: string): Refusal | undefined {
  const size = Buffer.byteLength(key);
  if (size <= keyBytes) return undefined;
  return new Refusal('KeyTooLongError', 'Your key is too long', { Size: size, MaxSizeAllowed: keyBytes });
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
