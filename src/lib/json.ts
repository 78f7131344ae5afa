/** JSON as it comes: it may be no JSON, and no object. */

/** The value of a text; undefined for a text that is no JSON. */
export function tryParseJson(text: string, reviver?: Parameters<typeof JSON.parse>[1]): unknown {
  try {
    return JSON.parse(text, reviver);
  } catch {
    return undefined;
  }
}

/** Neither an array nor null. */
export const isJsonObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
