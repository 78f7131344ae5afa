/** JSON by RFC 8259, read without loss: numbers keep their text, objects the order of their keys. */

export type Json =
  | { readonly kind: 'null' }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'number'; readonly text: string }
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'array'; readonly items: readonly Json[] }
  | { readonly kind: 'object'; readonly fields: readonly (readonly [string, Json])[] };

class NoJson extends Error {}

/** The value of a text; undefined for a text that is not JSON. */
export function readJson(text: string): Json | undefined {
  try {
    const reader = new Reader(text);
    const value = reader.value();
    reader.mustEnd();
    return value;
  } catch (error) {
    if (error instanceof NoJson) return undefined;
    throw error;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  mustEnd(): void {
    this.#match(/[ \t\r\n]*/y);
    if (this.#at < this.#text.length) throw new NoJson();
  }

  value(): Json {
    this.#match(/[ \t\r\n]*/y);
    const word = this.#match(/null|true|false/y);
    if (word === 'null') return { kind: 'null' };
    if (word !== null) return { kind: 'boolean', value: word === 'true' };
    // "`NaN`, `Infinity`, trailing commas and anything behind the object are refused."
    const number = this.#match(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number !== null) return { kind: 'number', text: number };
    if (this.#text[this.#at] === '"') return { kind: 'string', value: this.#string() };
    if (this.#take('[')) {
      const items: Json[] = [];
      this.#many(']', () => items.push(this.value()));
      return { kind: 'array', items };
    }
    if (!this.#take('{')) throw new NoJson();
    const fields: [string, Json][] = [];
    this.#many('}', () => {
      const key = this.#string();
      if (!this.#take(':')) throw new NoJson();
      fields.push([key, this.value()]);
    });
    return { kind: 'object', fields };
  }

  #many(end: string, one: () => void): void {
    if (this.#take(end)) return;
    do one();
    while (this.#take(','));
    if (!this.#take(end)) throw new NoJson();
  }

  // "A lone surrogate (`"\ud800"`) is no text and so no JSON."
  #string(): string {
    this.#match(/[ \t\r\n]*/y);
    const found = this.#match(
      // biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 8259, 7: control characters are escaped
      /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y,
    );
    if (found === null) throw new NoJson();
    const value: unknown = JSON.parse(found);
    if (typeof value !== 'string' || !value.isWellFormed()) throw new NoJson();
    return value;
  }

  #take(mark: string): boolean {
    this.#match(/[ \t\r\n]*/y);
    const isIt = this.#text[this.#at] === mark;
    if (isIt) this.#at++;
    return isIt;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    this.#at += found?.length ?? 0;
    return found;
  }
}

/** Of two equal keys the first counts. */
export const field = (json: Json | undefined, key: string): Json | undefined =>
  json?.kind === 'object' ? json.fields.find(([name]) => name === key)?.[1] : undefined;

// "A `json` column holds the JSON text of its value without white space between its parts. Numbers stand as in the file, fields in their
// order, equal keys included."
export function writeJson(json: Json): string {
  switch (json.kind) {
    case 'null':
      return 'null';
    case 'boolean':
      return String(json.value);
    case 'number':
      return json.text;
    case 'string':
      return quoted(json.value);
    case 'array':
      return `[${json.items.map(writeJson).join(',')}]`;
    case 'object':
      return `{${json.fields.map(([key, value]) => `${quoted(key)}:${writeJson(value)}`).join(',')}}`;
  }
}

// "A text escapes only `"`, `\\`, and the control characters below U+0020, as `\b`, `\f`, `\n`, `\r`, `\t` or `\u001F`."
const quoted = (text: string): string =>
  JSON.stringify(text).replaceAll(/\\(?:u([0-9a-f]{4})|.)/g, (written, code: string | undefined) =>
    code === undefined ? written : `\\u${code.toUpperCase()}`,
  );
