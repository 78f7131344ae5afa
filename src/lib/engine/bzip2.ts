/** Unpacks bzip2, block by block. The decoders on npm hang on hostile run lengths. This one fails on anything that is not bzip2. */
import { ArchiveBroken, PackedReader } from './packedBytes.ts';

/** The beginning of a stream. The digit of its block size follows, then a block or the end. */
const signature = 0x425a68;
const blockMagic = [0x314159, 0x265359] as const;
const endMagic = [0x177245, 0x385090] as const;

const unitOfBlocks = 100_000;
const longestCode = 20;
const groupSize = 50;
/** A run is never as long as a block. libbz2 has the same limit. */
const longestRun = 2 * 1024 * 1024;

/** Whether the bytes are the beginning of bzip2, even of an empty stream. */
export function isBzip2(head: Uint8Array): boolean {
  const digit = (head[3] ?? 0) - 0x30;
  if (head.length < 10 || number(head, 0) !== signature || digit < 1 || digit > 9) return false;
  return [blockMagic, endMagic].some(([a, b]) => number(head, 4) === a && number(head, 7) === b);
}

const number = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);

/** Unpacks one stream or several, as parallel packers write them. Throws ArchiveBroken if the input is truncated, damaged, or followed by other bytes. */
export async function* bunzip2(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const reader = new PackedReader(source);
  let block = new Uint32Array(0);
  let level = 0;
  let crcOfStream = 0;
  /** The next bit in the first byte: blocks do not begin at byte boundaries. */
  let bit = 0;
  /** How much is read before a block is decoded: enough for a usual block, and twice as much each time that it is too little. */
  let wanted = 1;
  for (;;) {
    const held = await reader.hold(wanted);
    const bits = new Bits(held, bit);
    try {
      if (level === 0) {
        if (held.length === 0) return;
        if (bits.read(24) !== signature) throw new ArchiveBroken();
        const digit = bits.read(8) - 0x30;
        if (digit < 1 || digit > 9) throw new ArchiveBroken();
        level = digit;
        crcOfStream = 0;
      } else {
        const magic = [bits.read(24), bits.read(24)];
        if (magic[0] === endMagic[0] && magic[1] === endMagic[1]) {
          if (bits.read32() !== crcOfStream) throw new ArchiveBroken();
          bits.alignToByte();
          level = 0;
        } else if (magic[0] === blockMagic[0] && magic[1] === blockMagic[1]) {
          const crc = bits.read32();
          const most = level * unitOfBlocks;
          if (block.length < most) block = new Uint32Array(most);
          const parts = blockOf(bits, block.subarray(0, most));
          if (crcOf(parts) !== crc) throw new ArchiveBroken();
          crcOfStream = (((crcOfStream << 1) | (crcOfStream >>> 31)) ^ crc) >>> 0;
          yield* parts;
        } else throw new ArchiveBroken();
      }
    } catch (error) {
      if (!(error instanceof OutOfBits)) throw error;
      if (reader.isEnd) throw new ArchiveBroken();
      wanted = 2 * Math.max(held.length, 1);
      continue;
    }
    reader.drop(bits.position >> 3);
    bit = bits.position & 7;
    wanted = level === 0 ? 4 : level * unitOfBlocks;
  }
}

/** The bytes that have been read end here. */
class OutOfBits extends Error {}

class Bits {
  position: number;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.position = position;
  }

  /** Up to 24 bits. */
  read(count: number): number {
    const at = this.position >> 3;
    this.position += count;
    if (this.position > this.#bytes.length * 8) throw new OutOfBits();
    const bytes = this.#bytes;
    const word =
      (((bytes[at] ?? 0) << 24) |
        ((bytes[at + 1] ?? 0) << 16) |
        ((bytes[at + 2] ?? 0) << 8) |
        (bytes[at + 3] ?? 0)) >>>
      0;
    return ((word << ((this.position - count) & 7)) >>> 0) >>> (32 - count);
  }

  read32(): number {
    return this.read(16) * 0x10000 + this.read(16);
  }

  alignToByte(): void {
    this.position = (this.position + 7) & ~7;
  }
}

/** Decodes a block after its checksum: code lengths, symbols, and the inverse Burrows-Wheeler transform. */
function blockOf(bits: Bits, block: Uint32Array): Buffer[] {
  // Only bzip2 0.9 wrote "randomised" blocks, before 2000.
  if (bits.read(1) === 1) throw new ArchiveBroken();
  const origin = bits.read(24);
  const symbols = symbolsOf(bits);
  const tables = bits.read(3);
  const selectorCount = bits.read(15);
  if (tables < 2 || tables > 6 || selectorCount === 0) throw new ArchiveBroken();
  const selectors = selectorsOf(bits, tables, selectorCount);
  const codes = Array.from({ length: tables }, () => codeOf(bits, symbols.length + 2));
  const { count, starts } = transformedOf(bits, symbols, selectors, codes, block);
  if (origin >= count) throw new ArchiveBroken();
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const occurrences = starts[byte] as number;
    starts[byte] = sum;
    sum += occurrences;
  }
  for (let i = 0; i < count; i++) {
    const byte = (block[i] as number) & 0xff;
    const to = starts[byte] as number;
    starts[byte] = to + 1;
    block[to] = (block[to] as number) | (i << 8);
  }
  return withRuns(block, count, origin);
}

/** The byte values of a block, in order, from a map of 16 by 16. */
function symbolsOf(bits: Bits): number[] {
  const rows = bits.read(16);
  const symbols: number[] = [];
  for (let row = 0; row < 16; row++) {
    if ((rows & (0x8000 >> row)) === 0) continue;
    const used = bits.read(16);
    for (let column = 0; column < 16; column++)
      if ((used & (0x8000 >> column)) !== 0) symbols.push(16 * row + column);
  }
  if (symbols.length === 0) throw new ArchiveBroken();
  return symbols;
}

/** The code of each group of 50 symbols. */
function selectorsOf(bits: Bits, tables: number, count: number): Uint8Array {
  const order = Array.from({ length: tables }, (_, i) => i);
  return Uint8Array.from({ length: count }, () => {
    let place = 0;
    while (bits.read(1) === 1) if (++place >= tables) throw new ArchiveBroken();
    const [table] = order.splice(place, 1) as [number];
    order.unshift(table);
    return table;
  });
}

/** A canonical Huffman code. For each length: its last code, and the offset from a code to its symbol. */
interface Code {
  readonly shortest: number;
  readonly limits: Int32Array;
  readonly bases: Int32Array;
  readonly symbols: Uint16Array;
}

function codeOf(bits: Bits, symbolCount: number): Code {
  let length = bits.read(5);
  const lengths = Array.from({ length: symbolCount }, () => {
    for (;;) {
      if (length < 1 || length > longestCode) throw new ArchiveBroken();
      if (bits.read(1) === 0) return length;
      length += bits.read(1) === 0 ? 1 : -1;
    }
  });
  const symbols = lengths.map((_, symbol) => symbol);
  symbols.sort((a, b) => (lengths[a] as number) - (lengths[b] as number) || a - b);
  const limits = new Int32Array(longestCode + 1).fill(-1);
  const bases = new Int32Array(longestCode + 1);
  let code = 0;
  let place = 0;
  for (let size = 1; size <= longestCode; size++) {
    const count = lengths.filter((other) => other === size).length;
    bases[size] = code - place;
    code += count;
    place += count;
    limits[size] = code - 1;
    code *= 2;
  }
  return { shortest: Math.min(...lengths), limits, bases, symbols: Uint16Array.from(symbols) };
}

/** Decodes symbols into a block: runs of the front byte, or bytes by their positions in the move-to-front list. */
function transformedOf(
  bits: Bits,
  symbols: readonly number[],
  selectors: Uint8Array,
  codes: readonly Code[],
  block: Uint32Array,
) {
  const starts = new Uint32Array(256);
  const front = Uint8Array.from(symbols);
  const end = symbols.length + 1;
  let count = 0;
  let run = 0;
  let runWeight = 1;
  let group = -1;
  let left = 0;
  let code = codes[0] as Code;
  for (;;) {
    if (left === 0) {
      if (++group >= selectors.length) throw new ArchiveBroken();
      code = codes[selectors[group] as number] as Code;
      left = groupSize;
    }
    left--;
    const symbol = readSymbol(bits, code);
    if (symbol <= 1) {
      run += runWeight << symbol;
      runWeight *= 2;
      if (runWeight > longestRun) throw new ArchiveBroken();
      continue;
    }
    if (run > 0) {
      if (count + run > block.length) throw new ArchiveBroken();
      const byte = front[0] as number;
      starts[byte] = (starts[byte] as number) + run;
      block.fill(byte, count, count + run);
      count += run;
      run = 0;
      runWeight = 1;
    }
    if (symbol === end) return { count, starts };
    if (count >= block.length) throw new ArchiveBroken();
    const byte = front[symbol - 1] as number;
    front.copyWithin(1, 0, symbol - 1);
    front[0] = byte;
    starts[byte] = (starts[byte] as number) + 1;
    block[count++] = byte;
  }
}

function readSymbol(bits: Bits, { shortest, limits, bases, symbols }: Code): number {
  let code = bits.read(shortest);
  for (let size = shortest; size <= longestCode; size++) {
    if (code <= (limits[size] as number)) {
      const symbol = symbols[code - (bases[size] as number)];
      if (symbol === undefined) break;
      return symbol;
    }
    code = (code << 1) | bits.read(1);
  }
  throw new ArchiveBroken();
}

/** The size of an output chunk in bytes. */
const partBytes = 1024 * 1024;

/** Follows the links of a block. After four equal bytes, a count says how often the byte is repeated. */
function withRuns(block: Uint32Array, count: number, origin: number): Buffer[] {
  const parts: Buffer[] = [];
  let part = Buffer.allocUnsafe(Math.min(partBytes, count + 256));
  let size = 0;
  let link = (block[origin] as number) >>> 8;
  let previous = -1;
  let equal = 0;
  for (let i = 0; i < count; i++) {
    const entry = block[link] as number;
    const byte = entry & 0xff;
    link = entry >>> 8;
    if (size + 256 > part.length) {
      parts.push(part.subarray(0, size));
      part = Buffer.allocUnsafe(partBytes);
      size = 0;
    }
    if (equal === 4) {
      part.fill(previous, size, size + byte);
      size += byte;
      equal = 0;
      previous = -1;
      continue;
    }
    equal = byte === previous ? equal + 1 : 1;
    previous = byte;
    part[size++] = byte;
  }
  parts.push(part.subarray(0, size));
  return parts;
}

/** CRC-32 with the opposite bit order to zlib's. */
const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 24;
  for (let n = 0; n < 8; n++) crc = crc & 0x80000000 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
  return crc >>> 0;
});

function crcOf(parts: readonly Uint8Array[]): number {
  let crc = 0xffffffff;
  for (const part of parts)
    for (const byte of part) crc = (crc << 8) ^ (crcTable[(crc >>> 24) ^ byte] as number);
  return ~crc >>> 0;
}
