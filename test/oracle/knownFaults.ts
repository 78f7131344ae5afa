/** Faults of the engines that are known and not yet mended: this list only becomes shorter. */
import type { KnownFault } from './difference.ts';

const typeOf = (about: unknown): string => JSON.stringify(about).match(/"type":"([^"]+)"/)?.[1] ?? '';
const isNumberText = (given: string): boolean => /^-?\d/.test(given);

export const knownInColumns: readonly KnownFault[] = [
  {
    fault: 'issue 19, 4',
    covers: ({ about, given }) => typeOf(about).startsWith('decimal') && /\."$/.test(given),
  },
  {
    fault: 'issue 19, 10',
    covers: ({ about, engine }) => JSON.stringify(about).includes('extract') && engine === '""',
  },
  {
    fault: 'issue 19, 4; finding 8',
    covers: ({ given, about }) => typeOf(about).startsWith('decimal') && isNumberText(given),
  },
  {
    fault: 'finding 13',
    covers: ({ about, given }) => JSON.stringify(about).includes('%f') && /\d{7}"/.test(given),
  },
  {
    fault: 'finding 14',
    covers: ({ about, given }) => typeOf(about) === 'timestamp' && /^-?\d+\.\d+$/.test(given),
  },
  {
    fault: 'finding 11',
    covers: ({ given, about }) => typeOf(about) === 'timestamp' && given.includes('gmt'),
  },
  { fault: 'finding 4', covers: ({ given }) => /0{25}/.test(given) },
  { fault: 'issue 19, 6', covers: ({ about }) => /"(map|case)":/.test(JSON.stringify(about)) },
  {
    fault: 'issue 19, 10; finding 6',
    covers: ({ given, about }) =>
      typeOf(about).endsWith('double') || typeOf(about) === 'array<double>' || given === '-0',
  },
  { fault: 'issue 19, 10', covers: ({ about }) => JSON.stringify(about).includes('(a|b)?x') },
  {
    fault: 'issue 19, 11',
    covers: ({ given, about }) => /^(array<string>|string|json)$/.test(typeOf(about)) && /\d/.test(given),
  },
];

export const knownInExpressions: readonly KnownFault[] = [
  {
    fault: 'finding 12',
    covers: ({ about, given, engine }) =>
      JSON.stringify(about).includes('floor') && given.includes('"d":1e38') && engine !== 'no row',
  },
];

export const knownInFiles: readonly KnownFault[] = [
  {
    fault: 'issue 19, 8',
    covers: ({ about, engine, given }) =>
      JSON.stringify(about).includes('"csv"') && engine.includes('invalid_csv') && /\\"[^\\]/.test(given),
  },
  { fault: 'issue 19, 11', covers: ({ interpreter }) => /_rescued="[^=]*1\.50/.test(interpreter) },
];
