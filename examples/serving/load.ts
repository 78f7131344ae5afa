/** Loads the rows of a published batch into a DynamoDB table, by the key of their contract. Loading twice changes nothing. */
import { type AsyncBuffer, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import * as z from 'zod';
import type { ObjectRef, Store } from '../../src/lib/aws/store.ts';
import { dedupeKey } from '../../src/lib/contract/contract.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { InvalidInput } from '../../src/lib/errors.ts';
import type { BatchPublished } from '../../src/lib/flow/batch/batchPublished.ts';

export interface LoadDeps {
  readonly store: Pick<Store, 'readJson' | 'readRange'>;
  readonly processedBucket: string;
  readonly contracts: ReadonlyMap<string, Contract>;
  /** Puts any number of items. */
  readonly putAll: (items: readonly Record<string, unknown>[]) => Promise<void>;
}

const manifestSchema = z.object({ objects: z.array(z.object({ key: z.string(), bytes: z.int() })) });

/** The number of rows in memory at once. */
const rowsAtOnce = 10_000;

/** Gives the number of rows. Throws InvalidInput for a dataset whose contract has no key. */
export async function loadBatch(deps: LoadDeps, event: BatchPublished): Promise<number> {
  const contract = deps.contracts.get(event.dataset);
  const key = contract && dedupeKey(contract);
  if (!key)
    throw new InvalidInput(
      `the dataset "${event.dataset}" has no dedupe key, by which its rows would be found; give its contract one`,
    );
  const { objects } = await deps.store.readJson(event.manifest, manifestSchema);
  let loaded = 0;
  for (const object of objects) {
    const file = bufferOf(deps.store, { bucket: deps.processedBucket, key: object.key }, object.bytes);
    const metadata = await parquetMetadataAsync(file);
    for (let rowStart = 0; rowStart < Number(metadata.num_rows); rowStart += rowsAtOnce) {
      const rowEnd = Math.min(rowStart + rowsAtOnce, Number(metadata.num_rows));
      const rows = await parquetReadObjects({ file, metadata, compressors, rowStart, rowEnd });
      await deps.putAll(rows.map((row) => itemOf(event.dataset, key, row)));
      loaded += rows.length;
    }
  }
  return loaded;
}

const bufferOf = (store: LoadDeps['store'], ref: ObjectRef, bytes: number): AsyncBuffer => ({
  byteLength: bytes,
  slice: (start, end = bytes) => store.readRange(ref, start, end),
});

function itemOf(
  dataset: string,
  key: readonly string[],
  row: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const values = Object.entries(row).filter(([, value]) => value !== null && value !== undefined);
  return {
    ...Object.fromEntries(
      values.map(([name, value]) => [name, value instanceof Date ? value.toISOString() : value]),
    ),
    key: [dataset, ...key.map((name) => String(row[name]))].join('#'),
  };
}
