/** Infers human notations of numbers and booleans in texts: decimal commas, currencies, percent, yes and no. */
import type { ColumnShape } from './shape.ts';

/** A shape for texts, with notes for a person. `shape` null: the column should stay a text. */
export interface TextShape {
  readonly shape: ColumnShape | null;
  readonly note: string;
}

const pairs: readonly (readonly [yes: string, no: string])[] = [
  ['true', 'false'],
  ['yes', 'no'],
  ['y', 'n'],
  ['t', 'f'],
  ['on', 'off'],
  ['ja', 'nein'],
  ['oui', 'non'],
  ['si', 'no'],
];

/** Two words for true and false, if both occur. */
export function truthOfTexts(values: readonly string[]): TextShape | null {
  const words = new Set(values.map((v) => v.toLowerCase()));
  const isOneOf = (both: readonly string[]) => [...words].every((word) => both.includes(word));
  // One of true and false is clear alone; a single y or on is not.
  const pair = pairs.find((both, i) => isOneOf(both) && (words.size === 2 || i === 0));
  if (pair === undefined) return null;
  const [yes = '', no = ''] = pair.map((word) => values.find((v) => v.toLowerCase() === word) ?? word);
  return {
    shape: { type: 'boolean', map: { true: [yes], false: [no] } },
    note: `${yes} and ${no} are read as true and false.`,
  };
}

const currencySign = '\\p{Sc}|[A-Z]{1,2}\\$|[A-Z]{3}|kr|Fr\\.|Rs\\.';
/** Spaces, as the option `group` of a contract knows them. */
const space = '[ \\u00a0\\u2009\\u202f]';
const written = new RegExp(
  `^(?<open>\\(?)(?<sign>[+\\u2212-]?)(?<before>${currencySign})?${space}?[+\\u2212-]?(?<body>(?:[\\d.,_'\\u2019]|${space})*\\d)${space}?(?<behind>%|${currencySign})?(?<close>\\)?)(?<minus>-?)$`,
  'u',
);

interface Reading {
  readonly decimal: '.' | ',';
  readonly group?: string;
}

/** Number formats, the simplest first. */
const readings: readonly Reading[] = [
  { decimal: '.' },
  { decimal: ',' },
  { decimal: '.', group: ',' },
  { decimal: ',', group: '.' },
  { decimal: '.', group: "'" },
  { decimal: '.', group: '_' },
  { decimal: ',', group: ' ' },
  { decimal: '.', group: ' ' },
];

const patternOf = ({ decimal, group }: Reading): RegExp => {
  const mark = group === ' ' ? space : group === "'" ? "['\\u2019]" : `[${group ?? ''}]`;
  return new RegExp(
    `^\\d+([${decimal}]\\d+)?$${group === undefined ? '' : `|^\\d{1,3}(${mark}\\d{3})+([${decimal}]\\d+)?$`}${group === ',' ? `|^\\d{1,2}(,\\d\\d)*,\\d{3}([.]\\d+)?$` : ''}`,
  );
};

const isFraction = (body: string, { decimal, group }: Reading): boolean =>
  decimal !== group && body.includes(decimal);

const numberIn = (body: string, { decimal }: Reading): string =>
  body.replaceAll(decimal === '.' ? /[^\d.]/g : /[^\d,]/g, '').replace(',', '.');

/** The format of texts that are all numbers and not all in standard notation. */
export function numberOfTexts(values: readonly string[]): TextShape | null {
  const parts = values.map((v) => written.exec(v)?.groups);
  if (!parts.every((part) => part !== undefined)) return null;
  if (parts.some(({ open, close }) => (open === '(') !== (close === ')'))) return null;
  const bodies = parts.map(({ body }) => body ?? '');
  const [reading, ...others] = readings.filter((r) => bodies.every((body) => patternOf(r).test(body)));
  if (reading === undefined) return null;
  const isUnclear = others.some((r) => bodies.some((body) => numberIn(body, r) !== numberIn(body, reading)));
  const behind = parts.flatMap((part) => part.behind ?? []);
  const isPercent = behind.includes('%');
  const currencies = [
    ...new Set(parts.flatMap((part) => [part.before ?? [], part.behind ?? []].flat())),
  ].filter((c) => c !== '%');
  const isNegative = ({ open, minus }: { open?: string; minus?: string }) => open === '(' || minus === '-';
  const accounting = parts.some(isNegative);
  const hasMinusSign = values.some((v) => v.includes('\u2212'));
  const isPlain =
    !hasMinusSign &&
    reading.group === undefined &&
    reading.decimal === '.' &&
    !isPercent &&
    !accounting &&
    currencies.length === 0;
  // Numbers next to percentages may be shares, and amounts in several currencies cannot be mixed.
  if (
    isPlain ||
    currencies.length > 1 ||
    (isPercent && behind.length < parts.filter(({ body }) => body !== '0').length)
  )
    return null;
  if (isUnclear)
    return {
      shape: null,
      note: `Its points and commas may stand before fractions or between thousands: number says which, as in number: { decimal: ",", group: "." }.`,
    };
  // Grouped numbers of equal length are more likely telephone or part numbers.
  const isCode =
    reading.group !== undefined &&
    currencies.length === 0 &&
    bodies.every(
      (body) =>
        body.split(/\D/).length > 2 && body.length === bodies[0]?.length && !isFraction(body, reading),
    );
  if (isCode) return null;
  const fractions = bodies.map((body) => numberIn(body, reading).split('.')[1]?.length ?? 0);
  const isMoney = (accounting || currencies.length > 0) && Math.max(...fractions) <= 2;
  const isWhole = fractions.every((length) => length === 0) && !isPercent && !isMoney;
  return {
    shape: {
      type: isMoney ? 'decimal(18,2)' : isWhole ? 'bigint' : 'double',
      number: {
        ...(reading.decimal === ',' ? { decimal: ',' } : {}),
        ...(reading.group === undefined ? {} : { group: reading.group }),
        ...(isPercent ? { percent: 'points' } : {}),
        ...(currencies.length > 0 ? { currency: currencies } : {}),
        ...(accounting ? { accounting: true } : {}),
      },
    },
    note: `Such as ${values[0]}, which is read as ${isNegative(parts[0] ?? {}) || /[\u2212-]/.test(values[0] ?? '') ? '-' : ''}${numberIn(bodies[0] ?? '', reading)}.`,
  };
}
