/**
 * Which files have lost rows to which. A transform stages the pairs, and Publish writes them for each winner, before its commit. If a later
 * batch changes the winner, its losers are read again: so the rows that had lost to it come back. A pair that never counted, because its
 * attempt was taken back, makes a file be read once too often, and changes nothing.
 */
import * as z from 'zod';
import { type Plan, planSchema, type Summary, summarySchema } from '../../model/plan.ts';
import { type Attempt, type FileId, rejectsRows } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import { replayPrefix } from './id.ts';
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
  await parallel(changed, 16, async (winner) => {
    const { bucket, key } = places(config).lost(dataset, winner);
    const found = await store.list(bucket, key);
    // What this batch has noted is the state after it.
    const earlier = found.filter((pairs) => !pairs.key.slice(key.length).startsWith(`${batch}-`));
    await parallel(earlier, 16, async (pairs) => {
      for (const loser of await store.readJson({ bucket, key: pairs.key }, losersSchema))
        if (!own.has(loser)) losers.add(loser);
    });
  });
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
  return ledger.replay(dataset, again, `${replayPrefix}~lost-${batch}`);
}

type LostDeps = Pick<Deps, 'config' | 'store' | 'ledger'>;

const idOf = ({ object, version }: FileId): string => JSON.stringify([object, version]);

/** The objects whose published rows a batch has taken out of the table, and not put back as they were. */
async function changedIn(deps: LostDeps, { manifest, plan, summary }: Changing): Promise<string[]> {
  const { dataset, decision, files } = manifest;
  const replaced = replacesOf(manifest).filter(({ isRejected }) => !isRejected);
  const versions = new Map(files.map(({ object, version }) => [object, version]));
  const quarantined = quarantinedIn(summary);
  const batches = [...new Set(replaced.map(({ batch }) => batch))];
  const earlier = new Map(
    await parallel(
      batches,
      16,
      async (each) => [each, await earlierBatch(deps, dataset, each, plan)] as const,
    ),
  );
  return replaced
    .filter((file) => {
      const before = earlier.get(file.batch);
      if (before === undefined) return false;
      const hasOthers = versions.get(file.object) !== file.version || !before.isOfContract;
      // The same bytes under the same contract give other rows if what the contract looks up has changed.
      return (
        rejectsRows(decision) ||
        hasOthers ||
        quarantined.get(idOf(file)) !== before.quarantined.get(idOf(file))
      );
    })
    .map(({ object }) => object);
}

/** What decides whether a later batch, with this plan, has changed files of a batch; undefined if none of them can have won rows. */
async function earlierBatch(
  { config, store, ledger }: LostDeps,
  dataset: string,
  batch: string,
  later: Plan,
): Promise<{ isOfContract: boolean; quarantined: ReadonlyMap<string, number> } | undefined> {
  const record = await ledger.batch(dataset, batch);
  const isOfContract = record?.contract === later.contract;
  const at = places(config).attempt(dataset, { batch, fence: record?.committed ?? 0 });
  let compares = later.set.dedupe?.published === true;
  if (!compares && !isOfContract) {
    // The rows may have won under a contract that compared published rows, though the present one does not.
    const own = await unlessGone(store.readJson(at.plan, planSchema));
    compares = own === null || own.set.dedupe?.published === true;
  }
  if (!compares) return undefined;
  const summary = isOfContract ? await unlessGone(store.readJson(at.summary, summarySchema)) : null;
  return { isOfContract, quarantined: summary === null ? new Map() : quarantinedIn(summary) };
}

const quarantinedIn = ({ files }: Summary): ReadonlyMap<string, number> =>
  new Map(files.map((file) => [idOf(file), file.quarantined]));
