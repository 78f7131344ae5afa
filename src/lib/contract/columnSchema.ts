/** A column of a contract: the place of its value, and its conversion. */
import * as z from 'zod';
import { bound } from './bounds.ts';
import { lowerCase } from './letters.ts';
import { numberFormat } from './numberFormat.ts';
import { columnDescription, earlierNames, identifier, isExtraction, jsonPath } from './parts.ts';
import { objectKey, parsePath } from './path.ts';
import { patternFault } from './timePattern.ts';

export const columnType = z
  .string()
  .regex(
    /^(string|int|bigint|double|decimal\(([1-9]|[12]\d|3[0-8]),\d{1,2}\)|boolean|date|timestamp|json|array<(string|int|bigint|double|boolean|date)>)$/,
    'must be string, int, bigint, double, decimal(p,s), boolean, date, timestamp, json or array<one of string, int, bigint, double, boolean, date>',
  )
  .refine((type) => {
    const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? [];
    return Number(scale ?? 0) <= Number(precision ?? 0);
  }, 'has more digits behind the point than in all');

/** Ways to read a timestamp; a list is tried in order. */
const timestampFormat = z.union([
  z.enum([
    'iso8601',
    'iso8601_date',
    'epoch_s',
    'epoch_ms',
    'epoch_us',
    'epoch_ns',
    'twitter',
    'rfc2822',
    'excel',
  ]),
  z.strictObject({
    pattern: z
      .string()
      .regex(
        /^(%[YymdHIMSpfbBz]|%-[mdHI]|[^%'])+$/,
        'is made of %Y %y (00-68 are 20xx) %m %d %H %I %p %M %S %f (fraction) %b %B (English month) %z (offset), %-m %-d %-H %-I (one or two digits) and plain characters',
      )
      .superRefine((pattern, context) => {
        const message = patternFault(pattern);
        if (message !== null) context.addIssue({ code: 'custom', message });
      })
      .describe('A pattern of your own, such as "%d/%m/%Y %H:%M".'),
  }),
]);

export const columnSchema = z
  .strictObject({
    name: identifier.describe('The output column.'),
    path: jsonPath.describe(
      "Where the value stands in the record; $key is the object's key, such as in/dt=2025-10-06/a.json.",
    ),
    type: columnType.describe('The Hive type of the output column.'),
    description: columnDescription.optional(),
    was: earlierNames.optional(),
    publish: z
      .literal(false)
      .optional()
      .describe('A helper, for derive, filter, enrich and partitionBy, that is no column of the table.'),
    required: z.boolean().default(false).describe('A row without a value goes to quarantine.'),
    onError: z
      .enum(['quarantine', 'null'])
      .default('quarantine')
      .describe('What happens to a row whose value cannot be converted; null is counted.'),
    nullValues: z
      .array(z.string())
      .default([])
      .describe('Texts that mean "no value", compared after trimming.'),
    trim: z.boolean().default(false).describe('Remove white space at both ends.'),
    case: z.enum(['lower', 'upper']).optional(),
    normalize: z.boolean().default(false).describe('Unicode to its composed form (NFC).'),
    extract: z
      .string()
      .refine(isExtraction, 'is no regular expression with one group, or has look-around or back-references')
      .optional()
      .describe(
        'A regular expression (RE2) with one group, which is the value. A text without a match is refused.',
      ),
    map: z
      .record(z.string(), z.array(z.string()).min(1))
      .optional()
      .describe(
        'Standard value -> its synonyms, compared without case. For boolean the values are true and false.',
      ),
    mapDefault: z
      .enum(['keep', 'null', 'reject'])
      .default('keep')
      .describe('What becomes of a value that is no synonym.'),
    formats: z
      .array(timestampFormat)
      .min(1)
      .optional()
      .describe('For timestamp and date: tried in order. A date without formats is iso8601_date.'),
    number: numberFormat.optional().describe('For numbers that people wrote, such as 1.234,50 € or (12.5%).'),
    zone: z
      .string()
      .refine(isZone, 'is no zone of the IANA time zone database')
      .default('UTC')
      .describe('For timestamp: the zone of a value that names none.'),
    range: z
      .strictObject({ min: bound.optional(), max: bound.optional() })
      .optional()
      .describe('For numbers: a value outside goes to quarantine (or is null, by onError).'),
  })
  .superRefine((value, context) => {
    const issue = (path: string, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    const isText = value.type === 'string';
    if (value.formats && !['timestamp', 'date'].includes(value.type))
      issue('formats', 'is only for type timestamp and date');
    if (value.type === 'timestamp' && !value.formats) issue('formats', 'is needed for type timestamp');
    const decimal = /^decimal\((\d+),(\d+)\)$/.exec(value.type);
    if (value.map && !isText && value.type !== 'boolean') issue('map', 'is only for type string and boolean');
    if (value.type === 'boolean' && Object.keys(value.map ?? {}).some((name) => !/^(true|false)$/.test(name)))
      issue('map', 'has the values true and false for type boolean');
    if (value.mapDefault !== 'keep' && !value.map) issue('mapDefault', 'goes with map');
    if ((value.extract !== undefined || value.normalize) && value.type.startsWith('array<'))
      issue('type', 'is a scalar with extract and normalize');
    if (value.case && !isText) issue('case', 'is only for type string');
    if (value.range && !decimal && !['int', 'bigint', 'double'].includes(value.type))
      issue('range', 'is only for numbers');
    if (value.number && !decimal && !['int', 'bigint', 'double'].includes(value.type))
      issue('number', 'is only for numbers');
    if (value.path === objectKey && (value.type === 'json' || value.type.startsWith('array<')))
      issue('type', 'is a scalar: the key of an object is a text');
    const eachSteps = parsePath(value.path).filter((step) => step.kind === 'each').length;
    if (eachSteps > 0 !== value.type.startsWith('array<'))
      issue('type', 'is array<…> exactly when the path has [*]');
    if (eachSteps > maxEachSteps) issue('path', `may have [*] ${maxEachSteps} times`);
    const synonyms = Object.values(value.map ?? {})
      .flat()
      .map((s) => lowerCase(value.normalize ? s.normalize('NFC') : s));
    const first = new Map([...synonyms.entries()].reverse().map(([i, s]) => [s, i]));
    const twice = synonyms.find((s, i) => first.get(s) !== i);
    if (twice !== undefined) issue('map', `gives the synonym "${twice}" twice`);
  });

/** The maximum depth of nested lists that become one list. */
const maxEachSteps = 3;

export type Column = z.output<typeof columnSchema>;
export type TimestampFormat = z.output<typeof timestampFormat>;

function isZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }) !== undefined && /^[A-Za-z]/.test(name);
  } catch {
    return false;
  }
}
