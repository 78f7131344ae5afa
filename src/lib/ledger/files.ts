/** The files of a dataset, and the queue of those that wait. */
import * as z from 'zod';
import { AlreadyDecided } from '../errors.ts';
import { chunksOf } from '../parallel.ts';
import { fileKey, filesOfObject, objectKey } from './keys.ts';
import {
  type Decision,
  type FileId,
  type FileRecord,
  type FileState,
  fileRecordSchema,
  isNewer,
  type ObjectRecord,
  objectRecordSchema,
  type RawFile,
  rawFileSchema,
  toRawFile,
} from './records.ts';
import { goesThrough, type Item, reasonsOf, type Table } from './table.ts';

/** A file in the queue: `sk` is the place where it waits. */
const queuedSchema = rawFileSchema.extend({ sk: z.string(), queuedAt: z.string() });
export type Queued = Readonly<z.output<typeof queuedSchema>>;

const waitingSchema = rawFileSchema.extend({ sk: z.string(), batch: z.string() });
/** A file that waits for a person. */
export type Waiting = Readonly<z.output<typeof waitingSchema>>;

/** A file as its event told of it. */
export type Noted = RawFile & { readonly etag: string };

/** The order of an object's versions where sequencers do not tell it: the newest first, as S3 lists them. */
export type VersionOrder = (
  object: string,
) => Promise<readonly { readonly version: string; readonly modified: number }[]>;

/** A file moves with its place: update, deletion and new place are one transaction. */
const filesPerMove = 33;

/** What the ledger knows and does of files. */
export function filesOf(table: Table) {
  const { name, at, transact, underLease, enqueued, replaced, get, getAll, query, count, now } = table;

  /**
   * Whether another version of the object than this one is the latest. Sequencers tell it; where one is missing, S3's list of
   * the object's versions does; and where the latest is no longer in it, the time at which that was put.
   */
  const isLate = async (
    dataset: string,
    file: RawFile,
    latest: ObjectRecord,
    order: VersionOrder,
  ): Promise<boolean> => {
    if (file.sequencer !== '' && latest.sequencer !== '') return isNewer(latest.sequencer, file.sequencer);
    const versions = await order(file.object);
    const indexOf = (version: string) => versions.findIndex((v) => v.version === version);
    const [own, other] = [indexOf(file.version), indexOf(latest.newest)];
    if (own === -1) return true;
    if (other !== -1) return other < own;
    const gone = await get(
      dataset,
      fileKey({ object: file.object, version: latest.newest }),
      fileRecordSchema,
    );
    // S3 tells seconds only.
    const put = Date.parse(gone?.landedAt ?? gone?.notedAt ?? '');
    return (versions[own]?.modified ?? 0) < Math.floor(put / 1000) * 1000;
  };

  /** `latest`: what the ledger has of the object. The second item of the transaction fails when that has changed. */
  const noteAfter = async (
    dataset: string,
    { etag, ...noted }: Noted,
    latest: ObjectRecord | undefined,
    order: VersionOrder,
  ): Promise<boolean> => {
    const file = { ...toRawFile(noted), notedAt: now() };
    const isOld = latest !== undefined && (await isLate(dataset, file, latest, order));
    const isRepeated = latest !== undefined && !isOld && etag !== '' && latest.etag === etag;
    const before = isRepeated
      ? await get(dataset, fileKey({ object: file.object, version: latest.version }), fileRecordSchema)
      : undefined;
    // Who puts a file again that has failed wants it to be tried again.
    const failed = before?.state === 'failed' ? before : undefined;
    const isSame = isRepeated && failed === undefined;
    const isNext = !isOld && !isSame;
    const queued = enqueued(dataset, file);
    const state: FileState = isOld ? 'replaced' : isSame ? 'same' : 'pending';
    const record = {
      ...file,
      etag,
      state,
      attempts: 0,
      ...(isOld ? { replacedBy: latest.version } : {}),
      ...(isSame ? { sameAs: latest.version } : {}),
      ...(isNext ? { place: queued.place } : {}),
    };
    const names = { '#object': 'object', '#version': 'version' };
    const isAsRead =
      latest === undefined
        ? { ConditionExpression: 'attribute_not_exists(pk)', values: {} }
        : {
            ConditionExpression: '#version = :readVersion AND newest = :readNewest AND etag = :readEtag',
            values: {
              ':readVersion': latest.version,
              ':readNewest': latest.newest,
              ':readEtag': latest.etag,
            },
          };
    const next = isOld
      ? latest
      : {
          version: isSame ? latest.version : file.version,
          etag,
          newest: file.version,
          sequencer: file.sequencer,
        };
    const { values, ...condition } = isAsRead;
    await transact([
      {
        Put: {
          TableName: name,
          Item: { pk: dataset, sk: fileKey(file), ...record },
          ConditionExpression: 'attribute_not_exists(pk)',
        },
      },
      {
        Update: {
          ...at(dataset, objectKey(file.object)),
          UpdateExpression: `SET #object = :object, #version = :version, etag = :etag, newest = :newest, sequencer = :sequencer${isSame ? ', hasCopies = :true' : ''}`,
          ...condition,
          ExpressionAttributeNames: names,
          ExpressionAttributeValues: {
            ':object': file.object,
            ':version': next.version,
            ':etag': next.etag,
            ':newest': next.newest,
            ':sequencer': next.sequencer,
            ...(isSame ? { ':true': true } : {}),
            ...values,
          },
        },
      },
      ...(isNext ? [queued.item] : []),
      ...(failed?.place === undefined ? [] : replaced(dataset, failed, file.version, failed.place)),
    ]);
    return isNext || isOld;
  };

  /** Every version of an object that the ledger has. */
  const versionsOf = (dataset: string, object: string): Promise<FileRecord[]> =>
    query(dataset, filesOfObject(object), fileRecordSchema);

  /**
   * Moves files from one of some states back into the queue. Each goes by itself where not all of a transaction can go. Gives
   * those that went; the others were moved by somebody else meanwhile.
   */
  const move = async <F extends FileId>(
    dataset: string,
    files: readonly F[],
    to: { group?: string | undefined; decision?: Decision; from: readonly FileState[]; batch?: string },
  ): Promise<F[]> => {
    const records = await getAll(dataset, files.map(fileKey));
    const movable = files.flatMap((file) => {
      const item = records.get(fileKey(file));
      const record = item && fileRecordSchema.parse(item);
      const isTheirs = record && to.from.includes(record.state) && (!to.batch || record.batch === to.batch);
      return isTheirs ? [{ file, record }] : [];
    });
    const itemsOf = ({ record }: (typeof movable)[number]): Item[] => {
      const decision = to.decision
        ? { ...to.decision, isReplacement: record.reason?.startsWith('ReplacementDoubtful') ?? false }
        : record.decision;
      const file = { ...toRawFile(record), group: to.group, decision };
      const queued = enqueued(dataset, file);
      return [
        {
          Update: {
            ...at(dataset, fileKey(file)),
            UpdateExpression: `SET #state = :pending, place = :place${decision ? ', decision = :decision' : ''}${to.group === undefined ? '' : ', #group = :group'} REMOVE #reason${to.group === undefined ? ', #group' : ''}`,
            ConditionExpression: `#state = :from AND ${record.place === undefined ? 'attribute_not_exists(place)' : 'place = :read'}`,
            ExpressionAttributeNames: { '#state': 'state', '#reason': 'reason', '#group': 'group' },
            ExpressionAttributeValues: {
              ':pending': 'pending' satisfies FileState,
              ':from': record.state,
              ':place': queued.place,
              ...(record.place === undefined ? {} : { ':read': record.place }),
              ...(decision ? { ':decision': decision } : {}),
              ...(to.group === undefined ? {} : { ':group': to.group }),
            },
          },
        },
        ...(record.place === undefined ? [] : [{ Delete: at(dataset, record.place) }]),
        queued.item,
      ];
    };
    const moved: F[] = [];
    for (const chunk of chunksOf(movable, filesPerMove)) {
      const isWhole = await goesThrough(transact(chunk.flatMap(itemsOf)));
      for (const one of chunk)
        if (isWhole || (await goesThrough(transact(itemsOf(one))))) moved.push(one.file);
    }
    return moved;
  };

  return {
    /**
     * Notes a version of an object, once: as pending; as replaced when a later one was noted before; or as the same bytes again,
     * when those are the object's latest already (the object was dropped again). False for the last, and for a version that
     * the ledger has (a duplicate event).
     */
    async notePending(dataset: string, noted: Noted, order: VersionOrder): Promise<boolean> {
      // Most objects have one version: what is known of others is read when there are any.
      let latest: ObjectRecord | undefined;
      for (;;)
        try {
          return await noteAfter(dataset, noted, latest, order);
        } catch (error) {
          const [isKnown, ...others] = reasonsOf(error).map((reason) => reason === 'ConditionalCheckFailed');
          if (isKnown) return false;
          if (!others.includes(true)) throw error;
          latest = await get(dataset, objectKey(noted.object), objectRecordSchema);
        }
    },

    /** Files that wait, in the order of their coming; those that are tried again come last. */
    async pending(dataset: string, limit = Number.POSITIVE_INFINITY): Promise<Queued[]> {
      const fresh = await query(dataset, 'PENDING#', queuedSchema, { limit });
      if (fresh.length >= limit) return fresh;
      return [...fresh, ...(await query(dataset, 'RETRY#', queuedSchema, { limit: limit - fresh.length }))];
    },

    /** Whether any file waits for a batch. */
    async hasPending(dataset: string): Promise<boolean> {
      return (await count(dataset, 'PENDING#', 1)) + (await count(dataset, 'RETRY#', 1)) > 0;
    },

    /**
     * The files that the next batch is made of, at most `limit`. New ones go first; a group is taken whole, and alone,
     * when none is new or when it has waited for `patience` milliseconds.
     */
    async nextFiles(dataset: string, limit: number, patience = 600_000): Promise<Queued[]> {
      const [fresh, [first]] = await Promise.all([
        query(dataset, 'PENDING#', queuedSchema, { limit }),
        query(dataset, 'RETRY#', queuedSchema, { limit: 1 }),
      ]);
      const isDue = first && (fresh.length === 0 || Date.parse(first.queuedAt) + patience < table.clock());
      return isDue ? query(dataset, `RETRY#${first.group}#`, queuedSchema) : fresh;
    },

    /** Files that wait for a person: of a batch, or all. */
    async waiting(dataset: string, state: 'held' | 'failed', batch?: string): Promise<Waiting[]> {
      const prefix = `${state.toUpperCase()}#${batch === undefined ? '' : `${batch}#`}`;
      return query(dataset, prefix, waitingSchema);
    },

    /** How many files wait, each up to `limit`, and since when the oldest new one does (ISO 8601). */
    async backlog(dataset: string, limit: number) {
      const [[oldest], retried, ...counts] = await Promise.all([
        query(dataset, 'PENDING#', queuedSchema, { limit: 1 }),
        // Groups have no order in time: the oldest of so many.
        query(dataset, 'RETRY#', queuedSchema, { limit: 100 }),
        ...['PENDING#', 'RETRY#', 'HELD#', 'FAILED#'].map((prefix) => count(dataset, prefix, limit)),
      ]);
      const [fresh = 0, again = 0, held = 0, failed = 0] = counts;
      const waits = [...(oldest ? [oldest] : []), ...retried];
      const since = waits.map((file) => file.notedAt ?? file.queuedAt).sort()[0];
      return { pending: fresh + again, held, failed, since };
    },

    /** Every file that the ledger knows, but for repeated bytes. It reads as much as there is: for lists and replays. */
    async files(dataset: string): Promise<FileRecord[]> {
      return (await query(dataset, 'FILE#', fileRecordSchema)).filter((f) => f.state !== 'same');
    },

    /** The record of a version; of one with the same bytes as another, the record of that one. */
    async file(dataset: string, { object, version }: FileId): Promise<FileRecord | undefined> {
      const found = await get(dataset, fileKey({ object, version }), fileRecordSchema);
      return found?.sameAs === undefined || found.state !== 'same'
        ? found
        : get(dataset, fileKey({ object, version: found.sameAs }), fileRecordSchema);
    },

    versionsOf,

    /** Records of files, and of their objects, in the files' order. */
    async read(
      dataset: string,
      files: readonly FileId[],
    ): Promise<{ file: FileRecord | undefined; object: ObjectRecord | undefined }[]> {
      const found = await getAll(
        dataset,
        files.flatMap((file) => [fileKey(file), objectKey(file.object)]),
      );
      return files.map((id) => {
        const [file, object] = [found.get(fileKey(id)), found.get(objectKey(id.object))];
        return {
          file: file && fileRecordSchema.parse(file),
          object: object && objectRecordSchema.parse(object),
        };
      });
    },

    /** Which of these versions the ledger has noted. */
    async knows(dataset: string, files: readonly FileId[]): Promise<boolean[]> {
      const found = await getAll(dataset, files.map(fileKey));
      return files.map((file) => found.has(fileKey(file)));
    },

    /** The states of these versions; undefined for one that the ledger has not noted. */
    async states(dataset: string, files: readonly FileId[]): Promise<(FileState | undefined)[]> {
      const found = await getAll(dataset, files.map(fileKey));
      return files.map((file) => {
        const item = found.get(fileKey(file));
        return item && fileRecordSchema.parse(item).state;
      });
    },

    /**
     * A version that gave way to a later one waits again, since that was deleted before anybody could read it. False when it is
     * no longer so.
     */
    async revive(dataset: string, file: FileRecord, gone: string): Promise<boolean> {
      const queued = enqueued(dataset, toRawFile(file));
      return goesThrough(
        transact([
          {
            Update: {
              ...at(dataset, fileKey(file)),
              UpdateExpression: 'SET #state = :pending, place = :place REMOVE replacedBy',
              ConditionExpression: '#state = :replaced AND attribute_not_exists(place)',
              ExpressionAttributeNames: { '#state': 'state' },
              ExpressionAttributeValues: {
                ':pending': 'pending' satisfies FileState,
                ':replaced': 'replaced' satisfies FileState,
                ':place': queued.place,
              },
            },
          },
          {
            Update: {
              ...at(dataset, objectKey(file.object)),
              UpdateExpression: 'SET #version = :version, etag = :etag',
              ConditionExpression: '#version = :gone AND etag = :unread',
              ExpressionAttributeNames: { '#version': 'version' },
              ExpressionAttributeValues: {
                ':version': file.version,
                ':etag': file.etag,
                ':gone': gone,
                ':unread': '',
              },
            },
          },
          queued.item,
        ]),
      );
    },

    /** A file that waits leaves the queue, since a later version of its object has taken its place. */
    async markReplaced(dataset: string, fence: number, file: Queued, by: string): Promise<void> {
      await underLease(dataset, fence, replaced(dataset, file, by, file.sk));
    },

    /** An entry of the queue whose file waits elsewhere, or not at all, is dropped. */
    async dropStray(dataset: string, fence: number, file: Queued): Promise<void> {
      await underLease(dataset, fence, [{ Delete: at(dataset, file.sk) }]);
    },

    /** Holds a file whose version is gone, so that a person looks at it; all others go on. */
    async hold(dataset: string, fence: number, file: Queued, reason: string): Promise<void> {
      const place = `HELD#unclaimed#${file.sk.split('#').at(-1)}`;
      await underLease(dataset, fence, [
        { Delete: at(dataset, file.sk) },
        {
          Put: {
            TableName: name,
            Item: { pk: dataset, sk: place, ...toRawFile(file), batch: 'unclaimed', group: undefined },
          },
        },
        {
          Update: {
            ...at(dataset, fileKey(file)),
            UpdateExpression: 'SET #state = :held, place = :place, #reason = :reason',
            ConditionExpression: 'place = :read',
            ExpressionAttributeNames: { '#state': 'state', '#reason': 'reason' },
            ExpressionAttributeValues: {
              ':held': 'held' satisfies FileState,
              ':place': place,
              ':reason': reason,
              ':read': file.sk,
            },
          },
        },
        {
          // Put again with the same bytes, the file is a new one.
          Update: {
            ...at(dataset, objectKey(file.object)),
            UpdateExpression: 'SET etag = :unread',
            ConditionExpression: 'attribute_exists(pk)',
            ExpressionAttributeValues: { ':unread': '' },
          },
        },
      ]);
    },

    /**
     * A version that is gone from S3 before it was read gives way to one with the same bytes. `waiting` is its entry in the
     * queue; without one, the version was read as missing already, and the copy waits as a new file.
     */
    async substitute(
      dataset: string,
      fence: number,
      gone: FileId,
      copy: FileRecord,
      waiting?: Queued,
    ): Promise<void> {
      const queued = enqueued(dataset, {
        ...toRawFile(copy),
        group: waiting?.group,
        decision: waiting?.decision,
      });
      await underLease(dataset, fence, [
        ...(waiting === undefined ? [] : replaced(dataset, gone, copy.version, waiting.sk)),
        {
          Update: {
            ...at(dataset, fileKey(copy)),
            // What a person has decided about the bytes holds for the copy, too.
            UpdateExpression: `SET #state = :pending, place = :place${waiting?.decision ? ', decision = :decision' : ''} REMOVE sameAs`,
            ConditionExpression: '#state = :same',
            ExpressionAttributeNames: { '#state': 'state' },
            ExpressionAttributeValues: {
              ':pending': 'pending' satisfies FileState,
              ':same': 'same' satisfies FileState,
              ':place': queued.place,
              ...(waiting?.decision ? { ':decision': waiting.decision } : {}),
            },
          },
        },
        {
          Update: {
            ...at(dataset, objectKey(copy.object)),
            UpdateExpression: 'SET #version = :copy, etag = :etag',
            ConditionExpression: '#version = :gone',
            ExpressionAttributeNames: { '#version': 'version' },
            ExpressionAttributeValues: { ':copy': copy.version, ':gone': gone.version, ':etag': copy.etag },
          },
        },
        queued.item,
      ]);
    },

    /** Held files whose rows are published and stay so: a replay that a person has rejected. */
    async keepPublished(dataset: string, files: readonly Waiting[]): Promise<number> {
      let kept = 0;
      for (const file of files) {
        const write = transact([
          { Delete: at(dataset, file.sk) },
          {
            Update: {
              ...at(dataset, fileKey(file)),
              UpdateExpression: 'SET #state = :published REMOVE place, #reason, #group',
              ConditionExpression: 'place = :place',
              ExpressionAttributeNames: { '#state': 'state', '#reason': 'reason', '#group': 'group' },
              ExpressionAttributeValues: {
                ':published': 'published' satisfies FileState,
                ':place': file.sk,
              },
            },
          },
        ]);
        if (await goesThrough(write)) kept++;
      }
      return kept;
    },

    /**
     * Puts published files back into the queue, to be processed again; their rows stay until others take their place. Gives
     * how many went: one that is processed again already does not go twice.
     */
    async replay(dataset: string, files: readonly FileId[], group: string): Promise<number> {
      return (await move(dataset, files, { from: ['published'], group })).length;
    },

    /**
     * Puts files that wait for a person back into the queue, as a batch of their own when `group` is given, with the decision
     * that was made about them. Gives how many went.
     */
    async requeue(
      dataset: string,
      files: readonly FileId[],
      to: { group?: string | undefined; decision?: Decision; batch?: string } = {},
    ): Promise<number> {
      const moved = await move(dataset, files, { ...to, from: to.decision ? ['held'] : ['held', 'failed'] });
      if (moved.length < files.length && to.decision)
        throw new AlreadyDecided(
          `${dataset}: ${files.length - moved.length} of ${files.length} files are no longer held; somebody else has decided about them at the same time`,
        );
      return moved.length;
    },
  };
}
