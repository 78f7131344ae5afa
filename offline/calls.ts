/** Describes an AWS call that passes the gateway. */
import type { IncomingMessage } from 'node:http';

export interface Call {
  /** As in the credential scope: s3, glue, athena, dynamodb, states, sqs, events. */
  readonly service: string;
  /** The API's name: StartQueryExecution, GetObject, CopyObject. */
  readonly operation: string;
  /** The calling function, such as publish; glueJob for Spark; empty for a command or another program. */
  readonly function: string;
  /** The address, decoded. */
  readonly path: string;
}

/** The parts of a request that name its call. */
export type Wire = Pick<IncomingMessage, 'headers' | 'method' | 'url'>;

/** Describes a call by its headers and address. */
export function describeCall({ headers, method, url }: Wire): Call {
  const path = decoded(url ?? '');
  // A presigned address carries its signature.
  const signature = String(headers.authorization ?? path);
  const service = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(signature)?.[1] ?? '';
  const target =
    String(headers['x-amz-target'] ?? '')
      .split('.')
      .at(-1) ?? '';
  const agent = String(headers['user-agent'] ?? '');
  // Powertools appends itself to the name. Spark reads and writes through Hadoop.
  const caller = /app\/([A-Za-z0-9]+)/.exec(agent)?.[1] ?? (agent.startsWith('Hadoop') ? 'glueJob' : '');
  return {
    service,
    operation: target || s3Operation(String(method), new URL(url ?? '/', 'http://s3'), headers),
    function: caller,
    path,
  };
}

/** A badly encoded address stays unchanged: the service rejects it. */
function decoded(address: string): string {
  try {
    return decodeURIComponent(address);
  } catch {
    return address;
  }
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations.html */
function s3Operation(method: string, { pathname, searchParams }: URL, headers: IncomingMessage['headers']) {
  const isCopy = headers['x-amz-copy-source'] !== undefined;
  const isObject = pathname.split('/').filter(Boolean).length > 1;
  if (!isObject) {
    if (searchParams.has('location')) return 'GetBucketLocation';
    if (searchParams.has('delete')) return 'DeleteObjects';
    if (searchParams.has('versions')) return 'ListObjectVersions';
    return method === 'GET' ? 'ListObjectsV2' : `${method}Bucket`;
  }
  if (searchParams.has('tagging')) return `${verbs[method] ?? method}ObjectTagging`;
  if (searchParams.has('uploads')) return 'CreateMultipartUpload';
  if (searchParams.has('partNumber')) return isCopy ? 'UploadPartCopy' : 'UploadPart';
  if (searchParams.has('uploadId'))
    return method === 'DELETE' ? 'AbortMultipartUpload' : 'CompleteMultipartUpload';
  if (isCopy) return 'CopyObject';
  return `${verbs[method] ?? method}Object`;
}

const verbs: Readonly<Record<string, string>> = { GET: 'Get', PUT: 'Put', HEAD: 'Head', DELETE: 'Delete' };
