/** CopyObject's conditions for its source: at most 5 GB, and permissions to read and write tags if it has tags. */
import type { Input } from './quotas.ts';
import { Refusal } from './refusal.ts';

export interface Source {
  readonly Bucket: string;
  readonly Key: string;
  readonly VersionId?: string | undefined;
}

/** What x-amz-copy-source names. */
export function sourceOf(header: string): Source {
  const [place = '', query = ''] = header.replace(/^\//, '').split('?');
  const [bucket = '', ...rest] = place.split('/');
  return {
    Bucket: decodeURIComponent(bucket),
    Key: decodeURIComponent(rest.join('/')),
    VersionId: new URLSearchParams(query).get('versionId') ?? undefined,
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
export function checkSource(bytes: number, most: number): Refusal | undefined {
  if (bytes <= most) return undefined;
  return new Refusal(
    'InvalidRequest',
    `The specified copy source is larger than the maximum allowable size for a copy source: ${most}`,
  );
}

/** S3 copies tags, which needs further permissions, unless the request sets tags for the new object. */
export const copiesTags = ({ TaggingDirective }: Input): boolean => TaggingDirective !== 'REPLACE';
