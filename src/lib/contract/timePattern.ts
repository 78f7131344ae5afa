/** Time patterns in contracts, such as `%d/%m/%Y %H:%M`. */

/** A conversion such as `%d` or `%-d`, or plain characters. */
export type PatternPart = { readonly conversion: string } | { readonly plain: string };

/** The parts of a pattern. */
export const patternParts = (pattern: string): PatternPart[] =>
  [...pattern.matchAll(/%-?(.)|[^%]+/g)].map(([text, letter]) =>
    letter === undefined ? { plain: text } : { conversion: text },
  );

/** The part of a time that a conversion names. */
const named: Readonly<Record<string, string>> = {
  ...{ '%Y': 'year', '%y': 'year', '%m': 'month', '%-m': 'month', '%b': 'month', '%B': 'month' },
  ...{ '%d': 'day', '%-d': 'day', '%H': 'hour', '%-H': 'hour', '%I': 'hour', '%-I': 'hour' },
  ...{ '%M': 'minute', '%S': 'second', '%f': 'fraction', '%p': 'half of the day', '%z': 'offset' },
};

/** The fault in the conversions of a pattern; null if there is none. */
export function patternFault(pattern: string): string | null {
  const parts = patternParts(pattern);
  const conversions = parts.flatMap((part) => ('conversion' in part ? [part.conversion] : []));
  const names = conversions.map((conversion) => named[conversion] ?? '');
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) return `names the ${twice} twice`;
  if (!names.includes('year')) return 'names no year';
  if (conversions.some((c) => /I/.test(c)) !== conversions.includes('%p'))
    return 'has %p exactly with %I, the hours from 1 to 12';
  const open = parts.find((part, i) => {
    const next = parts[i + 1];
    if (!('conversion' in part) || !/^%(-|f)/.test(part.conversion) || next === undefined) return false;
    return 'plain' in next ? /^\d/.test(next.plain) : !/^%[bBpz]$/.test(next.conversion);
  });
  return open && 'conversion' in open
    ? `has digits next to ${open.conversion}, which has no fixed number of them`
    : null;
}
