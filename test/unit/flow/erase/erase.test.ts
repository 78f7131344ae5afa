/** An erasure takes a person out of everything that a stage keeps, whenever it is interrupted, and changes nothing else. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterEach, expect, jest, test } from '@jest/globals';
import { parseContract } from '../../../../src/lib/contract/load.ts';
import { ErasureRefused } from '../../../../src/lib/errors.ts';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { erase, survey } from '../../../../src/lib/flow/erase/erase.ts';
import type { PersonEngine } from '../../../../src/lib/flow/erase/work.ts';
import { replay } from '../../../../src/lib/flow/operate/again.ts';
import { decide } from '../../../../src/lib/flow/operate/decide.ts';
import { stateOrBatch, tag } from '../../../../src/lib/flow/operate/history.ts';
import { pause, resume } from '../../../../src/lib/flow/operate/pause.ts';
import { rollback } from '../../../../src/lib/flow/operate/rollback.ts';
import type { TableFormatName } from '../../../../src/lib/model/plan.ts';
import { after } from '../../../support/everyCall.ts';
import {
  type Deps,
  dataset,
  expectCounted,
  expectNoOrphans,
  plan,
  type Row,
  World,
  type WorldOptions,
} from '../../../support/flowWorld.ts';
import type { Fault } from '../../../support/memory/index.ts';
import { formatUnderTest, isThorough, thoroughTest } from '../../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const person = 'zoe-quist';
const isTheirs = (line: string): boolean => line.includes(person);
const buckets = { raw: { isVersioned: true }, processed: { isVersioned: true }, work: { isVersioned: true } };

/** Rows are JSON here, and records are lines. */
const engineFor = (who: string): PersonEngine => {
  const isTheirs = (line: string): boolean => line.includes(who);
  const engine: PersonEngine = {
    async searchRaw(files) {
      const matches = files.flatMap(({ object, version, path }) => {
        const lines = readFileSync(path, 'utf8').split('\n');
        const found = lines.flatMap((line, i) => (isTheirs(line) ? [i + 1] : []));
        const left = lines.filter((line) => line.startsWith('{"id"') && !isTheirs(line)).length;
        return found.length === 0 ? [] : [{ object, version, records: found.length, left, lines: found }];
      });
      return { matches, unsearched: [] };
    },
    async eraseInRaw(file, to) {
      const text = readFileSync(file.path, 'utf8');
      if (text.startsWith('zip')) throw new ErasureRefused(`${file.object}: a zip archive`);
      writeFileSync(
        to,
        text
          .split('\n')
          .filter((line) => !isTheirs(line))
          .join('\n'),
      );
      const [match] = (await engine.searchRaw([file])).matches;
      return match ?? { ...file, records: 0, left: 0, lines: [] };
    },
    async fetchRows(read, size, path) {
      writeFileSync(path, new Uint8Array(await read(0, size)));
    },
    async searchRows(copies) {
      return copies.map(({ path, to, deletes }) => {
        const rows = JSON.parse(readFileSync(path, 'utf8')) as (Row & { line?: string })[];
        const gone = deletes === undefined ? [] : (JSON.parse(readFileSync(deletes, 'utf8')) as number[]);
        const others = rows.map((row) => row.id !== who && !isTheirs(row.line ?? ''));
        const kept = rows.filter((_, i) => others[i] && !gone.includes(i));
        const removed = others.filter((isOther) => !isOther).length;
        if (to !== undefined && kept.length > 0 && removed > 0) writeFileSync(to, JSON.stringify(kept));
        return { removed, kept: kept.length, batches: [], unclear: [] };
      });
    },
    mentions: isTheirs,
  };
  return engine;
};
const engine = engineFor(person);

const request = { dataset, columns: ['id'], persons: 1, plan, engine };
const requestOf = (world: World) => ({
  ...request,
  plan: { ...plan, format: world.format, table: dataset },
});

/** Seconds go by without waiting. */
const run = (world: World, more: Partial<typeof request> = {}) =>
  world.call('erase', async (deps: Deps) => {
    const own = { ...deps, turnPause: 0 };
    const asked = { ...requestOf(world), ...more };
    return erase(own, asked, await survey(own, asked), { by: 'test', reason: 'asked to' });
  });

/** The person is in a published file, its earlier version, a corrected day, a bad line and another file's copy. */
async function lake(options: WorldOptions = {}): Promise<World> {
  const world = new World({ buckets, ...options });
  world.put('feed/a', ['old@06', `${person}@06`]);
  await world.settle();
  world.put('feed/a', ['a1@06', `${person}@07`, 'a2@07', `broken ${person}`, 'broken']);
  world.put('feed/b', ['b1@06', 'b2@07']);
  await world.settle();
  world.put('feed/c', [`${person}@06`]);
  world.put('feed/d', [`${person}@08`, 'd1@08']);
  await world.settle();
  for (const key of ['feed/a', 'feed/c', 'feed/d'])
    world.wanted.set(
      key,
      (world.wanted.get(key) ?? []).filter((line) => !isTheirs(line)),
    );
  // A report with a value of the row, and its first bytes where a file could not be read.
  const { store, config, ledger } = world.deps('test');
  const { batch = '' } = (await ledger.lastBatches(dataset)).at(-1) ?? {};
  const at = places(config).report(dataset, batch).data;
  const report = JSON.parse(await store.readText(at));
  report.columns[0].top = [{ value: person, rows: 1 }];
  await store.writeText(at, JSON.stringify(report));
  await store.writeText({ bucket: 'work', key: 'athena/answer.csv' }, `"id"\n"${person}"\n`);
  world.aws.clock.advance(7_200_000);
  return world;
}

/** Where the person is, in any version of any object. */
async function placesOf(world: World): Promise<string[]> {
  const { store } = world.deps('test');
  const found: string[] = [];
  for (const bucket of Object.keys(buckets))
    for await (const page of store.everyVersion(bucket, ''))
      for (const { key, version, isMarker } of page) {
        if (isMarker) continue;
        if (Buffer.from(await store.readBytes({ bucket, key, version })).includes(person))
          found.push(`${bucket}/${key}`);
      }
  return found.sort();
}

/** Everything but the person is as it was, and comes back as it was. */
async function expectErased(world: World, more: readonly string[] = []): Promise<void> {
  expect(await placesOf(world)).toEqual([]);
  const lines = ['feed/a a1@06', 'feed/a a2@07', 'feed/b b1@06', 'feed/b b2@07', 'feed/d d1@08'];
  expect(world.lines()).toEqual([...lines, ...more]);
  expect(world.refused().map(({ line }) => line)).toEqual(['broken']);
  await expectCounted(world);
}

test.each([isThorough ? formatUnderTest : 'iceberg'] satisfies TableFormatName[])(
  'a person leaves the table and its history, raw versions, quarantine, reports and answers: %s',
  async (format) => {
    const world = await lake({ format });
    const [before] =
      world.format === 'iceberg'
        ? await world.operate(async (deps) => [await tag(deps, dataset, 'pinned', undefined)])
        : [];
    const rows = world.rows().filter((row) => row.id !== person);
    const batches = world.aws.sfn.executions.size;
    const asked = await world.call('erase', (deps) => survey(deps, requestOf(world)));
    expect(asked.refusals).toEqual([]);
    expect(asked.counts).toMatchObject({ rawVersions: 4, rawRecords: 5, quarantineRows: 1 });
    expect(await placesOf(world)).not.toEqual([]);
    const certificate = await run(world);
    expect(certificate).toMatchObject({
      outcome: 'complete',
      found: { rawRecords: 5 },
      changed: {
        tableRows: 4,
        rawVersionsRewritten: 3,
        rawVersionsDeleted: 4,
        tagsRemoved: before ? ['pinned'] : [],
      },
      left: { rawRecords: 0, tableRows: 0 },
    });
    await expectErased(world);
    // The very same rows, with the version of their file.
    expect(world.rows()).toEqual(expect.arrayContaining(rows));
    // The events of the new versions start nothing.
    const isPut = (event: (typeof world.aws.s3.events)[number]) =>
      event['detail-type'] === 'Object Created' && event.detail.bucket.name === 'raw';
    world.events.push(...world.aws.s3.events.filter(isPut).slice(-3));
    await world.settle();
    expect(world.aws.sfn.executions.size).toBe(batches);
    if (before)
      await expect(world.operate((deps) => stateOrBatch(deps, dataset, before.id))).rejects.toThrow(
        /has no snapshot or tag/,
      );
    expect(await run(world)).toMatchObject({
      outcome: 'complete',
      changed: { tableRows: 0, rawVersionsRewritten: 0 },
    });
    // A replay reads the new versions, and a sweep finds nothing new.
    await world.operate((deps) => replay(deps, dataset, {}));
    await world.settle();
    world.aws.clock.advance(86_400_000);
    await world.sweep(true);
    await world.settle();
    await world.cleanUp();
    await expectErased(world);
  },
);

test('a ledger that was restored to a time before does not bring the person back', async () => {
  const world = await lake();
  const saved = world.aws.dynamo.items('ledger').map((item) => structuredClone(item));
  await run(world);
  for (const { pk, sk } of world.aws.dynamo.items('ledger')) world.aws.dynamo.remove('ledger', { pk, sk });
  for (const item of saved) world.aws.dynamo.seed('ledger', item);
  world.aws.clock.advance(86_400_000);
  await world.sweep(true);
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, {}));
  await world.settle();
  await expectErased(world);
});

test('a deleted key of the person leaves the tombstones, and other keys stay deleted', async () => {
  const world = new World({ buckets, isDeduped: true });
  world.put('feed/b', [`${person}@06`, 'b1@06', 'b2@06']);
  await world.settle();
  world.put('feed/a', [`-${person}@06`, '-b1@06']);
  await world.settle();
  expect(world.lines()).toEqual(['feed/b b2@06']);
  const { outcome, found } = await run(world);
  expect([outcome, found.tombstoneRows]).toEqual(['complete', 1]);
  expect(await placesOf(world)).toEqual([]);
  // A late older row of the other key, and a replay.
  world.put('feed/c', ['b1@06']);
  await world.settle();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  await world.cleanUp();
  expect(world.lines()).toEqual(['feed/b b2@06']);
  await expectNoOrphans(world);
});

test('a row of a person that a delete file hides leaves the bytes, and a hidden row of another does not come back', async () => {
  const world = new World({ buckets, format: 'iceberg', isDeduped: true });
  world.put('feed/m', [`${person}@06`, 'm1@06', 'm2@06', 'm3@06', 'm4@06']);
  await world.settle();
  world.put('feed/l', [`-${person}@06`, 'm1@06']);
  await world.settle();
  expect(world.deletes().size).toBe(1);
  const lines = ['feed/l m1@06', 'feed/m m2@06', 'feed/m m3@06', 'feed/m m4@06'];
  expect(world.lines()).toEqual(lines);
  world.aws.clock.advance(7_200_000);
  // The hidden row, and the tombstone of its key.
  const asked = { ...request, plan: { ...plan, format: world.format, table: dataset } };
  expect(await run(world, asked)).toMatchObject({ outcome: 'complete', changed: { tableRows: 2 } });
  expect(await placesOf(world)).toEqual([]);
  expect([world.lines(), world.deletes().size]).toEqual([lines, 0]);
  // The old delete file has positions alone, and nothing names it any more.
  await world.cleanUp();
  await expectCounted(world);
});

test('what cannot be cut is refused before anything is changed', async () => {
  const world = await lake();
  world.put('feed/z', ['zip', `${person}@06`]);
  await world.settle();
  const before = await placesOf(world);
  await expect(run(world)).rejects.toThrow(/nothing was changed:\n.*a zip archive/s);
  expect(await placesOf(world)).toEqual(before);
});

thoroughTest('an object that was deleted stays deleted, and a version that waits is waited for', async () => {
  const world = await lake();
  const { store } = world.deps('test');
  await store.delete('raw', ['feed/d']);
  world.put('feed/b', [`${person}@06`, 'b1@06', 'b2@07']);
  await world.settle();
  // A new version, of which nobody has heard.
  world.put('feed/b', ['b1@06', 'b2@07']);
  await expect(run(world)).rejects.toThrow(/feed\/b: its version/);
  await world.settle();
  // A file that waits is read in its new version.
  await world.operate((deps) => pause(deps, dataset, 'later'));
  world.put('feed/e', [`${person}@06`, 'e1@06']);
  await world.deliver();
  expect(await run(world)).toMatchObject({ outcome: 'complete' });
  await world.operate((deps) => resume(deps, dataset));
  await world.settle();
  expect(world.linesOf('feed/e')).toEqual(['e1@06']);
  expect(await run(world)).toMatchObject({ outcome: 'complete' });
  expect(await store.exists({ bucket: 'raw', key: 'feed/d' })).toBe(false);
  // What only expired snapshots named is left to reconcile.
  await world.cleanUp();
  await expectErased(world, ['feed/e e1@06']);
});

test('a version that counts is not deleted with the records of others: one that was rejected and hides it goes first', async () => {
  const world = new World({ buckets });
  const many = ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06'];
  world.put('feed/a', [`${person}@06`, 'a1@06']);
  world.put('feed/b', [`${person}@06`, ...many]);
  await world.settle();
  const wrong = [
    { key: 'feed/a', version: world.put('feed/a', ['x@06']) },
    { key: 'feed/b', version: world.put('feed/b', ['x@06']) },
  ];
  await world.settle();
  const { ledger, store } = world.deps('test');
  const by = { reason: 'a test', at: new Date().toISOString() };
  for (const { batch, state } of (await ledger.batches(dataset)).slice(1))
    if (state === 'held')
      await world.operate((deps) => decide(deps, dataset, batch, { kind: 'reject', ...by }));
    else if (state === 'published') await world.operate((deps) => rollback(deps, dataset, batch, by));
  await world.settle();
  await expect(run(world)).rejects.toThrow(/nothing was changed:\n(?:.*hides it.*\n?){2}/);
  await store.deleteVersions('raw', wrong);
  expect(await run(world)).toMatchObject({ outcome: 'complete' });
  expect(await placesOf(world)).toEqual([]);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  expect(world.lines()).toEqual(['feed/a a1@06', ...many.map((line) => `feed/b ${line}`)]);
  expect(await ledger.waiting(dataset, 'held')).toEqual([]);
});

thoroughTest('two at once: one has the leases, and the other continues after it', async () => {
  const world = await lake();
  const held = await world.operate(({ ledger }) => ledger.acquireLease(dataset, 'maintain-other'));
  await expect(run(world)).rejects.toThrow(/gave no turn/);
  await world.operate(({ ledger }) => ledger.releaseLease(dataset, held ?? 0));
  const both = await Promise.allSettled([run(world), run(world)]);
  expect(both.some(({ status }) => status === 'fulfilled')).toBe(true);
  expect(await run(world)).toMatchObject({ outcome: 'complete' });
  await expectErased(world);
});

/** Objects of the table do not have the column that names a person: their rows are known by the records of raw files. */
const byRecords: PersonEngine = {
  ...engine,
  async searchRows(copies, records) {
    const knows = ({ object, version }: Row) =>
      records.some((r) => r.object === object && r.version === version);
    const shifted = new Set(records.flatMap(({ object, isShifted }) => (isShifted ? [object] : [])));
    return copies.map(({ path, to }) => {
      const rows = JSON.parse(readFileSync(path, 'utf8')) as Row[];
      const kept = rows.filter((row) => row.id !== person || !knows(row));
      const removed = rows.length - kept.length;
      if (to !== undefined && kept.length > 0 && removed > 0) writeFileSync(to, JSON.stringify(kept));
      const unclear = kept
        .filter((row) => shifted.has(row.object) && !knows(row))
        .map(({ object }) => object);
      return { removed, kept: kept.length, batches: [], unclear: [...new Set(unclear)] };
    });
  },
};

test('rows that only lines of raw files tell apart, which an earlier erasure has shifted, are refused until the files are replayed', async () => {
  const world = new World({ buckets });
  world.put('feed/a', ['bob@07', `${person}@06`, 'a1@06']);
  await world.settle();
  world.aws.clock.advance(7_200_000);
  await run(world, { engine: engineFor('bob') });
  await expect(run(world, { engine: byRecords })).rejects.toThrow(
    /nothing was changed:\n- .*has changed the lines of feed\/a: replay these files/,
  );
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/a' }));
  await world.settle();
  expect(await run(world, { engine: byRecords })).toMatchObject({ outcome: 'complete' });
  expect(world.lines()).toEqual(['feed/a a1@06']);
  expect(await placesOf(world)).toEqual([]);
});

test.each(['hive', 'iceberg'] satisfies TableFormatName[])(
  'a raw version that is gone since the search takes no rows of others with it: %s',
  async (format) => {
    const world = new World({ buckets, format });
    const version = world.put('feed/a', [`${person}@06`, 'a1@06']);
    await world.settle();
    world.aws.clock.advance(7_200_000);
    await world.call('erase', async (deps: Deps) => {
      const own = { ...deps, turnPause: 0 };
      const asked = { ...requestOf(world), engine: byRecords };
      const before = await survey(own, asked);
      expect(before.counts.tableRows).toBe(1);
      // As another erasure does, while a person is asked for this one.
      await own.store.deleteVersions('raw', [{ key: 'feed/a', version }]);
      return erase(own, asked, before, { by: 'test', reason: 'asked to' });
    });
    expect(world.lines()).toEqual(['feed/a a1@06']);
  },
);

const faults: readonly Fault[] = isThorough
  ? [{ mode: 'hang' }, { mode: 'hang', effect: true }, { mode: 'lost' }, { mode: 'fail' }]
  : [{ mode: 'hang', effect: true }];

test.each(faults.map((fault, i) => [JSON.stringify(fault), fault, isThorough ? 30 + 9 * i : 107] as const))(
  'whichever call is hit, the next run finishes: %s',
  async (_name, fault, first) => {
    // Some of them. All were tried when this was written.
    for (let nth = first; ; nth += isThorough ? 37 : 150) {
      const world = await lake();
      let calls = 0;
      let hit = '';
      world.aws.plan = ({ actor, operation }) => {
        if (!actor.startsWith('erase') || ++calls !== nth) return undefined;
        hit = operation;
        return fault;
      };
      await run(world).catch(() => undefined);
      world.aws.plan = undefined;
      await after(`${nth} ${hit}`, async () => {
        await world.settle();
        expect(await run(world)).toMatchObject({ outcome: 'complete' });
        await world.settle();
        expect(await placesOf(world)).toEqual([]);
        // A commit that was taken back has left the rows of others in objects that only expired snapshots named.
        await world.cleanUp();
        await expectErased(world);
      });
      if (hit === '') break;
    }
  },
  600_000,
);

test('rows of the table that other datasets have looked up leave staging, and the rest of their staging stays', async () => {
  const world = new World({ buckets, format: 'hive' });
  world.put('feed/a', ['a1@06', `${person}@06`]);
  await world.settle();
  world.aws.clock.advance(7_200_000);
  const orders = parseContract(
    'orders.yml',
    `
dataset: orders
source: { prefix: orders/, formats: [ndjson] }
columns: [{ name: user_id, path: user, type: string }]
enrich: [{ kind: lookup, table: ${dataset}, on: { user_id: id }, columns: { seen: at } }]
partitionBy: []`,
  );
  const batch = 'ab'.repeat(10);
  const { config, store } = world.deps('test');
  const lookup = places(config).lookup('orders', { batch, fence: 1 }, 'reference_0');
  const run = places(config).run('orders', batch, 'r');
  for (const at of [lookup, run.reference('reference_0'), run.job])
    await store.writeText(at, `{"id":"${person}"}`);
  await world.call('erase', async (deps: Deps) => {
    const own = { ...deps, turnPause: 0, contracts: new Map([...deps.contracts, ['orders', orders]]) };
    const asked = requestOf(world);
    return erase(own, asked, await survey(own, asked), { by: 'test', reason: 'asked to' });
  });
  expect(await placesOf(world)).toEqual([`work/${run.job.key}`]);
});
