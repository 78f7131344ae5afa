import { randomBytes } from 'node:crypto';
import { gzipSync, constants as zlib, zstdCompressSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { chooseEngine, requireUnpacked, unpackedBytes } from '../../../src/lib/engine/size.ts';
import { compressionOf } from '../../../src/lib/engine/unpack.ts';
import { EngineOutOfMemory } from '../../../src/lib/errors.ts';
import { thoroughTest } from '../../support/thorough.ts';

/** The file, and how much of it was read. */
function fileOf(bytes: Uint8Array, size: number = bytes.length) {
  let read = 0;
  const file = {
    size,
    compression: compressionOf(bytes),
    read: async (start: number, end: number) => {
      read += end - start;
      // A file that is shorter than its declared length ends where it ends.
      const from = start < bytes.length / 2 ? start : start - (size - bytes.length);
      return bytes.subarray(from, from + end - start);
    },
  };
  return { file, read: () => read };
}
const sizeOf = (bytes: Uint8Array, size?: number) => unpackedBytes(fileOf(bytes, size).file);
const text = Buffer.from('{"id":1,"text":"one row after the other"}\n'.repeat(50_000));

test('the size of what a file holds is known without unpacking it', async () => {
  expect(await sizeOf(text)).toBe(text.length);
  expect(await sizeOf(gzipSync(text))).toBe(text.length);
  expect(await sizeOf(zstdCompressSync(text, { pledgedSrcSize: text.length }))).toBe(text.length);
  for (const length of [0, 1, 100, 255, 256, 65_791, 65_792, 70_000])
    expect(await sizeOf(zstdCompressSync(randomBytes(length), { pledgedSrcSize: length }))).toBe(length);
  expect(await sizeOf(new Uint8Array())).toBe(0);
  expect(await sizeOf(gzipSync(''))).toBe(0);
});

test('of a large file its ends are read, and no more', async () => {
  const { file, read } = fileOf(gzipSync(randomBytes(5_000_000)));
  expect(await unpackedBytes(file)).toBe(5_000_000);
  expect(read()).toBeLessThan(300_000);
});

test('a member after another, or a trailer that is wrong, makes a file no smaller than its first bytes say', async () => {
  const many = Buffer.concat([gzipSync(text), gzipSync(text), gzipSync('{}')]);
  // The sample unpacks them all.
  expect(await sizeOf(many)).toBeGreaterThan(text.length);
  const lying = Buffer.from(gzipSync(randomBytes(1_000_000)));
  lying.writeUInt32LE(7, lying.length - 4);
  expect(await sizeOf(lying)).toBeGreaterThan(900_000);
});

test('gzip of more than 4 GiB, whose size is counted modulo that, is told by its first bytes', async () => {
  // Stored without packing: its first bytes declare their own length, here more than 5 GiB.
  const stored = gzipSync(randomBytes(400_000), { level: zlib.Z_NO_COMPRESSION });
  const length = 5 * 2 ** 30 + 12_345;
  stored.writeUInt32LE(length % 2 ** 32, stored.length - 4);
  expect(await sizeOf(stored, length)).toBe(length);
});

thoroughTest(
  'a small archive of a huge content is seen by its trailer, though its first bytes are hard to pack',
  async () => {
    const bomb = gzipSync(Buffer.concat([randomBytes(300_000), Buffer.alloc(200_000_000)]));
    expect(bomb.length).toBeLessThan(600_000);
    expect(await sizeOf(bomb)).toBe(200_300_000);
  },
);

test('zstd without a size is guessed from its first bytes; broken archives have a size too', async () => {
  const guess = await sizeOf(zstdCompressSync(text).subarray(0, 4000));
  expect(guess).toBeGreaterThanOrEqual(0);
  expect(await sizeOf(Buffer.from([0x28, 0xb5, 0x2f, 0xfd]))).toBe(0);
  expect(await sizeOf(Buffer.from([0x1f, 0x8b]))).toBe(0);
  expect(await sizeOf(gzipSync(text).subarray(0, 30))).toBeGreaterThanOrEqual(0);
});

test('a batch goes to the engine that holds what it unpacks to, or to the one that an operator chose', () => {
  const limit = 64;
  const file = (unpacked: number, layout: 'lines' | 'document' | 'refused' = 'lines') => ({
    unpacked,
    layout,
  });
  expect(chooseEngine('auto', [file(60), file(4)], limit)).toBe('embedded');
  expect(chooseEngine('auto', [file(60), file(5)], limit)).toBe('glue');
  expect(chooseEngine('auto', [file(60), file(1e12, 'refused')], limit)).toBe('embedded');
  expect(chooseEngine('embedded', [file(1e12)], limit)).toBe('embedded');
  expect(chooseEngine('glue', [file(0)], limit)).toBe('glue');
  expect(chooseEngine('auto', [], limit)).toBe('embedded');
});

test('a batch of more objects than a function can fetch goes to Glue, and an archive is one object', () => {
  const limit = 64;
  const empty = (count: number) =>
    Array.from({ length: count }, () => ({ unpacked: 0, layout: 'lines' as const }));
  expect(chooseEngine('auto', empty(10_000), limit)).toBe('embedded');
  expect(chooseEngine('auto', empty(10_001), limit)).toBe('glue');
  expect(chooseEngine('auto', empty(10_001), limit, 1)).toBe('embedded');
  expect(chooseEngine('embedded', empty(10_001), limit)).toBe('embedded');
});

test('an archive that turns out too large for this machine moves its batch, and is not refused', () => {
  expect(() =>
    requireUnpacked([
      { object: 'a.gz', fault: null },
      { object: 'b.gz', fault: 'broken_archive' },
    ]),
  ).not.toThrow();
  expect(() => requireUnpacked([{ object: 'a.gz', fault: 'archive_too_large' }])).toThrow(EngineOutOfMemory);
});
