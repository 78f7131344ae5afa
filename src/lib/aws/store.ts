/** S3 as the flow needs it. Throttling and 5xx are retried by the SDK; a missing object is ObjectMissing. */
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  type ObjectIdentifier,
  PutObjectCommand,
  type PutObjectCommandInput,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import type { z } from 'zod';
import { ConnectionLost, ObjectMissing, ObjectsNotDeleted, RecordUnreadable } from '../errors.ts';
import { tryParseJson } from '../json.ts';
import { chunksOf, parallel } from '../parallel.ts';
import { again, type Patience } from './again.ts';
import { createVersions } from './versions.ts';

/** An object, or exactly one version of it. */
export interface ObjectRef {
  readonly bucket: string;
  readonly key: string;
  readonly version?: string;
}

export interface ListedObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
}

/** S3's codes for keys of a DeleteObjects call that may be sent again. */
const transientDeletes = new Set(['InternalError', 'SlowDown', 'ServiceUnavailable', 'RequestTimeout']);

/** Metadata of an object: the version in whose place it was put, and whether a delete marker hid that version. */
const sameAsKey = 'sluice-same-as';
const hiddenKey = 'sluice-hidden';

const contentTypes: Readonly<Record<string, string>> = {
  json: 'application/json',
  html: 'text/html; charset=utf-8',
  avro: 'avro/binary',
};

export type Store = ReturnType<typeof createStore>;

export function createStore(
  client: S3Client = new S3Client({ maxAttempts: 5 }),
  patience: Patience = { attempts: 5, pause: 200 },
) {
  const get = async (ref: ObjectRef, range?: string) => {
    try {
      const { Body, ContentRange, ContentLength } = await client.send(
        new GetObjectCommand({ ...versioned(ref), ...(range ? { Range: range } : {}) }),
      );
      if (!Body) throw new ObjectMissing(`${address(ref)} has no body`, { object: ref.key });
      return {
        body: Body,
        size: Number(ContentRange?.split('/')[1] ?? ContentLength ?? 0),
        isPart: ContentRange !== undefined,
      };
    } catch (error) {
      throw asObjectMissing(error, ref);
    }
  };

  /**
   * Reads a body, and retries if the connection breaks in the middle. The SDK only retries requests, and has returned the
   * body by then. Throws ConnectionLost if every try breaks.
   */
  const reading = async <T>(ref: ObjectRef, read: () => Promise<T>): Promise<T> => {
    try {
      return await again(read, isBrokenOff, patience);
    } catch (error) {
      if (!isBrokenOff(error)) throw error;
      throw new ConnectionLost(`${address(ref)}: ${error instanceof Error ? error.message : error}`, {
        object: ref.key,
        cause: error,
      });
    }
  };

  /** False if the key exists already: whoever comes second, however late, changes nothing. `put` makes a new body for each try. */
  const putOnce = async (put: () => PutObjectCommandInput): Promise<boolean> => {
    const send = () => client.send(new PutObjectCommand({ ...put(), IfNoneMatch: '*' }));
    try {
      // S3 asks for a retry if two callers write at once.
      await again(send, (error) => nameOf(error) === 'ConditionalRequestConflict', patience);
      return true;
    } catch (error) {
      if (nameOf(error) === 'PreconditionFailed') return false;
      throw error;
    }
  };

  const deleteAll = async (bucket: string, objects: readonly ObjectIdentifier[]): Promise<void> => {
    await parallel(chunksOf(objects, 1000), 4, async (chunk) => {
      let rest: readonly ObjectIdentifier[] = chunk;
      let isTransient = true;
      const remove = async () => {
        const { Errors = [] } = await client.send(
          new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: [...rest], Quiet: true } }),
        );
        if (Errors.length === 0) return;
        const asked = rest.length;
        rest = Errors.flatMap(({ Key, VersionId }) =>
          Key === undefined ? [] : [{ Key, ...(VersionId ? { VersionId } : {}) }],
        );
        isTransient = rest.length > 0 && Errors.every((e) => transientDeletes.has(e.Code ?? ''));
        throw new ObjectsNotDeleted(
          `s3://${bucket}: ${Errors.length} of ${asked} objects were not deleted, the first is ${Errors[0]?.Key}: ${Errors[0]?.Code} ${Errors[0]?.Message ?? ''}`,
          { object: Errors[0]?.Key },
        );
      };
      await again(remove, (error) => error instanceof ObjectsNotDeleted && isTransient, patience);
    });
  };

  return {
    ...createVersions(client),

    /** The first `bytes` bytes of an object, and its full size. */
    async head(ref: ObjectRef, bytes: number): Promise<{ head: Uint8Array; size: number }> {
      try {
        return await reading(ref, async () => {
          const { body, size } = await get(ref, `bytes=0-${bytes - 1}`);
          return { head: await firstBytes(body as Readable, bytes), size };
        });
      } catch (error) {
        // S3 answers a range on an empty object with 416.
        if (error instanceof S3ServiceException && error.name === 'InvalidRange')
          return { head: new Uint8Array(), size: 0 };
        throw error;
      }
    },

    /** The bytes from `start` to before `end`. */
    async readRange(ref: ObjectRef, start: number, end: number): Promise<ArrayBuffer> {
      const bytes = await reading(ref, async () => {
        const { body, isPart } = await get(ref, `bytes=${start}-${end - 1}`);
        const all = await body.transformToByteArray();
        // A store may answer a range with the whole object.
        return isPart ? all : all.subarray(start, end);
      });
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    },

    async readText(ref: ObjectRef): Promise<string> {
      return reading(ref, async () => (await get(ref)).body.transformToString());
    },

    async readBytes(ref: ObjectRef): Promise<Uint8Array> {
      return reading(ref, async () => (await get(ref)).body.transformToByteArray());
    },

    /** Throws RecordUnreadable if the document does not fit the schema. */
    async readJson<S extends z.ZodType>(ref: ObjectRef, schema: S): Promise<z.output<S>> {
      const parsed = schema.safeParse(tryParseJson(await this.readText(ref)));
      if (parsed.success) return parsed.data;
      const [issue] = parsed.error.issues;
      throw new RecordUnreadable(
        `${address(ref)} cannot be read: ${issue?.path.join('.') || 'the document'}: ${issue?.message}. Restore its first version`,
        { object: ref.key, cause: parsed.error },
      );
    },

    /** Like readJson, but undefined for an object that does not exist. */
    async findJson<S extends z.ZodType>(ref: ObjectRef, schema: S): Promise<z.output<S> | undefined> {
      try {
        return await this.readJson(ref, schema);
      } catch (error) {
        if (error instanceof ObjectMissing) return undefined;
        throw error;
      }
    },

    async download(ref: ObjectRef, path: string): Promise<void> {
      await reading(ref, async () => pipeline((await get(ref)).body as Readable, createWriteStream(path)));
    },

    async writeText(ref: ObjectRef, text: string): Promise<void> {
      await client.send(new PutObjectCommand(wholeObject(ref, text)));
    },

    /** Writes an object that is never overwritten. False if it exists already. */
    writeOnce: (ref: ObjectRef, content: string | Uint8Array): Promise<boolean> =>
      putOnce(() => wholeObject(ref, content)),

    /** Writes a document once. Returns the one that stays: this one, or that of the first writer. Throws like readJson. */
    async writeJsonOnce<S extends z.ZodType>(
      ref: ObjectRef,
      document: z.output<S>,
      schema: S,
    ): Promise<z.output<S>> {
      const isFirst = await this.writeOnce(ref, JSON.stringify(document));
      return isFirst ? document : this.readJson(ref, schema);
    },

    async upload(path: string, ref: ObjectRef): Promise<void> {
      const { size } = await stat(path);
      await client.send(new PutObjectCommand(fileObject(ref, path, size)));
    },

    /**
     * Uploads a file to a key that is never overwritten. Returns the bytes of the object that stays: this one, or an earlier
     * one.
     */
    async uploadOnce(path: string, ref: ObjectRef): Promise<number> {
      const { size } = await stat(path);
      const isFirst = await putOnce(() => fileObject(ref, path, size));
      return isFirst ? size : (await this.head(ref, 1)).size;
    },

    /** Copies within S3, without the source's tags, because writing tags needs another permission. */
    async copy(from: ObjectRef, to: ObjectRef): Promise<void> {
      try {
        await client.send(
          new CopyObjectCommand({
            Bucket: to.bucket,
            Key: to.key,
            CopySource: copySource(from),
            TaggingDirective: 'REPLACE',
          }),
        );
      } catch (error) {
        if (!isTooLargeToCopy(error)) throw asObjectMissing(error, from);
        await copyInParts(client, from, to);
      }
    },

    /** Every object below a prefix, in the order of keys. */
    async list(bucket: string, prefix: string): Promise<ListedObject[]> {
      const found: ListedObject[] = [];
      for await (const page of this.listPages(bucket, prefix)) found.push(...page);
      return found;
    },

    /** The same, a page of up to 1,000 at a time; only keys that come after `after`, if it is given. */
    async *listPages(bucket: string, prefix: string, after?: string): AsyncGenerator<ListedObject[]> {
      const query = { Bucket: bucket, Prefix: prefix, StartAfter: after };
      for await (const page of paginateListObjectsV2({ client }, query))
        yield (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
          key: Key,
          size: Size,
          modified: LastModified?.getTime() ?? 0,
        }));
    },

    /** Whether a version can still be read. */
    async exists(ref: ObjectRef): Promise<boolean> {
      try {
        await client.send(new HeadObjectCommand(versioned(ref)));
        return true;
      } catch (error) {
        if (asObjectMissing(error, ref) instanceof ObjectMissing) return false;
        throw error;
      }
    },

    /**
     * Puts a new version of an object in place of its current one. `of` is the ETag of the version that must be the current one; null: a
     * delete marker hides it. `sameAs`, the version in whose place it is, is kept with it, and its headers and metadata are taken over. Null if another version has come in the meantime.
     */
    async putInPlace(
      path: string,
      ref: ObjectRef,
      { of, sameAs }: { of: string | null; sameAs: string },
    ): Promise<{ version: string; etag: string; size: number } | null> {
      const { size } = await stat(path);
      const {
        Metadata = {},
        ContentType,
        ContentEncoding,
        ContentLanguage,
        ContentDisposition,
        CacheControl,
      } = await client
        .send(new HeadObjectCommand(versioned({ ...ref, version: sameAs })))
        .catch((error: unknown) => {
          throw asObjectMissing(error, ref);
        });
      // Of an earlier call.
      const { [hiddenKey]: _, ...metadata } = Metadata;
      const send = () =>
        client.send(
          new PutObjectCommand({
            ...fileObject(ref, path, size),
            ...(of === null ? { IfNoneMatch: '*' } : { IfMatch: `"${of}"` }),
            ...{ ContentType, ContentEncoding, ContentLanguage, ContentDisposition, CacheControl },
            Metadata: {
              ...metadata,
              [sameAsKey]: encodeURIComponent(sameAs),
              ...(of === null ? { [hiddenKey]: 'true' } : {}),
            },
          }),
        );
      try {
        const { VersionId = '', ETag = '' } = await again(
          send,
          (error) => nameOf(error) === 'ConditionalRequestConflict',
          patience,
        );
        return { version: VersionId, etag: ETag.replaceAll('"', ''), size };
      } catch (error) {
        if (['PreconditionFailed', 'NoSuchKey'].includes(nameOf(error))) return null;
        throw error;
      }
    },

    /** What `putInPlace` has kept with a version; undefined for any other version, and for one that is gone. */
    async placeOf(ref: ObjectRef): Promise<{ sameAs: string; wasHidden: boolean } | undefined> {
      try {
        const { Metadata = {} } = await client.send(new HeadObjectCommand(versioned(ref)));
        const found = Metadata[sameAsKey];
        return found === undefined
          ? undefined
          : { sameAs: decodeURIComponent(found), wasHidden: Metadata[hiddenKey] !== undefined };
      } catch (error) {
        if (asObjectMissing(error, ref) instanceof ObjectMissing) return undefined;
        throw error;
      }
    },

    /**
     * Deletes keys; a key that does not exist counts as deleted. S3 may answer 200 without having deleted all of them: the
     * rest is sent again. Throws ObjectsNotDeleted if some stay.
     */
    delete: (bucket: string, keys: readonly string[]): Promise<void> =>
      deleteAll(
        bucket,
        keys.map((Key) => ({ Key })),
      ),

    /** Deletes versions and delete markers for good. Throws like `delete`. */
    deleteVersions: (
      bucket: string,
      versions: readonly { readonly key: string; readonly version: string }[],
    ): Promise<void> =>
      deleteAll(
        bucket,
        versions.map(({ key, version }) => ({ Key: key, VersionId: version })),
      ),
  };
}

/** An object, or one version of it, in the words of S3's requests. */
const versioned = ({ bucket, key, version }: ObjectRef) => ({
  Bucket: bucket,
  Key: key,
  ...(version ? { VersionId: version } : {}),
});

/** In the form of CopySource: the parts of the key are escaped, its slashes are not. */
const copySource = ({ bucket, key, version }: ObjectRef): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}${version ? `?versionId=${encodeURIComponent(version)}` : ''}`;

/** CopyObject accepts 5 GiB at most. https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
const isTooLargeToCopy = (error: unknown): boolean =>
  error instanceof S3ServiceException &&
  error.name === 'InvalidRequest' &&
  /larger than the maximum/i.test(error.message);

/**
 * The bytes of one part of a copy, and the number of parts copied at once. S3 accepts 10,000 parts of up to 5 GiB; 5 TB need
 * about 9,300 parts.
 */
const copyPartBytes = 512 * 1024 * 1024;
const copyPartsAtOnce = 16;

/** Copies an object of any size. After a failure, neither parts nor an object are left. */
async function copyInParts(client: S3Client, from: ObjectRef, to: ObjectRef): Promise<void> {
  const target = { Bucket: to.bucket, Key: to.key };
  const source = await client.send(new HeadObjectCommand(versioned(from))).catch((error: unknown) => {
    throw asObjectMissing(error, from);
  });
  const size = source.ContentLength ?? 0;
  const { UploadId } = await client.send(
    new CreateMultipartUploadCommand({ ...target, ContentType: source.ContentType }),
  );
  const upload = { ...target, UploadId };
  try {
    const starts = Array.from({ length: Math.ceil(size / copyPartBytes) }, (_, i) => i * copyPartBytes);
    const parts = await parallel(starts, copyPartsAtOnce, async (start, i) => {
      const PartNumber = i + 1;
      const { CopyPartResult } = await client.send(
        new UploadPartCopyCommand({
          ...upload,
          PartNumber,
          CopySource: copySource(from),
          CopySourceRange: `bytes=${start}-${Math.min(start + copyPartBytes, size) - 1}`,
          // Every part copies the same version, even if the key is overwritten meanwhile.
          CopySourceIfMatch: source.ETag,
        }),
      );
      return { PartNumber, ETag: CopyPartResult?.ETag };
    });
    await client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }));
  } catch (error) {
    // If this fails, the bucket's lifecycle rule removes the parts after some days.
    await client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
    throw asObjectMissing(error, from);
  }
}

/** Node's codes for a connection that ends before its body does. */
const brokenOff = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_PREMATURE_CLOSE']);

const isBrokenOff = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && brokenOff.has(String(error.code));

const nameOf = (error: unknown): string => (error instanceof S3ServiceException ? error.name : '');

const wholeObject = ({ bucket, key }: ObjectRef, content: string | Uint8Array) => ({
  Bucket: bucket,
  Key: key,
  Body: content,
  // The SDK tells no length for an empty body, and then warns of a stream.
  ContentLength: Buffer.byteLength(content),
  ContentType: contentTypes[key.split('.').at(-1) ?? ''] ?? 'text/plain; charset=utf-8',
});

const fileObject = ({ bucket, key }: ObjectRef, path: string, size: number) => ({
  Bucket: bucket,
  Key: key,
  // To the SDK, an empty stream is one of unknown length.
  Body: size === 0 ? '' : createReadStream(path),
  ContentLength: size,
});

/** A store may answer a range with the whole object; the rest is not read. */
async function firstBytes(body: Readable, bytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= bytes) break;
  }
  return Buffer.concat(chunks).subarray(0, bytes);
}

/** `s3://bucket/key`, the form used in errors, in the Catalog and in Spark. */
export const address = ({ bucket, key }: ObjectRef): string => `s3://${bucket}/${key}`;

/** The inverse. */
export function placeOf(location: string): ObjectRef {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(location) ?? [];
  return { bucket, key };
}

function asObjectMissing(error: unknown, ref: ObjectRef): unknown {
  if (!(error instanceof S3ServiceException)) return error;
  if (!['NoSuchKey', 'NoSuchVersion', 'NotFound'].includes(error.name)) return error;
  const version = ref.version ? ` (version ${ref.version})` : '';
  return new ObjectMissing(`${address(ref)}${version} is gone; it was deleted after its event`, {
    object: ref.key,
    cause: error,
  });
}
