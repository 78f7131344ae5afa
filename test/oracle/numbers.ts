/** How numbers are written, and what they are. */
import { Decimal } from './value.ts';

// "`int`, `bigint`: digits with a sign; exact beyond 2^53. Refused: `1.5`, `1e3`, what does not fit in 32 or 64 bits"
export function readWhole(text: string, bits: 32 | 64): bigint | undefined {
  if (!/^-?\d+$/.test(text)) return undefined;
  const value = BigInt(text);
  return BigInt.asIntN(bits, value) === value ? value : undefined;
}

// "`double`: a decimal number, with an exponent if need be. Refused: `1e400`, `NaN`, `Infinity`"
export function readDouble(text: string): number | undefined {
  if (!/^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

// "`decimal(p,s)`: digits with a point. Refused: more digits behind the point than `s`"
export function readDecimal(text: string, precision: number, scale: number): Decimal | undefined {
  const [whole, digits, , fraction = ''] = /^-?(\d+)(\.(\d*))?$/.exec(text) ?? [];
  if (whole === undefined || digits === undefined) return undefined;
  // Zeros at the end are no digits beyond the scale.
  const kept = fraction.replace(/0+$/, '');
  if (kept.length > scale) return undefined;
  const size = BigInt(digits + kept.padEnd(scale, '0'));
  if (size >= 10n ** BigInt(precision)) return undefined;
  return new Decimal(text.startsWith('-') ? -size : size, scale);
}
