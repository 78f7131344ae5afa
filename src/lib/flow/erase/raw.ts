/**
 * Takes records of persons out of raw objects. The current version of an object is put again without them, as the same file. Earlier
 * versions, which others have replaced, are deleted: put again, they would become the newest.
 */
import { join } from 'node:path';
import type { StoredVersion } from '../../aws/versions.ts';
import { ErasureRefused } from '../../errors.ts';
import type { Leases } from './leases.ts';
import { inFolder, type RawFound } from './search.ts';
import type { EraseDeps, Erasing } from './work.ts';

/** S3 accepts so many bytes in one request. */
const largestPut = 5 * 1024 ** 3;

export interface ErasedRaw {
  /** Versions that were put again, and the records that they lost. */
  readonly rewritten: number;
  readonly records: number;
  /** Versions that were deleted. */
  readonly deleted: number;
  /** Why some objects still have records. */
  readonly waits: readonly string[];
}

/** Whether each current version can be written anew. Gives the reasons against it. */
export async function refusalsOf(
  deps: EraseDeps,
  work: Erasing,
  raw: readonly RawFound[],
): Promise<string[]> {
  const refusals: string[] = [];
  for (const [object, found] of Map.groupBy(raw, (each) => each.object)) {
    const current = (await versionsOf(deps, object)).find(({ isMarker }) => !isMarker);
    for (const match of found) {
      await work.beat();
      if (match.version !== current?.version) {
        const standing = await standingOf(deps, datasetsOf(work), match, current?.version);
        if (standing?.isFinal) refusals.push(standing.why);
        continue;
      }
      if (match.size > largestPut)
        refusals.push(`${object} (version ${match.version}) has more than 5 GiB, and is not written anew`);
      else
        try {
          await inFolder((folder) => shortened(deps, work, match, folder));
        } catch (error) {
          if (!(error instanceof ErasureRefused)) throw error;
          refusals.push(error.message);
        }
    }
  }
  return refusals;
}

export async function eraseRaw(
  deps: EraseDeps,
  work: Erasing,
  leases: Leases,
  raw: readonly RawFound[],
): Promise<ErasedRaw> {
  let sum = { rewritten: 0, records: 0, deleted: 0 };
  const waits: string[] = [];
  for (const [object, found] of Map.groupBy(raw, (each) => each.object)) {
    await work.beat();
    const done = await eraseObject(deps, work, leases, object, found);
    sum = {
      rewritten: sum.rewritten + done.rewritten,
      records: sum.records + done.records,
      deleted: sum.deleted + done.deleted,
    };
    waits.push(...done.waits);
    work.onProgress(`raw: ${sum.rewritten} versions written anew, ${sum.deleted} deleted`);
  }
  return { ...sum, waits };
}

/** The versions and delete markers of an object, the newest first. */
async function versionsOf({ store, config }: EraseDeps, object: string): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  for await (const page of store.everyVersion(config.rawBucket, object)) {
    found.push(...page.filter(({ key }) => key === object));
    // Keys that only begin with this one come after all of its versions.
    if (page.some(({ key }) => key !== object)) break;
  }
  // S3 lists versions and markers apart, each in order.
  return found.sort((a, b) => Number(b.isLatest) - Number(a.isLatest));
}

async function shortened(
  { store, config }: EraseDeps,
  { engine }: Erasing,
  { object, version, size }: RawFound,
  folder: string,
) {
  const [path, to] = [join(folder, 'old'), join(folder, 'new')];
  await store.download({ bucket: config.rawBucket, key: object, version }, path);
  const match = await engine.eraseInRaw({ object, version, path, size }, to);
  return { ...match, to };
}

async function eraseObject(
  deps: EraseDeps,
  work: Erasing,
  leases: Leases,
  object: string,
  found: readonly RawFound[],
): Promise<ErasedRaw> {
  const { store, config, ledger } = deps;
  const bucket = config.rawBucket;
  const datasets = datasetsOf(work);
  const versions = await versionsOf(deps, object);
  const current = versions.find(({ isMarker }) => !isMarker);
  const isHidden = versions[0]?.isMarker ?? false;
  const own = found.find(({ version }) => version === current?.version);
  let [rewritten, records] = [0, 0];
  let latest = current;
  const place = current && (await store.placeOf({ bucket, key: object, version: current.version }));
  // An interrupted erasure has put the current version in place of this one.
  const resumed = found.some(({ version }) => version === place?.sameAs) ? place : undefined;
  let sameAs = resumed?.sameAs;
  if (own && current) {
    const copy = await inFolder(async (folder) => {
      const { to, left, records: cut } = await shortened(deps, work, own, folder);
      const of = isHidden ? null : current.etag;
      const put = await store.putInPlace(to, { bucket, key: object }, { of, sameAs: current.version });
      return put && { ...put, left, cut };
    });
    if (copy === null)
      return { rewritten, records, deleted: 0, waits: [`${object}: another version came in the meantime`] };
    [rewritten, records] = [1, copy.cut];
    sameAs = current.version;
    latest = { ...current, version: copy.version, etag: copy.etag, size: copy.size };
  }
  if (latest && sameAs !== undefined) {
    const { version, etag, size } = latest;
    const old = sameAs;
    const left = own?.left ?? found.find((each) => each.version === old)?.left;
    // Its event may have been faster: then the copy leaves the queue.
    for (const dataset of datasets)
      await ledger.noteShortened(
        dataset,
        leases.fenceOf(dataset),
        { object, version: old },
        { version, etag, size },
        dataset === work.dataset ? left : undefined,
      );
    const isShown = own ? isHidden : resumed?.wasHidden === true && !isHidden;
    // The object was deleted, and stays so.
    if (isShown) await store.delete(bucket, [object]);
  }
  const waits: string[] = [];
  const deletable: RawFound[] = [];
  for (const each of found) {
    const standing = each.version === sameAs ? null : await standingOf(deps, datasets, each, latest?.version);
    if (standing === null) deletable.push(each);
    else waits.push(standing.why);
  }
  await store.deleteVersions(
    bucket,
    deletable.map(({ version }) => ({ key: object, version })),
  );
  return { rewritten, records, deleted: deletable.length, waits };
}

const datasetsOf = ({ dataset, readers }: Erasing): string[] => [dataset, ...readers];

/**
 * Why an earlier version cannot be deleted yet; null if it can. It counts for a dataset as long as its rows are in the table, or a rollback
 * has put it back into the queue: with the version, the records of everybody else would be gone. `isFinal`: only a person can change this.
 */
async function standingOf(
  { ledger }: Pick<EraseDeps, 'ledger'>,
  datasets: readonly string[],
  { object, version }: Pick<RawFound, 'object' | 'version'>,
  current: string | undefined,
): Promise<{ readonly why: string; readonly isFinal: boolean } | null> {
  if (current === undefined) return null;
  const waiting = ['pending', 'claimed', 'held'];
  for (const dataset of datasets) {
    const [read] = await ledger.read(dataset, [{ object, version }]);
    const newer = await ledger.file(dataset, { object, version: current });
    // It has the same bytes.
    if (newer?.version === version) continue;
    const { rows, version: latest } = read?.object ?? {};
    const hasRows = rows?.version === version && rows.isRejected !== true;
    const isBack = latest === version && waiting.includes(read?.file?.state ?? '');
    const isOpen = newer === undefined || waiting.includes(newer.state);
    if ((hasRows || isBack) && !isOpen)
      return {
        why: `${object}: its version ${version} counts in ${dataset}, and a newer one, ${current}, which was rejected, rolled back or failed, hides it; delete the newer version from the raw bucket`,
        isFinal: true,
      };
    if (isOpen && (hasRows || newer?.decision?.restores === version))
      return {
        why: `${object}: its version ${version} counts in ${dataset}, and a newer version waits; run the same command again when the newer version is published, or rejected and deleted`,
        isFinal: false,
      };
  }
  return null;
}
