/** The id of a batch. */
import { createHash } from 'node:crypto';

/**
 * An id that is computed from the files, so that a repeated claim of the same files is the same batch. A replay of the files is
 * another batch; `replay` names it.
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

/** The prefix of groups of replayed files; other groups have the id of their batch. */
export const replayPrefix = 'replay-';

/** The end of the group of versions that come back after a rollback: it sorts behind that of the files that are rolled back. */
export const restored = '-restored';

/** The group of the files that had lost rows to files of a batch. It sorts behind all other replays. */
export const losersGroup = (batch: string): string => `${replayPrefix}~lost-${batch}`;

/** Whether a file is read again for rows that had lost to another file. */
export const isLoser = ({ group }: { readonly group?: string | undefined }): boolean =>
  group?.startsWith(losersGroup('')) ?? false;

/** The replay that a file waits for, if any. */
export const replayOf = (file: { group?: string | undefined } | undefined): string | undefined =>
  file?.group?.startsWith(replayPrefix) ? file.group : undefined;
