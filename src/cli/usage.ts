import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** The command line was not understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Options and positionals of a command. Throws UsageError. */
export function readOptions<const T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** A port of this machine. Throws UsageError. */
export function readPort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535)
    throw new UsageError(`--port ${text}: it is a number up to 65535`);
  return Number(text);
}

/** A command: what `--help` says, and what it does. `run` gives the exit status. */
export interface Command {
  readonly help: string;
  readonly run: (args: string[]) => Promise<number>;
}
