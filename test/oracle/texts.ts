/** How texts are cleaned, character by character. */

// "White space is the space, tab, CR and LF; `trim` leaves other characters of Unicode where they are."
export const trim = (text: string): string => text.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');

// "`case` and `map` change one character at a time, by Unicode's simple mappings: `Σ` becomes `σ` everywhere, `İ` becomes `i`, and `ß` stays
// in upper case."
const one = (character: string, changed: string): string => ([...changed].length === 1 ? changed : character);

export const lower = (text: string): string =>
  Array.from(text, (c) => (c === 'İ' ? 'i' : one(c, c.toLowerCase()))).join('');

export const upper = (text: string): string => Array.from(text, (c) => one(c, c.toUpperCase())).join('');

/** Compares as bytes of UTF-8, which is the order of code points. */
export const compareTexts = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
