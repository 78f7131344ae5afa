/**
 * S3 in memory: buckets with and without versions.
 * Limits: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html (5 GB),
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html (1,000 keys),
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html (parts).
 */
import { hash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  ListPartsCommand,
  PutObjectCommand,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { Operations } from './clients.ts';
import { awsError } from './errors.ts';
import { type Attempt, isHit } from './faults.ts';
import { abs, Bytes, byteLength, Moment, max, min } from './globals.ts';
import { SortedKeys } from './sorted.ts';

export interface BucketOptions {
  readonly isVersioned?: boolean;
}

export interface S3Options {
  readonly buckets: Readonly<Record<string, BucketOptions>>;
  /** The number of keys on a full page: 1,000 as on AWS, or fewer. */
  readonly pageKeys?: number | undefined;
  readonly now?: () => number;
}

/** Immutable bytes; text if they came as text. */
class Content {
  /** Bytes, possibly with a declared size that is larger. */
  readonly size: number;
  private text: string | undefined;
  private data: Uint8Array | undefined;
  private digest: string | undefined;

  constructor(from: string | Uint8Array, size?: number, digest?: string) {
    if (typeof from === 'string') this.text = from;
    else this.data = from;
    this.size = size ?? (typeof from === 'string' ? byteLength(from) : from.length);
    this.digest = digest;
  }

  get bytes(): Uint8Array {
    this.data ??= Buffer.from(this.text ?? '');
    return this.data;
  }

  toString(): string {
    this.text ??= Buffer.from(this.bytes).toString('utf8');
    return this.text;
  }

  /** MD5 of the bytes, in S3's quotes. Objects with another declared size have another ETag. */
  get etag(): string {
    this.digest ??= `"${hash('md5', this.text ?? this.bytes)}"`;
    return this.digest;
  }
}

export interface StoredVersion {
  /** `null` in a bucket without versions. */
  readonly id: string;
  /** Undefined for a delete marker. */
  readonly content: Content | undefined;
  readonly modified: Date;
  /** Hexadecimal, as in events. A greater one is a later write of the same key. */
  readonly sequencer: string;
  readonly headers: Headers;
}

interface Headers {
  readonly contentType?: string | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly tagging?: string | undefined;
}

/** As EventBridge tells of it: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
export interface S3Event {
  readonly 'detail-type': 'Object Created' | 'Object Deleted';
  readonly time: string;
  readonly detail: {
    readonly version: '0';
    readonly bucket: { readonly name: string };
    readonly object: {
      readonly key: string;
      readonly size?: number;
      readonly etag?: string;
      readonly 'version-id'?: string;
      readonly sequencer: string;
    };
    readonly reason: string;
    readonly 'deletion-type'?: string;
  };
}

interface Bucket {
  readonly name: string;
  readonly isVersioned: boolean;
  readonly keys: SortedKeys;
  /** For each key, the newest first. */
  readonly versions: Map<string, StoredVersion[]>;
}

interface Upload {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Headers;
  readonly parts: Map<number, Content>;
}

const gib = 1024 ** 3;
const ok = { $metadata: { httpStatusCode: 200 } };

const failure = (name: string, message: string): Error => awsError('s3', name, message);

/** The body of an answer: a stream that can also be read whole, once. */
class Body extends Readable {
  private content: Content | undefined;
  private readonly breaks: boolean;

  constructor(content: Content, breaks: boolean) {
    super();
    this.content = content;
    this.breaks = breaks;
  }

  private taken(): Content {
    const { content } = this;
    if (content === undefined) throw new Error('The stream has already been transformed.');
    this.content = undefined;
    if (this.breaks) throw Object.assign(new Error('aborted'), { code: 'ECONNRESET' });
    return content;
  }

  override _read(): void {
    const { content } = this;
    if (content === undefined) return;
    this.content = undefined;
    const bytes = content.bytes;
    if (this.breaks) {
      this.push(bytes.slice(0, bytes.length / 2));
      this.destroy(Object.assign(new Error('aborted'), { code: 'ECONNRESET' }));
      return;
    }
    if (bytes.length > 0) this.push(Buffer.from(bytes));
    this.push(null);
  }

  async transformToString(encoding?: string): Promise<string> {
    const content = this.taken();
    return encoding === undefined || encoding === 'utf-8' || encoding === 'utf8'
      ? content.toString()
      : new TextDecoder(encoding).decode(content.bytes);
  }

  async transformToByteArray(): Promise<Uint8Array> {
    return this.taken().bytes.slice();
  }

  transformToWebStream(): ReadableStream {
    return new Blob([this.taken().bytes.slice()]).stream();
  }
}

/** Bodies that came as streams, after they were read. */
const read = new WeakMap<object, Uint8Array>();
/** What the SDK reads before it sends. */
const readFirst = (input: { Body?: unknown }): Promise<void> | undefined => {
  if (!(input.Body instanceof Readable)) return undefined;
  return input.Body.toArray().then((chunks) => {
    read.set(input, Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));
  });
};

const contentOf = (input: { Body?: unknown }): Content => {
  const body = read.get(input) ?? input.Body ?? '';
  if (typeof body === 'string') return new Content(body);
  if (body instanceof Bytes) return new Content(body.slice());
  throw new Error(`the in-memory s3 takes no body of the type ${typeof body}`);
};

export class MemoryS3 {
  private readonly told: Told[] = [];
  private readonly buckets = new Map<string, Bucket>();
  private readonly uploads = new Map<string, Upload>();
  private readonly pageKeys: number;
  private readonly now: () => number;
  private writes = 0;
  /**
   * The text of an object that nobody has put: documents of a long history need no memory this way. They are in no list.
   */
  textOf: ((bucket: string, key: string) => string | undefined) | undefined;

  constructor({ buckets, pageKeys = 1000, now = Date.now }: S3Options) {
    for (const [name, { isVersioned = false }] of Object.entries(buckets))
      this.buckets.set(name, { name, isVersioned, keys: new SortedKeys(), versions: new Map() });
    this.pageKeys = pageKeys;
    this.now = now;
  }

  // ---- for tests, without faults and counts

  /** Keys with an object, in order. */
  keys(bucket: string, prefix = ''): string[] {
    const found = this.bucket(bucket);
    return found.keys.all.filter((key) => key.startsWith(prefix) && this.latest(found, key) !== undefined);
  }

  /** Versions and delete markers of a key, the newest first. */
  versions(bucket: string, key: string): readonly StoredVersion[] {
    return this.bucket(bucket).versions.get(key) ?? [];
  }

  text(bucket: string, key: string, version?: string): string | undefined {
    return this.versions(bucket, key)
      .find((v) => version === undefined || v.id === version)
      ?.content?.toString();
  }

  /** Puts an object; `size` declares a size other than that of its body. */
  seed(bucket: string, key: string, body: string | Uint8Array, size?: number): StoredVersion {
    return this.write(this.bucket(bucket), key, new Content(body, size), {}, 'PutObject');
  }

  /** Removes a version permanently, as a lifecycle rule does. */
  expire(bucket: string, key: string, version: string): void {
    this.remove(this.bucket(bucket), key, version);
  }

  /** The events for EventBridge, in order. */
  get events(): S3Event[] {
    return this.told.map(eventOf);
  }

  // ---- state

  private bucket(name: string | undefined): Bucket {
    const bucket = this.buckets.get(name ?? '');
    if (bucket === undefined) throw failure('NoSuchBucket', 'The specified bucket does not exist');
    return bucket;
  }

  /** The current object of a key: undefined for none, and for a delete marker. */
  private latest(bucket: Bucket, key: string): (StoredVersion & { content: Content }) | undefined {
    const version = bucket.versions.get(key)?.[0];
    if (version !== undefined) return hasContent(version) ? version : undefined;
    const text = this.textOf?.(bucket.name, key);
    if (text === undefined) return undefined;
    const content = new Content(text);
    return { id: 'null', content, modified: new Moment(0), sequencer: '', headers: {} };
  }

  /** The object that a read names. Throws like GetObject. */
  private found(
    bucket: Bucket,
    key: string,
    id: string | undefined,
    missing = 'NoSuchKey',
  ): StoredVersion & { content: Content } {
    if (id === undefined) {
      const latest = this.latest(bucket, key);
      if (latest === undefined) throw failure(missing, 'The specified key does not exist.');
      return latest;
    }
    const version = bucket.versions.get(key)?.find((v) => v.id === id);
    if (version === undefined)
      throw failure(
        missing === 'NotFound' ? missing : 'NoSuchVersion',
        'The specified version does not exist.',
      );
    if (!hasContent(version))
      throw failure('MethodNotAllowed', 'The specified method is not allowed against this resource.');
    return version;
  }

  private write(
    bucket: Bucket,
    key: string,
    content: Content | undefined,
    headers: Headers,
    reason: string,
  ): StoredVersion {
    this.writes++;
    const version: StoredVersion = {
      id: bucket.isVersioned ? versionId(this.writes) : 'null',
      content,
      modified: new Moment(this.now()),
      sequencer: this.writes.toString(16).toUpperCase().padStart(18, '0'),
      headers,
    };
    const existing = bucket.versions.get(key);
    if (existing === undefined || existing.length === 0) {
      bucket.versions.set(key, [version]);
      bucket.keys.add(key);
    } else if (bucket.isVersioned) existing.unshift(version);
    else existing[0] = version;
    this.tell(bucket, key, version, reason);
    return version;
  }

  private remove(bucket: Bucket, key: string, id: string): StoredVersion | undefined {
    const versions = bucket.versions.get(key) ?? [];
    const at = versions.findIndex((v) => v.id === id);
    const [removed] = at < 0 ? [] : versions.splice(at, 1);
    if (versions.length === 0) {
      bucket.versions.delete(key);
      bucket.keys.delete(key);
    }
    return removed;
  }

  private tell(bucket: Bucket, key: string, version: StoredVersion, reason: string): void {
    this.told.push({ bucket, key, version, reason });
  }

  /**
   * The effect of DeleteObject and DeleteObjects on one key:
   * https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeletingObjectVersions.html
   */
  private deleteOne(
    bucket: Bucket,
    key: string,
    id: string | undefined,
  ): { marker?: string; isMarker: boolean } {
    if (id !== undefined) {
      const removed = this.remove(bucket, key, id);
      if (removed) this.tell(bucket, key, { ...removed, sequencer: this.nextSequencer() }, 'DeleteObject');
      return { isMarker: removed !== undefined && removed.content === undefined, marker: id };
    }
    if (bucket.isVersioned) {
      // S3 puts a marker even if there was no object.
      const marker = this.write(bucket, key, undefined, {}, 'DeleteObject');
      return { isMarker: true, marker: marker.id };
    }
    const removed = this.remove(bucket, key, 'null');
    if (removed) this.tell(bucket, key, { ...removed, sequencer: this.nextSequencer() }, 'DeleteObject');
    return { isMarker: false };
  }

  private nextSequencer(): string {
    return (++this.writes).toString(16).toUpperCase().padStart(18, '0');
  }

  // ---- operations

  static readonly operations = new Operations<MemoryS3>('s3')
    .on(
      PutObjectCommand,
      'PutObject',
      (s3, input, { mask }) => {
        const bucket = s3.bucket(input.Bucket);
        const key = checkedKey(input.Key);
        const content = contentOf(input);
        if (content.size > 5 * gib)
          throw failure('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size');
        s3.checkConditions(bucket, key, input, mask);
        const version = s3.write(bucket, key, content, headersOf(input), 'PutObject');
        return { ...ok, ETag: content.etag, ...versionOf(bucket, version) };
      },
      readFirst,
    )
    .on(GetObjectCommand, 'GetObject', (s3, input, { mask }) => {
      const bucket = s3.bucket(input.Bucket);
      const version = s3.found(bucket, input.Key ?? '', input.VersionId);
      const { content } = version;
      checkReadConditions(content.etag, input);
      const range = input.Range === undefined ? undefined : rangeOf(input.Range, content.size);
      const part = range ? new Content(content.bytes.subarray(range.start, range.end)) : content;
      return {
        ...describe(bucket, version),
        Body: new Body(part, mask !== undefined),
        ContentLength: range ? range.end - range.start : content.size,
        ...(range ? { ContentRange: `bytes ${range.start}-${range.end - 1}/${content.size}` } : {}),
      };
    })
    .on(HeadObjectCommand, 'HeadObject', (s3, input) => {
      const bucket = s3.bucket(input.Bucket);
      const version = s3.found(bucket, input.Key ?? '', input.VersionId, 'NotFound');
      checkReadConditions(version.content.etag, input);
      return { ...describe(bucket, version), ContentLength: version.content.size };
    })
    .on(HeadBucketCommand, 'HeadBucket', (s3, input) => {
      s3.bucket(input.Bucket);
      return { ...ok };
    })
    .on(CopyObjectCommand, 'CopyObject', (s3, input, { mask }) => {
      const bucket = s3.bucket(input.Bucket);
      const key = checkedKey(input.Key);
      const { version: from, bucket: source, key: sourceKey, isLatest } = s3.source(input.CopySource);
      if (from.content.size > 5 * gib)
        throw failure(
          'InvalidRequest',
          'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
        );
      const replaces = input.MetadataDirective === 'REPLACE';
      if (source === bucket && sourceKey === key && isLatest && !replaces)
        throw failure(
          'InvalidRequest',
          "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        );
      if (input.CopySourceIfMatch !== undefined && !sameTag(input.CopySourceIfMatch, from.content.etag))
        throw precondition();
      s3.checkConditions(bucket, key, input, mask);
      const headers = {
        ...(replaces ? headersOf(input) : from.headers),
        tagging: input.TaggingDirective === 'REPLACE' ? input.Tagging : from.headers.tagging,
      };
      const version = s3.write(bucket, key, from.content, headers, 'CopyObject');
      return {
        ...ok,
        CopyObjectResult: { ETag: from.content.etag, LastModified: version.modified },
        ...(source.isVersioned ? { CopySourceVersionId: from.id } : {}),
        ...versionOf(bucket, version),
      };
    })
    .on(DeleteObjectCommand, 'DeleteObject', (s3, input, { mask }) => {
      const bucket = s3.bucket(input.Bucket);
      const key = checkedKey(input.Key);
      if (input.IfMatch !== undefined) s3.checkConditions(bucket, key, { IfMatch: input.IfMatch }, mask);
      const { marker, isMarker } = s3.deleteOne(bucket, key, input.VersionId);
      return {
        ...ok,
        ...(isMarker ? { DeleteMarker: true } : {}),
        ...(marker === undefined ? {} : { VersionId: marker }),
      };
    })
    .on(DeleteObjectsCommand, 'DeleteObjects', (s3, input, { mask }) => {
      const bucket = s3.bucket(input.Bucket);
      const objects = input.Delete?.Objects ?? [];
      if (objects.length === 0 || objects.length > 1000)
        throw failure(
          'MalformedXML',
          'The XML you provided was not well-formed or did not validate against our published schema',
        );
      const deleted: object[] = [];
      const errors: object[] = [];
      for (const [i, { Key: key = '', VersionId: id }] of objects.entries()) {
        const named = { Key: key, ...(id === undefined ? {} : { VersionId: id }) };
        if (isHit(mask, i, objects.length)) {
          errors.push({
            ...named,
            Code: 'InternalError',
            Message: 'We encountered an internal error. Please try again.',
          });
          continue;
        }
        const { marker, isMarker } = s3.deleteOne(bucket, key, id);
        if (!input.Delete?.Quiet)
          deleted.push({
            ...named,
            ...(isMarker ? { DeleteMarker: true, DeleteMarkerVersionId: marker } : {}),
          });
      }
      return {
        ...ok,
        ...(deleted.length > 0 ? { Deleted: deleted } : {}),
        ...(errors.length > 0 ? { Errors: errors } : {}),
      };
    })
    .on(ListObjectsV2Command, 'ListObjectsV2', (s3, input, attempt) => s3.list(input, attempt))
    .on(ListObjectVersionsCommand, 'ListObjectVersions', (s3, input, attempt) =>
      s3.listVersions(input, attempt),
    )
    .on(CreateMultipartUploadCommand, 'CreateMultipartUpload', (s3, input) => {
      const bucket = s3.bucket(input.Bucket);
      const key = checkedKey(input.Key);
      const id = `upload-${versionId(++s3.writes)}`;
      s3.uploads.set(id, { bucket: bucket.name, key, headers: headersOf(input), parts: new Map() });
      return { ...ok, Bucket: bucket.name, Key: key, UploadId: id };
    })
    .on(
      UploadPartCommand,
      'UploadPart',
      (s3, input) => {
        const content = contentOf(input);
        s3.upload(input).parts.set(checkedPart(input.PartNumber), content);
        return { ...ok, ETag: content.etag };
      },
      readFirst,
    )
    .on(UploadPartCopyCommand, 'UploadPartCopy', (s3, input) => {
      const upload = s3.upload(input);
      const { version: from } = s3.source(input.CopySource);
      const { size } = from.content;
      const range =
        input.CopySourceRange === undefined ? { start: 0, end: size } : rangeOf(input.CopySourceRange, size);
      const length = range.end - range.start;
      if (length > 5 * gib)
        throw failure(
          'InvalidRequest',
          'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
        );
      const bytes = from.content.bytes.subarray(range.start, range.end);
      const part = new Content(bytes, length);
      upload.parts.set(checkedPart(input.PartNumber), part);
      return { ...ok, CopyPartResult: { ETag: part.etag, LastModified: new Moment(s3.now()) } };
    })
    .on(ListPartsCommand, 'ListParts', (s3, input) => ({
      ...ok,
      IsTruncated: false,
      Parts: [...s3.upload(input).parts]
        .sort(([a], [b]) => a - b)
        .map(([PartNumber, { etag, size }]) => ({ PartNumber, ETag: etag, Size: size })),
    }))
    .on(CompleteMultipartUploadCommand, 'CompleteMultipartUpload', (s3, input, { mask }) => {
      const upload = s3.upload(input);
      const bucket = s3.bucket(upload.bucket);
      const named = input.MultipartUpload?.Parts ?? [];
      const parts = named.map(({ PartNumber = 0, ETag }) => {
        const part = upload.parts.get(PartNumber);
        if (part === undefined || (ETag !== undefined && !sameTag(ETag, part.etag)))
          throw failure('InvalidPart', 'One or more of the specified parts could not be found.');
        return part;
      });
      if (parts.length === 0) throw failure('MalformedXML', 'You must specify at least one part');
      if (named.some((p, i) => i > 0 && (p.PartNumber ?? 0) <= (named[i - 1]?.PartNumber ?? 0)))
        throw failure('InvalidPartOrder', 'The list of parts was not in ascending order.');
      if (parts.slice(0, -1).some((p) => p.size < 5 * 1024 ** 2))
        throw failure('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size');
      s3.checkConditions(bucket, upload.key, input, mask);
      const bytes = Buffer.concat(parts.map((p) => p.bytes));
      const digests = Buffer.concat(parts.map((p) => Buffer.from(p.etag.replaceAll('"', ''), 'hex')));
      const content = new Content(
        bytes,
        parts.reduce((sum, p) => sum + p.size, 0),
        `"${hash('md5', digests)}-${parts.length}"`,
      );
      const version = s3.write(bucket, upload.key, content, upload.headers, 'CompleteMultipartUpload');
      s3.uploads.delete(input.UploadId ?? '');
      return {
        ...ok,
        Bucket: bucket.name,
        Key: upload.key,
        ETag: content.etag,
        ...versionOf(bucket, version),
      };
    })
    .on(AbortMultipartUploadCommand, 'AbortMultipartUpload', (s3, input) => {
      s3.upload(input);
      s3.uploads.delete(input.UploadId ?? '');
      return { ...ok };
    });

  /** Uploads that were neither completed nor aborted. */
  get openUploads(): { bucket: string; key: string }[] {
    return [...this.uploads.values()].map(({ bucket, key }) => ({ bucket, key }));
  }

  private upload({
    UploadId: id = '',
    Bucket: bucket,
    Key: key,
  }: {
    UploadId?: string | undefined;
    Bucket?: string | undefined;
    Key?: string | undefined;
  }): Upload {
    const upload = this.uploads.get(id);
    if (upload === undefined || upload.bucket !== bucket || upload.key !== key)
      throw failure(
        'NoSuchUpload',
        'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
      );
    return upload;
  }

  /** The source of a copy: `bucket/key`, encoded as in an address, optionally with a version. */
  private source(copySource: string | undefined) {
    const [path = '', query] = (copySource ?? '').replace(/^\//, '').split('?versionId=');
    const slash = path.indexOf('/');
    const bucket = this.bucket(decodeURIComponent(path.slice(0, slash)));
    const key = decodeURIComponent(path.slice(slash + 1));
    const id = query === undefined ? undefined : decodeURIComponent(query);
    const stored = id === undefined ? undefined : bucket.versions.get(key)?.find((v) => v.id === id);
    if (stored && stored.content === undefined)
      throw failure(
        'InvalidRequest',
        'The source of a copy request may not specifically refer to a delete marker by version id.',
      );
    const version = this.found(bucket, key, id);
    return { bucket, key, version, isLatest: version === bucket.versions.get(key)?.[0] };
  }

  /** https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html */
  private checkConditions(
    bucket: Bucket,
    key: string,
    { IfMatch, IfNoneMatch }: { IfMatch?: string | undefined; IfNoneMatch?: string | undefined },
    mask: number | undefined,
  ): void {
    if (IfMatch === undefined && IfNoneMatch === undefined) return;
    if (mask !== undefined)
      throw failure(
        'ConditionalRequestConflict',
        'The conditional request cannot succeed due to a conflicting operation against this resource.',
      );
    const latest = this.latest(bucket, key);
    if (IfNoneMatch !== undefined) {
      if (IfNoneMatch !== '*')
        throw failure(
          'NotImplemented',
          'A header you provided implies functionality that is not implemented',
        );
      if (latest !== undefined) throw precondition();
    }
    if (IfMatch !== undefined) {
      if (latest === undefined) throw failure('NoSuchKey', 'The specified key does not exist.');
      if (!sameTag(IfMatch, latest.content.etag)) throw precondition();
    }
  }

  private list(input: ListObjectsV2CommandInput, { mask }: Attempt): object {
    const bucket = this.bucket(input.Bucket);
    const prefix = input.Prefix ?? '';
    const { keys } = bucket;
    const after =
      input.ContinuationToken === undefined ? input.StartAfter : tokenToKey(input.ContinuationToken);
    const page = pageOf(input.MaxKeys, this.pageKeys, mask);
    const contents: object[] = [];
    const folders: string[] = [];
    let last = '';
    let isTruncated = false;
    let i = max(keys.from(prefix), after === undefined ? 0 : keys.after(after));
    for (; i < keys.all.length; i++) {
      const key = keys.all[i] ?? '';
      if (!key.startsWith(prefix)) break;
      const version = this.latest(bucket, key);
      if (version === undefined) continue;
      const end = input.Delimiter ? key.indexOf(input.Delimiter, prefix.length) : -1;
      const folder = end < 0 ? undefined : key.slice(0, end + (input.Delimiter?.length ?? 0));
      // A page that ended with a folder continues after all of it.
      if (folder !== undefined && (folder === folders.at(-1) || folder === after)) continue;
      if (contents.length + folders.length >= page) {
        isTruncated = true;
        break;
      }
      last = folder ?? key;
      if (folder !== undefined) folders.push(folder);
      else
        contents.push({
          Key: key,
          Size: version.content.size,
          ETag: version.content.etag,
          LastModified: version.modified,
          StorageClass: 'STANDARD',
        });
    }
    return {
      ...ok,
      Name: bucket.name,
      Prefix: prefix,
      ...(contents.length > 0 ? { Contents: contents } : {}),
      ...(folders.length > 0 ? { CommonPrefixes: folders.map((Prefix) => ({ Prefix })) } : {}),
      KeyCount: contents.length + folders.length,
      MaxKeys: input.MaxKeys ?? 1000,
      IsTruncated: isTruncated,
      ...(isTruncated ? { NextContinuationToken: keyToToken(last) } : {}),
    };
  }

  /** In the order of keys, the newest version of a key first. */
  private listVersions(input: ListObjectVersionsCommandInput, { mask }: Attempt): object {
    const bucket = this.bucket(input.Bucket);
    const prefix = input.Prefix ?? '';
    const { KeyMarker: keyMarker = '', VersionIdMarker: idMarker } = input;
    if (idMarker !== undefined && keyMarker === '')
      throw failure('InvalidArgument', 'A version-id marker cannot be specified without a key marker.');
    const { keys } = bucket;
    const page = pageOf(input.MaxKeys, this.pageKeys, mask);
    const versions: object[] = [];
    const markers: object[] = [];
    let last: { key: string; id: string } | undefined;
    let isTruncated = false;
    // With a version, the listing continues after that version; with a key alone, after all versions of it.
    const start =
      keyMarker === '' ? 0 : idMarker === undefined ? keys.after(keyMarker) : keys.from(keyMarker);
    all: for (let i = max(start, keys.from(prefix)); i < keys.all.length; i++) {
      const key = keys.all[i] ?? '';
      if (!key.startsWith(prefix)) break;
      const ofKey = bucket.versions.get(key) ?? [];
      const skipped =
        key === keyMarker && idMarker !== undefined ? ofKey.findIndex((v) => v.id === idMarker) + 1 : 0;
      for (const [n, version] of ofKey.entries()) {
        if (n < skipped) continue;
        if (versions.length + markers.length >= page) {
          isTruncated = true;
          break all;
        }
        last = { key, id: version.id };
        const common = { Key: key, VersionId: version.id, IsLatest: n === 0, LastModified: version.modified };
        if (version.content)
          versions.push({
            ...common,
            Size: version.content.size,
            ETag: version.content.etag,
            StorageClass: 'STANDARD',
          });
        else markers.push(common);
      }
    }
    return {
      ...ok,
      Name: bucket.name,
      Prefix: prefix,
      KeyMarker: keyMarker,
      MaxKeys: input.MaxKeys ?? 1000,
      IsTruncated: isTruncated,
      ...(versions.length > 0 ? { Versions: versions } : {}),
      ...(markers.length > 0 ? { DeleteMarkers: markers } : {}),
      ...(isTruncated && last ? { NextKeyMarker: last.key, NextVersionIdMarker: last.id } : {}),
    };
  }
}

interface Told {
  readonly bucket: Bucket;
  readonly key: string;
  readonly version: StoredVersion;
  readonly reason: string;
}

function eventOf({ bucket, key, version, reason }: Told): S3Event {
  const { content, sequencer, id } = version;
  const isDeleted = reason === 'DeleteObject';
  return {
    'detail-type': isDeleted ? 'Object Deleted' : 'Object Created',
    time: version.modified.toISOString(),
    detail: {
      version: '0',
      bucket: { name: bucket.name },
      object: {
        key,
        ...(content && !isDeleted ? { size: content.size, etag: content.etag.replaceAll('"', '') } : {}),
        ...(bucket.isVersioned ? { 'version-id': id } : {}),
        sequencer,
      },
      reason,
      ...(isDeleted ? { 'deletion-type': content ? 'Permanently Deleted' : 'Delete Marker Created' } : {}),
    },
  };
}

const hasContent = (version: StoredVersion): version is StoredVersion & { content: Content } =>
  version.content !== undefined;

/** Unique and unordered: a version's id does not tell when it was written. */
const versionId = (n: number): string =>
  `${(Math.imul(n, 0x9e3779b1) >>> 0).toString(36).padStart(7, '0')}${(Math.imul(n, 0x85ebca6b) >>> 0).toString(36).padStart(7, '0')}`;

function checkedKey(key: string | undefined): string {
  if (key === undefined || key === '') throw new Error('Empty value provided for input HTTP label: Key.');
  if (key.length * 3 > 1024 && byteLength(key) > 1024)
    throw failure('KeyTooLongError', 'Your key is too long');
  return key;
}

function checkedPart(number: number | undefined): number {
  if (number === undefined || number < 1 || number > 10_000)
    throw failure('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive');
  return number;
}

const headersOf = (input: {
  ContentType?: string | undefined;
  Metadata?: Record<string, string> | undefined;
  Tagging?: string | undefined;
}): Headers => ({ contentType: input.ContentType, metadata: input.Metadata, tagging: input.Tagging });

const versionOf = (bucket: Bucket, version: StoredVersion) =>
  bucket.isVersioned ? { VersionId: version.id } : {};

const describe = (bucket: Bucket, version: StoredVersion & { content: Content }) => ({
  ...ok,
  ETag: version.content.etag,
  LastModified: version.modified,
  ContentType: version.headers.contentType ?? 'application/octet-stream',
  Metadata: { ...version.headers.metadata },
  AcceptRanges: 'bytes',
  ...versionOf(bucket, version),
});

const sameTag = (a: string, b: string): boolean =>
  a === '*' || a.replaceAll('"', '') === b.replaceAll('"', '');

const precondition = (): Error =>
  failure('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold');

function checkReadConditions(
  etag: string,
  { IfMatch, IfNoneMatch }: { IfMatch?: string | undefined; IfNoneMatch?: string | undefined },
): void {
  if (IfMatch !== undefined && !sameTag(IfMatch, etag)) throw precondition();
  if (IfNoneMatch !== undefined && sameTag(IfNoneMatch, etag)) throw failure('NotModified', 'Not Modified');
}

/** From a first byte to before a last one. https://www.rfc-editor.org/rfc/rfc9110#name-byte-ranges */
function rangeOf(range: string, size: number): { start: number; end: number } {
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (first === '' && last === '') return { start: 0, end: size };
  const start = first === '' ? max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size : min(size, Number(last) + 1);
  if (start >= size || end <= start) throw failure('InvalidRange', 'The requested range is not satisfiable');
  return { start, end };
}

/** The number of keys on a page. A fault makes it shorter, never empty. */
function pageOf(maxKeys: number | undefined, pageKeys: number, mask: number | undefined): number {
  const page = min(maxKeys ?? 1000, 1000, pageKeys);
  return mask === undefined ? page : min(page, 1 + (abs(mask) % 3));
}

/** Opaque, as S3's are. */
const keyToToken = (key: string): string => Buffer.from(`1${key}`).toString('base64');
const tokenToKey = (token: string): string => Buffer.from(token, 'base64').toString('utf8').slice(1);
