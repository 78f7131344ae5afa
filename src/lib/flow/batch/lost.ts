/**
 * Which files have lost rows to which. A transform stages the pairs, and Publish writes them for each winner, before its commit. If a later
 * batch changes the winner, its losers are read again: so the rows that had lost to it come back. A pair that never counted, because its
 * attempt was taken back, makes a file be read once too often, and changes nothing.
 */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { type Accounting, type Plan, planSchema, type Summary, summarySchema } from '../../model/plan.ts';
import { type Attempt, type FileId, rejectsRows } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import { isLoser, losersGroup } from './id.ts';
import { type Manifest, replacesOf, unlessGone } from './manifest.ts';

const pairSchema = z.object({ winner: z.string(), losers: z.array(z.string()) });
const losersSchema = z.array(z.string());

/** Writes the staged pairs of an attempt. Idempotent. */
export async function writeLost(
  { config, store, deadline }: Pick<Deps, 'config' | 'store' | 'deadline'>,
  dataset: string,
  attempt: Attempt,
  run: string,
): Promise<void> {
  const at = places(config);
  const { bucket, key } = at.run(dataset, attempt.batch, run).lost;
  for (const staged of await store.list(bucket, key)) {
    if (!staged.key.endsWith('.json')) continue;
    const text = await store.readText({ bucket, key: staged.key });
    await parallel(
      text.split('\n').filter((line) => line !== ''),
      64,
      async (line) => {
        const { winner, losers } = pairSchema.parse(JSON.parse(line));
        const to = at.lost(dataset, winner);
        await store.writeText(
          { ...to, key: `${to.key}${attemptPrefix(attempt)}.json` },
          JSON.stringify(losers),
        );
      },
      deadline,
    );
  }
}

/** A committed batch, as far as it says whose rows it has changed. */
interface Changing {
  readonly manifest: Manifest;
  readonly plan: Plan;
  readonly summary: Summary;
}

/**
 * Puts the files back into the queue that had lost rows to files which a committed batch has changed: another version, another contract,
 * fewer good rows, or none at all. They are replayed as batches of their own. Idempotent. Gives their number.
 */
export async function readLosersAgain(deps: LostDeps, changing: Changing): Promise<number> {
  const { config, store, ledger } = deps;
  const { dataset, batch, files } = changing.manifest;
  const changed = await changedIn(deps, changing);
  const own = new Set(files.map(({ object }) => object));
  const losers = new Set<string>();
  const addLosers = async (winner: string) => {
    const { bucket, key } = places(config).lost(dataset, winner);
    const found = await store.list(bucket, key);
    // What this batch has noted is the state after it.
    const earlier = found.filter((pairs) => !pairs.key.slice(key.length).startsWith(`${batch}-`));
    await parallel(earlier, 16, async (pairs) => {
      for (const loser of await store.readJson({ bucket, key: pairs.key }, losersSchema))
        if (!own.has(loser)) losers.add(loser);
    });
  };
  await parallel(changed, 32, addLosers, deps.deadline);
  if (losers.size === 0) return 0;
  const records = await ledger.read(
    dataset,
    [...losers].sort().map((object) => ({ object, version: '' })),
  );
  const again: FileId[] = records.flatMap(({ object }) =>
    object?.rows === undefined || object.rows.isRejected
      ? []
      : [{ object: object.object, version: object.rows.version }],
  );
  // Behind an operator's replays and rollbacks: of these, later batches often have the same losers.
  return ledger.replay(dataset, again, losersGroup(batch));
}

type LostDeps = Pick<Deps, 'config' | 'store' | 'ledger' | 'deadline'>;

/** The objects whose published rows a batch has taken out of the table, and not put back as they were. */
async function changedIn(deps: LostDeps, changing: Changing): Promise<string[]> {
  const replaced = replacesOf(changing.manifest).filter(({ isRejected }) => !isRejected);
  const { files } = changing.manifest;
  const own = {
    hasLost: files.some(isLoser),
    versions: new Map(files.map(({ object, version }) => [object, version])),
    counts: new Map(changing.summary.files.map((file) => [file.object, file])),
  };
  const byBatch = [...Map.groupBy(replaced, ({ batch }) => batch)];
  const changed = await parallel(
    byBatch,
    32,
    ([batch, files]) => changedOf(deps, changing, own, batch, files),
    deps.deadline,
  );
  return changed.flat();
}

/** What the committed batch knows of its own files: whether some are read again for lost rows; by object, their versions and counts. */
interface OwnFiles {
  readonly hasLost: boolean;
  readonly versions: ReadonlyMap<string, string>;
  readonly counts: ReadonlyMap<string, Accounting>;
}

/** Those among the files of one earlier batch. There may be as many batches as files. */
async function changedOf(
  { config, store, ledger }: LostDeps,
  { manifest: { dataset, decision }, plan }: Changing,
  { hasLost, versions, counts }: OwnFiles,
  batch: string,
  replaced: Manifest['published'],
): Promise<string[]> {
  const record = await ledger.batch(dataset, batch);
  const at = places(config).attempt(dataset, { batch, fence: record?.committed ?? 0 });
  const isOfContract = record?.contract === plan.contract;
  const compares = plan.set.dedupe?.published === true;
  const then =
    isOfContract || (compares && !hasLost) ? plan : await unlessGone(store.readJson(at.plan, planSchema));
  // The rows may have won under a contract that compared published rows, though the present one does not.
  if (!compares && then !== null && then.set.dedupe?.published !== true) return [];
  const objects = replaced.map(({ object }) => object);
  // Nobody has asked to read a loser under the present contract. If every contract sent its losers on, one correction could replay all files.
  const isAlike = isOfContract || (hasLost && then !== null && decidesAlike(then, plan));
  if (rejectsRows(decision) || !isAlike) return objects;
  const before = await unlessGone(store.readJson(at.summary, summarySchema));
  if (before === null) return objects;
  const own = new Set(objects);
  const earlier = new Map(
    before.files.filter(({ object }) => own.has(object)).map((file) => [file.object, file]),
  );
  return replaced.flatMap(({ object, version }) =>
    // The same bytes give other rows if what the contract looks up has changed.
    versions.get(object) !== version || hasOthers(counts.get(object), earlier.get(object)) ? [object] : [],
  );
}

/** Whether other rows of a file take part in the comparison, as far as counts tell. The other counts are results of the comparison. */
const hasOthers = (now: Accounting | undefined, earlier: Accounting | undefined): boolean =>
  (['rowsRead', 'quarantined', 'skipped'] as const).some(
    (fate) => (now?.[fate] ?? 0) !== (earlier?.[fate] ?? 0),
  );

/** Whether the plans compare rows by the same columns. */
function decidesAlike(one: Plan, other: Plan): boolean {
  const [left, right] = [one, other].map(({ set: { dedupe }, partitionKeys }) => ({
    partitionKeys,
    dedupe: { ...dedupe, keepDeletesDays: undefined, lookBackDays: undefined },
  }));
  return isDeepStrictEqual(left, right);
}
