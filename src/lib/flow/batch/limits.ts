/** The limits of a batch. */

/**
 * The files of the next batch: in order, up to the limits. A file beyond the limit is a batch of its own.
 * `limitBytes` counts the raw bytes.
 */
export function nextBatch<T extends { size: number }>(
  files: readonly T[],
  limits: { files: number; bytes: number },
): T[] {
  const taken: T[] = [];
  let bytes = 0;
  for (const file of files) {
    if (taken.length >= limits.files || (taken.length > 0 && bytes + file.size > limits.bytes)) break;
    taken.push(file);
    bytes += file.size;
  }
  return taken;
}
