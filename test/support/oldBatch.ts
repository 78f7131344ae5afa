/** A dataset's history, for tests of what must not grow with it. */
import { batchKey, fileKey, listed, objectKey } from '../../src/lib/ledger/keys.ts';

/** The id of the `i`th batch. */
export const idOf = (i: number): string => i.toString(16).padStart(20, '0');

/**
 * The ledger's items of a published batch of one file, the `i`th. Its object's key begins with `prefix`. Without a time, it is one of a
 * year ago.
 */
export function oldBatch(
  dataset: string,
  i: number,
  prefix: string,
  {
    version = `v${i}`,
    at = new Date(Date.UTC(2025, 0, 1) + i * 60_000).toISOString(),
    fence = i + 1,
  }: { version?: string; at?: string; fence?: number } = {},
): Record<string, unknown>[] {
  const batch = idOf(i);
  const file = { object: `${prefix}old-${String(i).padStart(8, '0')}`, version };
  const seen = { ...file, sequencer: '0', etag: 'e' };
  return [
    {
      ...batchKey(dataset, batch),
      batch,
      state: 'published',
      fence,
      committed: fence,
      files: 1,
      bytes: 10,
      engine: 'embedded',
      execution: 'arn:old',
      claimedAt: at,
      attempts: 1,
      endedAt: at,
    },
    { pk: dataset, sk: `LOG#${at}#${batch}`, batch },
    {
      ...fileKey(dataset, file),
      ...listed(dataset, 'files', file.object, at),
      ...seen,
      size: 10,
      state: 'published',
      attempts: 1,
      batch,
      notedAt: at,
    },
    {
      ...objectKey(dataset, file.object),
      ...listed(dataset, 'objects', file.object, file.object),
      ...seen,
      newest: file.version,
      rows: { version: file.version, batch, published: 1 },
    },
  ];
}
