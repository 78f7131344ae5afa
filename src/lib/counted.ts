/** A count with its noun in the right form: `1 file`, `2 files`, `0 batches`. */
export const counted = (count: number, noun: string): string =>
  `${count} ${count === 1 ? noun : `${noun}${/(?:s|x|ch|sh)$/.test(noun) ? 'es' : 's'}`}`;
