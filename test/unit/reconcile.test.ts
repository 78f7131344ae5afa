import { GlueClient } from '@aws-sdk/client-glue';
import { expect, test } from '@jest/globals';
import { createCatalog } from '../../src/lib/aws/catalog.ts';
import { hiveSegment } from '../../src/lib/catalog/partitionPath.ts';
import { compile } from '../../src/lib/compiler/compile.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import { reconcile } from '../../src/lib/flow/reconcile.ts';

const contract = parseContract(
  'wide.yml',
  JSON.stringify({
    dataset: 'wide',
    source: { prefix: 'wide/', formats: ['ndjson'] },
    columns: [{ name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] }],
    partitionBy: [
      { name: 'source', constant: 'a b/c' },
      { name: 'day', of: 'at', part: 'day' },
    ],
  }),
);

/** S3 and Glue with this many partitions, in pages; every hundredth is missing in the Catalog, and as many are gone from S3. */
function stageOf(partitions: number) {
  const calls: Record<string, number> = {};
  const name = (i: number) => `d${String(i).padStart(6, '0')}`;
  const client = Object.assign(new GlueClient({ region: 'us-east-1' }), {
    send: async (command: {
      constructor: { name: string };
      input: Record<string, unknown[]> & { NextToken?: string };
    }) => {
      const kind = command.constructor.name;
      calls[kind] = (calls[kind] ?? 0) + 1;
      if (kind !== 'GetPartitionsCommand') return { Errors: [] };
      const start = Number(command.input.NextToken ?? 0);
      const ids = Array.from({ length: Math.min(1000, partitions - start) }, (_, i) => start + i);
      return {
        Partitions: ids
          .filter((i) => i % 100 !== 0)
          .map((i) => ({ Values: ['a b/c', name(i % 100 === 1 ? i + partitions : i)] })),
        ...(start + 1000 < partitions ? { NextToken: String(start + 1000) } : {}),
      };
    },
  });
  const store = {
    async *listPages() {
      for (let i = 0; i < partitions; i += 1000)
        yield Array.from({ length: Math.min(1000, partitions - i) }, (_, n) => ({
          key: `wide/${hiveSegment('source', 'a b/c')}/day=${name(i + n)}/b-f1-0.parquet`,
          size: 1,
        }));
    },
    list: async () => [],
    readJson: async () => compile(contract, null, []),
  };
  const deps = {
    config: { workBucket: 'w', processedBucket: 'p' },
    contracts: new Map([['wide', contract]]),
    store,
    catalog: createCatalog('db', client),
    ledger: { batches: async () => [{ batch: 'b', state: 'published', endedAt: '1' }] },
  };
  return { calls, deps: deps as unknown as Parameters<typeof reconcile>[0] };
}

test('100,000 partitions are compared in pages, and changed in as few calls as Glue has', async () => {
  const { calls, deps } = stageOf(100_000);
  const found = await reconcile(deps, 'wide');
  // What is registered under another name is missing under its own, too.
  expect(found).toEqual({ table: 'wide', partitions: 100_000, added: 2000, dropped: 1000 });
  expect(calls).toEqual({
    GetPartitionsCommand: 100,
    BatchCreatePartitionCommand: 20,
    BatchDeletePartitionCommand: 40,
  });
}, 30_000);
