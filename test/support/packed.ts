/** Packed files that Node cannot write, made by Python's bz2 and by pyarrow's Snappy in Hadoop's frames. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** lines: a record and a broken one; array: one record; empty; two: 40 records in two streams or blocks; runs: line ends. */
export const packed = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, '../fixtures/packed', name));

/** Snappy with literals only, in one Hadoop block. */
export function hadoopSnappy(content: Buffer): Buffer {
  const chunk = Buffer.alloc(9);
  chunk.set(
    [0, 7, 14, 21].map((shift) => ((content.length >>> shift) & 0x7f) | 0x80),
    0,
  );
  chunk[4] = content.length >>> 28;
  chunk[5] = 62 << 2;
  chunk.writeUIntLE(content.length - 1, 6, 3);
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32BE(content.length);
  sizes.writeUInt32BE(chunk.length + content.length, 4);
  return Buffer.concat([sizes, chunk, content]);
}
