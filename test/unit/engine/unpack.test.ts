import { expect, test } from '@jest/globals';
import { bunzip2 } from '../../../src/lib/engine/bzip2.ts';
import { headBytes, lookAt } from '../../../src/lib/engine/layout.ts';
import { ArchiveBroken } from '../../../src/lib/engine/packedBytes.ts';
import { unpackedBytes } from '../../../src/lib/engine/size.ts';
import { unsnappy } from '../../../src/lib/engine/snappy.ts';
import { compressionOf, unpackStart } from '../../../src/lib/engine/unpack.ts';
import { contractWith } from '../../support/embedded.ts';
import { hadoopSnappy, packed } from '../../support/packed.ts';
import { isThorough } from '../../support/thorough.ts';

const decoders = { bzip2: bunzip2, snappy: unsnappy };
const kinds = ['bzip2', 'snappy'] as const;

/** Only some positions in a file are tried: all of them would take seconds. */
const step = isThorough ? 1 : 13;

/** The bytes of a file in pieces of some size. */
async function unpacked(kind: (typeof kinds)[number], bytes: Buffer, size = 7): Promise<Buffer> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const parts: Buffer[] = [];
  for await (const part of decoders[kind](pieces())) parts.push(part);
  return Buffer.concat(parts);
}

test.each(kinds)(
  '%s of one stream, of two, and of none is unpacked, wherever its pieces end',
  async (kind) => {
    for (const size of [1, 7, 1000]) {
      expect(`${await unpacked(kind, packed(`array.${kind}`), size)}`).toBe(
        '[{"id":2,"at":"2025-10-06T05:40:00Z"}]',
      );
      expect(`${await unpacked(kind, packed(`two.${kind}`), size)}`.split('\n')).toHaveLength(40);
    }
    expect(await unpacked(kind, packed(`empty.${kind}`))).toHaveLength(0);
    expect(compressionOf(packed(`empty.${kind}`))).toBe(kind);
  },
);

test.each(kinds)('%s that is cut anywhere, or followed by other bytes, is broken', async (kind) => {
  const whole = packed(`two.${kind}`);
  const { length } = await unpacked(kind, whole);
  for (let end = 1; end < whole.length; end += end < whole.length - 20 ? step : 1) {
    const found = await unpacked(kind, whole.subarray(0, end)).catch((error: unknown) => error);
    // The end of the first stream is a valid end.
    if (!(found instanceof ArchiveBroken)) expect((found as Buffer).length).toBeLessThan(length);
  }
  await expect(unpacked(kind, Buffer.concat([whole, Buffer.from('x')]))).rejects.toThrow(ArchiveBroken);
});

test.each(kinds)('a bit of %s that is wrong is told, and never hangs', async (kind) => {
  const whole = packed(`lines.${kind}`);
  const content = await unpacked(kind, whole);
  for (let bit = 0; bit < 8 * whole.length; bit += step) {
    const wrong = Buffer.from(whole);
    wrong[bit >> 3] = (wrong[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const found = await unpacked(kind, wrong).catch((error: unknown) => error);
    // bzip2 has checksums; Hadoop's frames have only sizes.
    if (kind === 'snappy' && Buffer.isBuffer(found)) expect(found).toHaveLength(content.length);
    else if (Buffer.isBuffer(found)) expect(found).toEqual(content);
    else expect(found).toBeInstanceOf(ArchiveBroken);
  }
});

test('runs of a byte are unpacked, and so is what they hide a bomb in, part by part', async () => {
  const parts: number[] = [];
  async function* whole() {
    yield packed('runs.bzip2');
  }
  for await (const part of bunzip2(whole())) parts.push(part.length);
  expect(parts.reduce((sum, size) => sum + size)).toBe(3_000_000);
  expect(Math.max(...parts)).toBeLessThan(1024 * 1024 + 1);
});

const contract = contractWith('');

test('a first block that is longer than the first bytes is read further, as far as a block goes', async () => {
  const line = '{"id":1,"at":"2025-10-06T05:40:00Z"}\n';
  const file = hadoopSnappy(Buffer.from(line.repeat(20_000)));
  const look = await lookAt(contract, file.subarray(0, headBytes), file.length, async (bytes) =>
    file.subarray(0, bytes),
  );
  expect(look).toMatchObject({ layout: 'lines', fault: null, compression: 'snappy' });
  const read = async (from: number, to: number) => file.subarray(from, to);
  expect(await unpackedBytes({ size: file.length, compression: 'snappy', read })).toBeGreaterThan(700_000);
  const small = packed('lines.bzip2');
  const cut = await lookAt(contract, small.subarray(0, 30), small.length, async () => small);
  expect(cut).toMatchObject({ layout: 'lines', fault: null, compression: 'bzip2' });
  // A file that is already gone ends the search.
  const gone = await lookAt(contract, small.subarray(0, 30), small.length, async () => small.subarray(0, 30));
  expect(gone.fault).toBe('broken_archive');
});

test('text that begins with BZh, and bytes that begin with sizes that do not fit, are not packed', async () => {
  expect(compressionOf(Buffer.from('BZh9,name,city\n'))).toBeNull();
  expect(compressionOf(Buffer.from('\0i\0d\0,\0x\0y\0z'))).toBeNull();
  expect(compressionOf(Buffer.from('{"id":1}'))).toBeNull();
  const huge = hadoopSnappy(Buffer.from('{}'));
  huge.writeUInt32BE(5 * 1024 * 1024);
  expect(compressionOf(huge)).toBeNull();
  expect(await unpackStart(packed('lines.bzip2').subarray(0, 20), 'bzip2', 100)).toBeNull();
});
