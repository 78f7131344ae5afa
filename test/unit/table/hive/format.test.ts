import { GlueClient } from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import type { ListedObject } from '../../../../src/lib/aws/store.ts';
import { hiveFormat } from '../../../../src/lib/table/hive/format.ts';

test('a compaction looks at a part of a large table, and the next one continues behind it', async () => {
  const keys = Array.from({ length: 250_000 }, (_, i) => `t/day=06/${String(i).padStart(6, '0')}.parquet`);
  const asked: (string | undefined)[] = [];
  const listPages = async function* (
    _bucket: string,
    _prefix: string,
    after?: string,
  ): AsyncGenerator<ListedObject[]> {
    asked.push(after);
    for (let i = after === undefined ? 0 : keys.indexOf(after) + 1; i < keys.length; i += 1000)
      yield keys.slice(i, i + 1000).map((key) => ({ key, size: 1, modified: 0 }));
  };
  const catalog = createCatalog('db', new GlueClient({ region: 'us-east-1' }));
  const format = hiveFormat({ catalog, store: { listPages, list: async () => [] } });
  const found: number[] = [];
  let next: string | undefined;
  do {
    const part = await format.compactable({ name: 't', location: 's3://processed/t/' }, next);
    found.push(part.objects.length);
    ({ next } = part);
  } while (next !== undefined);
  expect(found).toEqual([100_000, 100_000, 50_000]);
  expect(asked).toEqual([undefined, 't/day=06/099999.parquet', 't/day=06/199999.parquet']);
});
