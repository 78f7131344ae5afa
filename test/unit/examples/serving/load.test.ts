/** The serving table has the latest row of each key, whatever its values are, and in whatever order batches are loaded. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import type { PutCommand } from '@aws-sdk/lib-dynamodb';
import { marshall, unmarshall } from '@aws-sdk/util-dynamodb';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import type * as z from 'zod';
import { loadBatch } from '../../../../examples/serving/load.ts';
import { putItems } from '../../../../examples/serving/put.ts';
import { parseContract } from '../../../../src/lib/contract/load.ts';
import type { BatchPublished } from '../../../../src/lib/flow/batch/batchPublished.ts';

const contract = parseContract(
  'feed.yml',
  `
dataset: feed
source: { prefix: feed/, formats: [ndjson] }
columns: [{ name: a, path: a, type: string, required: true }, { name: b, path: b, type: string, required: true }, { name: n, path: n, type: double }]
dedupe: { key: [a, b], order: [{ column: n, direction: desc }] }
partitionBy: []`,
);

/** A table with the keys of a DynamoDB table, and its condition. */
function serving() {
  const items = new Map<string, Record<string, unknown>>();
  const send = async ({ input: { Item = {}, ExpressionAttributeValues: values = {} } }: PutCommand) => {
    const item = unmarshall(marshall(Item), { wrapNumbers: true });
    const known = items.get(String(item.key))?._fence;
    if (known !== undefined && Number(known) > Number(values[':fence']))
      throw new ConditionalCheckFailedException({ message: '', $metadata: {} });
    items.set(String(item.key), { ...item, _fence: Number(Item._fence) });
  };
  return { items, send };
}

async function load(db: ReturnType<typeof serving>, fence: number, rows: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
  const path = join(folder, 'rows.parquet');
  const connection = await (await DuckDBInstance.create()).connect();
  await connection.run(
    `COPY (SELECT * FROM (VALUES ${rows.join(', ')}) AS t(a, b, n)) TO '${path}' (FORMAT parquet)`,
  );
  connection.closeSync();
  const bytes = readFileSync(path);
  rmSync(folder, { recursive: true });
  const deps = {
    store: {
      readJson: async <S extends z.ZodType>(_: unknown, schema: S) =>
        schema.parse({ objects: [{ key: 'k', bytes: bytes.length }] }),
      readRange: async (_: unknown, start: number, end: number) =>
        new Uint8Array(bytes.subarray(start, end)).buffer,
    },
    processedBucket: 'processed',
    contracts: new Map([['feed', contract]]),
    putAll: (items: Parameters<typeof putItems>[2]) => putItems(db, 'serving', items),
  };
  await loadBatch(deps, { dataset: 'feed', fence, manifest: { bucket: 'work', key: 'm' } } as BatchPublished);
}

test('a batch that is loaded late or again changes no row of a later one', async () => {
  const db = serving();
  await load(db, 2, ["('x', 'y', 2::DOUBLE)"]);
  await load(db, 1, ["('x', 'y', 1::DOUBLE)", "('x', 'z', 1)"]);
  await load(db, 2, ["('x', 'y', 2::DOUBLE)"]);
  expect([...db.items].map(([key, { n, _fence }]) => [key, String(Object(n).value), _fence])).toEqual([
    ['feed#x#y', '2', 2],
    ['feed#x#z', '1', 1],
  ]);
});

test('different keys stay different', async () => {
  const db = serving();
  const at = (day: number) => `TIMESTAMP '2025-10-06 00:00:00.00${day}'`;
  await load(db, 1, ["('x#y', 'z', 1::DOUBLE)", "('x', 'y#z', 2)", "('x\\', '#y', 3)", "('x\\#', 'y', 4)"]);
  await load(db, 1, [`('x', ${at(1)}, 1::DOUBLE)`, `('x', ${at(2)}, 2)`]);
  expect([...db.items.keys()]).toEqual([
    'feed#x\\#y#z',
    'feed#x#y\\#z',
    'feed#x\\\\#\\#y',
    'feed#x\\\\\\##y',
    'feed#x#2025-10-06T00:00:00.001Z',
    'feed#x#2025-10-06T00:00:00.002Z',
  ]);
});

test.each([
  ['1e20', '100000000000000000000'],
  ['-12345678901234567', '-12345678901234568'],
  ['1.5e-120', '1.5e-120'],
  ['1e200', '1e+200'],
  ['5e-324', '5e-324'],
])('the number %s can be stored', async (value, stored) => {
  const db = serving();
  await load(db, 1, [`('x', 'y', ${value}::DOUBLE)`]);
  const n = db.items.get('feed#x#y')?.n;
  expect(typeof n === 'string' ? n : String(Object(n).value)).toBe(stored);
});
