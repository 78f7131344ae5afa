/** Letters and white space as contracts compare them. */

/** In lower case by Unicode's simple mappings, one character at a time: no final sigma, and `i` for `İ`. */
export const lowerCase = (text: string): string =>
  [...text].map((character) => [...character.toLowerCase()][0] ?? '').join('');

/** Without white space around it: JSON's, which are the space, tab, CR and LF. */
export const withoutSpace = (text: string): string => text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '');
