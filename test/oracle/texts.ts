/** How texts are cleaned, character by character. */

// "The function `trim` takes off spaces, tabs, CR and LF."
export const trim = (text: string): string => text.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');

// "White space is what Unicode calls so, and the zero-width characters and direction marks U+200B to U+200F, U+2060 and U+FEFF."
export const withoutSpace = (text: string): string =>
  text.replace(
    /^[\p{White_Space}\u200b-\u200f\u2060\ufeff]+|[\p{White_Space}\u200b-\u200f\u2060\ufeff]+$/gu,
    '',
  );

// "`case` and `map` change one character at a time, by Unicode's simple mappings: `Σ` becomes `σ` everywhere, `İ` becomes `i`, and `ß` stays
// in upper case."
const one = (character: string, changed: string): string => ([...changed].length === 1 ? changed : character);

export const lower = (text: string): string =>
  Array.from(text, (c) => (c === 'İ' ? 'i' : one(c, c.toLowerCase()))).join('');

/**
 * JavaScript has only the full mapping, which adds an iota after the vowel. The simple mapping is the letter that `lower` maps
 * back.
 */
const withIota = new Map(
  Array.from({ length: 0x1ffd - 0x1f80 }, (_, i) => String.fromCodePoint(0x1f80 + i)).flatMap((c) =>
    lower(c) === c ? [] : [[lower(c), c] as const],
  ),
);

export const upper = (text: string): string =>
  Array.from(text, (c) => {
    const changed = one(c, c.toUpperCase());
    return changed === c ? (withIota.get(c) ?? c) : changed;
  }).join('');

/** Compares UTF-8 bytes, which is the order of code points. */
export const compareTexts = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
