/**
 * Which files have lost rows to which. A transform stages the pairs, and Publish writes them for each winner, before its commit. If a later
 * batch changes the winner, its losers are read again: so the rows that had lost to it come back. A pair that never counted, because its
 * attempt was taken back, makes a file be read once too often, and changes nothing.
 */
import * as z from 'zod';
import { type Attempt, type FileId, rejectsRows } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import { replayPrefix } from './id.ts';
import { type Manifest, replacesOf } from './manifest.ts';

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

/**
 * Puts the files back into the queue that had lost rows to files which a committed batch has changed: another version, another contract, or
 * no rows at all. They are replayed as batches of their own. Idempotent. Gives their number.
 */
export async function readLosersAgain(
  { config, store, ledger }: Pick<Deps, 'config' | 'store' | 'ledger'>,
  manifest: Manifest,
  contract: string,
): Promise<number> {
  const { dataset, batch, files } = manifest;
  const changed = await changedIn({ ledger }, manifest, contract);
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

/** The objects whose published rows a batch has taken out of the table, and not put back as they were. */
async function changedIn(
  { ledger }: Pick<Deps, 'ledger'>,
  manifest: Manifest,
  contract: string,
): Promise<string[]> {
  const replaced = replacesOf(manifest).filter(({ isRejected }) => !isRejected);
  const versions = new Map(manifest.files.map(({ object, version }) => [object, version]));
  const batches = [...new Set(replaced.map(({ batch }) => batch))];
  const contracts = new Map(
    await parallel(
      batches,
      16,
      async (each) => [each, (await ledger.batch(manifest.dataset, each))?.contract] as const,
    ),
  );
  return replaced
    .filter(
      ({ object, version, batch }) =>
        rejectsRows(manifest.decision) ||
        versions.get(object) !== version ||
        contracts.get(batch) !== contract,
    )
    .map(({ object }) => object);
}
