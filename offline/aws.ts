/** Clients of the store behind the gateway, for the engines that answer in its place. */

import { AthenaClient } from '@aws-sdk/client-athena';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';

/** The credentials and region that every part of the local AWS uses. */
export const localEnvironment = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
  AWS_DEFAULT_REGION: 'us-east-1',
} as const;

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
}

export const connectUpstream = (endpoint: string): Upstream => ({
  glue: new GlueClient(localClient(endpoint)),
  s3: new S3Client({ ...localClient(endpoint), forcePathStyle: true }),
  athena: new AthenaClient(localClient(endpoint)),
});

/** `s3://bucket/some/key` in its two parts. */
export function parseAddress(address: string): { bucket: string; key: string } {
  const [, bucket = '', key = ''] = /^s3a?:\/\/([^/]+)\/?(.*)$/.exec(address) ?? [];
  return { bucket, key };
}
