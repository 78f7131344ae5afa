/** Estimates the unpacked size of a raw file, on which the choice of the engine depends. Free of AWS. */
import type { EngineChoice } from '../config.ts';
import { EngineOutOfMemory } from '../errors.ts';
import type { Compression, InputFile } from '../model/layout.ts';
import { firstBlockBytes, unpackStart } from './unpack.ts';

/** A file with random access. */
export interface PackedFile {
  /** Bytes, as stored. */
  readonly size: number;
  readonly compression: Exclude<Compression, 'zip'> | null;
  /** The bytes from `start` to before `end`. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** The limits of the sample from which the compression is estimated: packed bytes, and unpacked bytes. */
const sampleBytes = {
  gzip: 256 * 1024,
  zstd: 256 * 1024,
  bzip2: 1024 * 1024,
  snappy: 1024 * 1024,
  avro: 1024 * 1024,
} as const;
const sampleLimit = 64 * 1024 * 1024;

/**
 * The unpacked bytes of a file. They are exact if it is not packed, and for zstd with its size in the header (RFC 8878, 3.1.1.1.4). For
 * gzip, the last four bytes have the size of the last member modulo 2^32 (RFC 1952, 2.3.1), which is used if it agrees with the sample or
 * is larger. Otherwise the size is estimated from the sample, and may be too small.
 */
export async function unpackedBytes({ size, compression, read }: PackedFile): Promise<number> {
  if (compression === null || size === 0) return size;
  let head = await read(0, Math.min(size, sampleBytes[compression]));
  if (compression === 'zstd') {
    const known = zstdContentSize(head);
    if (known !== null) return known;
  }
  let sample = await unpackStart(head, compression, sampleLimit);
  if (sample === null && head.length < Math.min(size, firstBlockBytes[compression])) {
    head = await read(0, Math.min(size, firstBlockBytes[compression]));
    sample = await unpackStart(head, compression, sampleLimit);
  }
  const guess = Math.round(((sample?.length ?? 0) / head.length) * size);
  if (compression !== 'gzip' || size < 18) return guess;
  const trailer = Buffer.from(await read(size - 4, size));
  const rest = trailer.length === 4 ? trailer.readUInt32LE() : 0;
  const told = rest + Math.max(0, Math.round((guess - rest) / wrap)) * wrap;
  return told >= guess / 2 ? told : guess;
}

/** The modulus of gzip's size. */
const wrap = 2 ** 32;

/** The size in the header of a zstd frame; null if it has none. https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1 */
function zstdContentSize(head: Uint8Array): number | null {
  const descriptor = head[4] ?? 0;
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const flag = descriptor >> 6;
  const length = flag === 0 ? (isSingleSegment ? 1 : 0) : 2 ** flag;
  if (length === 0) return null;
  const start = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  const field = Buffer.from(head.subarray(start, start + length));
  if (field.length < length) return null;
  if (length === 8) return Number(field.readBigUInt64LE());
  return length === 2 ? field.readUInt16LE() + 256 : field.readUIntLE(0, length);
}

/** The properties of a file on which the choice of the engine depends. */
export interface SizedFile {
  readonly layout: InputFile['layout'];
  /** See unpackedBytes. */
  readonly unpacked: number;
}

/** To fetch more objects takes a function too much of its time, however small they are. */
const mostEmbeddedObjects = 10_000;

/**
 * The engine for a batch: the operator's choice, else the embedded engine if the batch fits. Refused files need no memory. `objects`: the
 * number of objects in S3. An archive is one object with several files.
 */
export function chooseEngine(
  choice: EngineChoice,
  files: readonly SizedFile[],
  embeddedLimitBytes: number,
  objects: number = files.length,
): 'embedded' | 'glue' {
  if (choice !== 'auto') return choice;
  if (objects > mostEmbeddedObjects) return 'glue';
  const bytes = files.reduce((sum, f) => sum + (f.layout === 'refused' ? 0 : f.unpacked), 0);
  return bytes <= embeddedLimitBytes ? 'embedded' : 'glue';
}

/**
 * Throws EngineOutOfMemory if a file unpacks to more than this machine's disk can take, which was unknown before. The batch then moves
 * to Spark.
 */
export function requireUnpacked(inputs: readonly Pick<InputFile, 'object' | 'fault'>[]): void {
  const tooLarge = inputs.find(({ fault }) => fault === 'archive_too_large');
  if (tooLarge)
    throw new EngineOutOfMemory(
      `${tooLarge.object} unpacks to more than the embedded engine takes; run its batch on Glue`,
      { object: tooLarge.object },
    );
}
