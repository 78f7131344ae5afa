/** How numbers are written, and their values. */
import type { NumberFormat } from '../../src/lib/contract/numberFormat.ts';
import { Decimal } from './value.ts';

// "`int`: `[+-]?[0-9]+`. Refused: less than -2147483648 or more than 2147483647"
// "`bigint`: the same. Refused: less than -9223372036854775808 or more than 9223372036854775807"
export function readWhole(text: string, bits: 32 | 64): bigint | undefined {
  if (!/^[+-]?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text.replace('+', ''));
  return BigInt.asIntN(bits, value) === value ? value : undefined;
}

// "`double`: `[+-]?` and digits, with or without a point, `([eE][+-]?[0-9]+)?`; one digit at least. Refused: `NaN`, `Infinity`, and what rounds to more than the largest double"
export function readDouble(text: string): number | undefined {
  if (!/^[+-]?[0-9]*[.]?[0-9]*([eE][+-]?[0-9]+)?$/.test(text) || !/^[+-]?[.]?[0-9]/.test(text))
    return undefined;
  const value = Number(text);
  // "`-0`, `-0.0`, `-1e-400` in `double`: 0: a zero has no sign"
  return Number.isFinite(value) ? value + 0 : undefined;
}

// "`decimal(p,s)`: `[+-]?` and digits, with or without a point; one digit at least. Refused: more than `s` digits behind the point (zeros at the end do not count), more than
// `p - s` before it (leading zeros do not count)"
export function readDecimal(text: string, precision: number, scale: number): Decimal | undefined {
  const [whole, digits = '', fraction = ''] = /^[+-]?([0-9]*)[.]?([0-9]*)$/.exec(text) ?? [];
  if (whole === undefined || digits + fraction === '') return undefined;
  const [before, behind] = [digits.replace(/^0+/, ''), fraction.replace(/0+$/, '')];
  if (behind.length > scale || before.length > precision - scale) return undefined;
  const size = BigInt(before + behind.padEnd(scale, '0'));
  return new Decimal(text.startsWith('-') ? -size : size, scale);
}

const gap = /^[ \t\u00a0\u202f]+|[ \t\u00a0\u202f]+$/g;
const minuses = ['-', '\u2212'];

/** A number as people write it, as the types read it; undefined where it is not written as the format says. */
// "`number`: one sign, one currency before or behind, groups of three, a percent sign behind; in accounts parentheses or a minus behind"
export function plainNumber(text: string, format: NumberFormat): string | undefined {
  const names = [format.currency ?? []].flat().toSorted((a, b) => b.length - a.length);
  const withoutCurrency = (t: string): [string, boolean] => {
    const before = names.find((name) => t.startsWith(name));
    if (before !== undefined) return [t.slice(before.length).replace(gap, ''), true];
    const behind = names.find((name) => t.endsWith(name));
    return behind === undefined ? [t, false] : [t.slice(0, -behind.length).replace(gap, ''), true];
  };
  /** Without a sign of its own. */
  const size = (t: string, hasCurrency: boolean): string | undefined => {
    let [rest, isMoney] = hasCurrency ? [t, true] : withoutCurrency(t);
    if (rest !== t && /^\s|\s$/.test(t)) return undefined;
    let isRatio = false;
    if (!isMoney && format.percent !== undefined && rest.endsWith('%')) {
      rest = rest.slice(0, -1).replace(/[ \t\u00a0\u202f]+$/, '');
      isRatio = format.percent === 'ratio';
    }
    const digits = ungrouped(rest, format);
    return digits === undefined || !isRatio ? digits : shifted(digits);
  };
  const signed = (t: string, hasCurrency: boolean): string | undefined => {
    const sign = t.slice(0, 1);
    if (sign !== '+' && !minuses.includes(sign)) return size(t, hasCurrency);
    const rest = t.slice(1);
    const found = size(hasCurrency ? rest : rest.replace(/^[ \t\u00a0\u202f]+/, ''), hasCurrency);
    return found === undefined || sign === '+' ? found : `-${found}`;
  };
  const negative = (t: string | undefined) => (t === undefined ? undefined : `-${t}`);
  if (format.accounting) {
    const inside = (t: string) => (/^\(.*\)$/s.test(t) ? t.slice(1, -1).replace(gap, '') : undefined);
    const whole = inside(text);
    if (whole !== undefined) return negative(size(whole, false));
    if (minuses.includes(text.slice(-1)))
      return negative(size(text.slice(0, -1).replace(/[ \t\u00a0\u202f]+$/, ''), false));
    const [rest, isMoney] = withoutCurrency(text);
    const part = isMoney ? inside(rest) : undefined;
    if (part !== undefined) return negative(ungrouped(part, format));
  }
  const before = names.find((name) => text.startsWith(name));
  return before === undefined
    ? signed(text, false)
    : signed(text.slice(before.length).replace(/^[ \t\u00a0\u202f]+/, ''), true);
}

/** Digits with a point. */
function ungrouped(text: string, { decimal, group }: NumberFormat): string | undefined {
  const [whole = '', ...fractions] = text.split(decimal);
  if (fractions.length > 1 || !/^[0-9]*$/.test(fractions[0] ?? '')) return undefined;
  if (whole === '') return fractions[0] ? `.${fractions[0]}` : undefined;
  const marks =
    group === undefined ? '' : group === ' ' ? ' \u00a0\u2009\u202f' : group === "'" ? "'\u2019" : group;
  const groups: string[] = [''];
  for (const c of whole)
    if (marks.includes(c)) groups.push('');
    else groups[groups.length - 1] += c;
  if (groups.some((g) => !/^[0-9]+$/.test(g))) return undefined;
  const sizes = groups.map((g) => g.length);
  const isWestern = sizes.slice(1).every((n) => n === 3) && (sizes[0] ?? 0) <= 3;
  const isIndian =
    group === ',' && sizes.at(-1) === 3 && (sizes[0] ?? 0) <= 2 && sizes.slice(1, -1).every((n) => n === 2);
  if (groups.length > 1 && !isWestern && !isIndian) return undefined;
  return `${groups.join('')}${fractions.length > 0 ? `.${fractions[0]}` : ''}`;
}

/** A hundredth. */
function shifted(digits: string): string {
  const [whole = '', fraction = ''] = digits.split('.');
  const padded = whole.padStart(3, '0');
  return `${padded.slice(0, -2)}.${padded.slice(-2)}${fraction}`;
}
