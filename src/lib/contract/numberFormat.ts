/** The notation of a column's numbers: decimal commas, thousands, percent, currencies, accounting. */
import * as z from 'zod';

const currency = z
  .string()
  .min(1)
  .max(8)
  .regex(
    /^(?!.*[\d()%+\u2212-])(?=.*[^.,'\s_])\S+$/u,
    'must be a sign or a short word, such as $, EUR or Rs.',
  );

export const numberFormat = z
  .strictObject({
    decimal: z.enum(['.', ',']).default('.').describe('What stands before the fraction.'),
    group: z
      .enum(['.', ',', "'", ' ', '_'])
      .optional()
      .describe('What may stand between groups of digits: 1.234.567; a space is a no-break space, too.'),
    percent: z
      .enum(['points', 'ratio'])
      .optional()
      .describe('A percent sign may follow: 12.5% is 12.5 as points, 0.125 as a ratio.'),
    currency: z
      .union([currency, z.array(currency).min(1).max(20)])
      .optional()
      .describe(
        'What may stand before or after the number, such as $ or [€, EUR]. Other currencies are refused.',
      ),
    accounting: z.boolean().default(false).describe('Whether (45.00) and 45.00- are negative.'),
  })
  .superRefine(({ decimal, group }, context) => {
    if (decimal === group)
      context.addIssue({ code: 'custom', path: ['group'], message: 'is the decimal mark, too' });
  });

export type NumberFormat = z.output<typeof numberFormat>;
