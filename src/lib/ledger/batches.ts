/** The batches of a dataset: opened, committed and ended under the lease, with their files. */
import * as z from 'zod';
import { changing } from '../aws/changing.ts';
import { goesThrough, type Write } from '../aws/dynamo.ts';
import type { Deadline } from '../deadline.ts';
import type { Accounting } from '../model/plan.ts';
import {
  type Attempt,
  type BatchRecord,
  type BatchState,
  batchRecordSchema,
  type Decision,
  type FileId,
  type FileState,
  fileRecordSchema,
  type ObjectRecord,
  type RawFile,
  toRawFile,
} from '../model/records.ts';
import { batchKey, fileKey, listed, objectKey, openKey, placeKey, waitingPlace } from './keys.ts';
import type { Table } from './table.ts';

/** The maximum number of earlier batches that a new batch is compared with. */
const recentBatches = 20;
/** After this time in milliseconds, the leftovers of a taken-back attempt are checked once more. No function runs longer. */
const garbageAfter = 30 * 60_000;

const recentSchema = z.object({
  batches: z.array(z.object({ batch: z.string(), rows: z.number() })).default([]),
  /** Counted since the last published batch: failures that count as tries, and outages of AWS. */
  failures: z.number().default(0),
  outages: z.number().default(0),
});
const openSchema = z.object({ batch: z.string(), fence: z.number() });
const garbageSchema = openSchema.extend({ sk: z.string(), due: z.string() });
/** The record of a taken-back attempt. */
export type Garbage = Readonly<z.output<typeof garbageSchema>>;
const logSchema = z.object({ sk: z.string(), batch: z.string() });
/** Whether a file is in a batch already; the transaction checks it again. */
const claimedSchema = z.object({ state: z.unknown().optional(), batch: z.unknown().optional() });

/** A file that was published or rejected. */
export interface PublishedFile extends RawFile {
  readonly counts?: Accounting | undefined;
  /** The version whose rows were in the table before it. */
  readonly before?:
    | (ObjectRecord['rows'] & { readonly place?: string | undefined; readonly isNoted: boolean })
    | undefined;
  readonly isRejected: boolean;
  /** Its own rows leave the table, so the same bytes may be published again. */
  readonly isRolledBack?: boolean;
  /** It was gone from S3 before it could be read. */
  readonly isMissing: boolean;
}

/** A file of a batch that was not published. `group` is set if it is retried with others. */
export interface ReturnedFile extends RawFile {
  readonly state: 'pending' | 'held' | 'failed';
  /** The reason, if it differs from that of the batch. */
  readonly reason?: string;
}

/** How a taken-back attempt ended. */
export interface Ended {
  readonly state: 'held' | 'failed';
  readonly reason: string;
  /** AWS was the cause, and the attempt does not count as a try. */
  readonly isOutage?: boolean;
  /** Set if an outage may have ended the attempt: the number of published files of the dataset. */
  readonly publishedBefore?: number | undefined;
}

/** The ledger's operations on batches. */
export function batchesOf(table: Table) {
  const {
    name,
    at,
    now,
    clock,
    update,
    underLease,
    allUnderLease,
    transact,
    enqueued,
    replaced,
    get,
    getAll,
    find,
    findAll,
    query,
    required,
  } = table;
  const recent = async (dataset: string) =>
    (await find({ pk: dataset, sk: 'RECENT' }, recentSchema)) ?? recentSchema.parse({});

  const batch = (dataset: string, id: string): Promise<BatchRecord | undefined> =>
    get(batchKey(dataset, id), batchRecordSchema);

  /** Closes a batch whose attempt was taken back; its leftovers are looked for once more later. */
  const takenBack = (dataset: string, attempt: Attempt, ended: Ended): Write[] => {
    const due = new Date(clock() + garbageAfter).toISOString();
    const { batch: id } = attempt;
    return [
      {
        Update: {
          ...at(batchKey(dataset, id)),
          // It is held again, so a person can decide again.
          ...changing({
            set: {
              state: ended.state satisfies BatchState,
              endedAt: now(),
              reason: ended.reason,
              publishedBefore: ended.publishedBefore,
            },
            add: ended.isOutage ? { outages: 1 } : {},
            remove: ['decision'],
            when: '#fence = :attempt AND attribute_not_exists(#committed)',
            values: { attempt: attempt.fence },
          }),
        },
      },
      { Delete: { ...at(openKey(dataset, id)), ConditionExpression: 'attribute_exists(pk)' } },
      {
        Put: {
          TableName: name,
          Item: { pk: dataset, sk: `GARBAGE#${due}#${id}#${attempt.fence}`, ...attempt, due },
        },
      },
    ];
  };

  return {
    /** Throws RecordUnreadable. */
    batch,

    /** For display: undefined if the record does not exist or cannot be read. */
    findBatch: (dataset: string, id: string): Promise<BatchRecord | undefined> =>
      find(batchKey(dataset, id), batchRecordSchema),

    /**
     * Opens an attempt at a batch and moves its files from pending to claimed. After an interruption it is called again with the same files, and
     * goes on with those that are left. Throws OutOfTime.
     */
    async claim(
      dataset: string,
      fence: number,
      claimed: {
        id: string;
        files: readonly (RawFile & { sk: string })[];
        bytes: number;
        engine: string;
        execution: string;
        replay?: string | undefined;
        /** A person's decision about its files. */
        decision?: Decision | undefined;
      },
      deadline?: Deadline,
    ): Promise<void> {
      const known = await batch(dataset, claimed.id);
      if (known?.fence !== fence) {
        const noted = now();
        const log: Write = {
          Put: {
            TableName: name,
            Item: { pk: dataset, sk: `LOG#${noted}#${claimed.id}`, batch: claimed.id },
          },
        };
        const { replay, decision } = claimed;
        // The lease names the batch in the same transaction.
        const marked: Write = {
          Update: {
            ...at({ pk: dataset, sk: 'LEASE' }),
            ...changing({
              set: { execution: claimed.execution, batch: claimed.id },
              when: '#fence = :fence AND attribute_exists(#execution) AND (attribute_not_exists(#batch) OR #batch = :batch)',
              values: { fence },
            }),
          },
        };
        const items: Write[] = [
          {
            Update: {
              ...at(batchKey(dataset, claimed.id)),
              // No concurrent twin has written first.
              ...changing({
                set: {
                  batch: claimed.id,
                  state: 'running' satisfies BatchState,
                  fence,
                  files: claimed.files.length,
                  bytes: claimed.bytes,
                  engine: claimed.engine,
                  execution: claimed.execution,
                  claimedAt: noted,
                  replay,
                  decision,
                },
                add: { attempts: 1 },
                remove: [
                  'reason',
                  'expectations',
                  'report',
                  'endedAt',
                  ...(decision === undefined ? ['decision'] : []),
                ],
                when:
                  known === undefined
                    ? 'attribute_not_exists(#fence)'
                    : '#fence = :known AND attribute_not_exists(#committed)',
                values: known === undefined ? {} : { known: known.fence },
              }),
            },
          },
          {
            Put: {
              TableName: name,
              Item: { ...openKey(dataset, claimed.id), batch: claimed.id, fence },
            },
          },
          ...(known === undefined ? [log] : []),
        ];
        await underLease(dataset, fence, items, marked).catch(async (error: unknown) => {
          if ((await batch(dataset, claimed.id))?.fence !== fence) throw error;
        });
      }
      const found =
        known?.fence !== fence
          ? []
          : await getAll(
              claimed.files.map((file) => fileKey(dataset, file)),
              claimedSchema,
            );
      const isDone = (at: number) => found[at]?.state === 'claimed' && found[at].batch === claimed.id;
      await allUnderLease(
        dataset,
        fence,
        claimed.files.filter((_, i) => !isDone(i)),
        (file) => [
          { Delete: at(placeKey(dataset, file, file.sk)) },
          {
            Update: {
              ...at(fileKey(dataset, file)),
              ...changing({
                set: { state: 'claimed' satisfies FileState, batch: claimed.id },
                remove: ['place'],
                when: '#place = :place OR (#state = :state AND #batch = :batch)',
                values: { place: file.sk },
              }),
            },
          },
        ],
        deadline,
      );
    },

    /**
     * Opens an attempt again whose record the ledger has lost, and takes its files from any state. `fence` is that of the lease's holder. Can be
     * repeated, because the record is written last.
     */
    async reopen(
      dataset: string,
      fence: number,
      attempt: Attempt,
      claimed: {
        files: readonly FileId[];
        bytes: number;
        replay?: string | undefined;
        decision?: Decision | undefined;
      },
    ): Promise<void> {
      const { batch: id } = attempt;
      const records = await getAll(
        claimed.files.map((file) => fileKey(dataset, file)),
        fileRecordSchema,
      );
      await allUnderLease(dataset, fence, [...claimed.files.entries()], ([i, file]) => {
        const { place, notedAt = now() } = records[i] ?? {};
        const list = listed(dataset, 'files', file.object, notedAt);
        return [
          {
            Update: {
              ...at(fileKey(dataset, file)),
              ...changing({
                set: { state: 'claimed' satisfies FileState, batch: id, ix: list.ix, ik: list.ik },
                remove: ['place', 'replacedBy', 'sameAs', 'reason', 'group'],
                when: `attribute_exists(#pk) AND ${place === undefined ? 'attribute_not_exists(#place)' : '#place = :place'}`,
                values: place === undefined ? {} : { place },
              }),
            },
          },
          ...(place === undefined ? [] : [{ Delete: at(placeKey(dataset, file, place)) }]),
        ];
      });
      const noted = now();
      const known = await batch(dataset, id);
      // An open attempt is in the log already.
      const isNew = known === undefined && (await get(openKey(dataset, id), openSchema)) === undefined;
      const opened: Partial<BatchRecord> = {
        batch: id,
        state: 'running',
        fence: attempt.fence,
        files: claimed.files.length,
        bytes: claimed.bytes,
        engine: known?.engine ?? 'auto',
        execution: known?.execution ?? '',
        claimedAt: known?.claimedAt ?? noted,
        attempts: (known?.attempts ?? 0) + 1,
        ...(claimed.replay === undefined ? {} : { replay: claimed.replay }),
        ...(claimed.decision === undefined ? {} : { decision: claimed.decision }),
      };
      await underLease(dataset, fence, [
        {
          Update: {
            ...at(batchKey(dataset, id)),
            ...changing({
              set: opened,
              remove: ['reason', 'endedAt'],
              when: 'attribute_not_exists(#committed)',
            }),
          },
        },
        { Put: { TableName: name, Item: { ...openKey(dataset, id), ...attempt } } },
        ...(isNew
          ? [{ Put: { TableName: name, Item: { pk: dataset, sk: `LOG#${noted}#${id}`, batch: id } } }]
          : []),
      ]);
    },

    /**
     * Commits an attempt: its objects count from now on. Only the holder of the lease can do this, and only once. Throws LeaseLost; then
     * nothing counts.
     */
    async commit(dataset: string, { batch: id, fence }: Attempt): Promise<void> {
      await underLease(dataset, fence, [
        {
          Update: {
            ...at(batchKey(dataset, id)),
            ...changing({
              set: { committed: fence },
              when: '#fence = :committed AND (attribute_not_exists(#committed) OR #committed = :committed)',
            }),
          },
        },
      ]);
    },

    /** The same for a committed attempt that the ledger has lost. `fence` is that of the lease's holder. */
    async recommit(dataset: string, fence: number, attempt: Attempt): Promise<void> {
      await underLease(dataset, fence, [
        {
          Update: {
            ...at(batchKey(dataset, attempt.batch)),
            ...changing({ set: { committed: attempt.fence }, when: '#fence = :committed' }),
          },
        },
      ]);
    },

    /** Adds results of a step to the record of an attempt. Does nothing if a later attempt has begun. */
    async annotateBatch(dataset: string, attempt: Attempt, found: Partial<BatchRecord>): Promise<void> {
      await goesThrough(
        update({
          ...at(batchKey(dataset, attempt.batch)),
          ...changing({ set: found, when: '#fence = :attempt', values: { attempt: attempt.fence } }),
        }),
      );
    },

    /** Marks the files of a committed batch, the versions that they replaced, and the place of their rows. Throws OutOfTime. */
    async settlePublished(
      dataset: string,
      fence: number,
      id: string,
      files: readonly PublishedFile[],
      deadline?: Deadline,
    ): Promise<void> {
      const settled = (file: PublishedFile): Write[] => {
        const { counts, before, isRejected, isRolledBack } = file;
        const isUnread = file.isMissing || isRolledBack === true;
        // Rejected files replace no rows.
        const takesPlace = !isRejected || isRolledBack === true || before === undefined;
        return [
          {
            Update: {
              ...at(fileKey(dataset, file)),
              ...changing({
                set: {
                  state: (isRejected ? 'rejected' : 'published') satisfies FileState,
                  settledAt: now(),
                  counts,
                },
                add: { attempts: 1 },
                remove: ['reason', 'group', ...(isRejected ? [] : ['decision'])],
                when: '#batch = :batch AND #state = :claimed',
                values: { batch: id, claimed: 'claimed' satisfies FileState },
              }),
            },
          },
          ...(takesPlace
            ? [
                {
                  Update: {
                    ...at(objectKey(dataset, file.object)),
                    ...changing({
                      set: {
                        rows: {
                          version: file.version,
                          batch: id,
                          published: counts?.published ?? 0,
                          ...(isRejected ? { isRejected } : {}),
                        },
                        etag: isUnread ? '' : undefined,
                      },
                      // A deleted record is written anew.
                      initial: {
                        ...listed(dataset, 'objects', file.object, file.object),
                        object: file.object,
                        version: file.version,
                        newest: file.version,
                        sequencer: file.sequencer,
                        etag: '',
                      },
                    }),
                  },
                },
              ]
            : []),
          // Updating a deleted record would create one that cannot be read.
          ...(takesPlace && before?.isNoted === true && before.version !== file.version
            ? replaced(dataset, { object: file.object, version: before.version }, file.version, before.place)
            : []),
        ];
      };
      await allUnderLease(dataset, fence, files, settled, deadline);
    },

    /** Sets the documents that list the objects with these batches' rows. Can be repeated. */
    async setLive(
      dataset: string,
      fence: number,
      documents: readonly { batch: string; live: string }[],
    ): Promise<void> {
      await allUnderLease(dataset, fence, documents, ({ batch: id, live }) => [
        {
          Update: {
            ...at(batchKey(dataset, id)),
            ...changing({ set: { live }, when: 'attribute_exists(#committed)' }),
          },
        },
      ]);
    },

    /** Closes a committed batch. Later batches are compared with it. Can be repeated. */
    async closePublished(
      dataset: string,
      fence: number,
      id: string,
      closed: { rows: number; files: number; reason?: string | undefined; found: Partial<BatchRecord> },
    ): Promise<void> {
      const { reason } = closed;
      const { batches } = await recent(dataset);
      const others = batches.filter((entry) => entry.batch !== id);
      await goesThrough(
        underLease(dataset, fence, [
          {
            Update: {
              ...at(batchKey(dataset, id)),
              ...changing({
                set: {
                  state: 'published' satisfies BatchState,
                  endedAt: now(),
                  ...closed.found,
                  reason,
                },
                when: '#state <> :state',
              }),
            },
          },
          { Delete: at(openKey(dataset, id)) },
          {
            Update: {
              ...at({ pk: dataset, sk: 'RECENT' }),
              ...changing({
                set: { batches: [...others, { batch: id, rows: closed.rows }].slice(-recentBatches) },
                remove: ['failures', 'outages'],
              }),
            },
          },
          {
            Update: {
              ...at({ pk: dataset, sk: 'TOTALS' }),
              ...changing({ add: { published: closed.files } }),
            },
          },
        ]),
      );
    },

    /** Closes a committed compaction. No batch is compared with it. Can be repeated. */
    async closeCompaction(
      dataset: string,
      fence: number,
      id: string,
      found: Partial<BatchRecord>,
    ): Promise<void> {
      await goesThrough(
        underLease(dataset, fence, [
          {
            Update: {
              ...at(batchKey(dataset, id)),
              ...changing({
                set: { state: 'published' satisfies BatchState, endedAt: now(), ...found },
                when: '#state <> :state',
              }),
            },
          },
          { Delete: at(openKey(dataset, id)) },
        ]),
      );
    },

    /** Closes a compaction that was taken back. It does not count as a failed batch. Can be repeated. */
    async giveBackCompaction(
      dataset: string,
      fence: number,
      attempt: Attempt,
      reason: string,
    ): Promise<void> {
      await goesThrough(underLease(dataset, fence, takenBack(dataset, attempt, { state: 'failed', reason })));
    },

    /** Returns the files of a taken-back attempt and closes its batch. Can be repeated. Throws OutOfTime. */
    async giveBack(
      dataset: string,
      fence: number,
      attempt: Attempt,
      ended: Ended,
      files: readonly ReturnedFile[],
      deadline?: Deadline,
    ): Promise<void> {
      const { batch: id } = attempt;
      const returned = (file: ReturnedFile): Write[] => {
        const { state, reason = ended.reason } = file;
        const queued = enqueued(dataset, file);
        const place = state === 'pending' ? queued.place : waitingPlace(state, id, file);
        return [
          {
            Update: {
              ...at(fileKey(dataset, file)),
              ...changing({
                set: { state, settledAt: now(), reason, place, group: file.group },
                add: { attempts: 1 },
                remove: file.group === undefined ? ['group'] : [],
                when: '#batch = :batch AND #state = :claimed',
                values: { batch: id, claimed: 'claimed' satisfies FileState },
              }),
            },
          },
          state === 'pending'
            ? queued.item
            : {
                Put: {
                  TableName: name,
                  Item: { ...placeKey(dataset, file, place), ...toRawFile(file), batch: id },
                },
              },
        ];
      };
      await allUnderLease(dataset, fence, files, returned, deadline);
      await goesThrough(
        underLease(dataset, fence, [
          ...takenBack(dataset, attempt, ended),
          {
            Update: {
              ...at({ pk: dataset, sk: 'RECENT' }),
              ...changing({ add: ended.isOutage ? { outages: 1 } : { failures: 1 } }),
            },
          },
        ]),
      );
    },

    /** Counts an outage that has ended an execution before it had a batch. */
    async noteOutage(dataset: string, fence: number): Promise<void> {
      await goesThrough(
        underLease(dataset, fence, [
          { Update: { ...at({ pk: dataset, sk: 'RECENT' }), ...changing({ add: { outages: 1 } }) } },
        ]),
      );
    },

    /** Attempts that are neither closed as published nor taken back. Throws RecordUnreadable: nothing may continue past an unreadable one. */
    openBatches: (dataset: string): Promise<Attempt[]> =>
      query(dataset, 'OPEN#', openSchema, { read: required }),

    /** The same for display, without unreadable ones. */
    findOpenBatches: (dataset: string): Promise<Attempt[]> => query(dataset, 'OPEN#', openSchema),

    /** Attempts that were taken back recently. Objects with their names in the table are garbage. */
    garbage: (dataset: string): Promise<Garbage[]> => query(dataset, 'GARBAGE#', garbageSchema),

    async dropGarbage(dataset: string, { sk }: Garbage): Promise<void> {
      await transact([{ Delete: at({ pk: dataset, sk }) }]);
    },

    /** The number of attempts that failed since the last published batch, and of those that an outage of AWS has ended. */
    async failuresInARow(dataset: string): Promise<{ failures: number; outages: number }> {
      const { failures, outages } = await recent(dataset);
      return { failures, outages };
    },

    /** The last published batches with their rows, the latest last. */
    async lastBatches(dataset: string): Promise<{ batch: string; rows: number }[]> {
      return (await recent(dataset)).batches;
    },

    /** Files whose rows are in the table. */
    async publishedFiles(dataset: string): Promise<number> {
      return (await find({ pk: dataset, sk: 'TOTALS' }, z.object({ published: z.number() })))?.published ?? 0;
    },

    /** The last `limit` batches, in the order of their first claims. */
    async batches(dataset: string, limit = Number.POSITIVE_INFINITY): Promise<BatchRecord[]> {
      const log = await query(dataset, 'LOG#', logSchema, { limit, isBackward: true });
      const ids = log.map((entry) => entry.batch).reverse();
      return findAll(
        ids.map((id) => batchKey(dataset, id)),
        batchRecordSchema,
      );
    },

    /**
     * All batches in that order, in pages of `size`, after the log entry `after` if it is given. `last` is the log entry of the last batch on a
     * page.
     */
    async *batchPages(
      dataset: string,
      size: number,
      after?: string,
    ): AsyncGenerator<{ batches: BatchRecord[]; last: string | undefined }> {
      for await (const log of table.queryPages(dataset, 'LOG#', logSchema, size, after)) {
        const batches = await findAll(
          log.map((entry) => batchKey(dataset, entry.batch)),
          batchRecordSchema,
        );
        yield { batches, last: log.at(-1)?.sk ?? after };
      }
    },

    /** At most two batches whose ids begin with a prefix. */
    batchesLike: (dataset: string, start: string): Promise<BatchRecord[]> =>
      query(dataset, batchKey(dataset, start).sk, batchRecordSchema, { limit: 2 }),

    /**
     * Writes a decision into the record of a held batch. If several people decide at once, one wins. Gives the decision in the record
     * afterwards.
     */
    async decide(dataset: string, id: string, decision: Decision): Promise<Decision> {
      const isFirst = await goesThrough(
        update({
          ...at(batchKey(dataset, id)),
          ...changing({
            set: { decision },
            when: '#state = :held AND attribute_not_exists(#decision)',
            values: { held: 'held' satisfies BatchState },
          }),
        }),
      );
      return isFirst ? decision : ((await batch(dataset, id))?.decision ?? decision);
    },
  };
}
