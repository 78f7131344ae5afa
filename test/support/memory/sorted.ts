/** Strings in the order of their UTF-8 bytes: S3 lists keys and DynamoDB sorts them in this order. */

/** From this code unit on, UTF-16 and UTF-8 sort differently. */
const wide = /[\ud800-\uffff]/;

/** Surrogates represent code points beyond U+FFFF, so they sort after every other code unit. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit < 0xe000 ? unit + 0x2000 : unit - 0x800);

/** Negative, zero or positive, as for Array.sort. */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  if (!wide.test(a) || !wide.test(b)) return a < b ? -1 : 1;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const difference = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Keys in order, each once. */
export class SortedKeys {
  readonly all: string[] = [];

  /** The first index whose key is not below `key`. */
  from(key: string): number {
    return this.firstThat((k) => compareUtf8(k, key) >= 0);
  }

  /** The first index whose key is above `key`. */
  after(key: string): number {
    return this.firstThat((k) => compareUtf8(k, key) > 0);
  }

  /** The first index at or after `start` whose key does not begin with `prefix`; the key at `start` must begin with it. */
  behindPrefix(prefix: string, start: number): number {
    return this.firstThat((k) => !k.startsWith(prefix), start);
  }

  add(key: string): void {
    const last = this.all.at(-1);
    if (last === undefined || compareUtf8(last, key) < 0) {
      this.all.push(key);
      return;
    }
    const at = this.from(key);
    if (this.all[at] !== key) this.all.splice(at, 0, key);
  }

  delete(key: string): void {
    const at = this.from(key);
    if (this.all[at] === key) this.all.splice(at, 1);
  }

  /** Binary search: `holds` is false up to some index, and true from there on. */
  private firstThat(holds: (key: string) => boolean, low = 0): number {
    let high = this.all.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (holds(this.all[middle] ?? '')) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
