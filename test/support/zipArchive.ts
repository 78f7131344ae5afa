/** Writes zip archives, also odd ones, from what a member is to say of itself. */
import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipMember {
  readonly name: string;
  readonly bytes: string | Uint8Array;
  readonly isStored?: boolean;
  /** In place of what is true. */
  readonly method?: number;
  readonly flags?: number;
  readonly unpacked?: number;
  readonly crc?: number;
  /** Takes the bytes of the member before it, too. */
  readonly isOverlapping?: boolean;
}

/** `isLong`: with the records of zip64. */
export function zipOf(members: readonly ZipMember[], { isLong = false, comment = '' } = {}): Buffer {
  const parts: Buffer[] = [];
  const entries: Buffer[] = [];
  let at = 0;
  let before = 0;
  for (const { name, isStored = false, isOverlapping = false, flags = 0x800, ...member } of members) {
    const bytes = Buffer.from(member.bytes);
    const packed = isStored ? bytes : deflateRawSync(bytes);
    const header = Buffer.alloc(30);
    header.writeUInt32LE(0x04034b50);
    header.writeUInt16LE(Buffer.byteLength(name), 26);
    // The directory has no extra field of this length: the positions differ.
    header.writeUInt16LE(4, 28);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(flags, 8);
    entry.writeUInt16LE(member.method ?? (isStored ? 0 : 8), 10);
    entry.writeUInt32LE(member.crc ?? crc32(bytes), 16);
    const sizes = [member.unpacked ?? bytes.length, packed.length, isOverlapping ? before : at];
    for (const [i, size] of sizes.entries())
      entry.writeUInt32LE(isLong ? 0xffffffff : size, [24, 20, 42][i] ?? 0);
    const extra = Buffer.alloc(isLong ? 4 + 8 * sizes.length : 0);
    if (isLong) {
      extra.writeUInt16LE(1);
      extra.writeUInt16LE(8 * sizes.length, 2);
      for (const [i, size] of sizes.entries()) extra.writeBigUInt64LE(BigInt(size), 4 + 8 * i);
    }
    entry.writeUInt16LE(Buffer.byteLength(name), 28);
    entry.writeUInt16LE(extra.length, 30);
    entries.push(entry, Buffer.from(name), extra);
    parts.push(header, Buffer.from(name), Buffer.alloc(4), packed);
    before = at;
    at += 34 + Buffer.byteLength(name) + packed.length;
  }
  const directory = Buffer.concat(entries);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(isLong ? 0xffff : members.length, 10);
  end.writeUInt32LE(isLong ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(isLong ? 0xffffffff : at, 16);
  end.writeUInt16LE(comment.length, 20);
  const end64 = Buffer.alloc(isLong ? 76 : 0);
  if (isLong) {
    end64.writeUInt32LE(0x06064b50);
    end64.writeBigUInt64LE(BigInt(members.length), 32);
    end64.writeBigUInt64LE(BigInt(directory.length), 40);
    end64.writeBigUInt64LE(BigInt(at), 48);
    end64.writeUInt32LE(0x07064b50, 56);
    end64.writeBigUInt64LE(BigInt(at + directory.length), 64);
  }
  return Buffer.concat([...parts, directory, end64, end, Buffer.from(comment)]);
}
