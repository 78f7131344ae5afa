/**
 * The ledger against a model: after any operations in any order, by the holder of the lease, by one who lost it, and by two
 * at once, files have the states of the model, and nobody moves another's files.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { FileState, RawFile } from '../../src/lib/model/records.ts';
import { stage } from '../support/stage.ts';

const { ledger } = stage;

interface Model {
  /** File number -> state, and the group it waits in. */
  readonly files: Map<number, { state: FileState; group?: string | undefined }>;
  fence: number;
  isHeld: boolean;
  /** The files that the holder has claimed. */
  batch: number[];
  batches: number;
}
type Real = { readonly dataset: string };

const fileOf = (n: number): RawFile => ({ object: `x/${n}`, version: 'v1', size: n, sequencer: '' });
const numberOf = (file: { object: string }) => Number(file.object.slice(2));
const batchName = (model: Model) => `b${model.batches}`;

abstract class Command implements fc.AsyncCommand<Model, Real> {
  check(_: Readonly<Model>): boolean {
    return true;
  }
  abstract act(model: Model, dataset: string): Promise<void>;
  async run(model: Model, { dataset }: Real): Promise<void> {
    await this.act(model, dataset);
    const files = await Array.fromAsync(ledger.files(dataset));
    expect(new Map(files.map((f) => [numberOf(f), f.state]))).toEqual(
      new Map([...model.files].map(([n, f]) => [n, f.state])),
    );
    const waiting = (await ledger.pending(dataset)).map(numberOf).sort();
    expect(waiting).toEqual(
      [...model.files]
        .filter(([, f]) => f.state === 'pending')
        .map(([n]) => n)
        .sort(),
    );
    expect((await ledger.lease(dataset))?.execution !== undefined).toBe(model.isHeld);
  }
  toString(): string {
    return JSON.stringify({ [this.constructor.name]: this });
  }
}

class Note extends Command {
  readonly n: number;
  constructor(n: number) {
    super();
    this.n = n;
  }
  async act(model: Model, dataset: string) {
    // An event may arrive at two Lambdas at once.
    const noted = await Promise.all([1, 2].map(() => noteOnce(dataset, fileOf(this.n))));
    expect(noted.filter(Boolean)).toHaveLength(model.files.has(this.n) ? 0 : 1);
    if (!model.files.has(this.n)) model.files.set(this.n, { state: 'pending' });
  }
}

/** Only sequencers define the order here. */
const noteOnce = async (dataset: string, file: RawFile, etag = 'e'): Promise<boolean | Error> => {
  const [isNoted = false] = await ledger.notePending(dataset, [{ ...file, etag }], async () => []);
  return isNoted;
};

class Acquire extends Command {
  async act(model: Model, dataset: string) {
    const taken = (await Promise.all([1, 2, 3].map(() => ledger.acquireLease(dataset)))).filter(
      (f) => f !== null,
    );
    expect(taken).toHaveLength(model.isHeld ? 0 : 1);
    if (model.isHeld) return;
    expect(taken[0]).toBeGreaterThan(model.fence);
    model.fence = taken[0] ?? 0;
    model.isHeld = true;
  }
}

class Release extends Command {
  override check(model: Readonly<Model>) {
    return model.isHeld && model.batch.length === 0;
  }
  async act(model: Model, dataset: string) {
    await ledger.releaseLease(dataset, model.fence - 1);
    expect((await ledger.lease(dataset))?.execution).toBeDefined();
    await ledger.releaseLease(dataset, model.fence);
    model.isHeld = false;
  }
}

class Claim extends Command {
  override check(model: Readonly<Model>) {
    return model.isHeld && model.batch.length === 0;
  }
  async act(model: Model, dataset: string) {
    const files = await ledger.nextFiles(dataset, 10);
    const groups = new Set(files.map((f) => f.group));
    expect(groups.size).toBeLessThanOrEqual(1);
    if (files.length === 0) return;
    model.batches++;
    const batch = { id: batchName(model), files, bytes: 0, engine: 'embedded', execution: 'e' };
    await expect(ledger.claim(dataset, model.fence - 1, batch)).rejects.toMatchObject({ name: 'LeaseLost' });
    await ledger.claim(dataset, model.fence, batch);
    // A step may run twice.
    await ledger.claim(dataset, model.fence, batch);
    model.batch = files.map(numberOf);
    for (const n of model.batch) model.files.set(n, { state: 'claimed' });
    expect(await ledger.openBatches(dataset)).toMatchObject([{ batch: batch.id, fence: model.fence }]);
  }
}

class Publish extends Command {
  override check(model: Readonly<Model>) {
    return model.isHeld && model.batch.length > 0;
  }
  async act(model: Model, dataset: string) {
    const batch = batchName(model);
    const files = model.batch.map((n) => ({ ...fileOf(n), isRejected: false, isMissing: false }));
    const late = { batch, fence: model.fence - 1 };
    await expect(ledger.commit(dataset, late)).rejects.toMatchObject({ name: 'LeaseLost' });
    await ledger.commit(dataset, { batch, fence: model.fence });
    await ledger.commit(dataset, { batch, fence: model.fence });
    await expect(ledger.settlePublished(dataset, late.fence, batch, files)).rejects.toMatchObject({
      name: 'LeaseLost',
    });
    const closed = { rows: 1, files: files.length, found: {} };
    await ledger.settlePublished(dataset, model.fence, batch, files);
    for (const _ of [1, 2]) await ledger.closePublished(dataset, model.fence, batch, closed);
    model.fence = await ledger.nextBatch(dataset, model.fence);
    for (const n of model.batch) model.files.set(n, { state: 'published' });
    model.batch = [];
    const published = [...model.files.values()].filter((f) => f.state === 'published').length;
    expect(await ledger.publishedFiles(dataset)).toBe(published);
  }
}

class GiveBack extends Command {
  readonly state: 'held' | 'failed' | 'pending';
  constructor(state: 'held' | 'failed' | 'pending') {
    super();
    this.state = state;
  }
  override check(model: Readonly<Model>) {
    return model.isHeld && model.batch.length > 0;
  }
  async act(model: Model, dataset: string) {
    const { state } = this;
    const group = state === 'pending' ? `g${model.batches}` : undefined;
    const files = model.batch.map((n) => ({ ...fileOf(n), state, group }));
    const attempt = { batch: batchName(model), fence: model.fence };
    // Whoever takes a batch back has a higher fence; writes with a lower one fail from then on.
    const fence = (await ledger.takeOver(dataset, { execution: 'e' })) ?? 0;
    expect(fence).toBeGreaterThan(model.fence);
    const ended = { state: state === 'held' ? 'held' : 'failed', reason: 'a test' } as const;
    await expect(ledger.giveBack(dataset, model.fence, attempt, ended, files)).rejects.toMatchObject({
      name: 'LeaseLost',
    });
    await expect(ledger.commit(dataset, attempt)).rejects.toMatchObject({ name: 'LeaseLost' });
    model.fence = fence;
    await ledger.giveBack(dataset, fence, attempt, ended, files);
    await ledger.giveBack(dataset, fence, attempt, ended, []);
    model.fence = await ledger.nextBatch(dataset, fence);
    for (const n of model.batch) model.files.set(n, { state, group });
    model.batch = [];
    expect(await ledger.openBatches(dataset)).toEqual([]);
  }
}

class Requeue extends Command {
  override check(model: Readonly<Model>) {
    return [...model.files.values()].some((f) => f.state === 'held' || f.state === 'failed');
  }
  async act(model: Model, dataset: string) {
    const found = [...model.files].filter(([, f]) => f.state === 'held' || f.state === 'failed');
    const published = [...model.files].find(([, f]) => f.state === 'published');
    if (published) expect(await ledger.requeue(dataset, [fileOf(published[0])])).toBe(0);
    // Two operators at once: each file is moved once.
    const moved = await Promise.all(
      [1, 2].map(() =>
        ledger.requeue(
          dataset,
          found.map(([n]) => fileOf(n)),
        ),
      ),
    );
    expect(moved.reduce((sum, n) => sum + n, 0)).toBe(found.length);
    for (const [n] of found) model.files.set(n, { state: 'pending' });
  }
}

test('property: the ledger does what its model does', async () => {
  const commands = fc.commands(
    [
      fc.nat(7).map((n) => new Note(n)),
      fc.constant(new Acquire()),
      fc.constant(new Release()),
      fc.constant(new Claim()),
      fc.constant(new Publish()),
      fc
        .constantFrom('held' as const, 'failed' as const, 'pending' as const)
        .map((state) => new GiveBack(state)),
      fc.constant(new Requeue()),
    ],
    { size: '+1', maxCommands: 40 },
  );
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      const dataset = `model-${process.pid}-${runs++}`;
      const model: Model = { files: new Map(), fence: 0, isHeld: false, batch: [], batches: 0 };
      await fc.asyncModelRun(() => ({ model, real: { dataset } }), sequence);
    }),
    { numRuns: 40, seed: 9, endOnFailure: true },
  );
});

test('property: in whatever order events of an object come, and how often, the bytes that were put last are the ones that count', async () => {
  const puts = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 6 });
  const events = puts.chain((etags) =>
    fc.tuple(
      fc.constant(etags),
      fc.shuffledSubarray(
        [...etags.keys(), ...etags.keys()].map((put, i) => ({ put, i })),
        { minLength: etags.length * 2 },
      ),
    ),
  );
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(events, async ([etags, order]) => {
      const dataset = `object-${process.pid}-${runs++}`;
      const versions = etags.map((_, put) => ({ object: 'x/1', version: `v${put}` }));
      for (const { put } of order)
        await noteOnce(dataset, { ...fileOf(1), version: `v${put}`, sequencer: `0${put}` }, etags[put]);
      expect(await ledger.knows(dataset, versions)).toEqual(versions.map(() => true));
      const files = await Array.fromAsync(ledger.files(dataset));
      const latest = files
        .filter((f) => f.state !== 'replaced')
        .sort((a, b) => (a.sequencer < b.sequencer ? 1 : -1))[0];
      expect(latest).toMatchObject({ state: 'pending', etag: etags.at(-1) });
      expect(await ledger.file(dataset, { object: 'x/1', version: `v${etags.length - 1}` })).toEqual(latest);
    }),
    { numRuns: 40, seed: 3, endOnFailure: true },
  );
});
