/** How a raw file is to be read, told from its first bytes: one verdict for both engines. */

import type { ReasonCode } from '../compiler/plan.ts';
import type { Contract } from '../contract/schema.ts';

/** lines: a record a line. document: the whole file is parsed at once. refused: quarantined whole, with the reason. */
export type Layout = 'lines' | 'document' | 'refused';

/** The largest JSON document (array, or records under a path) that an engine parses at once, in bytes. */
export const documentLimit = 256 * 1024 * 1024;

/** How much of a refused file is kept as raw text in quarantine, in bytes. */
export const refusedSampleBytes = 1024;

/** How many first bytes `layoutOf` wants to see. */
export const headBytes = 256 * 1024;

/** `head` holds the first bytes of the file (all of them, or `headBytes`), `size` its full length in bytes. */
export function layoutOf(
  source: Contract['source'],
  head: Uint8Array,
  size: number,
): { layout: Layout; fault: ReasonCode | null } {
  if (isForeign(head)) return { layout: 'refused', fault: 'not_text' };
  const isDocument =
    source.formats.includes('json_document') ||
    (source.formats.includes('json_array') &&
      (!source.formats.includes('ndjson') || firstCharacter(head) === '['));
  if (!isDocument) return { layout: 'lines', fault: null };
  if (firstCharacter(head) === '') return { layout: 'lines', fault: null };
  if (size > documentLimit) return { layout: 'refused', fault: 'document_too_large' };
  return { layout: 'document', fault: null };
}

/**
 * A NUL byte within the head: UTF-16, UTF-32, or no text at all (an image, an archive, a database).
 * JSON text has none, neither as itself nor escaped in UTF-8 (RFC 8259, 7).
 */
const isForeign = (head: Uint8Array): boolean =>
  head.includes(0) || startsWith(head, [0x1f, 0x8b]) || startsWith(head, [0x28, 0xb5, 0x2f, 0xfd]);

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, i) => bytes[i] === byte);

/** The first character that is neither a byte order mark nor white space; '' where there is none. */
function firstCharacter(head: Uint8Array): string {
  const start = startsWith(head, [0xef, 0xbb, 0xbf]) ? 3 : 0;
  for (const byte of head.subarray(start))
    if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) return String.fromCharCode(byte);
  return '';
}
