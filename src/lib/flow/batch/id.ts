/** What a batch is called. */
import { createHash } from 'node:crypto';

/**
 * An id that follows from the files, so that a repeated claim of the same files is the same batch. `replay` names the
 * replay that processes them again: that is another batch.
 */
export function batchId(
  files: readonly { object: string; version: string }[],
  replay: string | undefined = undefined,
): string {
  const names = files.map((f) => JSON.stringify([f.object, f.version])).sort();
  return createHash('sha256')
    .update([...names, ...(replay === undefined ? [] : [replay])].join('\n'))
    .digest('hex')
    .slice(0, 20);
}

/** Groups of files that are replayed are called so; all others by the id of their batch. */
export const replayPrefix = 'replay-';

/** The replay that a file waits for, if any. */
export const replayOf = (file: { group?: string | undefined } | undefined): string | undefined =>
  file?.group?.startsWith(replayPrefix) ? file.group : undefined;
