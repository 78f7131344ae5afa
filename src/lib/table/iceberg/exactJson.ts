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
export const parseExact = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown, context?: { source: string }) =>
    typeof value === 'number' &&
    !Number.isSafeInteger(value) &&
    context !== undefined &&
    /^-?\d+$/.test(context.source)
      ? BigInt(context.source)
      : value,
  );

/** BigInts are written as numbers. */
export const formatExact = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? JSON.rawJSON(member.toString()) : member,
  );
