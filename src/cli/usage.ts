import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { timeOf } from '../lib/time.ts';

/** The command line has an error. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options and positionals of a command. Throws UsageError. */
export function readOptions<const T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const [, unknown] = /^Unknown option '(--[^']*)'/.exec(message) ?? [];
    if (unknown === undefined) throw new UsageError(message);
    const known = Object.keys(options).map((name) => `--${name}`);
    throw new UsageError(`Unknown option '${unknown}'${suggestion(unknown, [...known, '--help'])}`);
  }
}

/** `; did you mean "status"?` if one of some words is similar to the typed one; otherwise empty. */
export function suggestion(typed: string, words: readonly string[]): string {
  const nearest = words
    .map((word) => ({ word, edits: distance(typed, word) }))
    .sort((a, b) => a.edits - b.edits)[0];
  return nearest !== undefined &&
    nearest.edits <= Math.max(1, Math.floor(typed.replaceAll('-', '').length / 3))
    ? `; did you mean "${nearest.word}"?`
    : '';
}

/** The edit distance of two words: inserted, removed, changed, and swapped letters. */
function distance(from: string, to: string): number {
  let [before, last]: [number[], number[]] = [[], Array.from({ length: to.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const change = from[i - 1] === to[j - 1] ? 0 : 1;
      const isSwapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + change,
          isSwapped ? (before[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
    [before, last] = [last, row];
  }
  return last[to.length] ?? 0;
}

/** The number of `--last`. Throws UsageError. */
export function readLast(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`--last ${text}: must be 1 to 9,999,999`);
  return Number(text);
}

/** A day or a time: see lib/time.ts. Throws UsageError. */
export function readTime(text: string): Date {
  const time = timeOf(text);
  if (time === undefined)
    throw new UsageError(`${text}: is not a time such as 2025-10-06 or 2025-10-06T05:00:00Z`);
  return new Date(time);
}

/** A port of this machine. Throws UsageError. */
export function readPort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(`--port ${text}: must be a number up to 65535`);
  return Number(text);
}

/** Quotes a text for a POSIX shell. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** A word of a command that a person may copy: quoted only if it must be. */
export const asWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : quoted(text));

/** A command: its help and its function. `run` gives the exit status. */
export interface Command {
  readonly help: string;
  /** What completion offers: for an option, or as `''` for an argument. */
  readonly values?: Readonly<Record<string, readonly string[]>>;
  readonly run: (args: string[]) => Promise<number>;
}

/** A command in the list of all. It is loaded when it is called. */
export interface Entry {
  readonly does: string;
  readonly load: () => Promise<Command>;
}
