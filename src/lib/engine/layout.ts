/** Decides from its first bytes how a raw file is read. Both engines use the result. */

import { hasFlatTexts } from '../contract/contract.ts';
import type { Contract } from '../contract/schema.ts';
import { csvOptionsOf } from '../dialect/csv.ts';
import { isJsonObject, tryParseJson } from '../json.ts';
import type { Compression, CsvBody, Layout, Member } from '../model/layout.ts';
import type { ReasonCode } from '../model/plan.ts';
import { csvStartOf, encodingOf, inWordsOf, isForeignTo, toUtf8 } from './csvStart.ts';
import { compressionOf, documentLimits, firstBlockBytes, unpackStart } from './unpack.ts';

/** The bytes of a refused file that are kept as raw text in quarantine. */
export const refusedSampleBytes = 1024;

/** The number of first bytes that `lookAt` needs. */
export const headBytes = 256 * 1024;

/** What the first bytes of a file show. */
export interface Look {
  readonly layout: Layout;
  readonly fault: ReasonCode | null;
  readonly compression: Compression | null;
  /** For a file in a zip archive. */
  readonly member: Member | null;
  /** For CSV: the names of the fields. */
  readonly header: readonly string[] | null;
  /** For CSV: where the records begin. */
  readonly body: CsvBody | null;
  /** The first bytes of the content, unpacked. */
  readonly start: Uint8Array;
  /** Whether these are all bytes of the content. */
  readonly isWhole: boolean;
}

/** The maximum length of a CSV's start up to the end of its header, in bytes. */
const headerBytes = 16 * 1024 * 1024;

/**
 * `head` has the first bytes of the file (all of them, or `headBytes`), `size` is its full length in bytes. `more` reads more bytes for a
 * CSV with a longer header.
 */
export async function lookAt(
  contract: Contract,
  head: Uint8Array,
  size: number,
  more: ((bytes: number) => Promise<Uint8Array>) | null = null,
  startBytes: number = headBytes,
): Promise<Look> {
  const { source } = contract;
  const compression = compressionOf(head);
  const unpacked = compression === null ? head : await unpackStart(head, compression, startBytes);
  if (unpacked === null && compression !== null && more !== null) {
    const longer = await more(Math.min(size, firstBlockBytes[compression]));
    if (longer.length > head.length) return lookAt(contract, longer, size, more, startBytes);
  }
  const start = unpacked ?? head;
  const isWhole = size <= head.length && (compression === null || start.length < startBytes);
  const look = (
    layout: Layout,
    fault: ReasonCode | null = null,
    header: readonly string[] | null = null,
    body: CsvBody | null = null,
  ) => ({
    layout,
    fault,
    compression,
    member: null,
    header,
    body,
    start,
    isWhole,
  });
  if (unpacked === null) return look('refused', 'broken_archive');
  const isCsv = hasFlatTexts(source);
  const encoding = isCsv ? encodingOf(contract, start) : null;
  const decoded = encoding === null ? start : toUtf8(start, encoding, !isWhole);
  if (decoded === null || isForeign(decoded)) return look('refused', 'not_text');
  const first = firstCharacter(decoded);
  if (first === '' && isWhole) return look('lines');
  if (isCsv) {
    const found = csvStartOf(contract, decoded, encoding, isWhole || more === null);
    if (found === null)
      return lookAt(contract, (await more?.(Math.min(size, headerBytes))) ?? head, size, null, headerBytes);
    const { body } = found;
    if (found.header === null) return look('refused', 'invalid_header');
    const header = inWordsOf(contract, found.header);
    if (isForeignTo(contract, header)) return look('refused', 'unknown_header', found.header);
    // Only UTF-8 files with LF or CRLF are read by lines. All others are read as a whole.
    if (csvOptionsOf(source)?.quotedNewlines === false && !body.endsInCr && encoding === null)
      return look('lines', null, header, body);
    return size > documentLimits.csv
      ? look('refused', 'document_too_large')
      : look('document', null, header, body);
  }
  const isDocument =
    source.formats.includes('json_document') ||
    source.formats.includes('json_concatenated') ||
    (source.formats.includes('json_array') &&
      (!source.formats.includes('ndjson') || (first === '[' && !hasObjectOnLine(start, isWhole))));
  if (!isDocument) return look('lines');
  return size > documentLimits.json ? look('refused', 'document_too_large') : look('document');
}

/**
 * Whether an object has its own line in a way that is impossible in an array, even in a truncated one: the next line begins with neither
 * a comma nor a closing bracket. Then the file consists of lines, and only its first line, which begins like an array, is refused.
 */
function hasObjectOnLine(start: Uint8Array, isWhole: boolean): boolean {
  const lines = Buffer.from(start).toString('utf8').split('\n');
  if (!isWhole) lines.pop();
  const texts = lines.map((line) => line.trim()).filter((line) => line !== '');
  return texts.some((text, i) => {
    const next = texts[i + 1];
    return (
      next !== undefined && !/^[,\]}]/.test(next) && text.startsWith('{') && isJsonObject(tryParseJson(text))
    );
  });
}

/**
 * A NUL byte within the start: UTF-16, UTF-32, or no text at all (an image, an archive in an archive). JSON text has
 * none, neither as itself nor escaped in UTF-8 (RFC 8259, 7).
 */
const isForeign = (start: Uint8Array): boolean => start.includes(0) || compressionOf(start) !== null;

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, i) => bytes[i] === byte);

/** The length of the byte order mark in bytes. */
export const lengthOfMark = (start: Uint8Array): number => (startsWith(start, [0xef, 0xbb, 0xbf]) ? 3 : 0);

/** The first character that is neither a byte order mark nor white space; '' if there is none. */
function firstCharacter(head: Uint8Array): string {
  for (const byte of head.subarray(lengthOfMark(head)))
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return String.fromCharCode(byte);
  return '';
}
