/** The table of quotas: each at its bound, and one beyond it. */
import { expect, test } from '@jest/globals';
import { checkQuotas, type Headers, type Input, quotas } from '../../../../offline/strict/quotas.ts';

const mib = 1024 * 1024;
const s3 = { Bucket: 'b', Key: 'k' };
const objects = (count: number, key = 'k') => ({
  Bucket: 'b',
  Delete: { Objects: Array.from({ length: count }, () => ({ Key: key })) },
});
const tags = (count: number) => Array.from({ length: count }, (_, i) => `k${i}=v`).join('&');

type Case = readonly [what: string, call: string, input: Input, code: string | undefined, headers?: Headers];

test.each<Case>([
  ['a key of 1,024 bytes', 's3 PutObject', { Bucket: 'b', Key: 'é'.repeat(512) }, undefined],
  ['a key of 1,025 bytes', 's3 PutObject', { Bucket: 'b', Key: `${'é'.repeat(512)}k` }, 'KeyTooLongError'],
  ['a long key is read', 's3 GetObject', { Bucket: 'b', Key: 'k'.repeat(1025) }, 'KeyTooLongError'],
  ['a long key is deleted', 's3 DeleteObjects', objects(1, 'k'.repeat(1025)), 'KeyTooLongError'],
  ['1,000 keys', 's3 DeleteObjects', objects(1000), undefined],
  ['1,001 keys', 's3 DeleteObjects', objects(1001), 'MalformedXML'],
  ['no key', 's3 DeleteObjects', { Bucket: 'b', Delete: {} }, 'MalformedXML'],
  ['5 GB', 's3 PutObject', s3, undefined, { 'content-length': String(5 * 1024 * mib) }],
  ['more than 5 GB', 's3 PutObject', s3, 'EntityTooLarge', { 'content-length': String(5 * 1024 * mib + 1) }],
  [
    'more than 5 GB in chunks',
    's3 UploadPart',
    s3,
    'EntityTooLarge',
    { 'x-amz-decoded-content-length': String(5 * 1024 * mib + 1) },
  ],
  ['metadata of 2 KB', 's3 PutObject', s3, undefined, { 'x-amz-meta-a': 'x'.repeat(2047) }],
  ['metadata over 2 KB', 's3 PutObject', s3, 'MetadataTooLarge', { 'x-amz-meta-a': 'x'.repeat(2048) }],
  ['10 tags', 's3 PutObject', s3, undefined, { 'x-amz-tagging': tags(10) }],
  ['11 tags', 's3 CopyObject', s3, 'BadRequest', { 'x-amz-tagging': tags(11) }],
  ['max-keys of zero', 's3 ListObjectsV2', { Bucket: 'b', MaxKeys: 0 }, undefined],
  ['max-keys below zero', 's3 ListObjectsV2', { Bucket: 'b', MaxKeys: -1 }, 'InvalidArgument'],
  ['a plain name', 'states StartExecution', { name: 'social_media-7' }, undefined],
  ['a name with a space', 'states StartExecution', { name: 'a b' }, 'InvalidName'],
  ['a name with a slash', 'states StartExecution', { name: 'a/b' }, 'InvalidName'],
  ['a name with a control character', 'states StartExecution', { name: 'a\u0085' }, 'InvalidName'],
  ['an input of 256 KiB', 'states StartExecution', { input: `"${'é'.repeat(131_071)}"` }, undefined],
  [
    'an input over 256 KiB',
    'states StartExecution',
    { input: `"${'é'.repeat(131_072)}"` },
    'ValidationException',
  ],
  ['an input that is no JSON', 'states StartExecution', { input: '{' }, 'InvalidExecutionInput'],
  ['entries below 1 MB', 'events PutEvents', { Entries: [{ Detail: 'x'.repeat(mib - 1) }] }, undefined],
  ['entries of 1 MB', 'events PutEvents', { Entries: [{ Detail: 'x'.repeat(mib) }] }, 'ValidationException'],
  [
    'entries of 1 MB in all',
    'events PutEvents',
    { Entries: [{ Detail: 'x'.repeat(mib / 2) }, { Detail: 'x'.repeat(mib / 2 - 14), Time: 0 }] },
    'ValidationException',
  ],
  ['a payload of 6 MB', 'lambda Invoke', {}, undefined, { 'content-length': String(6 * mib) }],
  [
    'a payload over 6 MB',
    'lambda Invoke',
    {},
    'RequestTooLargeException',
    { 'content-length': String(6 * mib + 1) },
  ],
  [
    'an event over 1 MB',
    'lambda Invoke',
    { InvocationType: 'Event' },
    'RequestTooLargeException',
    { 'content-length': String(mib + 1) },
  ],
  [
    'a small environment',
    'lambda CreateFunction',
    { Environment: { Variables: { A: 'x'.repeat(4000) } } },
    undefined,
  ],
  [
    'an environment over 4 KB',
    'lambda CreateFunction',
    { Environment: { Variables: { A: 'x'.repeat(4096) } } },
    'InvalidParameterValueException',
  ],
  ['a timeout of 900 s', 'lambda CreateFunction', { Timeout: 900 }, undefined],
  ['a timeout of 901 s', 'lambda CreateFunction', { Timeout: 901 }, 'ValidationException'],
  [
    'a template of 51,200 bytes',
    'cloudformation CreateStack',
    { TemplateBody: 'x'.repeat(51_200) },
    undefined,
  ],
  [
    'a template over 51,200 bytes',
    'cloudformation CreateStack',
    { TemplateBody: 'x'.repeat(51_201) },
    'ValidationError',
  ],
  ['a query of 262,144 bytes', 'athena StartQueryExecution', { QueryString: 'é'.repeat(131_072) }, undefined],
  [
    'a query over 262,144 bytes',
    'athena StartQueryExecution',
    { QueryString: 'é'.repeat(131_073) },
    'InvalidRequestException',
  ],
])('%s: %s', (_, call, input, code, headers = {}) => {
  const [service = '', operation = ''] = call.split(' ');
  expect(checkQuotas(service, operation, input, headers)?.code).toBe(code);
});

test('each quota names the page of AWS that says it', () => {
  for (const { says, page } of quotas) {
    expect(says).not.toBe('');
    expect(page).toMatch(/^https:\/\/docs\.aws\.amazon\.com\/\S+$/);
  }
});
