/**
 * Erases persons from a dataset: from the table and its history, raw versions, quarantine, tombstones, staging, reports and answers of queries. First
 * everything is searched without a lease. Then, under the leases, what has come since is searched, and all of it is changed; every step can
 * be interrupted, and the next call finds what is left. At the end everything is searched again. See docs/decisions/erasure.md.
 */
import { randomBytes } from 'node:crypto';
import { datasetsOfTable, tableOf } from '../../contract/contract.ts';
import { objectKey } from '../../contract/path.ts';
import type { Contract } from '../../contract/schema.ts';
import { counted } from '../../counted.ts';
import { ErasureIncomplete, ErasureRefused } from '../../errors.ts';
import type { Plan } from '../../model/plan.ts';
import type { Naming } from '../../table/format.ts';
import { contractOf, formatOf } from '../batch/deps.ts';
import { eraseDocuments } from './documents.ts';
import { holdLeases } from './leases.ts';
import { type ErasedRaw, eraseRaw, refusalsOf } from './raw.ts';
import { eraseHistory, eraseRows, namingOf, requireNone, sorted } from './rows.ts';
import { type Found, isNothing, type Place, placesIn, search } from './search.ts';
import type { EraseDeps, Erasing, PersonEngine } from './work.ts';

/** What an erasure is about. No value of a person is kept. */
export interface Request {
  readonly dataset: string;
  /** The columns that name a person, and the number of persons. */
  readonly columns: readonly string[];
  readonly persons: number;
  readonly plan: Plan;
  readonly engine: PersonEngine;
  readonly onProgress?: (text: string) => void;
}

/** How much a search has found. */
export interface Counts {
  readonly rawVersions: number;
  readonly rawRecords: number;
  readonly tableVersions: number;
  readonly tableRows: number;
  readonly quarantineVersions: number;
  readonly quarantineRows: number;
  /** Keys that were deleted, in versions of tombstones. */
  readonly tombstoneVersions: number;
  readonly tombstoneRows: number;
  /** Staged objects, reports, profiles and answers of queries. */
  readonly documents: number;
  /** Snapshots that name an object with rows, and their tags. */
  readonly snapshots: number;
  readonly tags: readonly string[];
  /** Raw versions whose content nobody can read, such as broken archives. */
  readonly unsearched: number;
  /** Raw objects with records whose names mention a person. Names are not changed. */
  readonly named: number;
}

export interface Survey {
  readonly found: Found;
  readonly counts: Counts;
  /** Why nothing can be erased; none if it can. */
  readonly refusals: readonly string[];
}

/** The record of an erasure. It stays in the work bucket. */
export interface Certificate {
  readonly version: 1;
  readonly id: string;
  readonly stage: string;
  readonly dataset: string;
  readonly table: string;
  readonly columns: readonly string[];
  readonly persons: number;
  readonly by: string;
  readonly reason: string;
  /** ISO 8601. */
  readonly begun: string;
  readonly ended?: string;
  /** Versions of objects that were searched, by place, and what was found in them. */
  readonly searched: Readonly<Record<Place, number>>;
  readonly found: Counts;
  readonly changed?: {
    readonly tableRows: number;
    readonly rawVersionsRewritten: number;
    readonly rawRecords: number;
    readonly rawVersionsDeleted: number;
    readonly tableObjectsDeleted: number;
    readonly snapshotsExpired: number;
    readonly tagsRemoved: readonly string[];
    readonly metadataFilesDeleted: number;
    readonly documents: Readonly<Record<string, number>>;
  };
  /** What the last search has found. */
  readonly left?: Counts;
  readonly outcome: 'begun' | 'complete' | 'incomplete';
}

const workOf = (deps: EraseDeps, request: Request, beat: () => Promise<void>): Erasing => {
  const { dataset, plan, engine, columns, onProgress = () => {} } = request;
  const contract = contractOf(deps, dataset);
  return {
    dataset,
    columns,
    plan,
    engine,
    format: formatOf(deps, plan),
    readers: readersOf(deps, contract),
    sharing: sharersOf(deps, contract),
    begun: Date.now(),
    beat,
    onProgress,
  };
};

/** Other datasets with a part of the same files. */
export const readersOf = ({ contracts }: Pick<EraseDeps, 'contracts'>, own: Contract): string[] =>
  [...contracts.values()]
    .filter(
      ({ dataset, source: { prefix } }) =>
        dataset !== own.dataset &&
        (prefix.startsWith(own.source.prefix) || own.source.prefix.startsWith(prefix)),
    )
    .map(({ dataset }) => dataset);

/** Other datasets that fill the same table. */
const sharersOf = ({ contracts }: Pick<EraseDeps, 'contracts'>, own: Contract): string[] =>
  datasetsOfTable(contracts, tableOf(own)).filter((each) => each !== own.dataset);

/** Other datasets that may have rows of the same persons, because they share files or the table. */
export function neighboursOf(deps: EraseDeps, dataset: string): string[] {
  const contract = contractOf(deps, dataset);
  return [...new Set([...readersOf(deps, contract), ...sharersOf(deps, contract)])];
}

/** Searches everything, and changes nothing. */
export async function survey(deps: EraseDeps, request: Request): Promise<Survey> {
  requireNoKey(deps, request);
  const work = workOf(deps, request, async () => {});
  const found = await search(deps, work);
  const { refusals, named } = await sorted(deps, work, found);
  return {
    found,
    counts: countsOf(work, found, named),
    refusals: [...refusals, ...(await refusalsOf(deps, work, found.raw))],
  };
}

/** Throws ErasureRefused if names of objects, and so documents and the ledger, have values of the key. */
function requireNoKey(deps: EraseDeps, { dataset, columns }: Request): void {
  const contract = contractOf(deps, dataset);
  const named = contract.columns.find(({ name, path }) => columns.includes(name) && path === objectKey);
  if (named !== undefined)
    throw new ErasureRefused(
      `${dataset}: the column ${named.name} is read from the names of raw objects, which cannot be changed; delete these objects, and name the person by another column`,
      { dataset },
    );
  const key = contract.partitionBy.find(
    (each) =>
      'of' in each &&
      columns.includes(each.of) &&
      ('transform' in each ? each.transform !== 'bucket' : each.part === undefined),
  );
  if (key !== undefined)
    throw new ErasureRefused(
      `${dataset}: the table is partitioned by ${key.name}, so names of objects have the value; partition by something else (a bucket, a day), replay the files, and erase then`,
      { dataset },
    );
}

function countsOf(
  { engine }: Pick<Erasing, 'engine'>,
  { raw, table, quarantine, tombstones, documents, unsearched }: Found,
  named: Naming | null,
): Counts {
  const sum = <T>(items: readonly T[], of: (item: T) => number) =>
    items.reduce((total, item) => total + of(item), 0);
  return {
    rawVersions: raw.length,
    rawRecords: sum(raw, ({ records }) => records),
    tableVersions: table.length,
    tableRows: sum(table, ({ removed }) => removed),
    quarantineVersions: quarantine.length,
    quarantineRows: sum(quarantine, ({ removed }) => removed),
    tombstoneVersions: tombstones.length,
    tombstoneRows: sum(tombstones, ({ removed }) => removed),
    documents: documents.dirty.length,
    snapshots: named?.snapshots.length ?? 0,
    tags: named?.tags ?? [],
    unsearched: unsearched.length,
    named: new Set(raw.flatMap(({ object }) => (engine.mentions(object) ? [object] : []))).size,
  };
}

/**
 * Erases. `before` is the survey that a person has seen. Throws ErasureRefused before anything is changed, ErasureIncomplete with what is left;
 * the same call continues.
 */
export async function erase(
  deps: EraseDeps,
  request: Request,
  before: Survey,
  { by, reason }: { by: string; reason: string },
): Promise<Certificate> {
  const { config, store } = deps;
  const { dataset } = request;
  requireNone(before.refusals);
  const id = randomBytes(8).toString('hex');
  const leases = await holdLeases(deps, [dataset, ...neighboursOf(deps, dataset)], id);
  try {
    const work = workOf(deps, request, () => leases.beat());
    const found = await search(deps, work, before.found);
    const objects = await sorted(deps, work, found);
    const known = new Set(before.found.raw.map(({ object, version }) => JSON.stringify([object, version])));
    const newer = found.raw.filter(({ object, version }) => !known.has(JSON.stringify([object, version])));
    requireNone([...objects.refusals, ...(await refusalsOf(deps, work, newer))]);
    const begun: Certificate = {
      version: 1,
      id,
      stage: config.stage,
      dataset,
      table: work.plan.table,
      columns: request.columns,
      persons: request.persons,
      by,
      reason,
      begun: new Date(Date.now()).toISOString(),
      searched: found.searched,
      found: countsOf(work, found, objects.named),
      outcome: 'begun',
    };
    const at = certificateAt(config, dataset, id);
    await store.writeText(at, JSON.stringify(begun));
    // Raw files come last: as long as they are there, the next search finds rows by their records.
    const documents = await eraseDocuments(deps, work, found.documents);
    // A version that the first search has read may be gone by now, and rows that are known by its records are not.
    const records = placesIn([...before.found.raw, ...found.raw]);
    const { rows, rewritten } = await eraseRows(deps, work, leases, objects.counted, records);
    const history = await eraseHistory(deps, work, [...objects.stale, ...rewritten]);
    const raw = await eraseRaw(deps, work, leases, found.raw);
    work.onProgress('searching everything again');
    const again = await search(deps, work);
    const left = countsOf(work, again, await namingOf(deps, work, again));
    const isComplete = isNothing(again) && raw.waits.length === 0;
    const certificate: Certificate = {
      ...begun,
      ended: new Date(Date.now()).toISOString(),
      changed: changedOf(rows, history, raw, documents),
      left,
      outcome: isComplete ? 'complete' : 'incomplete',
    };
    await store.writeText(at, JSON.stringify(certificate));
    if (!isComplete) throw incomplete(dataset, left, raw.waits, `s3://${at.bucket}/${at.key}`);
    return certificate;
  } finally {
    await leases.release();
  }
}

export const certificateAt = (config: { readonly workBucket: string }, dataset: string, id: string) => ({
  bucket: config.workBucket,
  key: `erasures/${dataset}/${id}.json`,
});

const changedOf = (
  tableRows: number,
  history: Awaited<ReturnType<typeof eraseHistory>>,
  raw: ErasedRaw,
  documents: Readonly<Record<string, number>>,
): NonNullable<Certificate['changed']> => ({
  tableRows,
  rawVersionsRewritten: raw.rewritten,
  rawRecords: raw.records,
  rawVersionsDeleted: raw.deleted,
  tableObjectsDeleted: history.objects,
  snapshotsExpired: history.snapshots,
  tagsRemoved: history.tags,
  metadataFilesDeleted: history.metadata,
  documents,
});

function incomplete(
  dataset: string,
  left: Counts,
  waits: readonly string[],
  certificate: string,
): ErasureIncomplete {
  const places = [
    `${counted(left.rawVersions, 'raw version')}`,
    `${counted(left.tableVersions, 'version')} of the table's objects`,
    `${counted(left.quarantineVersions, 'version')} in quarantine`,
    `${counted(left.tombstoneVersions, 'version')} of tombstones`,
    `${counted(left.documents, 'document')}`,
  ];
  return new ErasureIncomplete(
    `${dataset}: ${places.join(', ')} are left (${certificate}):\n${[...waits, ...(waits.length === 0 ? ['something has brought them back, or they have just come; run the same command again'] : [])].map((wait) => `- ${wait}`).join('\n')}`,
    { dataset },
  );
}
