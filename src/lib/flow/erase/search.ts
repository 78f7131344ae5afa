/** Searches every version of every object that may hold rows of persons. Nothing is changed. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { address, type ObjectRef } from '../../aws/store.ts';
import { isFolderMarker, type StoredVersion } from '../../aws/versions.ts';
import type { RawMatch, Unsearched } from '../../engine/searchRaw.ts';
import type { RecordPlace, RowsMatch } from '../../engine/searchRows.ts';
import { ErasureRefused, ObjectMissing } from '../../errors.ts';
import { parallel } from '../../parallel.ts';
import { objectName } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { unlessGone } from '../batch/manifest.ts';
import { type Documents, searchDocuments } from './documents.ts';
import { type EraseDeps, type Erasing, inGroups, type Version, versionsBelow } from './work.ts';

/** A version of a raw object with records of persons. */
export interface RawFound extends RawMatch, Pick<StoredVersion, 'etag' | 'size' | 'isLatest'> {
  /** An earlier erasure has put it in place of a version with more records. */
  readonly isShortened?: boolean;
}

/** A version of an object with rows of persons, or with rows that may be of one. */
export interface RowsFound extends Version, RowsMatch {
  readonly isLatest: boolean;
  readonly size: number;
}

export interface Found {
  readonly raw: readonly RawFound[];
  readonly table: readonly RowsFound[];
  readonly quarantine: readonly RowsFound[];
  readonly tombstones: readonly RowsFound[];
  readonly documents: Documents;
  /** The number of versions that were searched, by place. */
  readonly searched: Readonly<Record<Place, number>>;
  /** Raw versions whose content nobody can read. */
  readonly unsearched: readonly Unsearched[];
  /** Versions without rows of persons, which need not be searched again: an object's version never changes. */
  readonly clean: ReadonlySet<string>;
}
export const searchedPlaces = ['raw', 'table', 'quarantine', 'tombstones', 'documents'] as const;
export type Place = (typeof searchedPlaces)[number];

/** `known`: what an earlier search has found. Versions that it knows are not searched again. */
export async function search(deps: EraseDeps, work: Erasing, known?: Found): Promise<Found> {
  const { config } = deps;
  const clean = new Set(known?.clean);
  const raw = await searchAllRaw(deps, work, clean, known);
  const records = placesIn(raw.found);
  const table = await searchAllRows(
    deps,
    work,
    { bucket: config.processedBucket, prefix: `${work.plan.table}/`, of: 'table' },
    { clean, records, known: known?.table ?? [] },
  );
  const quarantine = await searchAllRows(
    deps,
    work,
    { bucket: config.workBucket, prefix: `quarantine/dataset=${work.dataset}/`, of: 'quarantine' },
    { clean, records, known: known?.quarantine ?? [] },
  );
  const tombstones = await searchAllRows(
    deps,
    work,
    { bucket: config.workBucket, prefix: places(config).tombstones(work.dataset).key, of: 'tombstones' },
    { clean, records, known: known?.tombstones ?? [] },
  );
  const batches = new Set([
    ...table.found.flatMap((each) => each.batches),
    ...[...quarantine.found, ...tombstones.found].flatMap(({ key }) => objectName(key)?.rowsOf ?? []),
  ]);
  const documents = await searchDocuments(deps, work, raw.found, batches);
  return {
    raw: raw.found,
    table: table.found,
    quarantine: quarantine.found,
    tombstones: tombstones.found,
    documents,
    searched: {
      raw: raw.searched,
      table: table.searched,
      quarantine: quarantine.searched,
      tombstones: tombstones.searched,
      documents: documents.searched,
    },
    unsearched: raw.unsearched,
    clean,
  };
}

/** The records of persons in raw files. */
export const placesIn = (raw: readonly RawFound[]): RecordPlace[] =>
  raw.flatMap(({ object, version, lines, isShortened = false }) =>
    lines.map((line) => ({ object, version, line, isShifted: isShortened })),
  );

/** Whether nothing is left. */
export const isNothing = ({ raw, table, quarantine, tombstones, documents }: Found): boolean =>
  raw.length + table.length + quarantine.length + tombstones.length === 0 &&
  documents.dirty.length + documents.reports.length === 0;

const idOf = (bucket: string, { key, version }: Version): string => JSON.stringify([bucket, key, version]);

async function searchAllRaw(
  deps: EraseDeps,
  work: Erasing,
  clean: Set<string>,
  known: Found | undefined,
): Promise<{ found: RawFound[]; unsearched: Unsearched[]; searched: number }> {
  const { store, config, contracts } = deps;
  const bucket = config.rawBucket;
  const prefix = contracts.get(work.dataset)?.source.prefix ?? '';
  const versions = (await versionsBelow(deps, work, bucket, prefix)).filter((v) => !isFolderMarker(v));
  const before = new Map(
    (known?.raw ?? []).map((match) => [idOf(bucket, { key: match.object, version: match.version }), match]),
  );
  const found: RawFound[] = versions.flatMap((v) => {
    const match = before.get(idOf(bucket, v));
    return match === undefined ? [] : [{ ...match, isLatest: v.isLatest }];
  });
  const left = versions.filter((v) => !clean.has(idOf(bucket, v)) && !before.has(idOf(bucket, v)));
  const unsearched = [...(known?.unsearched ?? [])];
  let done = 0;
  for (const group of inGroups(left, ({ size }) => size)) {
    await work.beat();
    await inFolder(async (folder) => {
      const copies = await parallel(group, 16, async ({ key, version, size }, i) => {
        const path = join(folder, String(i));
        const answer = await unlessGone(store.download({ bucket, key, version }, path));
        return answer !== null ? [{ object: key, version, path, size }] : [];
      });
      const answer = await work.engine.searchRaw(copies.flat());
      unsearched.push(...answer.unsearched);
      const matches = new Map(
        await parallel(answer.matches, 16, async (match) => {
          const { object: key, version } = match;
          const isShortened = (await store.placeOf({ bucket, key, version })) !== undefined;
          return [idOf(bucket, { key, version }), { ...match, isShortened }] as const;
        }),
      );
      for (const v of group) {
        const match = matches.get(idOf(bucket, v));
        if (match === undefined) clean.add(idOf(bucket, v));
        else found.push({ ...match, etag: v.etag, size: v.size, isLatest: v.isLatest });
      }
    });
    done += group.length;
    work.onProgress(`raw: ${done} of ${left.length} versions searched`);
  }
  const isThere = new Set(versions.map((v) => idOf(bucket, v)));
  return {
    found,
    unsearched: unsearched.filter(({ object, version }) =>
      isThere.has(idOf(bucket, { key: object, version })),
    ),
    searched: versions.length,
  };
}

async function searchAllRows(
  deps: EraseDeps,
  work: Erasing,
  {
    bucket,
    prefix,
    of: place,
  }: { bucket: string; prefix: string; of: 'table' | 'quarantine' | 'tombstones' },
  {
    clean,
    records,
    known,
  }: { clean: Set<string>; records: readonly RecordPlace[]; known: readonly RowsFound[] },
): Promise<{ found: RowsFound[]; searched: number }> {
  const { store } = deps;
  const isOwn = await ownOf(deps, work);
  const all = (await versionsBelow(deps, work, bucket, prefix)).filter(({ key }) => key.endsWith('.parquet'));
  const owned = await parallel(all, 16, ({ key }) => isOwn(key));
  const versions = all.filter((_, i) => owned[i]);
  const before = new Map(known.map((match) => [idOf(bucket, match), match]));
  const found: RowsFound[] = versions.flatMap((v) => {
    const match = before.get(idOf(bucket, v));
    return match === undefined ? [] : [{ ...match, isLatest: v.isLatest }];
  });
  const left = versions.filter((v) => !clean.has(idOf(bucket, v)) && !before.has(idOf(bucket, v)));
  let done = 0;
  for (const group of inGroups(left, ({ size }) => size)) {
    await work.beat();
    await inFolder(async (folder) => {
      const copies = await parallel(group, 16, async (version, i) => {
        const path = join(folder, `${i}.parquet`);
        const ref: ObjectRef = { bucket, key: version.key, version: version.version };
        const answer = await unlessGone(
          readable(
            ref,
            place !== 'table'
              ? store.download(ref, path)
              : work.engine.fetchRows((start, end) => store.readRange(ref, start, end), version.size, path),
          ),
        );
        return answer !== null ? [{ path, isQuarantine: place === 'quarantine', of: version }] : [];
      });
      const there = copies.flat();
      const matches = await work.engine.searchRows(there, records);
      for (const [i, { of }] of there.entries()) {
        const match = matches[i];
        if (match === undefined || (match.removed === 0 && match.unclear.length === 0))
          clean.add(idOf(bucket, of));
        else found.push({ key: of.key, version: of.version, isLatest: of.isLatest, size: of.size, ...match });
      }
    });
    done += group.length;
    work.onProgress(`${place}: ${done} of ${left.length} versions searched`);
  }
  return { found, searched: versions.length };
}

/** Objects of other datasets in the same table are theirs. */
async function ownOf(
  { ledger }: Pick<EraseDeps, 'ledger'>,
  { dataset, sharing }: Erasing,
): Promise<(key: string) => Promise<boolean>> {
  const owners = new Map<string, Promise<boolean>>();
  const isOwnBatch = async (batch: string): Promise<boolean> => {
    if ((await ledger.findBatch(dataset, batch)) !== undefined) return true;
    for (const other of sharing) if ((await ledger.findBatch(other, batch)) !== undefined) return false;
    return true;
  };
  return async (key) => {
    const rowsOf = objectName(key)?.rowsOf;
    if (rowsOf === undefined || sharing.length === 0) return true;
    const known = owners.get(rowsOf) ?? isOwnBatch(rowsOf);
    owners.set(rowsOf, known);
    return known;
  };
}

/** Throws ErasureRefused for an object that is not Parquet. */
async function readable<T>(ref: ObjectRef, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof Error && /parquet/i.test(error.message) && !(error instanceof ObjectMissing))
      throw new ErasureRefused(`${address(ref)} (version ${ref.version}) cannot be read: ${error.message}`, {
        object: ref.key,
        cause: error,
      });
    throw error;
  }
}

export async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-erase-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
