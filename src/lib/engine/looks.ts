/** Looks at a raw file: a zip archive is as many files as it has members, every other file is one. */
import type { Contract } from '../contract/schema.ts';
import type { Conversion, Layout, Member, RowGroup, XmlConversion } from '../model/layout.ts';
import type { ReasonCode } from '../model/plan.ts';
import { avroHead, isAvro } from './avro.ts';
import { headBytes, type Look, lookAt, refusedSampleBytes } from './layout.ts';
import { ArchiveBroken } from './packedBytes.ts';
import { isEncryptedParquet, isParquet, parquetOf } from './parquet.ts';
import { unpackedBytes } from './size.ts';
import {
  archiveLimits,
  compressionOf,
  firstBlockBytes,
  rangedMemberReader,
  startOfConverted,
  unpackMemberStart,
  unpackStart,
} from './unpack.ts';
import { isCompoundFile, sheetLines, sheetOf } from './xlsx.ts';
import { xmlEncoding, xmlLines, xmlLists } from './xml.ts';
import { entriesOf, isZip, type RangedFile, TooManyMembers } from './zip.ts';

/** What a file, or a member of an archive, shows. */
export interface FileLook extends Look {
  /** The estimated unpacked bytes; see unpackedBytes. */
  readonly unpacked: number;
  /** For a refused file: its first bytes, base64. Of a file in an archive, they are unpacked if they can be. */
  readonly head?: string;
  /** For Parquet: its row groups, and a record with a value of each type. */
  readonly conversion?: Conversion;
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
  if (contract.source.formats.includes('xlsx')) return [keep(await lookAtXlsx(contract, file, head))];
  if (!isZip(head)) {
    if (contract.source.xml !== undefined) return [keep(await lookAtXml(contract, file, head))];
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

/** How the XML of a contract becomes lines; null if it has an encoding that is not read. */
function xmlConversion(contract: Contract, start: Uint8Array): XmlConversion | null {
  const encoding = xmlEncoding(start);
  if (encoding === undefined) return null;
  const record = (contract.source.xml?.record ?? '').split('/');
  return { kind: 'xml', record, lists: xmlLists(contract), encoding };
}

const startOfXml = async (conversion: XmlConversion, content: Uint8Array) => {
  const one = (async function* () {
    yield content;
  })();
  const { start } = await startOfConverted(xmlLines(one, conversion), headBytes);
  return { start, isWhole: false };
};

async function lookAtXml(contract: Contract, file: RangedFile, head: Uint8Array): Promise<FileLook> {
  const compression = compressionOf(head);
  const plain = { member: null, header: null, body: null, start: head, isWhole: false };
  const refused = (fault: ReasonCode): FileLook => ({
    ...plain,
    layout: 'refused',
    compression,
    fault,
    unpacked: 0,
    ...headOf('refused', head),
  });
  const bytes = Math.min(file.size, firstBlockBytes[compression ?? 'gzip']);
  const packed = bytes > head.length ? await file.read(0, bytes) : head;
  const content = compression === null ? packed : await unpackStart(packed, compression, headBytes);
  if (content === null) return refused('broken_archive');
  if (file.size === 0)
    return { ...plain, layout: 'lines', compression, fault: null, isWhole: true, unpacked: 0 };
  const conversion = xmlConversion(contract, content);
  if (conversion === null || compressionOf(content) !== null || isZip(content)) return refused('not_text');
  return {
    ...plain,
    ...(await startOfXml(conversion, content)),
    layout: 'lines',
    compression,
    fault: null,
    conversion,
    unpacked: 2 * (await unpackedBytes({ ...file, compression })),
  };
}

/** The shared texts of a sheet are in memory while it is read, so one sheet is read at a time. */
let sheetTurn: Promise<unknown> = Promise.resolve();

async function lookAtXlsx(contract: Contract, file: RangedFile, head: Uint8Array): Promise<FileLook> {
  const plain = { compression: null, member: null, header: null, body: null, start: head, isWhole: false };
  if (file.size === 0) return { ...plain, layout: 'lines', fault: null, isWhole: true, unpacked: 0 };
  const read = rangedMemberReader(file);
  const conversion = isCompoundFile(head)
    ? 'unsupported_archive'
    : isZip(head)
      ? await sheetOf(file, contract.source.xlsx?.sheet, read)
      : 'invalid_document';
  const refused = (fault: ReasonCode, header: readonly string[] | null = null): FileLook => ({
    ...plain,
    layout: 'refused',
    fault,
    header,
    unpacked: 0,
    ...headOf('refused', head),
  });
  if (typeof conversion === 'string') return refused(conversion);
  const startOf = (bytes: number) => {
    const found = sheetTurn.then(() => startOfConverted(sheetLines(read, conversion), bytes));
    sheetTurn = found.catch(() => undefined);
    return found;
  };
  const { start, isWhole, fault } = await startOf(headBytes);
  if (fault !== null) return refused(fault);
  const size = isWhole ? start.length : start.length + 1;
  const look = await lookAt(contract, start, size, async (bytes) => (await startOf(bytes)).start);
  if (look.layout === 'refused') return refused(look.fault ?? 'invalid_document', look.header);
  return {
    ...look,
    layout: 'document',
    conversion,
    unpacked: conversion.sheet.unpacked + (conversion.strings?.unpacked ?? 0),
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
  if (contract.source.xml !== undefined) {
    const conversion = xmlConversion(contract, start);
    if (conversion === null) return refused('not_text', member);
    return {
      ...(await startOfXml(conversion, start)),
      layout: 'lines',
      fault: null,
      compression: 'zip',
      member,
      header: null,
      body: null,
      conversion,
      unpacked: 2 * member.unpacked,
    };
  }
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
