/** How numbers are written, and what they are. */
import { Decimal } from './value.ts';

// "`int`: `-?[0-9]+`. Refused: less than -2147483648 or more than 2147483647"
// "`bigint`: the same. Refused: less than -9223372036854775808 or more than 9223372036854775807"
export function readWhole(text: string, bits: 32 | 64): bigint | undefined {
  if (!/^-?[0-9]+$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(bits, value) === value ? value : undefined;
}

// "`double`: `-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?`. Refused: `NaN`, `Infinity`, and what rounds to more than the largest double"
export function readDouble(text: string): number | undefined {
  if (!/^-?[0-9]+([.][0-9]+)?([eE][+-]?[0-9]+)?$/.test(text)) return undefined;
  const value = Number(text);
  // "`-0`, `-0.0`, `-1e-400` in `double`: 0: a zero has no sign"
  return Number.isFinite(value) ? value + 0 : undefined;
}

// "`decimal(p,s)`: `-?[0-9]+([.][0-9]+)?`. Refused: more than `s` digits behind the point (zeros at the end do not count), more than
// `p - s` before it (leading zeros do not count)"
export function readDecimal(text: string, precision: number, scale: number): Decimal | undefined {
  const [whole, digits = '', , fraction = ''] = /^-?([0-9]+)([.]([0-9]+))?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const [before, behind] = [digits.replace(/^0+/, ''), fraction.replace(/0+$/, '')];
  if (behind.length > scale || before.length > precision - scale) return undefined;
  const size = BigInt(before + behind.padEnd(scale, '0'));
  return new Decimal(text.startsWith('-') ? -size : size, scale);
}
