import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { expect, test } from '@jest/globals';
import { createStore } from '../../src/lib/aws/store.ts';

const gib = 1024 ** 3;

/** S3 with one object of `size` bytes: what it was asked for, and what became of the target. `fails` names a part that fails. */
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
