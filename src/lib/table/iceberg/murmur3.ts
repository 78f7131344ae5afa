/**
 * Murmur3, 32 bits, x86 variant, seed 0: the hash of bucket partitions. https://iceberg.apache.org/spec/#appendix-b-32-bit-hash-requirements
 */

/** A signed 32-bit integer. */
export function murmur3(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const blocks = bytes.length & ~3;
  let hash = 0;
  for (let i = 0; i < blocks; i += 4)
    hash = (Math.imul(rotated(hash ^ mixed(view.getUint32(i, true)), 13), 5) + 0xe6546b64) | 0;
  let rest = 0;
  for (let i = bytes.length - 1; i >= blocks; i--) rest = (rest << 8) | view.getUint8(i);
  if (blocks < bytes.length) hash ^= mixed(rest);
  hash ^= bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

const rotated = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
const mixed = (block: number): number => Math.imul(rotated(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
