/** The versions of objects in S3. */
import {
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  S3Client,
} from '@aws-sdk/client-s3';

export interface ObjectVersion {
  readonly key: string;
  readonly version: string;
  /** Bytes. */
  readonly size: number;
  readonly etag: string;
  readonly isLatest: boolean;
}

/** A version or a delete marker. */
export interface StoredVersion extends ObjectVersion {
  readonly isMarker: boolean;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

const storedVersion = (v: {
  Key?: string | undefined;
  VersionId?: string | undefined;
  ETag?: string | undefined;
  IsLatest?: boolean | undefined;
  LastModified?: Date | undefined;
}) => ({
  key: v.Key ?? '',
  version: v.VersionId ?? '',
  etag: (v.ETag ?? '').replaceAll('"', ''),
  isLatest: v.IsLatest ?? false,
  modified: v.LastModified?.getTime() ?? 0,
});

/** Whether an object is the marker of a folder. An object with bytes is a file, whatever its key. */
export const isFolderMarker = ({ key, size }: Pick<ObjectVersion, 'key' | 'size'>): boolean =>
  key.endsWith('/') && size === 0;

export type Versions = ReturnType<typeof createVersions>;

/** Reads versions. `dispatch` needs nothing else of S3, so its package has only this. */
export function createVersions(client: S3Client = new S3Client({ maxAttempts: 5 })) {
  /** Versions of the keys that begin with `prefix` and come after `after`, a page at a time. */
  async function* versionPages(bucket: string, prefix: string, after?: string) {
    let marker: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {
      KeyMarker: after,
    };
    for (;;) {
      const page = await client.send(
        new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, ...marker }),
      );
      yield page;
      if (!page.IsTruncated) return;
      marker = { KeyMarker: page.NextKeyMarker, VersionIdMarker: page.NextVersionIdMarker };
    }
  }

  return {
    /**
     * Versions below a prefix whose keys come after `after`, in order, the latest of a key first. The list may exceed `limit`
     * to end with a key's last version. `next` is the last key if there are more. Delete markers are left out.
     */
    async listVersions(
      bucket: string,
      prefix: string,
      after: string | undefined,
      limit: number,
    ): Promise<{ versions: ObjectVersion[]; next: string | undefined }> {
      const versions: ObjectVersion[] = [];
      for await (const page of versionPages(bucket, prefix, after)) {
        for (const v of page.Versions ?? [])
          versions.push({
            key: v.Key ?? '',
            version: v.VersionId ?? '',
            size: v.Size ?? 0,
            etag: (v.ETag ?? '').replaceAll('"', ''),
            isLatest: v.IsLatest ?? false,
          });
        // A page may end between two versions of a key. The listing then continues after the key, because its latest version came
        // first.
        const last = lastKey(page) ?? page.NextKeyMarker;
        if (page.IsTruncated && versions.length >= limit) return { versions, next: last };
      }
      return { versions, next: undefined };
    },

    /** All versions and delete markers below a prefix, a page at a time: of each key the latest first. */
    async *everyVersion(bucket: string, prefix: string): AsyncGenerator<StoredVersion[]> {
      for await (const { Versions = [], DeleteMarkers = [] } of versionPages(bucket, prefix))
        yield [
          ...Versions.map((v) => ({ ...storedVersion(v), size: v.Size ?? 0, isMarker: false })),
          ...DeleteMarkers.map((v) => ({ ...storedVersion(v), size: 0, isMarker: true })),
        ];
    },

    /** The versions of one key in S3, the newest first, with their times of writing (milliseconds). */
    async versionsOf(bucket: string, key: string): Promise<{ version: string; modified: number }[]> {
      const found: { version: string; modified: number }[] = [];
      for await (const page of versionPages(bucket, key)) {
        for (const v of page.Versions ?? [])
          if (v.Key === key)
            found.push({ version: v.VersionId ?? '', modified: v.LastModified?.getTime() ?? 0 });
        // Keys that only begin with this one come after all of its versions.
        if (page.NextKeyMarker !== key) break;
      }
      return found;
    },
  };
}

/**
 * The last key of a page of versions. S3 returns this key as its marker, but its documentation says that the marker is the
 * first key left out. A listing that believed the documentation would skip it.
 */
const lastKey = ({
  Versions = [],
  DeleteMarkers = [],
}: ListObjectVersionsCommandOutput): string | undefined =>
  [Versions.at(-1)?.Key, DeleteMarkers.at(-1)?.Key]
    .filter((key) => key !== undefined)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .at(-1);
