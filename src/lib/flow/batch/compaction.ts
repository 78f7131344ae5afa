/**
 * The begin and the end of a compaction, and of an erasure of rows. It is a batch without files, so that whoever finds it interrupted ends it
 * like any other: forward after its commit, and backward before. It has no rows of its own, so nobody is told of it.
 */
import type { Plan } from '../../model/plan.ts';
import { type Attempt, reasonOf } from '../../model/records.ts';
import { parallel } from '../../parallel.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import type { Manifest } from './manifest.ts';
import { dropReplaced, takeBack } from './objects.ts';
import { type Live, type Published, readPublished } from './published.ts';

type CompactionDeps = Pick<Deps, 'config' | 'store' | 'formats' | 'ledger'>;
type Compaction = { readonly dataset: string } & Attempt;

/**
 * Writes the documents of a compaction and claims it, before any object is written: whoever takes the attempt back knows what to remove.
 * `lives`: what each batch has afterwards.
 */
export async function beginCompaction(
  { config, store, ledger }: Pick<Deps, 'config' | 'store' | 'ledger'>,
  { dataset, ...attempt }: Compaction,
  plan: Plan,
  published: Published,
  lives: ReadonlyMap<string, Live>,
  { bytes, engine, execution }: { bytes: number; engine: 'compaction' | 'erasure'; execution: string },
): Promise<void> {
  const { batch, fence } = attempt;
  const at = places(config).attempt(dataset, attempt);
  await store.writeOnce(at.plan, JSON.stringify(plan));
  const manifest = { dataset, batch, files: [], published: [], decision: null, isCompaction: true };
  await store.writeOnce(at.manifest, JSON.stringify(manifest satisfies Manifest));
  await ledger.claim(dataset, fence, { id: batch, files: [], bytes, engine, execution });
  await parallel([...lives], 16, ([of, live]) => store.writeOnce(at.live(of), JSON.stringify(live)));
  await store.writeOnce(places(config).mark(dataset, attempt), '');
  await store.writeOnce(at.published, JSON.stringify(published));
}

/** Ends an interrupted compaction, under the lease with `fence`. */
export async function settleCompaction(
  deps: CompactionDeps,
  attempt: Compaction,
  fence: number,
  error: unknown,
): Promise<void> {
  const record = await deps.ledger.batch(attempt.dataset, attempt.batch);
  if (record === undefined) return;
  if (record.committed !== undefined) await finishCompaction(deps, attempt, fence);
  else await abandonCompaction(deps, attempt, fence, error instanceof Error ? reasonOf(error) : '');
}

/** After the commit, under the lease with `fence`. Can be repeated. */
export async function finishCompaction(
  deps: CompactionDeps,
  attempt: Compaction,
  fence: number,
): Promise<void> {
  const { config, store, ledger } = deps;
  const { dataset, batch } = attempt;
  const published = await readPublished(deps, dataset, attempt);
  await store.writeOnce(places(config).attempt(dataset, attempt).committed, JSON.stringify({ by: fence }));
  await ledger.setLive(dataset, fence, published.rewritten);
  await dropReplaced(deps, published);
  const { objects, partitions } = published;
  await ledger.closeCompaction(dataset, fence, batch, {
    objects: objects.length,
    partitions: partitions.length,
  });
}

/** Without a commit. The lease has a higher fence than the attempt by now. Can be repeated. */
export async function abandonCompaction(
  deps: CompactionDeps,
  attempt: Compaction,
  fence: number,
  reason: string,
): Promise<void> {
  const { dataset, ...own } = attempt;
  await takeBack(deps, dataset, own);
  await deps.ledger.giveBackCompaction(dataset, fence, own, reason);
}
