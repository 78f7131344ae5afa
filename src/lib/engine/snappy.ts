/**
 * Unpacks Snappy in the framing of Hadoop and Spark: each block begins with its unpacked size, and contains chunks that begin with their
 * packed size. https://github.com/google/snappy/blob/main/format_description.txt
 */
import { ArchiveBroken, PackedReader } from './packedBytes.ts';

/** The maximum unpacked size of a block. Hadoop's default is 256 KiB (io.compression.codec.snappy.buffersize). The same limit is in glue/sluice/archives.py. */
const mostOfBlock = 4 * 1024 * 1024;

/** The maximum packed size of a number of bytes. */
const mostPacked = (bytes: number): number => 32 + bytes + Math.floor(bytes / 6);

/** The frames have no signature, so the sizes at the start of a file must agree. The first byte is zero, which is never the start of a text. */
export function isHadoopSnappy(head: Uint8Array): boolean {
  const bytes = Buffer.from(head.subarray(0, 13));
  if (bytes.length < 4) return false;
  const held = bytes.readUInt32BE();
  // Spark's form of an empty partition.
  if (held === 0) return head.length === 4;
  if (held > mostOfBlock || bytes.length < 10) return false;
  const packed = bytes.readUInt32BE(4);
  const { size } = sizeOf(bytes.subarray(8)) ?? { size: 0 };
  return packed >= 2 && packed <= mostPacked(size) && size >= 1 && size <= held;
}

/** Throws ArchiveBroken if the input is truncated or corrupt. */
export async function* unsnappy(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new PackedReader(source);
  for (;;) {
    const start = await reader.read(4);
    if (start.length === 0) return;
    let left = sizeAt(start);
    if (left > mostOfBlock) throw new ArchiveBroken();
    while (left > 0) {
      const packed = sizeAt(await reader.read(4));
      if (packed > mostPacked(left)) throw new ArchiveBroken();
      const chunk = await reader.read(packed);
      const told = sizeOf(chunk);
      if (chunk.length < packed || told === null || told.size === 0 || told.size > left)
        throw new ArchiveBroken();
      yield chunkOf(chunk.subarray(told.length), told.size);
      left -= told.size;
    }
  }
}

function sizeAt(bytes: Buffer): number {
  if (bytes.length < 4) throw new ArchiveBroken();
  return bytes.readUInt32BE();
}

/** The unpacked size at the start of a chunk, and its length in bytes: seven bits per byte, lowest first. */
function sizeOf(chunk: Uint8Array): { size: number; length: number } | null {
  let size = 0;
  for (let n = 0; n < 5; n++) {
    const byte = chunk[n];
    if (byte === undefined) return null;
    size += (byte & 0x7f) * 2 ** (7 * n);
    if (byte < 0x80) return size < 2 ** 32 ? { size, length: n + 1 } : null;
  }
  return null;
}

/** Decodes literals, and copies of earlier output. */
function chunkOf(packed: Buffer, size: number): Buffer {
  const out = Buffer.alloc(size);
  let at = 0;
  let filled = 0;
  const take = (bytes: number): number => {
    if (at + bytes > packed.length) throw new ArchiveBroken();
    at += bytes;
    return bytes === 0 ? 0 : packed.readUIntLE(at - bytes, bytes);
  };
  while (at < packed.length) {
    const tag = take(1);
    const kind = tag & 3;
    let length = (tag >>> 2) + 1;
    if (kind === 0) {
      if (length > 60) length = take(length - 60) + 1;
      if (at + length > packed.length || filled + length > size) throw new ArchiveBroken();
      packed.copy(out, filled, at, at + length);
      at += length;
      filled += length;
      continue;
    }
    if (kind === 1) length = ((tag >>> 2) & 7) + 4;
    const offset = kind === 1 ? ((tag >>> 5) << 8) | take(1) : take(kind === 2 ? 2 : 4);
    if (offset === 0 || offset > filled || filled + length > size) throw new ArchiveBroken();
    // A copy may overlap its own output.
    if (offset >= length) out.copyWithin(filled, filled - offset, filled - offset + length);
    else for (let i = filled; i < filled + length; i++) out[i] = out[i - offset] as number;
    filled += length;
  }
  if (filled < size) throw new ArchiveBroken();
  return out;
}

/** One block without a frame, such as those of Avro. Throws ArchiveBroken if it is damaged, or unpacks to more than `most` bytes. */
export function unsnappyBlock(packed: Buffer, most: number): Buffer {
  const told = sizeOf(packed);
  if (told === null || told.size > most || packed.length > mostPacked(told.size)) throw new ArchiveBroken();
  return chunkOf(packed.subarray(told.length), told.size);
}
