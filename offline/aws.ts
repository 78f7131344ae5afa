/** Clients for ministack, used by the engines in front of it. */

import { AthenaClient } from '@aws-sdk/client-athena';
import { GlueClient } from '@aws-sdk/client-glue';
import { paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { SQSClient } from '@aws-sdk/client-sqs';
import { localClient } from '../src/stage/localEndpoint.ts';
import { ApiError } from './apiError.ts';

export interface Upstream {
  readonly glue: GlueClient;
  readonly s3: S3Client;
  readonly athena: AthenaClient;
  readonly sqs: SQSClient;
  /** Calls a JSON service by its wire name, such as `AWSGlue.GetTable`. Throws ApiError with the service's error. */
  readonly call: (target: string, request: unknown) => Promise<Record<string, unknown>>;
}

/** ministack requires `headers` in each call. */
export const connectUpstream = (
  endpoint: string,
  headers: Readonly<Record<string, string>> = {},
): Upstream => ({
  glue: withHeaders(new GlueClient(localClient(endpoint)), headers),
  s3: withHeaders(new S3Client({ ...localClient(endpoint), forcePathStyle: true }), headers),
  athena: withHeaders(new AthenaClient(localClient(endpoint)), headers),
  sqs: withHeaders(new SQSClient(localClient(endpoint)), headers),
  call: async (target, request) => {
    const service = serviceOf(target);
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: {
        ...headers,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': target,
        // Nobody checks the signature. Its scope says which service is called.
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

/** Sends headers with each call of a client. */
function withHeaders<C extends { readonly config: Pick<GlueClient['config'], 'requestHandler'> }>(
  client: C,
  headers: Readonly<Record<string, string>>,
): C {
  const { requestHandler } = client.config;
  const handle = requestHandler.handle.bind(requestHandler);
  requestHandler.handle = (request, options) => {
    Object.assign(request.headers, headers);
    return handle(request, options);
  };
  return client;
}

const serviceOf = (target: string): string =>
  target.startsWith('AWSGlue') ? 'glue' : target.startsWith('DynamoDB') ? 'dynamodb' : 'athena';

export interface StoredObject {
  readonly bucket: string;
  readonly key: string;
  /** `s3://bucket/key`. */
  readonly address: string;
  readonly etag: string;
  /** Bytes. */
  readonly size: number;
}

/** Every object below a location, in the order of keys. */
export async function* objectsBelow(
  { s3 }: Pick<Upstream, 's3'>,
  location: string,
): AsyncGenerator<StoredObject> {
  const { bucket, key: prefix } = parseAddress(location.replace(/\/?$/, '/'));
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket: bucket, Prefix: prefix }))
    for (const { Key: key = '', Size: size = 0, ETag: etag = '' } of page.Contents ?? [])
      yield { bucket, key, address: `s3://${bucket}/${key}`, etag, size };
}

/** Splits `s3://bucket/some/key` into bucket and key. */
export function parseAddress(address: string): { bucket: string; key: string } {
  const [, bucket = '', key = ''] = /^s3a?:\/\/([^/]+)\/?(.*)$/.exec(address) ?? [];
  return { bucket, key };
}
