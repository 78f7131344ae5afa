/** The scores of the benchmark Pollock: how much of a file's header, records and cells a system has loaded. */

type Rows = readonly (readonly string[])[];

/** Ten measures between 0 and 1: success; precision, recall and F1 of header, records and cells. */
export interface Measures {
  readonly success: number;
  readonly header: readonly [number, number, number];
  readonly records: readonly [number, number, number];
  readonly cells: readonly [number, number, number];
}

export const sumOf = ({ success, header, records, cells }: Measures): number =>
  [success, ...header, ...records, ...cells].reduce((sum, measure) => sum + measure, 0);

/** `loaded` null: the system has failed. */
export function measuresOf(clean: Rows, loaded: Rows | null): Measures {
  const none = [0, 0, 0] as const;
  if (loaded === null) return { success: 0, header: none, records: none, cells: none };
  const record = (row: readonly string[]) => row.map(normalized).join('');
  const whole = [1, 1, 1] as const;
  if (clean.length === 0) return { success: 1, header: whole, records: whole, cells: whole };
  return {
    success: 1,
    header: compared((clean[0] ?? []).map(normalized), (loaded[0] ?? []).map(normalized)),
    records: compared(clean.slice(1).map(record), loaded.slice(1).map(record)),
    cells: compared(clean.flat(), loaded.flat()),
  };
}

/** Shares of equal texts, in any order. */
function compared(expected: readonly string[], found: readonly string[]): readonly [number, number, number] {
  if (expected.length === 0) return [1, 1, 1];
  const left = new Map<string, number>();
  for (const text of expected) left.set(text, (left.get(text) ?? 0) + 1);
  let same = 0;
  for (const text of found) {
    const n = left.get(text) ?? 0;
    if (n > 0) same++;
    left.set(text, n - 1);
  }
  if (same === 0) return [0, 0, 0];
  const [ofExpected, ofFound] = [same / expected.length, same / found.length];
  return [ofExpected, ofFound, (2 * ofExpected * ofFound) / (ofExpected + ofFound)];
}

/** Notations of one value become one text. */
function normalized(text: string): string {
  const [, day, month, year] = /^(\d\d)\/(\d\d)\/(\d{4})$/.exec(text) ?? [];
  if (year !== undefined) return `${year}-${month}-${day} 00:00:00`;
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `${text} 00:00:00`;
  if (/^\d\d:\d\d$/.test(text)) return `${text}:00`;
  if (/^\$?\d+(\.\d+)?$/.test(text)) return text.replace(/[\d.]+/, (digits) => String(Number(digits)));
  return text.toLowerCase();
}
