/**
 * Keys of the ledger's items: see ledger.ts. DynamoDB writes at most 1,000 units per second to one partition key. Therefore
 * items of files have keys made from their object, and only items of batches have the dataset as key.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
 */
import { createHash } from 'node:crypto';
import type { Key } from '../aws/dynamo.ts';
import type { FileId, RawFile } from '../model/records.ts';

/** The number of partition keys of a dataset's queue and lists. It cannot change for an existing ledger. */
const shards = 8;

/**
 * Object keys and version ids may have 1,024 bytes each, which is all that a sort key may have.
 * https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
const digest = (length: number, ...parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, length);

const shardOf = (object: string): number => Number.parseInt(digest(8, object), 16) % shards;

const sharded = (dataset: string, name: string): string[] =>
  Array.from({ length: shards }, (_, i) => `${dataset}#${name}-${i}`);

/** An object and its versions share one partition key. */
export const objectItems = (dataset: string, object: string): string => `${dataset}#${digest(40, object)}`;
export const objectKey = (dataset: string, object: string): Key => ({
  pk: objectItems(dataset, object),
  sk: 'OBJECT',
});
export const fileKey = (dataset: string, { object, version }: FileId): Key => ({
  pk: objectItems(dataset, object),
  sk: `FILE#${digest(20, version)}`,
});

/** The partition keys of the files that wait for a batch for the first time. */
export const queueShards = (dataset: string): string[] => sharded(dataset, 'pending');
/** The place of a file in the queue: new files in the order of their arrival, others with their group. */
export const pendingPlace = (file: RawFile, at: string): string =>
  `${file.group === undefined ? `PENDING#${at}` : `RETRY#${file.group}`}#${digest(20, file.object, file.version)}`;
/** A time that sorts behind all times of new files. */
export const behind = (at: string): string => `~${at}`;
/** Whether a place is behind those of new files. */
export const isBehind = (place: string): boolean => place.startsWith('PENDING#~');
/** The place of a file that waits for a person. */
export const waitingPlace = (state: 'held' | 'failed', batch: string, { object, version }: FileId): string =>
  `${state.toUpperCase()}#${batch}#${digest(20, object, version)}`;
/** Stands for the batch of a file that was held before any batch could have it. */
export const unclaimed = 'unclaimed';
/** The item that lists a file at the place where it waits. */
export const placeKey = (dataset: string, { object }: Pick<FileId, 'object'>, place: string): Key => ({
  pk: place.startsWith('PENDING#') ? `${dataset}#pending-${shardOf(object)}` : dataset,
  sk: place,
});

/** The index of the table that orders objects by their keys, and files by the time at which they were noted. */
export const orderIndex = 'byOrder';
/** The partition keys of a list in that index. */
export const listShards = (dataset: string, list: 'objects' | 'files'): string[] => sharded(dataset, list);
/** The attributes that put an item into a list of that index. */
export const listed = (dataset: string, list: 'objects' | 'files', object: string, order: string) => ({
  ix: `${dataset}#${list}-${shardOf(object)}`,
  ik: order,
});

export const batchKey = (dataset: string, batch: string): Key => ({ pk: dataset, sk: `BATCH#${batch}` });
export const openKey = (dataset: string, batch: string): Key => ({ pk: dataset, sk: `OPEN#${batch}` });
