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
    fault: 'issue 19, 1',
    covers: ({ given, about }) => typeOf(about) === 'timestamp' && /\d{18}/.test(given),
  },
  {
    fault: 'issue 19, 2',
    covers: ({ given, about }) => typeOf(about) === 'timestamp' && /\d{3,}|:\d\d\d/.test(given),
  },
  {
    fault: 'issue 19, 3',
    covers: ({ engine, about }) =>
      typeOf(about) === 'timestamp' && /micros (-6213\d{13}|2534\d{14})/.test(engine),
  },
  {
    fault: 'issue 19, 4; finding 8',
    covers: ({ given, about }) => typeOf(about).startsWith('decimal') && isNumberText(given),
  },
  { fault: 'finding 4', covers: ({ given }) => /0{25}/.test(given) },
  {
    fault: 'finding 5',
    covers: ({ given, about }) => typeOf(about) === 'timestamp' && /\+1500|\+0060/.test(given),
  },
  {
    fault: 'issue 19, 9',
    covers: ({ given, about }) => typeOf(about) === 'timestamp' && /[A-Z][a-z]{2}/.test(given),
  },
  { fault: 'issue 19, 6', covers: ({ about }) => /"(map|case)":/.test(JSON.stringify(about)) },
  {
    fault: 'issue 19, 10; finding 6',
    covers: ({ given, about }) =>
      typeOf(about).endsWith('double') || typeOf(about) === 'array<double>' || given === '-0',
  },
  { fault: 'issue 19, 9', covers: ({ about }) => JSON.stringify(about).includes('"pattern"') },
  { fault: 'issue 19, 10', covers: ({ about }) => JSON.stringify(about).includes('(a|b)?x') },
  {
    fault: 'issue 19, 11',
    covers: ({ given, about }) => /^(array<string>|string|json)$/.test(typeOf(about)) && /\d/.test(given),
  },
];

export const knownInExpressions: readonly KnownFault[] = [
  { fault: 'finding 6', covers: ({ engine }) => engine === '-0.0' },
  { fault: 'issue 19, 5', covers: ({ hasOverflow }) => hasOverflow === true },
  {
    fault: 'finding 2',
    covers: ({ engine, interpreter }) => {
      const [a, b] = [engine, interpreter].map((text) => Number(text.replace('double ', '')));
      return Math.abs(Number(a) - Number(b)) < Math.abs(Number(a)) * 1e-15;
    },
  },
  { fault: 'issue 19, 5', covers: ({ engine }) => /^Error: (Conversion|Out of Range) Error/.test(engine) },
];

export const knownInFiles: readonly KnownFault[] = [
  {
    fault: 'issue 19, 8',
    covers: ({ about, engine, given }) =>
      JSON.stringify(about).includes('"csv"') && engine.includes('invalid_csv') && /\\"[^\\]/.test(given),
  },
  { fault: 'issue 19, 11', covers: ({ interpreter }) => /_rescued="[^=]*1\.50/.test(interpreter) },
];
