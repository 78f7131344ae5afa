/** How texts are cleaned, character by character. */

// "white space off": that of JSON.
export const trim = (text: string): string => text.replace(/^[ \t\r\n]+/, '').replace(/[ \t\r\n]+$/, '');

/** Whether a character has one in the other case, by Unicode's simple mapping: one character to one. */
const one = (character: string, changed: string): string => ([...changed].length === 1 ? changed : character);

export const lower = (text: string): string =>
  Array.from(text, (c) => (c === 'İ' ? 'i' : one(c, c.toLowerCase()))).join('');

export const upper = (text: string): string => Array.from(text, (c) => one(c, c.toUpperCase())).join('');

/** Compares as bytes of UTF-8, which is the order of code points. */
export const compareTexts = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
