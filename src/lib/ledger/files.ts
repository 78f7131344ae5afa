/** The files of a dataset, and the queue of those that wait. */
import * as z from 'zod';
import { changing } from '../aws/changing.ts';
import { goesThrough, reasonsOf, type Write } from '../aws/dynamo.ts';
import type { Deadline } from '../deadline.ts';
import { AlreadyDecided } from '../errors.ts';
import {
  type Decision,
  type FileId,
  type FileRecord,
  type FileState,
  fileRecordSchema,
  fileStates,
  isNewer,
  type ObjectRecord,
  objectRecordSchema,
  type RawFile,
  rawFileSchema,
  rejectsRows,
  toRawFile,
} from '../model/records.ts';
import { chunksOf, parallel } from '../parallel.ts';
import {
  fileKey,
  isBehind,
  listed,
  listShards,
  objectItems,
  objectKey,
  placeKey,
  queueShards,
  unclaimed,
} from './keys.ts';
import type { Table } from './table.ts';

/** A file in the queue: `sk` is the place where it waits. */
const queuedSchema = rawFileSchema.extend({ sk: z.string(), queuedAt: z.string() });
export type Queued = Readonly<z.output<typeof queuedSchema>>;

const waitingSchema = rawFileSchema.extend({ sk: z.string(), batch: z.string() });
/** A file that waits for a person. */
export type Waiting = Readonly<z.output<typeof waitingSchema>>;

/** A file as its event describes it. */
export type Noted = RawFile & {
  readonly etag: string;
  /** Whether it waits behind all new files. */
  readonly isBackfill?: boolean;
};

/** The order of an object's versions, if sequencers do not define it: the newest first, as S3 lists them. */
export type VersionOrder = (
  object: string,
) => Promise<readonly { readonly version: string; readonly modified: number }[]>;

/** To note or to move a file takes at most this many items; a transaction takes 100. */
const itemsPerFile = 3;
const filesPerMove = 33;
/** To hold a file takes four, and one checks the lease. */
const filesPerHold = 24;

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** The items of a generator, in arrays of `size`. */
async function* pagesOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

/** The ledger's operations on files. */
export function filesOf(table: Table) {
  const {
    name,
    at,
    transact,
    underLease,
    enqueued,
    replaced,
    get,
    getAll,
    findAll,
    query,
    count,
    merged,
    now,
  } = table;

  /**
   * Whether another version of the object is later than this one. Sequencers decide. If one is missing, S3's list of versions
   * decides; if the latest version is no longer in the list, the time at which it was put.
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
      fileKey(dataset, { object: file.object, version: latest.newest }),
      fileRecordSchema,
    );
    // S3's times have only seconds.
    const put = Date.parse(gone?.landedAt ?? gone?.notedAt ?? '');
    return (versions[own]?.modified ?? 0) < Math.floor(put / 1000) * 1000;
  };

  /**
   * The items that note a version of an unknown object: a record of the version, a record of the object, and a place in the
   * queue.
   */
  const firstItems = (dataset: string, { etag, isBackfill, ...noted }: Noted): Write[] => {
    const file = { ...toRawFile(noted), notedAt: now() };
    const { object, version, sequencer } = file;
    const queued = enqueued(dataset, file, isBackfill);
    const Item = {
      ...fileKey(dataset, file),
      ...listed(dataset, 'files', object, file.notedAt),
      ...file,
      etag,
      state: 'pending' satisfies FileState,
      attempts: 0,
      place: queued.place,
    };
    const Known = {
      ...objectKey(dataset, object),
      ...listed(dataset, 'objects', object, object),
      object,
      version,
      etag,
      newest: version,
      sequencer,
    };
    const isNew = { TableName: name, ConditionExpression: 'attribute_not_exists(pk)' };
    return [{ Put: { ...isNew, Item } }, { Put: { ...isNew, Item: Known } }, queued.item];
  };

  /** `latest`: the ledger's record of the object. The second item of the transaction fails if this record has changed. */
  const noteAfter = async (
    dataset: string,
    { etag, isBackfill, ...noted }: Noted,
    latest: ObjectRecord,
    order: VersionOrder,
  ): Promise<boolean> => {
    const file = { ...toRawFile(noted), notedAt: now() };
    const isOld = await isLate(dataset, file, latest, order);
    const isRepeated = !isOld && etag !== '' && latest.etag === etag;
    const before = isRepeated
      ? await get(fileKey(dataset, { object: file.object, version: latest.version }), fileRecordSchema)
      : undefined;
    // A person who puts a failed file again wants it to be tried again.
    const failed = before?.state === 'failed' ? before : undefined;
    // Without a record of the version, which may be this one, nobody knows whether its bytes were read.
    const isSame = before !== undefined && failed === undefined;
    const isNext = !isOld && !isSame;
    const queued = enqueued(dataset, file, isBackfill);
    const state: FileState = isOld ? 'replaced' : isSame ? 'same' : 'pending';
    const record = {
      ...file,
      etag,
      state,
      attempts: 0,
      ...(isOld ? { replacedBy: latest.version } : {}),
      // Repeated bytes are in no list.
      ...(isSame ? { sameAs: latest.version } : listed(dataset, 'files', file.object, file.notedAt)),
      ...(isNext ? { place: queued.place } : {}),
    };
    const next = isOld
      ? latest
      : {
          version: isSame ? latest.version : file.version,
          etag,
          newest: file.version,
          sequencer: file.sequencer,
        };
    await transact([
      {
        Put: {
          TableName: name,
          Item: { ...fileKey(dataset, file), ...record },
          ConditionExpression: 'attribute_not_exists(pk)',
        },
      },
      {
        Update: {
          ...at(objectKey(dataset, file.object)),
          ...changing({
            set: {
              version: next.version,
              etag: next.etag,
              newest: next.newest,
              sequencer: next.sequencer,
              hasCopies: isSame ? true : undefined,
            },
            when: '#version = :readVersion AND #newest = :readNewest AND #etag = :readEtag',
            values: { readVersion: latest.version, readNewest: latest.newest, readEtag: latest.etag },
          }),
        },
      },
      ...(isNext ? [queued.item] : []),
      ...(failed?.place === undefined ? [] : replaced(dataset, failed, file.version, failed.place)),
    ]);
    return isNext || isOld;
  };

  /** Notes one version, of an object that the ledger may already know. */
  const noteOne = async (dataset: string, noted: Noted, order: VersionOrder): Promise<boolean> => {
    for (;;) {
      const latest = await get(objectKey(dataset, noted.object), objectRecordSchema);
      try {
        if (latest !== undefined) return await noteAfter(dataset, noted, latest, order);
        await transact(firstItems(dataset, noted));
        return true;
      } catch (error) {
        const [isKnown, ...others] = reasonsOf(error).map((reason) => reason === 'ConditionalCheckFailed');
        if (isKnown) return false;
        if (!others.includes(true)) throw error;
      }
    }
  };

  /**
   * Notes versions of different objects in one transaction, if the ledger knows neither the versions nor their objects. Returns
   * for each whether it was noted; null if its object has other versions.
   */
  const noteFirst = async (dataset: string, files: readonly Noted[]): Promise<(boolean | null)[]> => {
    const results = new Map<Noted, boolean | null>();
    for (let rest = files; rest.length > 0; )
      try {
        await transact(rest.flatMap((file) => firstItems(dataset, file)));
        for (const file of rest) results.set(file, true);
        break;
      } catch (error) {
        // Files that make the transaction fail are left out.
        const isFailed = reasonsOf(error).map((reason) => reason === 'ConditionalCheckFailed');
        for (const [i, file] of rest.entries()) {
          if (isFailed[i * itemsPerFile]) results.set(file, false);
          else if (isFailed[i * itemsPerFile + 1]) results.set(file, null);
        }
        const left = rest.filter((file) => !results.has(file));
        if (left.length === rest.length) throw error;
        rest = left;
      }
    return files.map((file) => results.get(file) ?? null);
  };

  /** Every version of an object that the ledger has. */
  const versionsOf = (dataset: string, object: string): Promise<FileRecord[]> =>
    query(objectItems(dataset, object), 'FILE#', fileRecordSchema);

  /** Records of files in the files' order; undefined for one that the ledger does not have. */
  const recordsOf = (dataset: string, files: readonly FileId[]) =>
    getAll(
      files.map((file) => fileKey(dataset, file)),
      fileRecordSchema,
    );

  /** Queue entries of files that were in no batch yet: at most `limit`, the oldest first. */
  const fresh = async (dataset: string, limit: number): Promise<Queued[]> => {
    const found: Queued[] = [];
    const ahead = Math.max(2, Math.ceil((limit * 1.25) / queueShards(dataset).length));
    for await (const file of merged(queueShards(dataset), 'PENDING#', queuedSchema, Math.min(ahead, 1000))) {
      found.push(file);
      if (found.length === limit) break;
    }
    return found;
  };

  /** How many of them there are, each partition key counted up to `limit`. */
  const countFresh = async (dataset: string, limit: number): Promise<number> => {
    const counts = await Promise.all(queueShards(dataset).map((pk) => count(pk, 'PENDING#', limit)));
    return counts.reduce((sum, n) => sum + n, 0);
  };

  /**
   * Since when the oldest file waits for a batch (ISO 8601); undefined if no file waits. Files of a backfill may wait for days,
   * and do not count.
   */
  const waitsSince = async (dataset: string): Promise<string | undefined> => {
    const [first, again] = await Promise.all([
      fresh(dataset, 1).then((files) => files.filter(({ sk }) => !isBehind(sk))),
      // Groups are not sorted by time: this is the oldest of the first hundred.
      query(dataset, 'RETRY#', queuedSchema, { limit: 100 }),
    ]);
    return [...first, ...again].map((file) => file.notedAt ?? file.queuedAt).sort()[0];
  };

  /**
   * Moves files from one of several states back into the queue. If a transaction cannot move all of its files, each is moved
   * alone. Returns the moved files; somebody else has moved the others in the meantime.
   */
  const move = async <F extends FileId & { readonly restores?: string | undefined }>(
    dataset: string,
    files: readonly F[],
    to: {
      group?: string | undefined;
      decision?: Decision;
      from: readonly FileState[];
      batch?: string;
      /** Ends what was decided about them. */
      isUndecided?: boolean;
    },
  ): Promise<F[]> => {
    const records = await recordsOf(dataset, files);
    const movable = files.flatMap((file, i) => {
      const record = records[i];
      const isTheirs = record && to.from.includes(record.state) && (!to.batch || record.batch === to.batch);
      return isTheirs ? [{ file, record }] : [];
    });
    const itemsOf = ({ file: { restores }, record }: (typeof movable)[number]): Write[] => {
      const decision = to.decision
        ? {
            ...to.decision,
            isReplacement:
              to.decision.isReplacement ?? record.reason?.startsWith('ReplacementDoubtful') ?? false,
            ...(restores === undefined ? {} : { restores }),
          }
        : to.isUndecided
          ? undefined
          : record.decision;
      const file = { ...toRawFile(record), group: to.group, decision };
      const queued = enqueued(dataset, file);
      return [
        {
          Update: {
            ...at(fileKey(dataset, file)),
            ...changing({
              set: { state: 'pending' satisfies FileState, place: queued.place, decision, group: to.group },
              remove: [
                'reason',
                ...(to.group === undefined ? ['group'] : []),
                ...(to.isUndecided ? ['decision'] : []),
              ],
              when: `#state = :from AND ${record.place === undefined ? 'attribute_not_exists(#place)' : '#place = :read'}${to.batch === undefined ? '' : ' AND #batch = :batch'}`,
              values: {
                from: record.state,
                ...(record.place === undefined ? {} : { read: record.place }),
                ...(to.batch === undefined ? {} : { batch: to.batch }),
              },
            }),
          },
        },
        ...(record.place === undefined ? [] : [{ Delete: at(placeKey(dataset, file, record.place)) }]),
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

  /** The items that hold a waiting file. */
  const heldItems = (dataset: string, file: Queued, reason: string): Write[] => {
    const place = `HELD#${unclaimed}#${file.sk.split('#').at(-1)}`;
    return [
      { Delete: at(placeKey(dataset, file, file.sk)) },
      {
        Put: {
          TableName: name,
          Item: {
            ...placeKey(dataset, file, place),
            ...toRawFile(file),
            batch: unclaimed,
            group: undefined,
          },
        },
      },
      {
        Update: {
          ...at(fileKey(dataset, file)),
          ...changing({
            set: { state: 'held' satisfies FileState, place, reason },
            when: '#place = :read',
            values: { read: file.sk },
          }),
        },
      },
      {
        // If the same bytes are put again, they are a new file.
        Update: {
          ...at(objectKey(dataset, file.object)),
          ...changing({ set: { etag: '' }, when: 'attribute_exists(#pk)' }),
        },
      },
    ];
  };

  return {
    /**
     * Notes versions of objects, each once: as pending; as replaced, if a later version was noted before; or as the same bytes
     * again, if the object's latest version has them already. False for the last case and for a known version (a duplicate
     * event). If a version cannot be noted, its place has the error, and the others are noted.
     */
    async notePending(
      dataset: string,
      files: readonly Noted[],
      order: VersionOrder,
    ): Promise<(boolean | Error)[]> {
      const results = new Map<Noted, boolean | Error>();
      const one = async (file: Noted) => {
        results.set(file, await noteOne(dataset, file, order).catch(asError));
      };
      // A transaction may contain an item only once: further versions of an object come after the first.
      const first = [...new Map([...files].reverse().map((file) => [file.object, file])).values()].reverse();
      await parallel(chunksOf(first, filesPerMove), 4, async (chunk) => {
        // If one file of a chunk is rejected, each file goes alone.
        const noted = await noteFirst(dataset, chunk).catch(() => chunk.map(() => null));
        for (const [i, file] of chunk.entries()) {
          const isNoted = noted[i] ?? null;
          if (isNoted !== null) results.set(file, isNoted);
          else await one(file);
        }
      });
      for (const file of files) if (!results.has(file)) await one(file);
      return files.map((file) => results.get(file) ?? false);
    },

    /** Waiting files in the order of their arrival; files that are tried again come last. */
    async pending(dataset: string, limit = Number.POSITIVE_INFINITY): Promise<Queued[]> {
      const found = await fresh(dataset, limit);
      if (found.length >= limit) return found;
      return [...found, ...(await query(dataset, 'RETRY#', queuedSchema, { limit: limit - found.length }))];
    },

    /** Whether any file waits for a batch. */
    async hasPending(dataset: string): Promise<boolean> {
      // Not counted: an entry that no claim can read would start executions without end.
      const found = await Promise.all([
        fresh(dataset, 1),
        query(dataset, 'RETRY#', queuedSchema, { limit: 1 }),
      ]);
      return found.some((files) => files.length > 0);
    },

    /**
     * The files of the next batch, at most `limit`. New files go first. A group is taken as a whole, and alone, if there are no
     * new files or if it has waited for `patience` milliseconds.
     */
    async nextFiles(dataset: string, limit: number, patience = 600_000): Promise<Queued[]> {
      const [found, [first]] = await Promise.all([
        fresh(dataset, limit),
        query(dataset, 'RETRY#', queuedSchema, { limit: 1 }),
      ]);
      const isDue = first && (found.length === 0 || Date.parse(first.queuedAt) + patience < table.clock());
      return isDue ? query(dataset, `RETRY#${first.group}#`, queuedSchema) : found;
    },

    /** Files that wait for a person: of a batch, or all. */
    async waiting(dataset: string, state: 'held' | 'failed', batch?: string): Promise<Waiting[]> {
      const prefix = `${state.toUpperCase()}#${batch === undefined ? '' : `${batch}#`}`;
      return query(dataset, prefix, waitingSchema);
    },

    /** The same in pages. */
    waitingPages: (dataset: string, state: 'held' | 'failed'): AsyncGenerator<Waiting[]> =>
      table.queryPages(dataset, `${state.toUpperCase()}#`, waitingSchema, 100),

    waitsSince,

    /**
     * New files that wait for their first batch: how many (each partition key counted up to `limit`), and for how long the oldest
     * has waited, in milliseconds. `hasOthers`: other files wait to be processed again.
     */
    async newFiles(dataset: string, limit: number) {
      const [[first], others, files] = await Promise.all([
        fresh(dataset, 1),
        query(dataset, 'RETRY#', queuedSchema, { limit: 1 }),
        countFresh(dataset, limit),
      ]);
      // A file that a person retries has waited since it came.
      const waited = first && table.clock() - Date.parse(first.notedAt ?? first.queuedAt);
      return { waited, files: first ? files : 0, hasOthers: others.length > 0 };
    },

    /** How many files wait, each partition key counted up to `limit`, and since when the oldest does. */
    async backlog(dataset: string, limit: number) {
      const [since, fresh, ...counts] = await Promise.all([
        waitsSince(dataset),
        countFresh(dataset, limit),
        ...['RETRY#', 'HELD#', 'FAILED#'].map((prefix) => count(dataset, prefix, limit)),
      ]);
      const [again = 0, held = 0, failed = 0] = counts;
      return { pending: fresh + again, held, failed, since };
    },

    /**
     * Every file except repeated bytes, in the order in which they were noted, or backwards; or the files noted between two
     * times (ISO 8601, both included). It reads only as far as its caller does. Files of the last moment may be missing.
     */
    async *files(
      dataset: string,
      { from = '0', to = '~', isBackward }: { from?: string; to?: string; isBackward?: boolean } = {},
    ): AsyncGenerator<FileRecord> {
      const keys = table.listedIn(listShards(dataset, 'files'), {
        range: { from, to },
        ...(isBackward === undefined ? {} : { isBackward }),
      });
      for await (const page of pagesOf(keys, 100)) yield* await findAll(page, fileRecordSchema);
    },

    /** The versions whose rows are in the table, of objects whose keys begin with `prefix`, in the order of the keys. */
    async *published(dataset: string, prefix: string): AsyncGenerator<FileRecord> {
      const keys = table.listedIn(listShards(dataset, 'objects'), { range: { prefix } });
      for await (const page of pagesOf(keys, 100)) {
        const objects = await findAll(page, objectRecordSchema);
        const versions = objects.flatMap((o) =>
          o.rows ? [fileKey(dataset, { object: o.object, version: o.rows.version })] : [],
        );
        yield* await findAll(versions, fileRecordSchema);
      }
    },

    /** The record of a version; of one with the same bytes as another, the record of that one. */
    async file(dataset: string, { object, version }: FileId): Promise<FileRecord | undefined> {
      const found = await get(fileKey(dataset, { object, version }), fileRecordSchema);
      return found?.sameAs === undefined || found.state !== 'same'
        ? found
        : get(fileKey(dataset, { object, version: found.sameAs }), fileRecordSchema);
    },

    versionsOf,

    /** Records of files, and of their objects, in the files' order. */
    async read(
      dataset: string,
      files: readonly FileId[],
    ): Promise<{ file: FileRecord | undefined; object: ObjectRecord | undefined }[]> {
      const [records, objects] = await Promise.all([
        recordsOf(dataset, files),
        getAll(
          files.map((file) => objectKey(dataset, file.object)),
          objectRecordSchema,
        ),
      ]);
      return files.map((_, i) => ({ file: records[i], object: objects[i] }));
    },

    /** Which of these versions the ledger has noted. */
    async knows(dataset: string, files: readonly FileId[]): Promise<boolean[]> {
      const items = await getAll(
        files.map((file) => fileKey(dataset, file)),
        z.object({}),
      );
      return items.map((item) => item !== undefined);
    },

    /** The states of these versions; undefined for one that the ledger has not noted. */
    async states(dataset: string, files: readonly FileId[]): Promise<(FileState | undefined)[]> {
      // One that cannot be read is known all the same, and waits for a person.
      const items = await getAll(
        files.map((file) => fileKey(dataset, file)),
        z.object({ state: z.enum(fileStates).catch('held') }),
      );
      return items.map((item) => item?.state);
    },

    /**
     * A replaced version waits again, because the later version was deleted before it was read, or was rolled back. False if this is no
     * longer so. With `group`, it waits as part of a separate batch. If it was rolled back itself earlier, this is over.
     */
    async revive(dataset: string, file: FileRecord, gone: string, group?: string): Promise<boolean> {
      const decision = rejectsRows(file.decision?.kind) ? undefined : file.decision;
      const queued = enqueued(dataset, { ...toRawFile(file), group, decision });
      return goesThrough(
        transact([
          {
            Update: {
              ...at(fileKey(dataset, file)),
              ...changing({
                set: { state: 'pending' satisfies FileState, place: queued.place, group },
                remove: [
                  'replacedBy',
                  ...(group === undefined ? ['group'] : []),
                  ...(decision === undefined ? ['decision'] : []),
                ],
                when: '#state = :replaced AND attribute_not_exists(#place)',
                values: { replaced: 'replaced' satisfies FileState },
              }),
            },
          },
          {
            Update: {
              ...at(objectKey(dataset, file.object)),
              ...changing({
                set: { version: file.version, etag: file.etag },
                when: '#version = :gone AND #etag = :unread',
                values: { gone, unread: '' },
              }),
            },
          },
          queued.item,
        ]),
      );
    },

    /** A waiting file leaves the queue, because a later version of its object has replaced it. */
    async markReplaced(dataset: string, fence: number, file: Queued, by: string): Promise<void> {
      await underLease(dataset, fence, replaced(dataset, file, by, file.sk));
    },

    /** Drops an entry of the queue whose file waits elsewhere or not at all. */
    async dropStray(dataset: string, fence: number, file: Queued): Promise<void> {
      await underLease(dataset, fence, [{ Delete: at(placeKey(dataset, file, file.sk)) }]);
    },

    /** Holds a waiting file, for a person to decide; all others continue. */
    async hold(dataset: string, fence: number, file: Queued, reason: string): Promise<void> {
      await underLease(dataset, fence, heldItems(dataset, file, reason));
    },

    /** The same for files of different objects, many in a transaction. Throws OutOfTime. */
    async holdAll(
      dataset: string,
      fence: number,
      files: readonly Queued[],
      reason: string,
      deadline?: Deadline,
    ): Promise<void> {
      for (const chunk of chunksOf(files, filesPerHold)) {
        deadline?.check();
        const writes = chunk.flatMap((file) => heldItems(dataset, file, reason));
        const isWhole = await goesThrough(underLease(dataset, fence, writes));
        if (!isWhole) for (const file of chunk) await this.hold(dataset, fence, file, reason);
      }
    },

    /**
     * Replaces a version that is gone from S3 by a version with the same bytes. `waiting` is its entry in the queue. Without an
     * entry, the version was already read as missing, and the copy waits as a new file.
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
      const list = listed(dataset, 'files', copy.object, copy.notedAt);
      await underLease(dataset, fence, [
        ...(waiting === undefined ? [] : replaced(dataset, gone, copy.version, waiting.sk)),
        {
          Update: {
            ...at(fileKey(dataset, copy)),
            // A person's decision about the bytes also applies to the copy.
            ...changing({
              set: {
                state: 'pending' satisfies FileState,
                place: queued.place,
                ix: list.ix,
                ik: list.ik,
                decision: waiting?.decision,
              },
              remove: ['sameAs'],
              when: '#state = :same',
              values: { same: 'same' satisfies FileState },
            }),
          },
        },
        {
          Update: {
            ...at(objectKey(dataset, copy.object)),
            ...changing({
              set: { version: copy.version, etag: copy.etag },
              when: '#version = :gone',
              values: { gone: gone.version },
            }),
          },
        },
        queued.item,
      ]);
    },

    /**
     * A version was written anew with fewer records, and the copy is the same file: it is recorded as `same`, and starts nothing. `published`:
     * rows that it would publish. If the copy's event was faster, the copy leaves the queue. Nothing changes for a version that the ledger does
     * not know, and for a copy that was processed already. Throws LeaseLost.
     */
    async noteShortened(
      dataset: string,
      fence: number,
      { object, version }: FileId,
      copy: { readonly version: string; readonly etag: string; readonly size: number },
      published: number | undefined,
    ): Promise<void> {
      for (;;) {
        const all = await versionsOf(dataset, object);
        const known = await get(objectKey(dataset, object), objectRecordSchema);
        const own = all.find((file) => file.version === version);
        const root = own?.state === 'same' ? all.find((file) => file.version === own.sameAs) : own;
        const noted = all.find((file) => file.version === copy.version);
        if (root === undefined || known === undefined) return;
        if (noted !== undefined && noted.state !== 'pending') return;
        const newest = all.find((file) => file.version === known.newest);
        const read = newest?.state === 'same' ? all.find((file) => file.version === newest.sameAs) : newest;
        // A later version may have been noted meanwhile: it stays the latest. One that no longer counts was deleted, because this version was
        // current.
        const isNewest =
          [version, root.version, copy.version].includes(known.newest) ||
          read?.state === 'rejected' ||
          read?.state === 'failed' ||
          read?.replacedBy === root.version;
        const { notedAt = now() } = noted ?? {};
        const place = noted?.place;
        const record = {
          object,
          version: copy.version,
          size: copy.size,
          sequencer: noted?.sequencer ?? '',
          etag: copy.etag,
          notedAt,
          state: 'same' satisfies FileState,
          sameAs: root.version,
          attempts: 0,
        };
        const rows =
          known.rows?.version === root.version && published !== undefined
            ? { ...known.rows, published: Math.min(known.rows.published, published) }
            : undefined;
        const writes: Write[] = [
          {
            Put: {
              TableName: name,
              Item: { ...fileKey(dataset, { object, version: copy.version }), ...record },
              ...(place === undefined
                ? { ConditionExpression: 'attribute_not_exists(pk)' }
                : {
                    ConditionExpression: '#place = :read',
                    ExpressionAttributeNames: { '#place': 'place' },
                    ExpressionAttributeValues: { ':read': place },
                  }),
            },
          },
          ...(place === undefined ? [] : [{ Delete: at(placeKey(dataset, { object }, place)) }]),
          {
            Update: {
              ...at(fileKey(dataset, root)),
              ...changing({ set: { etag: copy.etag }, when: 'attribute_exists(#pk)' }),
            },
          },
          {
            Update: {
              ...at(objectKey(dataset, object)),
              ...changing({
                set: {
                  ...(isNewest
                    ? {
                        version: root.version,
                        etag: copy.etag,
                        newest: copy.version,
                        sequencer: noted?.sequencer ?? '',
                      }
                    : {}),
                  hasCopies: true,
                  rows,
                },
                when: '#version = :readVersion AND #newest = :readNewest',
                values: { readVersion: known.version, readNewest: known.newest },
              }),
            },
          },
        ];
        try {
          await underLease(dataset, fence, writes);
          return;
        } catch (error) {
          // Its event came in between.
          if (!reasonsOf(error).includes('ConditionalCheckFailed')) throw error;
        }
      }
    },

    /**
     * Held files whose rows stay published: a replay, or a rollback, that a person has rejected. They are files of the batch with their
     * rows again, and no decision is left. `rowsIn`: that batch.
     */
    async keepPublished(
      dataset: string,
      files: readonly (Waiting & { readonly rowsIn: string })[],
    ): Promise<number> {
      let kept = 0;
      for (const file of files) {
        const write = transact([
          { Delete: at(placeKey(dataset, file, file.sk)) },
          {
            Update: {
              ...at(fileKey(dataset, file)),
              ...changing({
                set: { state: 'published' satisfies FileState, batch: file.rowsIn },
                remove: ['place', 'reason', 'group', 'decision'],
                when: '#place = :place',
                values: { place: file.sk },
              }),
            },
          },
        ]);
        if (await goesThrough(write)) kept++;
      }
      return kept;
    },

    /**
     * Puts published files back into the queue. Their rows stay until other rows replace them. Returns the number of moved
     * files: a file that already waits is not moved twice.
     */
    async replay(dataset: string, files: readonly FileId[], group: string): Promise<number> {
      return (await move(dataset, files, { from: ['published'], group })).length;
    },

    /**
     * Puts published files of a batch back into the queue, to take their rows out of the table. Gives those that went: of the others
     * the rows belong to another batch by now, or they are processed again already.
     */
    rollback: <F extends FileId & { readonly restores: string | undefined }>(
      dataset: string,
      files: readonly F[],
      to: { group: string; decision: Decision; batch: string },
    ): Promise<F[]> => move(dataset, files, { ...to, from: ['published'] }),

    /** Puts files back into the queue that were rolled back, to be published again. Gives those that went. */
    unreject: <F extends FileId>(dataset: string, files: readonly F[], group: string): Promise<F[]> =>
      move(dataset, files, { from: ['rejected'], group, isUndecided: true }),

    /**
     * Puts held and failed files back into the queue, as a separate batch if `group` is given, with their decision. Returns the
     * number of moved files.
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
          { dataset },
        );
      return moved.length;
    },
  };
}
