import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  NoSuchKey,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
  S3ServiceException,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryAws, type MemoryAws } from '../../../support/memory/index.ts';

let aws: MemoryAws;
let s3: S3Client;
beforeEach(() => {
  aws = createMemoryAws();
  s3 = aws.actor('a').s3;
});

const put = (Bucket: string, Key: string, Body: string | Uint8Array | Readable = 'x') =>
  s3.send(new PutObjectCommand({ Bucket, Key, Body }));
const get = (Bucket: string, Key: string, more: { VersionId?: string; Range?: string } = {}) =>
  s3.send(new GetObjectCommand({ Bucket, Key, ...more }));
const text = async (...args: Parameters<typeof get>) => (await get(...args)).Body?.transformToString();
const refusal = (name: string, status: number) =>
  expect.objectContaining({ name, $metadata: expect.objectContaining({ httpStatusCode: status }) });

describe('objects', () => {
  test('bodies of every kind come back in every form', async () => {
    const bytes = new TextEncoder().encode('héllo');
    for (const body of [
      'héllo',
      bytes,
      Buffer.from(bytes),
      Readable.from([bytes.slice(0, 2), bytes.slice(2)]),
    ]) {
      const { ETag } = await put('work', 'k', body);
      // MD5 of the bytes.
      expect(ETag).toBe('"be50e8478cf24ff3595bc7307fb91b50"'); // pragma: allowlist secret
      expect(await text('work', 'k')).toBe('héllo');
      expect(await (await get('work', 'k')).Body?.transformToByteArray()).toEqual(bytes);
      const { Body, ContentLength } = await get('work', 'k');
      expect(ContentLength).toBe(6);
      if (!(Body instanceof Readable)) throw new Error('not a stream');
      expect(Buffer.concat(await Body.toArray())).toEqual(Buffer.from(bytes));
    }
  });

  test('a body is taken once', async () => {
    await put('work', 'k');
    const { Body } = await get('work', 'k');
    await Body?.transformToString();
    await expect(Body?.transformToString()).rejects.toThrow('already been transformed');
  });

  test.each<[string, string, string]>([
    ['bytes=0-2', 'abc', 'bytes 0-2/6'],
    ['bytes=4-', 'ef', 'bytes 4-5/6'],
    ['bytes=4-100', 'ef', 'bytes 4-5/6'],
    ['bytes=-2', 'ef', 'bytes 4-5/6'],
  ])('the range %s is %p', async (Range, wanted, ContentRange) => {
    await put('work', 'k', 'abcdef');
    const answer = await get('work', 'k', { Range });
    expect(answer).toMatchObject({ ContentRange, ContentLength: wanted.length });
    expect(await answer.Body?.transformToString()).toBe(wanted);
  });

  test('a range behind the end, and any range of an empty object, is refused', async () => {
    await put('work', 'k', 'abc');
    await put('work', 'empty', '');
    await expect(get('work', 'k', { Range: 'bytes=3-5' })).rejects.toEqual(refusal('InvalidRange', 416));
    await expect(get('work', 'empty', { Range: 'bytes=0-9' })).rejects.toEqual(refusal('InvalidRange', 416));
    expect(await text('work', 'empty')).toBe('');
  });

  test('what is missing is named as S3 names it', async () => {
    const error = await get('work', 'k').catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NoSuchKey);
    expect(error).toBeInstanceOf(S3ServiceException);
    await expect(s3.send(new HeadObjectCommand({ Bucket: 'work', Key: 'k' }))).rejects.toEqual(
      refusal('NotFound', 404),
    );
    await expect(get('raw', 'k', { VersionId: 'v' })).rejects.toEqual(refusal('NoSuchVersion', 404));
    await expect(get('other', 'k')).rejects.toEqual(refusal('NoSuchBucket', 404));
    await expect(put('work', 'é'.repeat(513))).rejects.toEqual(refusal('KeyTooLongError', 400));
    expect(s3).toBeInstanceOf(S3Client);
  });

  test('writes on conditions happen once', async () => {
    const create = () =>
      s3.send(new PutObjectCommand({ Bucket: 'work', Key: 'k', Body: 'a', IfNoneMatch: '*' }));
    const { ETag = '' } = await create();
    await expect(create()).rejects.toEqual(refusal('PreconditionFailed', 412));
    const replace = (IfMatch: string) =>
      s3.send(new PutObjectCommand({ Bucket: 'work', Key: 'k', Body: 'b', IfMatch }));
    await replace(ETag);
    await expect(replace(ETag)).rejects.toEqual(refusal('PreconditionFailed', 412));
    await s3.send(new DeleteObjectCommand({ Bucket: 'work', Key: 'k' }));
    await expect(replace(ETag)).rejects.toEqual(refusal('NoSuchKey', 404));
    await create();
  });

  test('a delete marker lets an object be created anew', async () => {
    await put('raw', 'k');
    await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'k' }));
    await s3.send(new PutObjectCommand({ Bucket: 'raw', Key: 'k', Body: 'b', IfNoneMatch: '*' }));
    expect(await text('raw', 'k')).toBe('b');
  });
});

describe('versions', () => {
  test('each put is one, the latest is read, and all can be', async () => {
    const first = await put('raw', 'k', 'one');
    const second = await put('raw', 'k', 'two');
    expect(first.VersionId).not.toBe(second.VersionId);
    expect(await text('raw', 'k')).toBe('two');
    expect(await text('raw', 'k', { VersionId: first.VersionId ?? '' })).toBe('one');
    expect(await put('work', 'k')).not.toHaveProperty('VersionId');
  });

  test('their ids tell nothing about their order', async () => {
    const ids: (string | undefined)[] = [];
    for (let i = 0; i < 50; i++) ids.push((await put('raw', 'k')).VersionId);
    expect(new Set(ids).size).toBe(50);
    expect(ids.toSorted()).not.toEqual(ids);
    expect(ids.toSorted().reverse()).not.toEqual(ids);
  });

  test('a delete hides the object behind a marker; deleting the marker brings it back', async () => {
    const { VersionId = '' } = await put('raw', 'k', 'one');
    const { DeleteMarker, VersionId: marker = '' } = await s3.send(
      new DeleteObjectCommand({ Bucket: 'raw', Key: 'k' }),
    );
    expect(DeleteMarker).toBe(true);
    await expect(get('raw', 'k')).rejects.toBeInstanceOf(NoSuchKey);
    await expect(get('raw', 'k', { VersionId: marker })).rejects.toEqual(refusal('MethodNotAllowed', 405));
    expect(await text('raw', 'k', { VersionId })).toBe('one');
    await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'k', VersionId: marker }));
    expect(await text('raw', 'k')).toBe('one');
    await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'k', VersionId }));
    expect(aws.s3.versions('raw', 'k')).toEqual([]);
  });

  test('a listing has the keys in order, the newest version of each first, markers between them', async () => {
    await put('raw', 'b', '1');
    await put('raw', 'a', '1');
    await put('raw', 'b', '2');
    await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'a' }));
    await put('raw', 'b', '3');
    await put('raw', 'other');
    const list = async (MaxKeys: number) => {
      const found: { key: string | undefined; text: string | undefined; latest: boolean | undefined }[] = [];
      let marker: { KeyMarker?: string; VersionIdMarker?: string } = {};
      for (;;) {
        const page = await s3.send(new ListObjectVersionsCommand({ Bucket: 'raw', MaxKeys, ...marker }));
        const { Versions = [], DeleteMarkers = [] } = page;
        expect(Versions.length + DeleteMarkers.length).toBeLessThanOrEqual(MaxKeys);
        for (const v of [...DeleteMarkers, ...Versions])
          found.push({
            key: v.Key,
            text: aws.s3.text('raw', v.Key ?? '', v.VersionId),
            latest: v.IsLatest,
          });
        if (!page.IsTruncated) return found;
        marker = { KeyMarker: page.NextKeyMarker ?? '', VersionIdMarker: page.NextVersionIdMarker ?? '' };
      }
    };
    const wanted = [
      { key: 'a', text: undefined, latest: true },
      { key: 'a', text: '1', latest: false },
      { key: 'b', text: '3', latest: true },
      { key: 'b', text: '2', latest: false },
      { key: 'b', text: '1', latest: false },
      { key: 'other', text: 'x', latest: true },
    ];
    for (const size of [1, 2, 3, 1000]) expect(await list(size)).toEqual(wanted);
    // A key alone skips all versions of it.
    const behind = await s3.send(new ListObjectVersionsCommand({ Bucket: 'raw', KeyMarker: 'a' }));
    expect(behind.Versions?.map((v) => v.Key)).toEqual(['b', 'b', 'b', 'other']);
    const below = await s3.send(new ListObjectVersionsCommand({ Bucket: 'raw', Prefix: 'b' }));
    expect(below.Versions).toHaveLength(3);
  });

  test('a version that expired is gone', async () => {
    const { VersionId = '' } = await put('raw', 'k', 'one');
    await put('raw', 'k', 'two');
    aws.s3.expire('raw', 'k', VersionId);
    await expect(get('raw', 'k', { VersionId })).rejects.toEqual(refusal('NoSuchVersion', 404));
    expect(await text('raw', 'k')).toBe('two');
  });

  test('events tell of every change, with sequencers that grow', async () => {
    const { VersionId, ETag } = await put('raw', 'a b+c', 'one');
    await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'a b+c' }));
    await put('raw', 'a b+c', 'two');
    const events = aws.s3.events;
    expect(events[0]).toMatchObject({
      'detail-type': 'Object Created',
      detail: {
        bucket: { name: 'raw' },
        object: { key: 'a b+c', size: 3, etag: ETag?.replaceAll('"', ''), 'version-id': VersionId },
        reason: 'PutObject',
      },
    });
    expect(events.map((e) => e.detail.reason)).toEqual(['PutObject', 'DeleteObject', 'PutObject']);
    expect(events[1]?.detail['deletion-type']).toBe('Delete Marker Created');
    const sequencers = events.map((e) => e.detail.object.sequencer);
    expect(sequencers.toSorted()).toEqual(sequencers);
    expect(new Set(sequencers).size).toBe(3);
  });
});

describe('deletes of many', () => {
  const remove = (bucket: string, keys: { Key: string; VersionId?: string }[], Quiet = true) =>
    s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: keys, Quiet } }));

  test('remove what is there, and say nothing of what is not', async () => {
    await put('work', 'a');
    await put('work', 'b');
    const answer = await remove('work', [{ Key: 'a' }, { Key: 'gone' }]);
    expect(answer).not.toHaveProperty('Errors');
    expect(answer).not.toHaveProperty('Deleted');
    expect(aws.s3.keys('work')).toEqual(['b']);
    expect((await remove('work', [{ Key: 'b' }], false)).Deleted).toEqual([{ Key: 'b' }]);
  });

  test('put markers, and remove versions by id', async () => {
    const { VersionId = '' } = await put('raw', 'a');
    await remove('raw', [{ Key: 'a' }]);
    expect(aws.s3.versions('raw', 'a').map((v) => v.content === undefined)).toEqual([true, false]);
    await remove('raw', [{ Key: 'a', VersionId }]);
    expect(aws.s3.versions('raw', 'a')).toHaveLength(1);
  });

  test('take 1,000 keys, not more and not none', async () => {
    const many = (n: number) => Array.from({ length: n }, (_, i) => ({ Key: `${i}` }));
    await remove('work', many(1000));
    await expect(remove('work', many(1001))).rejects.toEqual(refusal('MalformedXML', 400));
    await expect(remove('work', [])).rejects.toEqual(refusal('MalformedXML', 400));
  });
});

describe('copies', () => {
  const copy = (source: string, Bucket: string, Key: string, more: object = {}) =>
    s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: source, ...more }));

  test('take a version, from a key that is encoded', async () => {
    const { VersionId = '' } = await put('raw', 'a b/ü+.json', 'one');
    await put('raw', 'a b/ü+.json', 'two');
    const source = `raw/${['a b', 'ü+.json'].map(encodeURIComponent).join('/')}`;
    await copy(source, 'work', 'latest');
    await copy(`/${source}?versionId=${VersionId}`, 'work', 'first');
    expect(await text('work', 'latest')).toBe('two');
    expect(await text('work', 'first')).toBe('one');
  });

  test('fail as on S3', async () => {
    await put('raw', 'k');
    const { VersionId: marker } = await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'k' }));
    await expect(copy('raw/k', 'work', 'k')).rejects.toEqual(refusal('NoSuchKey', 404));
    await expect(copy(`raw/k?versionId=${marker}`, 'work', 'k')).rejects.toEqual(
      refusal('InvalidRequest', 400),
    );
    await expect(copy('raw/k?versionId=gone', 'work', 'k')).rejects.toEqual(refusal('NoSuchVersion', 404));
    await put('work', 'k');
    await expect(copy('work/k', 'work', 'k')).rejects.toEqual(refusal('InvalidRequest', 400));
    await expect(copy('work/k', 'work', 'k2', { CopySourceIfMatch: '"other"' })).rejects.toEqual(
      refusal('PreconditionFailed', 412),
    );
    await copy('work/k', 'work', 'k2', { IfNoneMatch: '*' });
    await expect(copy('work/k', 'work', 'k2', { IfNoneMatch: '*' })).rejects.toEqual(
      refusal('PreconditionFailed', 412),
    );
  });

  test('of more than 5 GB go in parts', async () => {
    aws.s3.seed('raw', 'big', '', 6 * 1024 ** 3);
    await expect(copy('raw/big', 'work', 'big')).rejects.toEqual(refusal('InvalidRequest', 400));
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket: 'work', Key: 'big' }));
    const part = async (PartNumber: number, range: string) => {
      const { CopyPartResult } = await s3.send(
        new UploadPartCopyCommand({
          Bucket: 'work',
          Key: 'big',
          UploadId,
          PartNumber,
          CopySource: 'raw/big',
          CopySourceRange: range,
        }),
      );
      return { PartNumber, ETag: CopyPartResult?.ETag };
    };
    const half = 3 * 1024 ** 3;
    const Parts = [await part(1, `bytes=0-${half - 1}`), await part(2, `bytes=${half}-${2 * half - 1}`)];
    await s3.send(
      new CompleteMultipartUploadCommand({
        Bucket: 'work',
        Key: 'big',
        UploadId,
        MultipartUpload: { Parts },
      }),
    );
    const head = await s3.send(new HeadObjectCommand({ Bucket: 'work', Key: 'big' }));
    expect(head.ContentLength).toBe(2 * half);
    expect(head.ETag).toMatch(/^"[0-9a-f]{32}-2"$/);
    expect(aws.s3.openUploads).toEqual([]);
  });

  test('parts are checked', async () => {
    const upload = { Bucket: 'work', Key: 'k' };
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand(upload));
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    for (const PartNumber of [1, 2]) {
      const { ETag } = await s3.send(
        new UploadPartCommand({ ...upload, UploadId, PartNumber, Body: `part ${PartNumber}` }),
      );
      parts.push({ PartNumber, ETag });
    }
    const complete = (Parts: typeof parts) =>
      s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts } }));
    await expect(complete(parts)).rejects.toEqual(refusal('EntityTooSmall', 400));
    await expect(complete(parts.toReversed())).rejects.toEqual(refusal('InvalidPartOrder', 400));
    await expect(complete([{ PartNumber: 3, ETag: '"x"' }])).rejects.toEqual(refusal('InvalidPart', 400));
    expect(aws.s3.openUploads).toEqual([{ bucket: 'work', key: 'k' }]);
    await s3.send(new AbortMultipartUploadCommand({ ...upload, UploadId }));
    await expect(complete(parts)).rejects.toEqual(refusal('NoSuchUpload', 404));
    expect(aws.s3.keys('work')).toEqual([]);
  });
});

describe('listings', () => {
  test('are in the order of UTF-8 bytes, in pages that follow from each other', async () => {
    const keys = ['a', 'a/1', 'a/10', 'a/2', 'b', 'Z', '\uffee', '😀'];
    for (const key of keys) await put('work', key);
    for (const MaxKeys of [1, 3, 8, 1000]) {
      const found: (string | undefined)[] = [];
      for await (const page of paginateListObjectsV2({ client: s3, pageSize: MaxKeys }, { Bucket: 'work' })) {
        expect(page.Contents?.length).toBeLessThanOrEqual(MaxKeys);
        found.push(...(page.Contents ?? []).map((c) => c.Key));
      }
      expect(found).toEqual(['Z', 'a', 'a/1', 'a/10', 'a/2', 'b', '\uffee', '😀']);
    }
    const { Contents } = await s3.send(
      new ListObjectsV2Command({ Bucket: 'work', Prefix: 'a/', StartAfter: 'a/1' }),
    );
    expect(Contents?.map((c) => c.Key)).toEqual(['a/10', 'a/2']);
  });

  test('leave out what is hidden by a delete marker', async () => {
    await put('raw', 'a');
    await put('raw', 'b');
    await s3.send(new DeleteObjectCommand({ Bucket: 'raw', Key: 'a' }));
    const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket: 'raw' }));
    expect(Contents?.map((c) => c.Key)).toEqual(['b']);
  });

  test('fold what is behind a delimiter, across pages too', async () => {
    for (const key of ['a', 'd/1', 'd/2', 'e/1', 'f']) await put('work', key);
    const seen: (string | undefined)[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await s3.send(
        new ListObjectsV2Command({ Bucket: 'work', Delimiter: '/', MaxKeys: 1, ContinuationToken }),
      );
      seen.push(
        ...(page.Contents ?? []).map((c) => c.Key),
        ...(page.CommonPrefixes ?? []).map((p) => p.Prefix),
      );
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken !== undefined);
    expect(seen).toEqual(['a', 'd/', 'e/', 'f']);
  });

  test('have pages as small as the test says', async () => {
    aws = createMemoryAws({ pages: { keys: 2 } });
    s3 = aws.actor('a').s3;
    for (const key of ['a', 'b', 'c']) await put('work', key);
    const page = await s3.send(new ListObjectsV2Command({ Bucket: 'work' }));
    expect(page).toMatchObject({ IsTruncated: true, KeyCount: 2 });
  });
});
