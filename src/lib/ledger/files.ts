/** The files of a dataset, and the queue of those that wait. */
import { BatchGetCommand, GetCommand } from '@aws-sdk/lib-dynamodb';
import {
  contentKey,
  type FileRecord,
  type FileState,
  fileKey,
  now,
  pendingKey,
  type RawFile,
  toRawFile,
} from './records.ts';
import { filesPerTransaction, reasonsOf, type Table } from './table.ts';

/** What the ledger knows and does of files. */
export function filesOf({ name: table, db, at, transact, enqueued, query }: Table) {
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
            enqueued(dataset, file),
          ];
        }),
      );
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

    files: (dataset: string) => query<FileRecord>(dataset, 'FILE#'),

    async file(dataset: string, file: Pick<RawFile, 'object' | 'version'>): Promise<FileRecord | undefined> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, fileKey(file)), ConsistentRead: true }));
      return Item as FileRecord | undefined;
    },

    /** Every version of an object that the ledger has. */
    async versionsOf(dataset: string, object: string): Promise<FileRecord[]> {
      const found = await query<FileRecord>(dataset, `FILE#${object}#`);
      return found.filter((file) => file.object === object);
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
  };
}
