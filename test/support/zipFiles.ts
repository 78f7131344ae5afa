/** Zip archives, whole and broken ones, for a contract of `contractWith`, and why what is refused of them is refused. */
import { gzipSync } from 'node:zlib';
import { record } from './embedded.ts';
import { zipOf } from './zipArchive.ts';

const lines = (...ids: number[]) => ids.map((id) => record({ id })).join('\n');
const good = { name: 'good.json', bytes: lines(90) };

export const zipFiles: Readonly<Record<string, Uint8Array>> = {
  'a.zip': zipOf([
    { name: 'folder/', bytes: '', isStored: true },
    { name: '../../etc/passwd', bytes: `${lines(1)}\nbad\n${lines(2)}` },
    { name: 'stored.json', bytes: `[${record({ id: 3 })}]`, isStored: true },
    { name: 'ä.json', bytes: `\uFEFF${lines(4, 5)}` },
    { name: 'empty', bytes: '', isStored: true },
    { name: 'blank', bytes: ' \n ' },
  ]),
  'long.zip': zipOf([{ name: 'x.json', bytes: lines(6) }], { isLong: true, comment: 'made PK\x05\x06 by x' }),
  'none.zip': zipOf([]),
  'folders.zip': zipOf([{ name: 'a/', bytes: '', isStored: true }]),
  'inner.zip': zipOf([
    good,
    { name: 'again.gz', bytes: gzipSync(lines(7)) },
    { name: 'again.zip', bytes: zipOf([good]) },
    { name: 'picture', bytes: Buffer.from([1, 0, 2]) },
    { name: 'secret', bytes: lines(8), flags: 1 },
    { name: 'lzma', bytes: lines(8), method: 14 },
    { name: 'crc', bytes: lines(9), crc: 1 },
    { name: 'crc.json', bytes: `[${record({ id: 9 })}]`, crc: 1 },
    { name: 'longer', bytes: lines(10, 11), unpacked: 3 },
    { name: 'shorter', bytes: lines(10, 11), unpacked: 3000 },
    { name: 'no deflate', bytes: Buffer.from([0xff, 0xff, 0xff]), isStored: true, method: 8 },
    { name: 'cut.json', bytes: '[{"id":' },
  ]),
  'overlapping.zip': zipOf([good, { ...good, isOverlapping: true }]),
  'cut.zip': zipOf([good]).subarray(0, -1),
  'start.zip': zipOf([good]).subarray(0, 40),
  'many.zip': zipOf(Array.from({ length: 2001 }, (_, i) => ({ name: `${i}`, bytes: '' }))),
};

/** object, line and reason in quarantine. */
export const refusedOfZips: readonly (readonly [object: string, line: number, reason: string])[] = [
  ['a.zip/../../etc/passwd', 2, 'invalid_json'],
  ['cut.zip', 1, 'broken_archive'],
  ['inner.zip/again.gz', 1, 'not_text'],
  ['inner.zip/again.zip', 1, 'not_text'],
  ['inner.zip/crc', 1, 'broken_archive'],
  ['inner.zip/crc.json', 1, 'broken_archive'],
  ['inner.zip/cut.json', 1, 'invalid_document'],
  ['inner.zip/longer', 1, 'broken_archive'],
  ['inner.zip/lzma', 1, 'unsupported_archive'],
  ['inner.zip/no deflate', 1, 'broken_archive'],
  ['inner.zip/picture', 1, 'not_text'],
  ['inner.zip/secret', 1, 'encrypted_archive'],
  ['inner.zip/shorter', 1, 'broken_archive'],
  ['many.zip', 1, 'archive_too_large'],
  ['overlapping.zip', 1, 'broken_archive'],
  ['start.zip', 1, 'broken_archive'],
];
