/** Rows of a table that is partitioned by Iceberg's transforms. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { transform } from '../../support/embedded.ts';
import { byTransforms, rowsOfTransforms } from '../../support/transforms.ts';

test('rows are in the partitions of their transformed values, and a published key is looked for there', async () => {
  const published = await mkdtemp(join(tmpdir(), 'sluice-transforms-'));
  try {
    const { summary, partitions, quarantine } = await transform(byTransforms, rowsOfTransforms, {
      keep: published,
    });
    expect(summary).toMatchObject({ rowsRead: 9, published: 7, duplicates: 1, quarantined: 1 });
    expect(quarantine).toMatchObject([{ reason: 'out_of_range', column_name: 'name', value: 'a\0' }]);
    expect(partitions.map((path) => decodeURIComponent(path.slice('source=x/'.length))).sort()).toEqual([
      'posted_day=1969-12-31/id_bucket_4=1/name_truncate_2=~',
      'posted_day=2025-10-06/id_bucket_4=1/name_truncate_2=ab',
      'posted_day=2025-10-06/id_bucket_4=1/name_truncate_2=~~/',
      'posted_day=2025-10-06/id_bucket_4=2/name_truncate_2=日本',
      'posted_day=2025-10-06/id_bucket_4=3/name_truncate_2=ab',
      'posted_day=2025-10-06/id_bucket_4=3/name_truncate_2=~__',
      'posted_day=__HIVE_DEFAULT_PARTITION__/id_bucket_4=2/name_truncate_2=__HIVE_DEFAULT_PARTITION__',
    ]);
    const again = await transform(
      byTransforms,
      {
        'test/c.json': [
          JSON.stringify({ id: 34, name: 'ab', at: '2025-10-06T00:00:00Z' }),
          JSON.stringify({ id: 34, name: 'ax', at: '2025-10-06T00:00:00Z' }),
          JSON.stringify({ id: 39, name: '~/', at: '2025-10-06T00:00:00Z' }),
        ].join('\n'),
      },
      { published },
    );
    // The second one is in another partition.
    expect(again.summary).toMatchObject({ rowsRead: 3, published: 1, duplicates: 2 });
  } finally {
    await rm(published, { recursive: true });
  }
});
