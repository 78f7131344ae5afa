/** Hive types as the Data Catalog writes them: `struct<id:bigint,tags:array<string>>`. */

import * as z from 'zod';

export interface StructType {
  readonly kind: 'struct';
  readonly fields: readonly { readonly name: string; readonly type: HiveType }[];
}
export type HiveType =
  | { readonly kind: 'scalar'; readonly name: string }
  | { readonly kind: 'array'; readonly element: HiveType }
  | StructType;

/** A type as JSON: names may hold what Hive's own notation gives a meaning. */
export const structTypeSchema: z.ZodType<StructType> = z.object({
  kind: z.literal('struct'),
  fields: z.array(z.object({ name: z.string(), type: z.lazy(() => hiveTypeSchema) })),
});
const hiveTypeSchema: z.ZodType<HiveType> = z.lazy(() =>
  z.union([
    z.object({ kind: z.literal('scalar'), name: z.string() }),
    z.object({ kind: z.literal('array'), element: hiveTypeSchema }),
    structTypeSchema,
  ]),
);

/** Reads a type. A type it does not know as struct or array is a scalar of that name (`decimal(10,2)`, `map<…>`). */
export function parseHiveType(text: string): HiveType {
  const source = text.trim();
  const inner = (head: string) => source.slice(head.length, -1);
  if (source.startsWith('array<')) return { kind: 'array', element: parseHiveType(inner('array<')) };
  if (source.startsWith('struct<'))
    return {
      kind: 'struct',
      fields: splitTopLevel(inner('struct<')).map((field) => {
        const colon = field.indexOf(':');
        return { name: field.slice(0, colon).trim(), type: parseHiveType(field.slice(colon + 1)) };
      }),
    };
  return { kind: 'scalar', name: source.toLowerCase() };
}

/** Writes a type the way Glue's crawlers do. */
export function formatHiveType(type: HiveType): string {
  if (type.kind === 'scalar') return type.name;
  if (type.kind === 'array') return `array<${formatHiveType(type.element)}>`;
  return `struct<${type.fields.map((f) => `${f.name}:${formatHiveType(f.type)}`).join(',')}>`;
}

function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '<' || c === '(') depth++;
    else if (c === '>' || c === ')') depth--;
    else if (c === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  if (start < text.length) parts.push(text.slice(start));
  return parts;
}
