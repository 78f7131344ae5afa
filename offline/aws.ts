/** Clients of the store behind the gateway, for the engines that answer in its place. */

import { AthenaClient } from '@aws-sdk/client-athena';
import {
  EntityNotFoundException,
  GetTableCommand,
  GlueClient,
  paginateGetPartitions,
  type Table,
} from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import { ApiError } from './apiError.ts';

/** The credentials and region that every part of the local AWS uses. */
export const localEnvironment = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test', // pragma: allowlist secret
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
} as const;

/** A line for a shell, that points the AWS tools at an endpoint on this machine. */
export const exportLine = (endpoint: string): string =>
  `export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=${localEnvironment.AWS_ACCESS_KEY_ID} AWS_SECRET_ACCESS_KEY=${localEnvironment.AWS_SECRET_ACCESS_KEY} AWS_REGION=${localEnvironment.AWS_REGION}`;

/** Settings of an SDK client against an endpoint on this machine. */
export const localClient = (endpoint: string) => ({
  endpoint,
  region: localEnvironment.AWS_REGION,
  credentials: {
    accessKeyId: localEnvironment.AWS_ACCESS_KEY_ID,
    secretAccessKey: localEnvironment.AWS_SECRET_ACCESS_KEY,
  },
});

export interface Upstream {
  readonly glue: GlueClient;
  readonly s3: S3Client;
  readonly athena: AthenaClient;
  /** A call of a JSON service as it is on the wire, such as `AWSGlue.GetTable`. Throws ApiError with the service's error. */
  readonly call: (target: string, request: unknown) => Promise<Record<string, unknown>>;
}

export const connectUpstream = (endpoint: string): Upstream => ({
  glue: new GlueClient(localClient(endpoint)),
  s3: new S3Client({ ...localClient(endpoint), forcePathStyle: true }),
  athena: new AthenaClient(localClient(endpoint)),
  call: async (target, request) => {
    const service = target.startsWith('AWSGlue') ? 'glue' : 'athena';
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': target,
        // Nothing here checks a signature; the service is told by its scope.
        authorization: `AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify(request),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    if (!response.ok) {
      const name = String(answer.__type ?? 'InternalServiceException').replace(/^.*#/, '');
      throw new ApiError(name, String(answer.message ?? answer.Message ?? ''), {}, response.status);
    }
    return answer;
  },
});

/** A table of the Catalog; undefined where there is none. */
export async function findTable(
  { glue }: Pick<Upstream, 'glue'>,
  database: string,
  name: string,
): Promise<Table | undefined> {
  try {
    return (await glue.send(new GetTableCommand({ DatabaseName: database, Name: name.toLowerCase() }))).Table;
  } catch (error) {
    if (error instanceof EntityNotFoundException) return undefined;
    throw error;
  }
}

/** Every registered partition of a table. */
export async function listPartitions(
  { glue }: Pick<Upstream, 'glue'>,
  database: string,
  table: string | undefined,
): Promise<{ values: string[]; location: string }[]> {
  const found: { values: string[]; location: string }[] = [];
  for await (const page of paginateGetPartitions(
    { client: glue },
    { DatabaseName: database, TableName: table, ExcludeColumnSchema: true },
  ))
    for (const p of page.Partitions ?? [])
      found.push({ values: p.Values ?? [], location: p.StorageDescriptor?.Location ?? '' });
  return found;
}

/** `s3://bucket/some/key` in its two parts. */
export function parseAddress(address: string): { bucket: string; key: string } {
  const [, bucket = '', key = ''] = /^s3a?:\/\/([^/]+)\/?(.*)$/.exec(address) ?? [];
  return { bucket, key };
}
