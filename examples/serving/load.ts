/**
 * Loads the rows of a published batch into a DynamoDB table, by the key of their contract. Loading twice changes nothing, and batches may be
 * loaded in any order.
 */
import { NumberValue } from '@aws-sdk/lib-dynamodb';
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
  /** Puts any number of items. One with the key of another takes its place, unless that has a higher fence. */
  readonly putAll: (items: readonly Item[]) => Promise<void>;
}

/** What the table stores of a row: columns without a value are left out. */
export interface Item extends Readonly<Record<string, unknown>> {
  readonly key: string;
  /** Of the batch. */
  readonly _fence: number;
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
      await deps.putAll(rows.map((row) => itemOf(event, key, row)));
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
  { dataset, fence }: Pick<BatchPublished, 'dataset' | 'fence'>,
  key: readonly string[],
  row: Readonly<Record<string, unknown>>,
): Item {
  return {
    ...Object.fromEntries(
      Object.entries(row).flatMap(([name, value]) => (isNone(value) ? [] : [[name, storable(value)]])),
    ),
    key: [dataset, ...key.map((name) => keyPart(row[name]))].join('#'),
    _fence: fence,
  };
}

const isNone = (value: unknown): boolean => value === null || value === undefined;

/** A value of the key. `#` separates values, so one within a value is escaped. */
const keyPart = (value: unknown): string =>
  (value instanceof Date ? value.toISOString() : String(value)).replaceAll(/[\\#]/g, '\\$&');

/** Numbers beyond these are stored as text: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html */
const storedNumbers = { smallest: 1e-130, largest: 9.99e125 };

function storable(value: unknown): unknown {
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((each) => (isNone(each) ? null : storable(each)));
  if (typeof value !== 'number' || value === 0) return value;
  const size = Math.abs(value);
  const isStored = size >= storedNumbers.smallest && size <= storedNumbers.largest;
  // The client takes numbers that are not exact as integers only so.
  return isStored ? NumberValue.from(String(value)) : String(value);
}
