/** Looks at a raw file: a zip archive is as many files as it has members, every other file is one. */
import type { Contract } from '../contract/schema.ts';
import type { Layout, Member, RowGroup } from '../model/layout.ts';
import type { ReasonCode } from '../model/plan.ts';
import { avroHead, isAvro } from './avro.ts';
import { headBytes, type Look, lookAt, refusedSampleBytes } from './layout.ts';
import { ArchiveBroken } from './packedBytes.ts';
import { isEncryptedParquet, isParquet, parquetOf } from './parquet.ts';
import { unpackedBytes } from './size.ts';
import { archiveLimits, compressionOf, firstBlockBytes, unpackMemberStart, unpackStart } from './unpack.ts';
import { entriesOf, isZip, type RangedFile, TooManyMembers } from './zip.ts';

/** What a file, or a member of an archive, shows. */
export interface FileLook extends Look {
  /** The estimated unpacked bytes; see unpackedBytes. */
  readonly unpacked: number;
  /** For a refused file: its first bytes, base64. Of a file in an archive, they are unpacked if they can be. */
  readonly head?: string;
  /** For Parquet: its row groups, and a record with a value of each type. */
  readonly groups?: readonly RowGroup[];
  readonly example?: object;
}

/** An archive that is read by ranges is held in memory up to this size, so that small members cost no requests. */
const heldBytes = 4 * 1024 * 1024;

/**
 * At least one look. An archive without files is an empty file. `keep` gives what the caller needs of a look: the starts of all members of an
 * archive together may be larger than the memory.
 */
export async function looksAt<T>(
  contract: Contract,
  file: RangedFile,
  keep: (look: FileLook) => T,
): Promise<T[]> {
  const head = await file.read(0, Math.min(file.size, headBytes));
  if (contract.source.formats.includes('parquet')) return [keep(await lookAtParquet(file, head))];
  if (contract.source.formats.includes('avro')) return [keep(await lookAtAvro(file, head))];
  if (!isZip(head)) {
    const look = await lookAt(contract, head, file.size, (bytes) => file.read(0, Math.min(bytes, file.size)));
    const unpacked = await unpackedBytes({ ...file, compression: compressionOf(head) });
    return [keep({ ...look, unpacked, ...headOf(look.layout, head) })];
  }
  const held = file.size <= heldBytes ? await file.read(0, file.size) : null;
  const ranged: RangedFile =
    held === null ? file : { size: file.size, read: async (start, end) => held.subarray(start, end) };
  const refused = (fault: ReasonCode, member: Member | null = null): FileLook => ({
    layout: 'refused',
    fault,
    compression: member === null ? null : 'zip',
    member,
    header: null,
    body: null,
    start: head,
    isWhole: false,
    unpacked: 0,
    ...headOf('refused', head),
  });
  try {
    const entries = await entriesOf(ranged);
    if (entries.reduce((sum, { member }) => sum + member.unpacked, 0) > archiveLimits.spark)
      return [keep(refused('archive_too_large'))];
    if (entries.length === 0) return [keep(emptyLook)];
    const looks: T[] = [];
    for (const { member, fault } of entries)
      looks.push(
        keep(fault === null ? await lookAtMember(contract, ranged, member, refused) : refused(fault, member)),
      );
    return looks;
  } catch (error) {
    if (error instanceof TooManyMembers) return [keep(refused('archive_too_large'))];
    if (error instanceof ArchiveBroken) return [keep(refused('broken_archive'))];
    throw error;
  }
}

async function lookAtParquet(file: RangedFile, head: Uint8Array): Promise<FileLook> {
  const plain = { compression: null, member: null, header: null, body: null, start: head, isWhole: false };
  if (file.size === 0) return { ...plain, layout: 'lines', fault: null, isWhole: true, unpacked: 0 };
  const found = isParquet(head) ? await parquetOf(file) : null;
  if (found !== null) {
    const { groups, example, unpacked } = found;
    if (unpacked <= archiveLimits.spark)
      return { ...plain, layout: 'table', fault: null, groups, example, unpacked };
  }
  const fault =
    found !== null
      ? 'archive_too_large'
      : isEncryptedParquet(head)
        ? 'encrypted_archive'
        : 'invalid_document';
  return { ...plain, layout: 'refused', fault, unpacked: 0, ...headOf('refused', head) };
}

async function lookAtAvro(file: RangedFile, head: Uint8Array): Promise<FileLook> {
  const plain = { member: null, header: null, body: null, start: head, isWhole: false };
  if (file.size === 0)
    return { ...plain, layout: 'lines', compression: null, fault: null, isWhole: true, unpacked: 0 };
  const refused = (fault: ReasonCode): FileLook => ({
    ...plain,
    layout: 'refused',
    compression: null,
    fault,
    unpacked: 0,
    ...headOf('refused', head),
  });
  if (!isAvro(head)) return refused('invalid_document');
  // Few files have more before their first records.
  const sizes = [headBytes, firstBlockBytes.avro].map((bytes) => Math.min(file.size, bytes));
  let found: Awaited<ReturnType<typeof avroHead>> = null;
  let start: Uint8Array | null = null;
  let size = 0;
  for (size of sizes) {
    const longer = await file.read(0, size);
    found = await avroHead(longer);
    start = found === 'readable' ? await unpackStart(longer, 'avro', headBytes) : null;
    if (start !== null || size === file.size) break;
  }
  if (found === 'unsupported') return refused('unsupported_archive');
  if (found === null || (start === null && size === file.size)) return refused('broken_archive');
  const guess = await unpackedBytes({ ...file, compression: 'avro' });
  return {
    ...plain,
    layout: 'lines',
    compression: 'avro',
    fault: null,
    // Of a first block that is larger, nothing is known.
    start: start ?? new Uint8Array(),
    isWhole: size === file.size && (start?.length ?? 0) < headBytes,
    unpacked: Math.max(guess, 2 * file.size),
  };
}

const headOf = (layout: Layout, bytes: Uint8Array): Pick<FileLook, 'head'> =>
  layout === 'refused' ? { head: Buffer.from(bytes.subarray(0, refusedSampleBytes)).toString('base64') } : {};

const emptyLook: FileLook = {
  layout: 'lines',
  fault: null,
  compression: 'zip',
  member: { name: '', start: 0, size: 0, unpacked: 0, crc: 0, isDeflated: false },
  header: null,
  body: null,
  start: new Uint8Array(),
  isWhole: true,
  unpacked: 0,
};

async function lookAtMember(
  contract: Contract,
  file: RangedFile,
  member: Member,
  refused: (fault: ReasonCode, member: Member) => FileLook,
): Promise<FileLook> {
  const startOf = async (bytes: number) => unpackMemberStart(file, member, bytes);
  const start = await startOf(headBytes);
  if (start === null) return refused('broken_archive', member);
  if (compressionOf(start) !== null || isZip(start)) return refused('not_text', member);
  const look = await lookAt(
    contract,
    start,
    member.unpacked,
    async (bytes) => (await startOf(bytes)) ?? start,
  );
  return { ...look, compression: 'zip', member, unpacked: member.unpacked, ...headOf(look.layout, start) };
}

/** The first bytes of the content of a file or member, at most `bytes`; none if they are corrupt. */
export async function contentStart(
  file: RangedFile,
  { compression, member }: Pick<Look, 'compression' | 'member'>,
  bytes: number,
): Promise<Uint8Array> {
  if (member !== null) return (await unpackMemberStart(file, member, bytes)) ?? new Uint8Array();
  const head = await file.read(0, Math.min(file.size, bytes));
  if (compression === null || compression === 'zip') return head;
  return (await unpackStart(head, compression, bytes)) ?? new Uint8Array();
}
