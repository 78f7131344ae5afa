/**
 * The ledger: one DynamoDB table that knows every file, every batch, and who holds a dataset's lease. One partition a
 * dataset. Every transition is a conditional write, so a step that runs twice changes nothing the second time.
 *
 *   FILE#<object>#<version>     state: pending | claimed | published | held | failed | replaced; `rowsIn` is the batch
 *                               that its published rows stand under, while they do
 *   PENDING#<object>#<version>  the queue: this or the next is present exactly while the file is pending
 *   RETRY#<group>#<object>#…    the queue of files that are a batch of their own, since one of them broke a batch
 *   OBJECT#<object>             present once a version of the object was noted
 *   CONTENT#<object>#<etag>     the version that brought these bytes first
 *   BATCH#<batch>               state: running | published | held | failed
 *   LEASE                       fence (a number that only grows), execution and batch while held
 *   SETTINGS                    what an operator chose for the dataset
 *   SWEEP                       how far the raw bucket was compared with the ledger
 *   RECENT                      rows of the last published batches, and how many failed since
 */
import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  paginateQuery,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { LeaseLost } from '../errors.ts';
import {
  type BatchRecord,
  type BatchState,
  contentKey,
  type FileRecord,
  type FileState,
  fileKey,
  type Lease,
  now,
  pendingItem,
  pendingKey,
  type RawFile,
  toRawFile,
} from './records.ts';

export type Ledger = ReturnType<typeof createLedger>;

/** So many batches a new one may be held against. */
const recentBatches = 20;

/** DynamoDB takes 100 items in a transaction; each file needs two, the lease one. */
const filesPerTransaction = 49;

export function createLedger(table: string, client: DynamoDBClient = new DynamoDBClient({ maxAttempts: 8 })) {
  const db = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } });
  const at = (dataset: string, sk: string) => ({ TableName: table, Key: { pk: dataset, sk } });

  const transact = async (items: NonNullable<TransactWriteCommandInput['TransactItems']>) => {
    await db.send(new TransactWriteCommand({ TransactItems: items }));
  };

  const leaseCheck = (dataset: string, fence: number) => ({
    ConditionCheck: {
      ...at(dataset, 'LEASE'),
      ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
      ExpressionAttributeNames: { '#execution': 'execution' },
      ExpressionAttributeValues: { ':fence': fence },
    },
  });

  /** Moves the files of a batch under the lease, some at a time. A file that is there already stays. */
  const moveFiles = async <F extends RawFile>(
    dataset: string,
    fence: number,
    files: readonly F[],
    move: (file: F) => NonNullable<TransactWriteCommandInput['TransactItems']>,
  ) => {
    for (let i = 0; i < files.length; i += filesPerTransaction)
      try {
        await transact([
          leaseCheck(dataset, fence),
          ...files.slice(i, i + filesPerTransaction).flatMap(move),
        ]);
      } catch (error) {
        throw asLeaseLost(error, dataset, fence);
      }
  };

  /** Files in one of `from` go back to the queue. Throws TransactionCanceledException when one is in another state. */
  const move = async (
    dataset: string,
    files: readonly RawFile[],
    from: readonly FileState[],
    group: string | undefined,
  ): Promise<void> => {
    for (let i = 0; i < files.length; i += filesPerTransaction)
      await transact(
        files.slice(i, i + filesPerTransaction).flatMap((found) => {
          const file = { ...toRawFile(found), group };
          return [
            {
              Update: {
                ...at(dataset, fileKey(file)),
                UpdateExpression: 'SET #state = :pending REMOVE #reason',
                ConditionExpression: from.map((_, n) => `#state = :from${n}`).join(' OR '),
                ExpressionAttributeNames: { '#state': 'state', '#reason': 'reason' },
                ExpressionAttributeValues: {
                  ':pending': 'pending' satisfies FileState,
                  ...Object.fromEntries(from.map((state, n) => [`:from${n}`, state])),
                },
              },
            },
            { Put: { TableName: table, Item: { pk: dataset, sk: pendingKey(file), ...pendingItem(file) } } },
          ];
        }),
      );
  };

  const query = async <T>(dataset: string, prefix: string, limit?: number): Promise<T[]> => {
    const found: T[] = [];
    const pages = paginateQuery(
      { client: db },
      {
        TableName: table,
        ConsistentRead: true,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :prefix)',
        ExpressionAttributeValues: { ':pk': dataset, ':prefix': prefix },
        ...(limit === undefined ? {} : { Limit: limit }),
      },
    );
    for await (const page of pages) {
      found.push(...((page.Items ?? []) as T[]));
      if (limit !== undefined && found.length >= limit) break;
    }
    return limit === undefined ? found : found.slice(0, limit);
  };

  const recent = async (dataset: string): Promise<{ batch: string; rows: number }[]> => {
    const { Item } = await db.send(new GetCommand({ ...at(dataset, 'RECENT'), ConsistentRead: true }));
    return (Item?.batches ?? []) as { batch: string; rows: number }[];
  };

  return {
    /**
     * Notes a new file as pending. False when the ledger knows this version already (a duplicate event), or the same
     * bytes under the same key (the object was dropped again).
     */
    async notePending(dataset: string, noted: RawFile & { etag: string }): Promise<boolean> {
      const file = toRawFile(noted);
      const record = { ...noted, state: 'pending' satisfies FileState, attempts: 0, notedAt: now() };
      const put = (item: object, isNew: boolean) => ({
        Put: {
          TableName: table,
          Item: { pk: dataset, ...item },
          ...(isNew ? { ConditionExpression: 'attribute_not_exists(pk)' } : {}),
        },
      });
      const note = (again: boolean) =>
        transact([
          put({ sk: fileKey(file), ...record }, true),
          put({ sk: contentKey(file.object, noted.etag), version: file.version }, true),
          put({ sk: pendingKey(file), ...file, ...(again ? { again } : {}) }, false),
          ...(again ? [] : [put({ sk: `OBJECT#${file.object}` }, true)]),
        ]);
      try {
        await note(false);
        return true;
      } catch (error) {
        const [isKnown, isSame, , isAgain] = reasonsOf(error).map(
          (reason) => reason === 'ConditionalCheckFailed',
        );
        if (isKnown || isSame) return false;
        if (!isAgain) throw error;
      }
      try {
        await note(true);
        return true;
      } catch (error) {
        if (reasonsOf(error).includes('ConditionalCheckFailed')) return false;
        throw error;
      }
    },

    /** Takes a free lease and gives its new fence; null when somebody holds it. */
    async acquireLease(dataset: string): Promise<number | null> {
      try {
        const { Attributes } = await db.send(
          new UpdateCommand({
            ...at(dataset, 'LEASE'),
            UpdateExpression: 'SET #execution = :starting, takenAt = :now ADD fence :one',
            ConditionExpression: 'attribute_not_exists(#execution)',
            ExpressionAttributeNames: { '#execution': 'execution' },
            ExpressionAttributeValues: { ':starting': 'starting', ':one': 1, ':now': now() },
            ReturnValues: 'ALL_NEW',
          }),
        );
        return Number(Attributes?.fence);
      } catch (error) {
        if (error instanceof ConditionalCheckFailedException) return null;
        throw error;
      }
    },

    /** Gives the lease up, if this fence still holds it. */
    async releaseLease(dataset: string, fence: number): Promise<void> {
      try {
        await db.send(
          new UpdateCommand({
            ...at(dataset, 'LEASE'),
            UpdateExpression: 'REMOVE #execution, #batch, takenAt',
            ConditionExpression: 'fence = :fence',
            ExpressionAttributeNames: { '#execution': 'execution', '#batch': 'batch' },
            ExpressionAttributeValues: { ':fence': fence },
          }),
        );
      } catch (error) {
        if (!(error instanceof ConditionalCheckFailedException)) throw error;
      }
    },

    /** Writes the execution, and the batch once there is one, into a held lease. Throws LeaseLost. */
    async markLease(dataset: string, fence: number, execution: string, batch?: string): Promise<void> {
      try {
        await db.send(
          new UpdateCommand({
            ...at(dataset, 'LEASE'),
            UpdateExpression: `SET #execution = :execution${batch === undefined ? ' REMOVE #batch' : ', #batch = :batch'}`,
            ConditionExpression: 'fence = :fence AND attribute_exists(#execution)',
            ExpressionAttributeNames: { '#execution': 'execution', '#batch': 'batch' },
            ExpressionAttributeValues: {
              ':fence': fence,
              ':execution': execution,
              ...(batch === undefined ? {} : { ':batch': batch }),
            },
          }),
        );
      } catch (error) {
        throw asLeaseLost(error, dataset, fence);
      }
    },

    async lease(dataset: string): Promise<Lease | undefined> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, 'LEASE'), ConsistentRead: true }));
      return Item as Lease | undefined;
    },

    /** The lease, when this fence holds it. Throws LeaseLost otherwise. */
    async requireLease(dataset: string, fence: number): Promise<Lease> {
      const lease = await this.lease(dataset);
      if (lease?.fence !== fence || lease.execution === undefined)
        throw new LeaseLost(
          `${dataset}: the lease with fence ${fence} is gone (the ledger has ${lease?.fence ?? 'none'}); another execution took over`,
        );
      return lease;
    },

    /** Files that wait, in the order of their keys; those that are tried again come last. */
    async pending(dataset: string, limit?: number): Promise<RawFile[]> {
      const fresh = await query<RawFile>(dataset, 'PENDING#', limit);
      const rest = limit === undefined ? undefined : limit - fresh.length;
      const again = rest === 0 ? [] : await query<RawFile>(dataset, 'RETRY#', rest);
      return [...fresh, ...again].map(toRawFile);
    },

    /**
     * The files that the next batch is made of, at most `limit`. New ones go first; a group is taken whole, and alone,
     * when none is new or when it has waited for `patience` milliseconds.
     */
    async nextFiles(dataset: string, limit: number, patience = 600_000): Promise<RawFile[]> {
      const [fresh, [first]] = await Promise.all([
        query<RawFile>(dataset, 'PENDING#', limit),
        query<RawFile & { groupedAt: string }>(dataset, 'RETRY#', 1),
      ]);
      const isDue = first && (fresh.length === 0 || Date.parse(first.groupedAt) + patience < Date.now());
      return (isDue ? await query<RawFile>(dataset, `RETRY#${first.group}#`) : fresh).map(toRawFile);
    },

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
      try {
        await transact([
          leaseCheck(dataset, fence),
          {
            Update: {
              ...at(dataset, `BATCH#${batch.id}`),
              UpdateExpression: `SET #batch = :batch, #state = :running, fence = :fence, #files = :files, #bytes = :bytes, engine = :engine, #execution = :execution, claimedAt = :now${batch.replay === undefined ? '' : ', replay = :replay'} ADD attempts :one REMOVE #reason, expectations, endedAt`,
              ConditionExpression: 'attribute_not_exists(#state) OR #state <> :published',
              ExpressionAttributeNames: {
                '#batch': 'batch',
                '#state': 'state',
                '#files': 'files',
                '#bytes': 'bytes',
                '#execution': 'execution',
                '#reason': 'reason',
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
      } catch (error) {
        throw asLeaseLost(error, dataset, fence);
      }
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
    async annotateBatch(
      dataset: string,
      batch: string,
      attributes: Readonly<Record<string, unknown>>,
    ): Promise<void> {
      const names = Object.keys(attributes);
      await db.send(
        new UpdateCommand({
          ...at(dataset, `BATCH#${batch}`),
          UpdateExpression: `SET ${names.map((_, i) => `#n${i} = :v${i}`).join(', ')}`,
          ExpressionAttributeNames: Object.fromEntries(names.map((name, i) => [`#n${i}`, name])),
          ExpressionAttributeValues: Object.fromEntries(names.map((name, i) => [`:v${i}`, attributes[name]])),
        }),
      );
    },

    /** Ends a batch: each of its files takes its state, back in the queue when that is pending. */
    async settle(
      dataset: string,
      fence: number,
      batch: { id: string; state: BatchState; reason?: string },
      files: readonly (RawFile & { state: FileState; counts?: Readonly<Record<string, number>> })[],
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
          ...(state === 'pending'
            ? [
                {
                  Put: {
                    TableName: table,
                    Item: { pk: dataset, sk: pendingKey(file), ...pendingItem(file) },
                  },
                },
              ]
            : []),
        ];
      });
      try {
        await transact([
          leaseCheck(dataset, fence),
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
      } catch (error) {
        throw asLeaseLost(error, dataset, fence);
      }
    },

    async batch(dataset: string, batch: string): Promise<BatchRecord | undefined> {
      const { Item } = await db.send(
        new GetCommand({ ...at(dataset, `BATCH#${batch}`), ConsistentRead: true }),
      );
      return Item as BatchRecord | undefined;
    },

    /** The last published batches with their rows, the latest last. */
    lastBatches: (dataset: string) => recent(dataset),

    /** When the raw bucket was last compared with the ledger, and the key to go on behind; no key when it was done. */
    async lastSweep(dataset: string): Promise<{ at: string; key?: string } | undefined> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, 'SWEEP'), ConsistentRead: true }));
      return Item as { at: string; key?: string } | undefined;
    },

    async noteSwept(dataset: string, key: string | undefined): Promise<void> {
      const Item = { pk: dataset, sk: 'SWEEP', at: now(), ...(key === undefined ? {} : { key }) };
      await db.send(new PutCommand({ TableName: table, Item }));
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

    /** Every version of an object that the ledger has. */
    async versionsOf(dataset: string, object: string): Promise<FileRecord[]> {
      const found = await query<FileRecord>(dataset, `FILE#${object}#`);
      return found.filter((file) => file.object === object);
    },

    /** A version whose rows stand nowhere any more, or never will: another version of the object has taken its place. */
    async markReplaced(
      dataset: string,
      file: Pick<RawFile, 'object' | 'version'>,
      by: string,
    ): Promise<void> {
      await transact([
        { Delete: at(dataset, pendingKey({ ...file, size: 0, sequencer: '' })) },
        {
          Update: {
            ...at(dataset, fileKey(file)),
            UpdateExpression: 'SET #state = :replaced, replacedBy = :by REMOVE rowsIn',
            ConditionExpression: '#state <> :claimed',
            ExpressionAttributeNames: { '#state': 'state' },
            ExpressionAttributeValues: {
              ':replaced': 'replaced' satisfies FileState,
              ':claimed': 'claimed' satisfies FileState,
              ':by': by,
            },
          },
        },
      ]);
    },

    /** Puts published files back into the queue, to be processed again; their rows stay until others take their place. */
    async replay(dataset: string, files: readonly RawFile[], group: string): Promise<void> {
      await move(dataset, files, ['published'], group);
    },

    /** Puts files that wait for a person back into the queue, as a batch of their own when `group` is given. */
    async requeue(dataset: string, files: readonly RawFile[], group?: string): Promise<void> {
      await move(dataset, files, ['held', 'failed'], group);
    },

    /** Which of these versions the ledger has: as a file, or as bytes that it had before under the same key. */
    async knows(
      dataset: string,
      files: readonly { object: string; version: string; etag: string }[],
    ): Promise<boolean[]> {
      const keys = files.flatMap((file) => [fileKey(file), contentKey(file.object, file.etag)]);
      const found = new Set<string>();
      for (let i = 0; i < keys.length; i += 100) {
        let wanted = [...new Set(keys.slice(i, i + 100))].map((sk) => ({ pk: dataset, sk }));
        while (wanted.length > 0) {
          const { Responses, UnprocessedKeys } = await db.send(
            new BatchGetCommand({
              RequestItems: { [table]: { Keys: wanted, ProjectionExpression: 'sk', ConsistentRead: true } },
            }),
          );
          for (const item of Responses?.[table] ?? []) found.add(String(item.sk));
          wanted = (UnprocessedKeys?.[table]?.Keys ?? []) as typeof wanted;
        }
      }
      return files.map((file) => found.has(fileKey(file)) || found.has(contentKey(file.object, file.etag)));
    },

    /** Notes a published batch as the latest. Only the holder of the lease calls it. */
    async noteBatch(dataset: string, batch: string, rows: number): Promise<void> {
      const others = (await recent(dataset)).filter((entry) => entry.batch !== batch);
      await db.send(
        new UpdateCommand({
          ...at(dataset, 'RECENT'),
          UpdateExpression: 'SET batches = :batches REMOVE failures',
          ExpressionAttributeValues: { ':batches': [...others, { batch, rows }].slice(-recentBatches) },
        }),
      );
    },

    batches: (dataset: string) => query<BatchRecord>(dataset, 'BATCH#'),

    files: (dataset: string) => query<FileRecord>(dataset, 'FILE#'),

    async file(dataset: string, file: RawFile): Promise<FileRecord | undefined> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, fileKey(file)), ConsistentRead: true }));
      return Item as FileRecord | undefined;
    },

    /** The engine an operator forced for a dataset, if any. */
    async forcedEngine(dataset: string): Promise<string | undefined> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, 'SETTINGS'), ConsistentRead: true }));
      return Item?.engine as string | undefined;
    },

    /** Forces an engine for a dataset until called with auto. */
    async forceEngine(dataset: string, engine: 'auto' | 'embedded' | 'glue'): Promise<void> {
      await db.send(
        new UpdateCommand({
          ...at(dataset, 'SETTINGS'),
          UpdateExpression: 'SET engine = :engine',
          ExpressionAttributeValues: { ':engine': engine },
        }),
      );
    },
  };
}

const reasonsOf = (error: unknown): string[] =>
  error instanceof TransactionCanceledException
    ? (error.CancellationReasons ?? []).map((reason) => reason.Code ?? '')
    : [];

/** A failed check of the lease (always the first item) is LeaseLost; anything else stays what it is. */
function asLeaseLost(error: unknown, dataset: string, fence: number): unknown {
  const isLost =
    error instanceof ConditionalCheckFailedException || reasonsOf(error)[0] === 'ConditionalCheckFailed';
  return isLost
    ? new LeaseLost(`${dataset}: the lease with fence ${fence} is gone; another execution took over`, {
        cause: error as Error,
      })
    : error;
}
