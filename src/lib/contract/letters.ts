/** How contracts compare letters and white space. */

/** Lower case by Unicode's simple mappings of single characters: no final sigma, and `i` for `İ`. */
export const lowerCase = (text: string): string =>
  [...text].map((character) => [...character.toLowerCase()][0] ?? '').join('');

/**
 * White space and other invisible characters: Unicode's property White_Space, and the zero-width characters and direction marks that copied
 * text and spreadsheets add at both ends.
 */
export const spaces =
  ' \t\n\v\f\r\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\u200b\u200c\u200d\u200e\u200f\u2060\ufeff';

/** Removes white space at both ends. */
export const withoutSpace = (text: string): string => {
  const letters = [...text];
  const first = letters.findIndex((letter) => !spaces.includes(letter));
  return first < 0
    ? ''
    : letters.slice(first, letters.findLastIndex((letter) => !spaces.includes(letter)) + 1).join('');
};
