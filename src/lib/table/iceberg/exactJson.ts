/** JSON with exact integers, because Iceberg's snapshot ids have 63 bits and a JavaScript number has 53. */
import * as z from 'zod';

declare global {
  interface JSON {
    /** https://tc39.es/proposal-json-parse-with-source/ */
    rawJSON(text: string): unknown;
  }
}

/** A 64-bit integer of a parsed document, as BigInt. */
export const long = z.union([z.int(), z.bigint()]).transform((value) => BigInt(value));

/** Integers that a number cannot hold become BigInt. Throws SyntaxError for a text that is not JSON. */
export function parseExact(text: string): unknown {
  // A function for each value takes most of the time, and a table may have 10,000 snapshots. Nearly all long integers are their ids.
  const marked = text.includes(escapedMark) ? text : text.replace(snapshotIds, `"$1"$2"${escapedMark}$3"`);
  return longIntegers.test(marked) ? parseEach(text) : unmarked(JSON.parse(marked));
}

const parseEach = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown, context?: { source: string }) =>
    typeof value === 'number' &&
    !Number.isSafeInteger(value) &&
    context !== undefined &&
    /^-?\d+$/.test(context.source)
      ? BigInt(context.source)
      : value,
  );

/** Begins the text in place of an id. */
const mark = '\u0001';
const escapedMark = String.raw`\u0001`;
/** In a text, its quotes would be escaped. */
const snapshotIds = /(?<!\\)"((?:[a-z]+-)?snapshot-id)"(\s*:\s*)(-?\d{16,})(?=\s*[,}])/g;
/** They may be in a text, too. */
const longIntegers = /(?:^|[:[,])\s*-?\d{16,}/;

/** Changes the ids of a parsed value to BigInt, in place: copies of 10,000 snapshots take longer than their text. */
function unmarked(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(mark) ? BigInt(value.slice(mark.length)) : value;
  if (typeof value !== 'object' || value === null) return value;
  const members = value as Record<string, unknown>;
  for (const key in members) {
    const before = members[key];
    const after = unmarked(before);
    if (after !== before) members[key] = after;
  }
  return value;
}

/** BigInts are written as numbers. */
export const formatExact = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? JSON.rawJSON(member.toString()) : member,
  );
