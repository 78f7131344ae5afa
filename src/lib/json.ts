/** JSON from outside: the text may not be JSON, and its value may not be an object. */

/** The value of a text; undefined if the text is not JSON. */
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

/** The value of a key that data or a contract names; what an object inherits, such as `constructor`, is not its own. */
export const ownValue = <T>(object: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(object, key) ? object[key] : undefined;

/**
 * Objects that have their own lines. Other lines are not parsed: finding that a line is not an object would cost a thousand
 * times its length.
 */
export function* objectsOnLines(text: string): Generator<object> {
  for (const [line] of text.matchAll(/(?<![^\n])[ \t\r]*\{[^\n]*/g)) {
    const value = tryParseJson(line);
    if (isJsonObject(value)) yield value;
  }
}

/** What may stand between consecutive objects: white space, commas, and the record separator of RFC 7464. */
export const objectSeparators = ' \t\r\n,\u001e';

/**
 * The places of the consecutive texts in braces. Truncated ones and other text are left out. Each character is read once: a pattern
 * would search the rest of the text again for every string without an end.
 */
export function* spansInBraces(text: string): Generator<readonly [start: number, end: number]> {
  let depth = 0;
  let start = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text.charCodeAt(i);
    if (isString) {
      if (character === backslash) i++;
      else if (character === quote) isString = false;
    } else if (character === quote) isString = true;
    else if (character === openingBrace) {
      if (depth++ === 0) start = i;
    } else if (character === closingBrace && depth > 0 && --depth === 0) yield [start, i + 1];
  }
}

/** The consecutive objects of a text. */
export function concatenatedObjects(text: string, reviver?: Parameters<typeof JSON.parse>[1]): object[] {
  return [...spansInBraces(text)]
    .map(([start, end]) => tryParseJson(text.slice(start, end), reviver))
    .filter(isJsonObject);
}

const [quote, backslash, openingBrace, closingBrace] = [0x22, 0x5c, 0x7b, 0x7d];
