/** What the parts of an erasure work on. */

import type { StoredVersion } from '../../aws/versions.ts';
import type { RawCopy, RawMatch, RawSearch } from '../../engine/searchRaw.ts';
import type { RecordPlace, RowsCopy, RowsMatch } from '../../engine/searchRows.ts';
import type { Plan } from '../../model/plan.ts';
import type { TableFormat } from '../../table/format.ts';
import type { MaintainDeps } from '../maintain/work.ts';

/** Finds rows of persons in local files, and writes files without them: see engine/searchRaw.ts and engine/searchRows.ts. */
export interface PersonEngine {
  searchRaw(files: readonly RawCopy[]): Promise<RawSearch>;
  /** Throws ErasureRefused. */
  eraseInRaw(file: RawCopy, to: string): Promise<RawMatch>;
  /** Brings the columns that decide to a local file. */
  fetchRows(
    read: (start: number, end: number) => Promise<ArrayBuffer>,
    size: number,
    path: string,
  ): Promise<void>;
  searchRows(copies: readonly RowsCopy[], records: readonly RecordPlace[]): Promise<RowsMatch[]>;
  /** Whether a text mentions a person. */
  mentions(text: string): boolean;
}

export type EraseDeps = MaintainDeps;

export interface Erasing {
  readonly dataset: string;
  /** The columns that name a person. */
  readonly columns: readonly string[];
  /** Of the latest published batch, or of the contract if nothing was published. */
  readonly plan: Plan;
  readonly format: TableFormat;
  readonly engine: PersonEngine;
  /** Other datasets that read the same files, and that fill the same table. */
  readonly readers: readonly string[];
  readonly sharing: readonly string[];
  /** Milliseconds since 1970. */
  readonly begun: number;
  /** Called before each piece of work. The holder of the leases renews them. */
  readonly beat: () => Promise<void>;
  readonly onProgress: (text: string) => void;
}

/** A version of an object. */
export interface Version {
  readonly key: string;
  readonly version: string;
}

/** All versions below a prefix, without delete markers. */
export async function versionsBelow(
  { store }: Pick<EraseDeps, 'store'>,
  { beat }: Pick<Erasing, 'beat'>,
  bucket: string,
  prefix: string,
): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  for await (const page of store.everyVersion(bucket, prefix)) {
    await beat();
    found.push(...page.filter(({ isMarker }) => !isMarker));
  }
  return found;
}

/** Groups of items that fit on the disk at once. */
export function inGroups<T>(items: readonly T[], sizeOf: (item: T) => number): T[][] {
  const groups: T[][] = [];
  let room = { bytes: 0, items: 0 };
  for (const item of items) {
    if (room.items === 0 || room.bytes < sizeOf(item)) {
      groups.push([]);
      room = { bytes: groupLimits.bytes, items: groupLimits.items };
    }
    groups.at(-1)?.push(item);
    room = { bytes: room.bytes - sizeOf(item), items: room.items - 1 };
  }
  return groups;
}

const groupLimits = { bytes: 64 * 1024 * 1024, items: 200 };
