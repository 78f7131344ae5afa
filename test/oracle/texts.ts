/** How texts are cleaned, character by character. */

// "White space is the space, tab, CR and LF; `trim` leaves other characters of Unicode where they are."
export const trim = (text: string): string => text.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');

// "`case` and `map` change one character at a time, by Unicode's simple mappings: `Σ` becomes `σ` everywhere, `İ` becomes `i`, and `ß` stays
// in upper case."
const one = (character: string, changed: string): string => ([...changed].length === 1 ? changed : character);

export const lower = (text: string): string =>
  Array.from(text, (c) => (c === 'İ' ? 'i' : one(c, c.toLowerCase()))).join('');

/** JavaScript has only the full mapping, which writes an iota beside its vowel: there the simple one is the letter that `lower` turns back. */
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

/** Compares as bytes of UTF-8, which is the order of code points. */
export const compareTexts = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
