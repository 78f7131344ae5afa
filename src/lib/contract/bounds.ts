/** Exact bounds of numbers in contracts. */
import * as z from 'zod';

/** A number, or its digits in quotes, because YAML's numbers are doubles with 15 digits. */
export const bound = z.union([z.number(), z.string()]).superRefine((value, context) => {
  const message =
    typeof value === 'number' && digitsOf(value) > 15
      ? 'has more than 15 digits, which a number does not keep; write it in quotes'
      : typeof value === 'string' && !/^-?(?=0?(?:\.?\d){1,38}$)\d+(\.\d+)?$/.test(value)
        ? 'must be a number of at most 38 digits, such as 12, -0.5 or "9007199254740993"'
        : null;
  if (message !== null) context.addIssue({ code: 'custom', message });
});
export type Bound = z.output<typeof bound>;

const digitsOf = (value: number): number =>
  String(value)
    .replace(/e.*$/, '')
    .replace('.', '')
    .replace(/^-?0*|0*$/g, '').length;

/** A bound times 10^scale as an integer, rounded up or down. */
export function scaled(value: Bound, scale: number, round: 'up' | 'down'): bigint {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/.exec(String(value)) ?? [];
  const shift = scale + Number(exponent) - fraction.length;
  const digits = BigInt(`${sign}${whole}${fraction}`);
  if (shift >= 0) return digits * 10n ** BigInt(shift);
  const divisor = 10n ** BigInt(-shift);
  const quotient = digits / divisor;
  const remainder = digits % divisor;
  if (remainder > 0n && round === 'up') return quotient + 1n;
  return remainder < 0n && round === 'down' ? quotient - 1n : quotient;
}
