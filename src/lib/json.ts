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

/** The objects of a text that holds one after the other. What is cut or no JSON is left out. */
export function concatenatedObjects(text: string, reviver?: Parameters<typeof JSON.parse>[1]): object[] {
  const found: object[] = [];
  let depth = 0;
  let start = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:\\.|[^"\\])*"|[{}]/gs)) {
    if (token === '{' && depth++ === 0) start = index;
    if (token !== '}' || depth === 0 || --depth > 0) continue;
    const value = tryParseJson(text.slice(start, index + 1), reviver);
    if (isJsonObject(value)) found.push(value);
  }
  return found;
}
