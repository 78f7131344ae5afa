/** A dataset's history, for tests of what must not grow with it. */
import { batchKey, fileKey, listed, objectKey } from '../../src/lib/ledger/keys.ts';

/** The ledger's items of a published batch of one file, the `i`th of a year ago. Its object's key begins with `prefix`. */
export function oldBatch(dataset: string, i: number, prefix: string): Record<string, unknown>[] {
  const batch = i.toString(16).padStart(20, 'e');
  const at = new Date(Date.UTC(2025, 0, 1) + i * 60_000).toISOString();
  const file = { object: `${prefix}old-${i}`, version: `v${i}` };
  const seen = { ...file, sequencer: '1', etag: 'e' };
  return [
    {
      ...batchKey(dataset, batch),
      batch,
      state: 'published',
      fence: i + 1,
      committed: i + 1,
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
