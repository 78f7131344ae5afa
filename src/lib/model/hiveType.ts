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

/** A type as JSON, in which names may contain characters with a meaning in Hive's notation. */
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

/** The maximum depth of a type, so that recursion over it ends. */
export const maxTypeDepth = 100;

/**
 * Whether a field's name is possible in Hive's notation, which has no escapes: `struct<a:b:int>` could be read as a field `a`.
 */
export const isHiveName = (name: string): boolean =>
  /^[^\p{Cc}:,<>]+$/u.test(name) && name === name.trim() && !/[()]/.test(name.replaceAll(/\([^()]*\)/g, ''));

/**
 * Reads a type. Every type except struct and array is a scalar of that name (`decimal(10,2)`, `map<…>`). Types below `maxTypeDepth` are
 * strings.
 */
export function parseHiveType(text: string): HiveType {
  return typeIn(text, 0);
}

function typeIn(text: string, depth: number): HiveType {
  const source = text.trim();
  const inner = (head: string) => source.slice(head.length, -1);
  const [isArray, isStruct] = [source.startsWith('array<'), source.startsWith('struct<')];
  if ((isArray || isStruct) && depth === maxTypeDepth) return { kind: 'scalar', name: 'string' };
  if (isArray) return { kind: 'array', element: typeIn(inner('array<'), depth + 1) };
  if (isStruct)
    return {
      kind: 'struct',
      fields: splitTopLevel(inner('struct<')).flatMap((field) => {
        const colon = field.indexOf(':');
        if (colon < 0) return [];
        return [{ name: field.slice(0, colon).trim(), type: typeIn(field.slice(colon + 1), depth + 1) }];
      }),
    };
  return { kind: 'scalar', name: source.toLowerCase() };
}

/** Writes a type in the notation of Glue's crawlers. */
export function formatHiveType(type: HiveType): string {
  if (type.kind === 'scalar') return type.name;
  if (type.kind === 'array') return `array<${formatHiveType(type.element)}>`;
  return `struct<${type.fields.map((f) => `${f.name}:${formatHiveType(f.type)}`).join(',')}>`;
}

/** The parts between commas that are in no bracket: `string`, `array<int>` of `string,array<int>`. */
export function splitTopLevel(text: string): string[] {
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
