/** Translates AWS calls into requests to IAM, and evaluates them with the policies of the calling function. */
import { runSimulation } from '@cloud-copilot/iam-simulate';
import type { RecordedCalls } from '../../offline/recorder.ts';

export interface Request {
  readonly action: string;
  readonly resource: string;
  readonly context?: Readonly<Record<string, string>>;
}

export interface Statement {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
}

export interface Policy {
  readonly Version: string;
  readonly Statement: readonly Statement[];
}

/** Resource names of a stage, for calls that do not name one. */
export interface Names {
  readonly account: string;
  readonly region: string;
  readonly workgroup: string;
  readonly database: string;
  readonly workBucket: string;
  readonly processedBucket: string;
}

/**
 * What IAM is asked about a call on the wire.
 * https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html
 */
export function requestsOf({ service, operation, example }: RecordedCalls, names: Names): Request[] {
  const { path, body } = example;
  if (service !== 's3') return requestsOfInput(service, operation, parsed(body || '{}'), names);
  const [place = '', query = ''] = path.split('?');
  const [bucket = '', ...key] = place.slice(1).split('/');
  const keys = [...body.matchAll(/<Key>([^<]*)/g)].map(([, Key]) => ({ Key }));
  const input = {
    Bucket: bucket,
    Key: key.join('/'),
    VersionId: query.includes('versionId=') ? 'some' : undefined,
    // The recorder keeps the source of a copy in place of a body.
    CopySource: body,
    Delete: { Objects: keys },
  };
  return s3Requests(operation, input);
}

/** What IAM is asked about a call of the SDK. */
export function requestsOfInput(service: string, operation: string, input: object, names: Names): Request[] {
  const arn = (resource: string) => `arn:aws:${service}:${names.region}:${names.account}:${resource}`;
  if (service === 's3') return s3Requests(operation, input);
  const given: Record<string, unknown> = { ...input };
  const text = (key: string) => String(given[key] ?? '');
  switch (service) {
    case 'dynamodb':
      return dynamoActions(operation, given).map(({ action, table }) => ({
        action: `dynamodb:${action}`,
        resource: arn(`table/${table}`),
      }));
    case 'glue': {
      const action = `glue:${operation}`;
      if (/Crawler$/.test(operation)) return [{ action, resource: arn(`crawler/${text('Name')}`) }];
      if (/JobRuns?$/.test(operation)) return [{ action, resource: arn(`job/${text('JobName')}`) }];
      const table = text('TableName') || text('Name') || (given.TableInput as { Name?: string })?.Name;
      return catalogRequests(action, text('DatabaseName'), table, arn);
    }
    case 'athena':
      return [
        { action: `athena:${operation}`, resource: arn(`workgroup/${names.workgroup}`) },
        ...asAthena(operation, text('QueryString'), names),
      ];
    case 'states':
      return [{ action: `states:${operation}`, resource: text('stateMachineArn') || text('executionArn') }];
    case 'sqs':
      return [
        {
          // IAM is asked once for many messages.
          action: `sqs:${operation.replace(/^SendMessageBatch$/, 'SendMessage')}`,
          resource: arn(text('QueueName') || (text('QueueUrl').split('/').at(-1) ?? '')),
        },
      ];
    case 'events': {
      const [entry] = given.Entries as { Source: string }[];
      const context = { 'events:source': entry?.Source ?? '' };
      return [{ action: 'events:PutEvents', resource: arn('event-bus/default'), context }];
    }
    default:
      throw new Error(`nobody has said what IAM is asked about ${service} ${operation}`);
  }
}

const parsed = (text: string): object => JSON.parse(text) as object;

/** Glue checks the catalog, the database and the table; for a list, every table. */
function catalogRequests(
  action: string,
  database: string,
  table: string | undefined,
  arn: (resource: string) => string,
): Request[] {
  const above = ['catalog', `database/${database}`];
  const own = action === 'glue:GetDatabase' ? [] : [`table/${database}/${table ?? '*'}`];
  return [...above, ...own].map((resource) => ({ action, resource: arn(resource) }));
}

/** The members of S3's requests that tell what is asked. */
interface ObjectInput {
  readonly Bucket?: string;
  readonly Key?: string;
  readonly VersionId?: string | undefined;
  readonly CopySource?: string;
  readonly Delete?: {
    readonly Objects?: readonly { readonly Key?: string | undefined; readonly VersionId?: string }[];
  };
}

function s3Requests(operation: string, input: ObjectInput): Request[] {
  const { Bucket = '', Key = '', VersionId, CopySource = '', Delete } = input;
  const bucket = `arn:aws:s3:::${Bucket}`;
  const object = `${bucket}/${Key}`;
  /** An action on an object, or on one version of it. */
  const on = (action: string, resource: string, isVersion: boolean, more = '') => ({
    action: `s3:${action}${isVersion ? 'Version' : ''}${more}`,
    resource,
  });
  switch (operation) {
    case 'GetObject':
    case 'HeadObject':
      return [on('GetObject', object, VersionId !== undefined)];
    case 'CopyObject':
    case 'UploadPartCopy': {
      const [from = '', query = ''] = CopySource.replace(/^\//, '').split('?');
      return [
        on('GetObject', `arn:aws:s3:::${from}`, query.includes('versionId=')),
        { action: 's3:PutObject', resource: object },
      ];
    }
    case 'GetObjectTagging':
      return [on('GetObject', object, VersionId !== undefined, 'Tagging')];
    case 'PutObjectTagging':
      return [{ action: 's3:PutObjectTagging', resource: object }];
    case 'DeleteObject':
      return [on('DeleteObject', object, VersionId !== undefined)];
    case 'DeleteObjects':
      return (Delete?.Objects ?? []).map((of) =>
        on('DeleteObject', `${bucket}/${of.Key ?? ''}`, of.VersionId !== undefined),
      );
    case 'ListObjectsV2':
    case 'HeadBucket':
      return [{ action: 's3:ListBucket', resource: bucket }];
    case 'ListObjectVersions':
      return [{ action: 's3:ListBucketVersions', resource: bucket }];
    case 'GetBucketLocation':
      return [{ action: 's3:GetBucketLocation', resource: bucket }];
    case 'ListParts':
      return [{ action: 's3:ListMultipartUploadParts', resource: object }];
    case 'AbortMultipartUpload':
      return [{ action: 's3:AbortMultipartUpload', resource: object }];
    case 'PutObject':
    case 'CreateMultipartUpload':
    case 'UploadPart':
    case 'CompleteMultipartUpload':
      return [{ action: 's3:PutObject', resource: object }];
    default:
      throw new Error(`nobody has said what IAM is asked about s3 ${operation} ${Bucket}/${Key}`);
  }
}

/** IAM is asked for each item of a transaction. */
function dynamoActions(
  operation: string,
  input: Record<string, unknown>,
): { action: string; table: string }[] {
  if (operation === 'TransactWriteItems')
    return (input.TransactItems as Record<string, { TableName: string }>[]).flatMap((item) =>
      Object.entries(item).map(([kind, { TableName }]) => ({
        action: kind === 'ConditionCheck' ? 'ConditionCheckItem' : `${kind}Item`,
        table: TableName,
      })),
    );
  if (operation.startsWith('Batch'))
    return Object.keys(input.RequestItems as object).map((table) => ({ action: operation, table }));
  // https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
  const index = input.IndexName === undefined ? '' : `/index/${input.IndexName}`;
  return [{ action: operation, table: `${input.TableName}${index}` }];
}

/**
 * Calls that Athena makes with its caller's permissions; they do not pass the gateway.
 * https://docs.aws.amazon.com/athena/latest/ug/s3-permissions.html, …/fine-grained-access-to-glue-resources.html
 */
function asAthena(operation: string, sql: string, names: Names): Request[] {
  const glue = (resource: string) => `arn:aws:glue:${names.region}:${names.account}:${resource}`;
  const work = `arn:aws:s3:::${names.workBucket}`;
  const processed = `arn:aws:s3:::${names.processedBucket}`;
  if (operation === 'GetQueryResults')
    return [{ action: 's3:GetObject', resource: `${work}/athena/result.csv` }];
  if (operation !== 'StartQueryExecution') return [];
  return [
    ...[names.database, 'default'].flatMap((database) =>
      catalogRequests('glue:GetDatabase', database, undefined, glue),
    ),
    ...['GetTable', 'GetPartition', 'GetPartitions', 'BatchGetPartition'].flatMap((action) =>
      catalogRequests(`glue:${action}`, names.database, 'staging', glue),
    ),
    { action: 's3:GetBucketLocation', resource: work },
    { action: 's3:ListBucket', resource: work },
    // The rows around a commit are those of the table alone.
    ...(/"staging_/.test(sql) ? [{ action: 's3:GetObject', resource: `${work}/staging/data.parquet` }] : []),
    // Rows of an Iceberg table are staged at their final place.
    { action: 's3:GetBucketLocation', resource: processed },
    { action: 's3:ListBucket', resource: processed },
    { action: 's3:GetObject', resource: `${processed}/table/attempt/data.parquet` },
    { action: 's3:GetObject', resource: `${work}/athena/result.csv` },
    { action: 's3:PutObject', resource: `${work}/athena/result.csv` },
  ];
}

/** Whether AWS would allow it. Throws Error for a request that IAM does not know. */
export async function isAllowed(
  { action, resource, context = {} }: Request,
  policies: readonly Policy[],
  { account }: Names,
): Promise<boolean> {
  const result = await runSimulation(
    {
      request: {
        principal: `arn:aws:iam::${account}:role/function`,
        action,
        resource: { resource, accountId: account },
        contextVariables: { ...context },
      },
      identityPolicies: policies.map((policy, i) => ({ name: `policy${i}`, policy })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      resourcePolicy: undefined,
    },
    {},
  );
  if (result.resultType === 'error')
    throw new Error(`${action} ${resource}: ${JSON.stringify(result.errors)}`);
  return result.overallResult === 'Allowed';
}

export interface Grant {
  readonly action: string;
  readonly resource: string;
}

const listOf = (value: string | readonly string[]): readonly string[] =>
  typeof value === 'string' ? [value] : value;

/** Each pair of action and resource that the policies allow. */
export const grantsOf = (policies: readonly Policy[]): Grant[] =>
  policies
    .flatMap((policy) => policy.Statement)
    .filter((statement) => statement.Effect === 'Allow')
    .flatMap(({ Action, Resource }) =>
      listOf(Action).flatMap((action) => listOf(Resource).map((resource) => ({ action, resource }))),
    );

/** What the resource of a grant matches. */
export const patternOf = (resource: string): RegExp =>
  new RegExp(`^${resource.split('*').map(RegExp.escape).join('.*')}$`, 's');

/** Whether a request made use of a grant. */
export const uses = ({ action, resource }: Request, grant: Grant): boolean =>
  action === grant.action && patternOf(grant.resource).test(resource);
