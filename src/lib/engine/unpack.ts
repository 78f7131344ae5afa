/** Packed inputs: unpacked before an engine sees them, so that both engines read the same bytes. */
import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { Duplex, PassThrough, pipeline as pipe, Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32, createGunzip, createInflateRaw, createZstdDecompress } from 'node:zlib';
import type { Compression, InputFile, Member, XmlConversion } from '../model/layout.ts';
import type { ReasonCode } from '../model/plan.ts';
import { avroLines } from './avro.ts';
import { bunzip2, isBzip2 } from './bzip2.ts';
import { toUtf8 } from './csvStart.ts';
import { ArchiveBroken, ConversionFailed } from './packedBytes.ts';
import { isHadoopSnappy, unsnappy } from './snappy.ts';
import { type ReadMember, sheetLines } from './xlsx.ts';
import { xmlLines } from './xml.ts';
import type { RangedFile } from './zip.ts';

/** The most bytes that an archive may unpack to, on each engine. On Spark one task reads an archive of lines in about two hours. */
export const archiveLimits = { embedded: 2 * 1024 * 1024 * 1024, spark: 100 * 1024 * 1024 * 1024 } as const;

/** The largest file that an engine parses as a whole, in bytes. A Lambda with 3 GB has enough memory for it. */
export const documentLimits = { json: 128 * 1024 * 1024, csv: 256 * 1024 * 1024 } as const;

/** Compressions of a file as a whole. A member of a zip archive is a part of a file. */
type Stream = Exclude<Compression, 'zip'>;

/** The compression from the first bytes (RFC 1952, RFC 8878), never from the name. */
export function compressionOf(head: Uint8Array): Stream | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  if (isBzip2(head)) return 'bzip2';
  return isHadoopSnappy(head) ? 'snappy' : null;
}

/**
 * The number of first bytes that contain at least one block, for formats that are packed in blocks. Fewer bytes may unpack to nothing. In
 * other formats any bytes can be unpacked.
 */
export const firstBlockBytes = {
  gzip: 0,
  zstd: 0,
  bzip2: 5 * 1024 * 1024,
  snappy: 5 * 1024 * 1024,
  avro: 17 * 1024 * 1024,
} as const;

/** Unpacks the first bytes of an archive, at most `bytes`; null if the archive is corrupt there. */
export function unpackStart(head: Uint8Array, compression: Stream, bytes: number): Promise<Buffer | null> {
  return startOfStream(decompressor(compression), head, bytes);
}

/** The same for a member of a zip archive. */
export async function unpackMemberStart(
  file: RangedFile,
  { start, size, isDeflated }: Member,
  bytes: number,
): Promise<Buffer | null> {
  // Deflate makes no text longer than this.
  const packed = await file.read(start, start + Math.min(size, bytes + Math.ceil(bytes / 1000) + 64));
  return isDeflated
    ? startOfStream(createInflateRaw(), packed, bytes)
    : Buffer.from(packed.subarray(0, bytes));
}

function startOfStream(stream: Duplex, head: Uint8Array, bytes: number): Promise<Buffer | null> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const finish = () => done(Buffer.concat(chunks).subarray(0, bytes));
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= bytes) {
        stream.destroy();
        finish();
      }
    });
    stream.on('end', finish);
    // The head of a longer archive is truncated. The bytes before its end count.
    stream.on('error', (error) => {
      if (!isArchiveFault(error)) fail(error);
      else if (size > 0) finish();
      else done(null);
    });
    stream.end(head);
  });
}

/** An input that may be packed. `path` is its local path. */
export interface PackedInput extends InputFile {
  readonly compression: Compression | null;
}

/** Unpacks an input next to the original. If it cannot be unpacked or is too large, the whole packed file is refused. */
export async function unpackInput(
  input: PackedInput,
  limits: Readonly<Record<'archive' | 'json' | 'csv', number>> = {
    ...documentLimits,
    archive: archiveLimits.embedded,
  },
): Promise<InputFile> {
  const { compression, conversion, ...plain } = input;
  if (input.layout === 'refused' || input.layout === 'table') return plain;
  if (compression === null && !conversion) return decodeInput(plain);
  const path = `${input.path}.${input.member?.start ?? ''}.unpacked`;
  const [limit, tooLarge] =
    input.layout === 'lines'
      ? [limits.archive, 'archive_too_large' as const]
      : [input.header === null ? limits.json : limits.csv, 'document_too_large' as const];
  const fault = await unpackFile(input, path, compression, limit);
  if (fault === null) return decodeInput({ ...plain, path });
  return { ...plain, body: null, layout: 'refused', fault: fault === 'too_large' ? tooLarge : fault };
}

/** Converts a file to UTF-8 next to the original. The whole file is refused if its bytes are invalid in the encoding. */
async function decodeInput(input: InputFile): Promise<InputFile> {
  const encoding = input.body?.encoding ?? null;
  if (encoding === null) return input;
  const text = toUtf8(await readFile(input.path), encoding);
  if (text === null) return { ...input, body: null, layout: 'refused', fault: 'not_text' };
  const path = `${input.path}.utf8`;
  await writeFile(path, text);
  // Spark would decode the file again if its description named the encoding.
  return { ...input, path, body: input.body ? { ...input.body, encoding: null } : null };
}

/** Unpacks a file. Gives the reason if that fails: the archive is corrupt, truncated or over the limit. */
async function unpackFile(
  { path: from, member, conversion }: PackedInput,
  to: string,
  compression: Compression | null,
  limit: number,
): Promise<'too_large' | ReasonCode | null> {
  let size = 0;
  const limiter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      done(size > limit ? new ArchiveTooLarge() : null, chunk);
    },
  });
  try {
    const writer = createWriteStream(to);
    const convert = conversion?.kind === 'xml' ? xmlConverter(conversion) : new PassThrough();
    if (conversion?.kind === 'xlsx') {
      const read = memberReader((start, end) => createReadStream(from, { start, end: end - 1 }));
      await pipeline(sheetLines(read, conversion), limiter, writer);
    } else if (compression !== 'zip') {
      const unpack = compression === null ? new PassThrough() : decompressor(compression);
      await pipeline(createReadStream(from), unpack, convert, limiter, writer);
    } else if (!member) throw new TypeError(`${from} is a member of an archive that is not described`);
    else if (member.size === 0) {
      if (member.unpacked > 0) return 'broken_archive';
      await writeFile(to, '');
    } else {
      const packed = createReadStream(from, { start: member.start, end: member.start + member.size - 1 });
      const unpack = member.isDeflated ? createInflateRaw() : new PassThrough();
      await pipeline(packed, unpack, checkedBy(member), convert, limiter, writer);
    }
    return null;
  } catch (error) {
    if (error instanceof ArchiveTooLarge) return 'too_large';
    if (error instanceof ConversionFailed) return error.fault;
    if (isArchiveFault(error)) return 'broken_archive';
    throw error;
  }
}

const xmlConverter = (conversion: XmlConversion): Duplex =>
  Duplex.from((source: AsyncIterable<Uint8Array>) => xmlLines(source, conversion));

/** Unpacks members of an archive, and checks them. `open` gives the bytes from a position to before another. */
export function memberReader(open: (start: number, end: number) => Readable): ReadMember {
  return async function* (member) {
    if (member.size === 0) {
      if (member.unpacked > 0) throw new ArchiveBroken();
      return;
    }
    const unpack = member.isDeflated ? createInflateRaw() : new PassThrough();
    // The fault is thrown where the last stream is read.
    const bytes = pipe(open(member.start, member.start + member.size), unpack, checkedBy(member), () => {});
    for await (const chunk of bytes) yield chunk as Buffer;
  };
}

/** The same for a file that is read by ranges. */
export const rangedMemberReader = (file: RangedFile): ReadMember =>
  memberReader((start, end) =>
    Readable.from(
      (async function* () {
        for (let at = start; at < end; at += rangeBytes)
          yield await file.read(at, Math.min(end, at + rangeBytes));
      })(),
    ),
  );
const rangeBytes = 1024 * 1024;

/** The first bytes that a conversion gives, at most `bytes`, whether they are all, and the fault that ends them, such as the end of a sample. */
export async function startOfConverted(
  source: AsyncIterable<Buffer>,
  bytes: number,
): Promise<{ start: Buffer; isWhole: boolean; fault: ReasonCode | null }> {
  const chunks: Buffer[] = [];
  let size = 0;
  let isWhole = true;
  let fault: ReasonCode | null = null;
  try {
    for await (const chunk of source) {
      chunks.push(chunk);
      size += chunk.length;
      if (size <= bytes) continue;
      isWhole = false;
      break;
    }
  } catch (error) {
    if (!(error instanceof ConversionFailed) && !isArchiveFault(error)) throw error;
    fault = error instanceof ConversionFailed ? error.fault : 'broken_archive';
    isWhole = false;
  }
  return { start: Buffer.concat(chunks).subarray(0, bytes), isWhole, fault };
}

/** Throws ArchiveBroken if the bytes are not those that the archive's directory describes. */
function checkedBy({ unpacked, crc }: Member): Transform {
  let size = 0;
  let sum = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      sum = crc32(chunk, sum);
      done(size > unpacked ? new ArchiveBroken() : null, chunk);
    },
    flush(done) {
      done(size === unpacked && sum === crc ? null : new ArchiveBroken());
    },
  });
}

class ArchiveTooLarge extends Error {}

function decompressor(compression: Stream): Duplex {
  switch (compression) {
    case 'gzip':
      return createGunzip();
    case 'zstd':
      return createZstdDecompress();
    case 'bzip2':
      return Duplex.from(bunzip2);
    case 'snappy':
      return Duplex.from(unsnappy);
    case 'avro':
      return Duplex.from(avroLines);
  }
}

/** Errors of the decoders, including those for truncated archives. */
const isArchiveFault = (error: unknown): boolean =>
  error instanceof ArchiveBroken ||
  (typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    /^(Z_|ZSTD_|ERR_ZLIB)/.test(String(error.code)));
