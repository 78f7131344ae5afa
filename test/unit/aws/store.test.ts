/** Invariants 3 and 4 for single calls: a partial answer is a failure, and a failure ends the work. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { createStore } from '../../../src/lib/aws/store.ts';
import { createMemoryAws } from '../../support/memory/index.ts';

const patience = { pause: 0 };

test('invariant 4: objects that S3 says it has not deleted are asked for again; when they stay, it is an error', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('a').s3, patience);
  const keys = Array.from({ length: 1500 }, (_, i) => `k${i}`);
  for (const key of keys) aws.s3.seed('work', key, 'x');
  let partial = 0;
  aws.plan = (call) =>
    call.operation === 'DeleteObjects' && partial++ < 2 ? { mode: 'partial', mask: 5 } : undefined;
  await store.delete('work', keys);
  expect(aws.s3.keys('work')).toEqual([]);
  expect(aws.hits).toHaveLength(2);
  aws.s3.seed('work', 'stays', 'x');
  aws.plan = () => ({ mode: 'partial', mask: 1 });
  await expect(store.delete('work', ['stays'])).rejects.toMatchObject({
    name: 'ObjectsNotDeleted',
    message: expect.stringContaining('stays'),
  });
});

test('invariant 4: an object whose connection breaks in the middle is read again; when it breaks each time, its state is tried again', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('a').s3, patience);
  const text = 'x'.repeat(1000);
  aws.s3.seed('work', 'k', text);
  const ref = { bucket: 'work', key: 'k' };
  const folder = mkdtempSync(join(tmpdir(), 'sluice-broken-'));
  const path = join(folder, 'k');
  const reads = {
    download: async () => {
      await store.download(ref, path);
      return readFileSync(path, 'utf8');
    },
    readText: () => store.readText(ref),
    readBytes: async () => Buffer.from(await store.readBytes(ref)).toString(),
    readRange: async () => Buffer.from(await store.readRange(ref, 0, 1000)).toString(),
    head: async () => Buffer.from((await store.head(ref, 1000)).head).toString(),
  };
  try {
    for (const [name, read] of Object.entries(reads)) {
      let broken = 0;
      aws.plan = () => (broken++ < 2 ? { mode: 'partial' } : undefined);
      expect([name, await read()]).toEqual([name, text]);
      aws.plan = () => ({ mode: 'partial' });
      await expect(read()).rejects.toMatchObject({ name: 'ConnectionLost' });
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a list of versions that is gone on with leaves no key out, whichever key the page before names as the next', async () => {
  const versions = ['a', 'b', 'c'].map((Key) => ({ Key, VersionId: `${Key}1`, IsLatest: true }));
  // AWS documents the next key marker as the first key that was not returned; S3 returns the last one that was.
  for (const next of ['a', 'b']) {
    const client = Object.assign(new S3Client({ region: 'us-east-1' }), {
      send: async ({ input }: { input: { KeyMarker?: string } }) => {
        const [first, ...rest] = versions.filter(({ Key }) => Key > (input.KeyMarker ?? ''));
        return { Versions: [first], IsTruncated: rest.length > 0, NextKeyMarker: next };
      },
    });
    const store = createStore(client, patience);
    const page = await store.listVersions('raw', '', undefined, 1);
    expect(page.versions.map((v) => v.key)).toEqual(['a']);
    const rest = await store.listVersions('raw', '', page.next, 1);
    expect(rest.versions.map((v) => v.key)).toEqual(['b']);
  }
});

const gib = 1024 ** 3;

/** S3 with one object of `size` bytes; records requests and the state of the target. `fails` names a part that fails. */
function s3With(size: number, fails?: number) {
  const calls: { kind: string; input: Record<string, unknown> }[] = [];
  let target: unknown = 'nothing';
  const refuse = (name: string, message: string) => {
    throw new S3ServiceException({ name, message, $fault: 'client', $metadata: {} });
  };
  const client = Object.assign(new S3Client({ region: 'us-east-1' }), {
    send: async (command: { constructor: { name: string }; input: Record<string, unknown> }) => {
      const kind = command.constructor.name.replace('Command', '');
      calls.push({ kind, input: command.input });
      if (kind === 'CopyObject' && size > 5 * gib)
        refuse(
          'InvalidRequest',
          'The specified copy source is larger than the maximum allowable size for a copy source: 5368709120',
        );
      if (kind === 'HeadObject') return { ContentLength: size, ETag: '"e"', ContentType: 'x/y' };
      if (kind === 'CreateMultipartUpload') return { UploadId: 'u' };
      if (kind === 'UploadPartCopy') {
        if (command.input.PartNumber === fails) refuse('InternalError', 'We encountered an internal error');
        return { CopyPartResult: { ETag: `"${command.input.PartNumber}"` } };
      }
      target = kind === 'AbortMultipartUpload' ? 'nothing' : 'copied';
      return {};
    },
  });
  const of = (kind: string) => calls.filter((c) => c.kind === kind).map((c) => c.input);
  return { store: createStore(client), calls, of, target: () => target };
}

const from = { bucket: 'raw', key: 'a b/ü+1', version: 'v/1' };

const to = { bucket: 'work', key: 'input/0' };

test('a copy takes one request, escapes its source and leaves the tags of the source behind', async () => {
  const { store, calls } = s3With(5 * gib);
  await store.copy(from, to);
  expect(calls.map((c) => c.kind)).toEqual(['CopyObject']);
  expect(calls[0]?.input).toMatchObject({
    CopySource: 'raw/a%20b/%C3%BC%2B1?versionId=v%2F1',
    TaggingDirective: 'REPLACE',
  });
});

test('an object of more than 5 GiB is copied in parts that cover each byte once, of one version', async () => {
  const size = 12 * gib + 7;
  const { store, of, target } = s3With(size);
  await store.copy(from, to);
  const parts = of('UploadPartCopy').map((input) => ({
    number: Number(input.PartNumber),
    range: String(input.CopySourceRange).replace('bytes=', '').split('-').map(Number),
    isPinned: input.CopySourceIfMatch === '"e"' && String(input.CopySource).endsWith('versionId=v%2F1'),
  }));
  let next = 0;
  for (const { range, isPinned } of parts.toSorted((a, b) => a.number - b.number)) {
    expect(range[0]).toBe(next);
    expect(isPinned).toBe(true);
    next = Number(range[1]) + 1;
  }
  expect(next).toBe(size);
  const [completed] = of('CompleteMultipartUpload');
  expect(completed?.MultipartUpload).toEqual({
    Parts: parts.map((_, i) => ({ PartNumber: i + 1, ETag: `"${i + 1}"` })),
  });
  expect(target()).toBe('copied');
});

test('a copy in parts that fails is dropped: neither parts nor an object stay', async () => {
  const { store, of, target } = s3With(6 * gib, 5);
  await expect(store.copy(from, to)).rejects.toThrow('internal error');
  expect(of('AbortMultipartUpload')).toEqual([{ Bucket: 'work', Key: 'input/0', UploadId: 'u' }]);
  expect(of('CompleteMultipartUpload')).toEqual([]);
  expect(target()).toBe('nothing');
});

test('a document that is not JSON, or not of its schema, is an error that names its object and field', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('a').s3, patience);
  const schema = z.object({ rows: z.number() });
  for (const text of ['', '{"rows":', '{"rows":"5"}', 'null']) {
    aws.s3.seed('work', 'k', text);
    await expect(store.readJson({ bucket: 'work', key: 'k' }, schema)).rejects.toMatchObject({
      name: 'RecordUnreadable',
      object: 'k',
      message: expect.stringContaining('s3://work/k cannot be read'),
    });
  }
});

test('each object is sent with its length, an empty one too, so the SDK does not take it for a stream', async () => {
  const warnings: unknown[] = [];
  const lengths: unknown[] = [];
  const ignore = () => {};
  const s3 = new S3Client({
    region: 'us-east-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 's' },
    logger: { debug: ignore, info: ignore, error: ignore, warn: (message) => warnings.push(message) },
  });
  const requestSchema = z.object({ headers: z.object({ 'content-length': z.string().optional() }) });
  s3.middlewareStack.add(
    () =>
      async ({ request }) => {
        lengths.push(requestSchema.parse(request).headers['content-length']);
        return { response: {}, output: { $metadata: {} } };
      },
    { step: 'finalizeRequest', priority: 'low' },
  );
  const store = createStore(s3);
  for (const content of ['', 'ü', new Uint8Array(), new Uint8Array(3)])
    await store.writeOnce({ bucket: 'work', key: 'k' }, content);
  await store.writeText({ bucket: 'work', key: 'k' }, '');
  expect([lengths, warnings]).toEqual([['0', '2', '0', '3', '0'], []]);
});
