/**
 * The directory of a zip archive: where each member is, and how it is packed. Only ranges of the archive are read. Both engines unpack the
 * ranges that this module finds, so they read the same members. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import type { Member } from '../model/layout.ts';
import { ArchiveBroken } from './packedBytes.ts';

/** A file with random access. */
export interface RangedFile {
  /** Bytes. */
  readonly size: number;
  /** The bytes from `start` to before `end`. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A member, or why it cannot be read. */
export interface ZipEntry {
  readonly member: Member;
  readonly fault: 'encrypted_archive' | 'unsupported_archive' | null;
}

/** The maximum number of members, each of which is a file of its batch, and the maximum size of the directory in bytes. */
const mostMembers = 2000;
const mostDirectory = 16 * 1024 * 1024;

/** Too many members. */
export class TooManyMembers extends Error {}

/** Whether a file is a zip archive: it begins with a member, or it is empty. */
export const isZip = (head: Uint8Array): boolean =>
  head[0] === 0x50 &&
  head[1] === 0x4b &&
  ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));

const signatures = {
  member: 0x04034b50,
  entry: 0x02014b50,
  end: 0x06054b50,
  end64: 0x06064b50,
  locator: 0x07064b50,
};
const lengths = { member: 30, entry: 46, end: 22, end64: 56, locator: 20 };
const longestComment = 65_535;

/**
 * The members that are files, in the order of their bytes. Throws ArchiveBroken if the directory is damaged or members overlap (as in
 * archives that are made to explode), TooManyMembers if there are too many.
 */
export async function entriesOf(file: RangedFile): Promise<ZipEntry[]> {
  const { start, size, count } = await directoryOf(file);
  if (count > mostMembers || size > mostDirectory) throw new TooManyMembers();
  if (start + size > file.size) throw new ArchiveBroken();
  const directory = await bytesAt(file, start, start + size);
  const entries: Entry[] = [];
  for (let at = 0; entries.length < count; ) {
    const entry = entryAt(directory, at);
    entries.push(entry);
    at = entry.end;
  }
  const files = entries.filter(({ name }) => !/[/\\]$/.test(name)).sort((a, b) => a.header - b.header);
  const found: ZipEntry[] = [];
  let free = 0;
  for (const entry of files) {
    const data = await dataOf(file, entry);
    if (entry.header < free || data + entry.size > start) throw new ArchiveBroken();
    free = data + entry.size;
    found.push({
      member: {
        name: entry.name,
        start: data,
        size: entry.size,
        unpacked: entry.unpacked,
        crc: entry.crc,
        isDeflated: entry.method === 8,
      },
      fault: entry.isEncrypted
        ? 'encrypted_archive'
        : entry.method === 8 || (entry.method === 0 && entry.size === entry.unpacked)
          ? null
          : 'unsupported_archive',
    });
  }
  return found;
}

/** Where the directory is. */
async function directoryOf(file: RangedFile): Promise<{ start: number; size: number; count: number }> {
  const from = Math.max(0, file.size - lengths.end - longestComment - lengths.locator);
  const tail = await bytesAt(file, from, file.size);
  for (let at = tail.length - lengths.end; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== signatures.end) continue;
    if (at + lengths.end + tail.readUInt16LE(at + 20) !== tail.length) continue;
    const locator = at - lengths.locator;
    if (locator >= 0 && tail.readUInt32LE(locator) === signatures.locator) {
      const place = safe(tail.readBigUInt64LE(locator + 8));
      if (place + lengths.end64 > file.size) throw new ArchiveBroken();
      const end = await bytesAt(file, place, place + lengths.end64);
      if (end.readUInt32LE(0) !== signatures.end64) throw new ArchiveBroken();
      return {
        count: safe(end.readBigUInt64LE(32)),
        size: safe(end.readBigUInt64LE(40)),
        start: safe(end.readBigUInt64LE(48)),
      };
    }
    return {
      count: tail.readUInt16LE(at + 10),
      size: tail.readUInt32LE(at + 12),
      start: tail.readUInt32LE(at + 16),
    };
  }
  throw new ArchiveBroken();
}

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc: number;
  readonly size: number;
  readonly unpacked: number;
  /** Of its own header. */
  readonly header: number;
  /** The position of the next entry. */
  readonly end: number;
}

function entryAt(directory: Buffer, at: number): Entry {
  if (at + lengths.entry > directory.length || directory.readUInt32LE(at) !== signatures.entry)
    throw new ArchiveBroken();
  const [nameLength, extraLength, commentLength] = [28, 30, 32].map((i) =>
    directory.readUInt16LE(at + i),
  ) as [number, number, number];
  const nameAt = at + lengths.entry;
  const extraAt = nameAt + nameLength;
  const end = extraAt + extraLength + commentLength;
  if (end > directory.length) throw new ArchiveBroken();
  const long = longSizes(directory.subarray(extraAt, extraAt + extraLength));
  // A value that does not fit is in the extra field, in this order.
  const sizeAt = (position: number) => {
    const value = directory.readUInt32LE(at + position);
    if (value !== 0xffffffff) return value;
    const next = long.shift();
    if (next === undefined) throw new ArchiveBroken();
    return next;
  };
  const unpacked = sizeAt(24);
  const size = sizeAt(20);
  const header = sizeAt(42);
  return {
    name: nameOf(directory.subarray(nameAt, extraAt)),
    method: directory.readUInt16LE(at + 10),
    isEncrypted: (directory.readUInt16LE(at + 8) & 0x2041) !== 0,
    crc: directory.readUInt32LE(at + 16),
    size,
    unpacked,
    header,
    end,
  };
}

/** The sizes in the extra field of zip64. */
function longSizes(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const [id, length] = [extra.readUInt16LE(at), extra.readUInt16LE(at + 2)];
    const found = extra.subarray(at + 4, at + 4 + length);
    if (id === 1)
      return Array.from({ length: Math.floor(found.length / 8) }, (_, i) =>
        safe(found.readBigUInt64LE(8 * i)),
      );
    at += 4 + length;
  }
  return [];
}

/** A name is only ever text: no file is written under it. Names that are not UTF-8 are read as Latin-1. */
function nameOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replaceAll('\0', '\ufffd');
  } catch {
    return bytes.toString('latin1').replaceAll('\0', '\ufffd');
  }
}

/** The position of a member's bytes: behind its own header, whose lengths may differ from the directory's. */
async function dataOf(file: RangedFile, { header }: Entry): Promise<number> {
  if (header + lengths.member > file.size) throw new ArchiveBroken();
  const own = await bytesAt(file, header, header + lengths.member);
  if (own.readUInt32LE(0) !== signatures.member) throw new ArchiveBroken();
  return header + lengths.member + own.readUInt16LE(26) + own.readUInt16LE(28);
}

function safe(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ArchiveBroken();
  return Number(value);
}

async function bytesAt(file: RangedFile, start: number, end: number): Promise<Buffer> {
  const bytes = await file.read(start, end);
  if (bytes.length < end - start) throw new ArchiveBroken();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
