/** The files of a dataset, and the queue of those that wait. */
import { BatchGetCommand, GetCommand } from '@aws-sdk/lib-dynamodb';
import {
  type FileRecord,
  type FileState,
  fileKey,
  isNewer,
  now,
  objectKey,
  pendingKey,
  type RawFile,
  sameKey,
  toRawFile,
} from './records.ts';
import { filesPerTransaction, reasonsOf, type Table } from './table.ts';

/** What is latest of an object. */
interface Latest {
  readonly version: string;
  readonly etag: string;
  readonly sequencer: string;
}

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

  /** `latest` is what the ledger has of the object: when it is no longer so, the second item of the transaction fails. */
  const noteAfter = async (
    dataset: string,
    { etag, ...noted }: RawFile & { etag: string },
    latest: Latest | undefined,
  ): Promise<boolean> => {
    const file = toRawFile(noted);
    const isLate = latest !== undefined && isNewer(latest.sequencer, file.sequencer);
    const isSame = latest !== undefined && !isLate && latest.etag === etag;
    const put = (item: object) => ({ TableName: table, Item: { pk: dataset, ...item } });
    const isNew = { ConditionExpression: 'attribute_not_exists(pk)' };
    const next = isLate
      ? latest
      : {
          version: isSame ? latest.version : file.version,
          etag,
          sequencer: file.sequencer || (latest?.sequencer ?? ''),
        };
    const isAsRead = {
      ConditionExpression: '#version = :version AND #sequencer = :sequencer',
      ExpressionAttributeNames: { '#version': 'version', '#sequencer': 'sequencer' },
      ExpressionAttributeValues: { ':version': latest?.version, ':sequencer': latest?.sequencer },
    };
    const record = {
      ...file,
      etag,
      ...(isLate
        ? { state: 'replaced' satisfies FileState, replacedBy: latest.version }
        : { state: 'pending' satisfies FileState }),
      attempts: 0,
      notedAt: now(),
    };
    await transact([
      {
        Put: {
          ...put(isSame ? { sk: sameKey(file), as: latest.version } : { sk: fileKey(file), ...record }),
          ...isNew,
        },
      },
      {
        Put: {
          ...put({ sk: objectKey(file.object), ...next }),
          ...(latest === undefined ? isNew : isAsRead),
        },
      },
      ...(isSame || isLate
        ? []
        : [enqueued(dataset, latest === undefined ? file : { ...file, again: true })]),
    ]);
    return !isSame;
  };

  return {
    /**
     * Notes a version of an object, once: as pending; as replaced when a later one was noted before; or only as the same bytes
     * again, when those are the object's latest already (the object was dropped again). False for the last, and for a
     * version that the ledger has (a duplicate event). `sequencer` is '' where nothing tells the order.
     */
    async notePending(dataset: string, noted: RawFile & { etag: string }): Promise<boolean> {
      // Most objects have one version: what is known of others is read when there are any.
      let latest: Latest | undefined;
      for (;;)
        try {
          return await noteAfter(dataset, noted, latest);
        } catch (error) {
          const [isKnown, isOther] = reasonsOf(error).map((reason) => reason === 'ConditionalCheckFailed');
          if (isKnown) return false;
          if (!isOther) throw error;
          const read = { ...at(dataset, objectKey(noted.object)), ConsistentRead: true };
          latest = (await db.send(new GetCommand(read))).Item as Latest;
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

    /** The record of a version; of one with the same bytes as before, the record of the one that brought them first. */
    async file(dataset: string, file: Pick<RawFile, 'object' | 'version'>): Promise<FileRecord | undefined> {
      const get = async (sk: string) =>
        (await db.send(new GetCommand({ ...at(dataset, sk), ConsistentRead: true }))).Item;
      const found = await get(fileKey(file));
      if (found) return found as FileRecord;
      const same = await get(sameKey(file));
      return same && ((await get(fileKey({ ...file, version: String(same.as) }))) as FileRecord | undefined);
    },

    /** Every version of an object that the ledger has. */
    async versionsOf(dataset: string, object: string): Promise<FileRecord[]> {
      const found = await query<FileRecord>(dataset, `FILE#${object}#`);
      return found.filter((file) => file.object === object);
    },

    /** Which of these versions the ledger has noted. */
    async knows(dataset: string, files: readonly Pick<RawFile, 'object' | 'version'>[]): Promise<boolean[]> {
      const keys = files.flatMap((file) => [fileKey(file), sameKey(file)]);
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
      return files.map((file) => found.has(fileKey(file)) || found.has(sameKey(file)));
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
