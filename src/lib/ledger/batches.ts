/** The batches of a dataset: opened and ended under the lease, with their files. */
import { GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { Accounting } from '../compiler/plan.ts';
import {
  type BatchRecord,
  type BatchState,
  batchRecordSchema,
  type FileState,
  fileKey,
  now,
  pendingKey,
  type RawFile,
} from './records.ts';
import type { Table } from './table.ts';

/** So many batches a new one may be held against. */
const recentBatches = 20;

/** What the ledger knows and does of batches. */
export function batchesOf({ db, at, underLease, moveFiles, enqueued, query }: Table) {
  /** The last published batches with their rows, the latest last. */
  const lastBatches = async (dataset: string): Promise<{ batch: string; rows: number }[]> => {
    const { Item } = await db.send(new GetCommand({ ...at(dataset, 'RECENT'), ConsistentRead: true }));
    return (Item?.batches ?? []) as { batch: string; rows: number }[];
  };

  return {
    /** Opens a batch and moves its files from pending to claimed. May be called again with the same files. */
    async claim(
      dataset: string,
      fence: number,
      batch: {
        id: string;
        files: readonly RawFile[];
        bytes: number;
        engine: string;
        execution: string;
        replay?: string | undefined;
      },
    ): Promise<void> {
      await underLease(dataset, fence, [
        {
          Update: {
            ...at(dataset, `BATCH#${batch.id}`),
            UpdateExpression: `SET #batch = :batch, #state = :running, fence = :fence, #files = :files, #bytes = :bytes, engine = :engine, #execution = :execution, claimedAt = :now${batch.replay === undefined ? '' : ', replay = :replay'} ADD attempts :one REMOVE #reason, expectations, #report, endedAt`,
            ConditionExpression: 'attribute_not_exists(#state) OR #state <> :published',
            ExpressionAttributeNames: {
              '#batch': 'batch',
              '#state': 'state',
              '#files': 'files',
              '#bytes': 'bytes',
              '#execution': 'execution',
              '#reason': 'reason',
              '#report': 'report',
            },
            ExpressionAttributeValues: {
              ':batch': batch.id,
              ':running': 'running' satisfies BatchState,
              ':published': 'published' satisfies BatchState,
              ':fence': fence,
              ':files': batch.files.length,
              ':bytes': batch.bytes,
              ':engine': batch.engine,
              ':execution': batch.execution,
              ...(batch.replay === undefined ? {} : { ':replay': batch.replay }),
              ':now': now(),
              ':one': 1,
            },
          },
        },
      ]);
      await moveFiles(dataset, fence, batch.files, (file) => [
        { Delete: at(dataset, pendingKey(file)) },
        {
          Update: {
            ...at(dataset, fileKey(file)),
            UpdateExpression: 'SET #state = :claimed, #batch = :batch',
            ConditionExpression: '#state = :pending OR (#state = :claimed AND #batch = :batch)',
            ExpressionAttributeNames: { '#state': 'state', '#batch': 'batch' },
            ExpressionAttributeValues: {
              ':claimed': 'claimed' satisfies FileState,
              ':pending': 'pending' satisfies FileState,
              ':batch': batch.id,
            },
          },
        },
      ]);
    },

    /** Adds what a step found out to a batch's record. */
    async annotateBatch(dataset: string, batch: string, found: Partial<BatchRecord>): Promise<void> {
      const attributes = Object.entries(found);
      await db.send(
        new UpdateCommand({
          ...at(dataset, `BATCH#${batch}`),
          UpdateExpression: `SET ${attributes.map((_, i) => `#n${i} = :v${i}`).join(', ')}`,
          ExpressionAttributeNames: Object.fromEntries(attributes.map(([name], i) => [`#n${i}`, name])),
          ExpressionAttributeValues: Object.fromEntries(attributes.map(([, value], i) => [`:v${i}`, value])),
        }),
      );
    },

    /** Ends a batch: each of its files takes its state, back in the queue when that is pending. */
    async settle(
      dataset: string,
      fence: number,
      batch: { id: string; state: BatchState; reason?: string },
      files: readonly (RawFile & { state: FileState; counts?: Accounting })[],
    ): Promise<void> {
      await moveFiles(dataset, fence, files, (file) => {
        const { state, counts } = file;
        return [
          {
            Update: {
              ...at(dataset, fileKey(file)),
              UpdateExpression: `SET #state = :state, settledAt = :now${counts ? ', counts = :counts' : ''}${state === 'published' ? ', rowsIn = :batch' : ''}${batch.reason ? ', #reason = :reason' : ''} ADD attempts :one`,
              ConditionExpression: '#state = :state OR (#batch = :batch AND #state = :claimed)',
              ExpressionAttributeNames: {
                '#batch': 'batch',
                '#state': 'state',
                ...(batch.reason ? { '#reason': 'reason' } : {}),
              },
              ExpressionAttributeValues: {
                ':state': state,
                ':claimed': 'claimed' satisfies FileState,
                ':batch': batch.id,
                ':now': now(),
                ':one': 1,
                ...(counts ? { ':counts': counts } : {}),
                ...(batch.reason ? { ':reason': batch.reason } : {}),
              },
            },
          },
          ...(state === 'pending' ? [enqueued(dataset, file)] : []),
        ];
      });
      await underLease(dataset, fence, [
        {
          Update: {
            ...at(dataset, `BATCH#${batch.id}`),
            UpdateExpression: `SET #state = :state, endedAt = :now${batch.reason ? ', #reason = :reason' : ''}`,
            ExpressionAttributeNames: {
              '#state': 'state',
              ...(batch.reason ? { '#reason': 'reason' } : {}),
            },
            ExpressionAttributeValues: {
              ':state': batch.state,
              ':now': now(),
              ...(batch.reason ? { ':reason': batch.reason } : {}),
            },
          },
        },
      ]);
    },

    async batch(dataset: string, batch: string): Promise<BatchRecord | undefined> {
      const { Item } = await db.send(
        new GetCommand({ ...at(dataset, `BATCH#${batch}`), ConsistentRead: true }),
      );
      return Item && batchRecordSchema.parse(Item);
    },

    /** In the order in which they were claimed. */
    async batches(dataset: string): Promise<BatchRecord[]> {
      const found = (await query(dataset, 'BATCH#')).map((item) => batchRecordSchema.parse(item));
      return found.sort((a, b) => a.claimedAt.localeCompare(b.claimedAt));
    },

    lastBatches,

    /** Notes a published batch as the latest. Only the holder of the lease calls it. */
    async noteBatch(dataset: string, batch: string, rows: number): Promise<void> {
      const others = (await lastBatches(dataset)).filter((entry) => entry.batch !== batch);
      await db.send(
        new UpdateCommand({
          ...at(dataset, 'RECENT'),
          UpdateExpression: 'SET batches = :batches REMOVE failures',
          ExpressionAttributeValues: { ':batches': [...others, { batch, rows }].slice(-recentBatches) },
        }),
      );
    },

    /** Counts a failed batch: how many failed since the last published one. */
    async noteFailure(dataset: string): Promise<number> {
      const { Attributes } = await db.send(
        new UpdateCommand({
          ...at(dataset, 'RECENT'),
          UpdateExpression: 'ADD failures :one',
          ExpressionAttributeValues: { ':one': 1 },
          ReturnValues: 'ALL_NEW',
        }),
      );
      return Number(Attributes?.failures);
    },
  };
}
