/**
 * The ledger: one DynamoDB table that knows every file, every batch, and who holds a dataset's lease. Every transition is a
 * conditional write, so a step that runs twice changes nothing the second time. What is read for a batch, a sweep or a status has
 * a place of its own: no read grows with the history. What is written for a file as it comes is spread over many partition keys
 * (docs/decisions/ledger-keys.md).
 *
 * Under the dataset and the object's digest:
 *   FILE#<version>           a version of an object; state: pending | claimed | published | rejected | held | failed | replaced |
 *                            same
 *   OBJECT                   the latest version that was noted, the ETag of its bytes, and `rows`: the version whose rows are in
 *                            the table, and their batch
 * An index, `byOrder`, has the files in the order in which they were noted, and the objects in that of their keys.
 *
 * Under one of eight keys of the dataset, as the object's digest says:
 *   PENDING#<time>#<file>    this and the next three list a file exactly while it is pending, held or failed
 *
 * Under the dataset:
 *   RETRY#<group>#<file>     pending, as a batch of its own: one of the group broke a batch, or a person wants it processed again
 *   HELD#<batch>#<file>
 *   FAILED#<batch>#<file>
 *   BATCH#<batch>            state: running | published | held | failed; `committed`: the fence whose objects count
 *   OPEN#<batch>             an attempt that was not closed yet
 *   LOG#<time>#<batch>       batches in the order of their first claim
 *   GARBAGE#<time>#<batch>#<fence>  an attempt that was taken back: its objects are looked for once more at that time
 *   LEASE                    fence (a number that only grows), execution and batch while held
 *   SETTINGS                 what an operator chose for the dataset: its engine, and whether it is paused
 *   DRIFT                    what the Data Catalog last lacked of the dataset's table
 *   BACKFILL                 how far the last backfill has come
 *   REMINDER                 when dispatch next looks whether gathered files are due
 *   SWEEP                    how far the raw bucket was compared with the ledger
 *   MAINTAINED               what the last maintenance of the dataset's table did
 *   RECENT, TOTALS           rows of the last published batches, how many failed since, and how many files are published
 */
import * as z from 'zod';
import { changing } from '../aws/changing.ts';
import { createDocuments, type Documents } from '../aws/dynamo.ts';
import { type EngineChoice, engineChoiceSchema } from '../config.ts';
import { tableAccountSchema } from '../model/plan.ts';
import { type MaintenanceNote, maintenanceSchema } from '../model/records.ts';
import { batchesOf } from './batches.ts';
import { filesOf } from './files.ts';
import { leasesOf } from './leases.ts';
import { openTable, type Table, type TableOptions } from './table.ts';

export type Ledger = ReturnType<typeof ledgerOn>;

/** The ledger of a stage. `name` is its table's. */
export const createLedger = (
  name: string,
  client?: Parameters<typeof createDocuments>[0],
  options: TableOptions = {},
): Ledger => ledgerOn(name, createDocuments(client), options);

/** The same on a client that takes and returns plain values. */
export function ledgerOn(name: string, db: Documents, options: TableOptions = {}) {
  const table = openTable(name, db, options);
  return { ...leasesOf(table), ...filesOf(table), ...batchesOf(table), ...settingsOf(table) };
}

/** Why a dataset starts no batches, and since when. */
export interface Pause {
  readonly reason: string;
  /** ISO 8601. */
  readonly at: string;
  /** Maintenance takes its turn, so the pause ends by itself. */
  readonly isTurn?: true;
}

const pauseSchema = z.object({ reason: z.string(), at: z.string() });

/** The last differences found between the Data Catalog and a table. */
export type CatalogDrift = z.output<typeof driftSchema>;

const driftSchema = z.object({
  /** ISO 8601. */
  at: z.string(),
  table: z.string(),
  isTableMissing: z.boolean(),
  /** How many. */
  partitions: z.number(),
  /** Rows that readers did not find; undefined if nobody has counted them. */
  rows: z.number().optional(),
  /** The batch whose commit does not add up, and its account. */
  batch: z.string().optional(),
  account: tableAccountSchema.optional(),
});

const backfillSchema = z.object({
  source: z.string(),
  at: z.string().optional(),
  seen: z.number(),
  noted: z.number(),
  failed: z.number(),
});

/** An operator's settings, and the progress of the sweep. */
function settingsOf({ at, find, put, update, now, clock }: Table) {
  return {
    /**
     * When the raw bucket was last compared with the ledger, and the key to continue after; no key if the comparison was
     * completed.
     */
    lastSweep: (dataset: string) =>
      find({ pk: dataset, sk: 'SWEEP' }, z.object({ at: z.string(), key: z.string().optional() })),

    async noteSwept(dataset: string, key: string | undefined): Promise<void> {
      await put({ pk: dataset, sk: 'SWEEP', at: now(), ...(key === undefined ? {} : { key }) });
    },

    /** The engine an operator chose for a dataset; auto leaves it to the stage. */
    async engineChoice(dataset: string): Promise<EngineChoice> {
      const found = await find(
        { pk: dataset, sk: 'SETTINGS' },
        z.object({ engine: engineChoiceSchema.catch('auto') }),
      );
      return found?.engine ?? 'auto';
    },

    catalogDrift: (dataset: string): Promise<CatalogDrift | undefined> =>
      find({ pk: dataset, sk: 'DRIFT' }, driftSchema),

    async noteDrift(dataset: string, drift: Omit<CatalogDrift, 'at'>): Promise<void> {
      await put({ pk: dataset, sk: 'DRIFT', at: now(), ...drift });
    },

    /** Milliseconds until the next reminder of a dataset arrives; negative if it has arrived, undefined if none was sent. */
    async reminderIn(dataset: string): Promise<number | undefined> {
      const found = await find({ pk: dataset, sk: 'REMINDER' }, z.object({ at: z.iso.datetime() }));
      return found && Date.parse(found.at) - clock();
    },

    async noteReminder(dataset: string, milliseconds: number): Promise<void> {
      const at = new Date(clock() + milliseconds).toISOString();
      await put({ pk: dataset, sk: 'REMINDER', at });
    },

    /** How far the last backfill has come: `at` is the place to go on behind, and is missing when it is over. */
    backfill: (dataset: string) => find({ pk: dataset, sk: 'BACKFILL' }, backfillSchema),

    noteBackfill: (dataset: string, backfill: z.output<typeof backfillSchema>): Promise<void> =>
      put({ pk: dataset, sk: 'BACKFILL', ...backfill }),

    /** What the last maintenance of the dataset's table did. */
    lastMaintained: (dataset: string): Promise<MaintenanceNote | undefined> =>
      find({ pk: dataset, sk: 'MAINTAINED' }, maintenanceSchema),

    async noteMaintained(dataset: string, done: Omit<MaintenanceNote, 'at'>): Promise<void> {
      await put({ pk: dataset, sk: 'MAINTAINED', at: now(), ...done });
    },

    /** The pause of a dataset; undefined if it is not paused. */
    async pauseOf(dataset: string): Promise<Pause | undefined> {
      // An unreadable pause does not block a dataset.
      const paused = pauseSchema.optional().catch(undefined);
      const turn = z.string().optional().catch(undefined);
      const found = await find({ pk: dataset, sk: 'SETTINGS' }, z.object({ paused, turn }));
      const isTurn = Date.parse(found?.turn ?? '') > Date.parse(now());
      const turned = { reason: 'maintenance takes its turn', at: now(), isTurn: true } as const;
      return found?.paused ?? (isTurn ? turned : undefined);
    },

    /**
     * Maintenance asks for its turn: no batch starts for so many milliseconds, and a running batch continues to its end. If maintenance
     * dies meanwhile, the dataset waits no longer than this.
     */
    async askTurn(dataset: string, within: number): Promise<void> {
      const turn = new Date(Date.parse(now()) + within).toISOString();
      await update({ ...at({ pk: dataset, sk: 'SETTINGS' }), ...changing({ set: { turn } }) });
    },

    async endTurn(dataset: string): Promise<void> {
      await update({ ...at({ pk: dataset, sk: 'SETTINGS' }), ...changing({ remove: ['turn'] }) });
    },

    /**
     * Pauses a dataset: no new batch starts, and a running batch continues to its end. Returns the pause that counts: the first
     * one.
     */
    async pause(dataset: string, reason: string): Promise<Pause> {
      const paused = { reason, at: now() };
      const { Attributes } = await update({
        ...at({ pk: dataset, sk: 'SETTINGS' }),
        ...changing({ initial: { paused } }),
        ReturnValues: 'UPDATED_NEW',
      });
      return pauseSchema.catch(paused).parse(Attributes?.paused);
    },

    /** Ends the pause of a dataset, if there is one. */
    async resume(dataset: string): Promise<void> {
      await update({ ...at({ pk: dataset, sk: 'SETTINGS' }), ...changing({ remove: ['paused'] }) });
    },

    /** Chooses the engine of a dataset's next batches. */
    async chooseEngine(dataset: string, engine: EngineChoice): Promise<void> {
      await update({
        ...at({ pk: dataset, sk: 'SETTINGS' }),
        ...changing({ set: { engine } }),
      });
    },
  };
}
