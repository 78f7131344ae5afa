import { CreateTableCommand, DeleteTableCommand } from '@aws-sdk/client-glue';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { readManifest } from '../../../src/lib/flow/batch/manifest.ts';
import { replay, retry } from '../../../src/lib/flow/operate/again.ts';
import { decide } from '../../../src/lib/flow/operate/decide.ts';
import { reconcile } from '../../../src/lib/flow/repair/reconcile.ts';
import { hiveFormat } from '../../../src/lib/table/hive/format.ts';
import { dataset, World } from '../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

test('a replay and a correction of one file, both failed, retried together', async () => {
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  world.put('feed/a', ['1@07', '2@07']);
  await world.settle();
  world.aws.plan = undefined;
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@07', 'feed/a 2@07']);
});

test('failed replay retried after its correction was noted (correction healthy, waits)', async () => {
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  world.aws.plan = undefined;
  world.put('feed/a', ['1@07', '2@07']);
  // both before an execution claims
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@07', 'feed/a 2@07']);
});

test('the quarantine table has another location: found out only after the commit', async () => {
  await world.aws.actor('other').glue.send(
    new CreateTableCommand({
      DatabaseName: 'db',
      TableInput: {
        Name: 'quarantine',
        StorageDescriptor: { Location: 's3://old-work/quarantine/', Columns: [] },
        PartitionKeys: [
          { Name: 'dataset', Type: 'string' },
          { Name: 'batch', Type: 'string' },
        ],
      },
    }),
  );
  world.put('feed/a', ['1@06', 'bad']);
  await world.settle();
  world.put('feed/b', ['1@06']);
  await world.settle();
  expect(world.lines()).toContain('feed/b 1@06');
});

test('the golden table is dropped between Publish and RepairPartitions', async () => {
  // Without its metadata an Iceberg table would have lost its rows: files wait for a person (iceberg.test.ts).
  world = new World({ format: 'hive' });
  let n = 0;
  world.watch('repairPartitions', async (deps) => {
    if (n++ === 0) await deps.actor.glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: 'feed' }));
  });
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.put('feed/b', ['1@06']);
  await world.settle();
  expect(world.lines()).toContain('feed/b 1@06');
});

/** Freezes the nth call that is meant, of the first actor of that name. */
const freeze = (name: string, nth: number, isMeant: (operation: string, input: object) => boolean) => {
  let who = '';
  return world.freeze(nth, (actor, operation, input) => {
    if (who === '' && actor.startsWith(`${name}~`)) who = actor;
    return actor === who && isMeant(operation, input);
  });
};

test('the first Publish, taken for lost, goes on after a later batch of the same execution replaced its rows', async () => {
  world = new World({ isRetriedWhenFrozen: true });
  const frozen = freeze('publish', 1, (...call) => world.isPublishing(...call));
  let n = 0;
  const steps: string[] = [];
  world.watch('publish', async () => {
    n++;
    steps.push(`publish ${n}`);
    // 1: the first, 2: its twin
    if (n === 2) {
      world.put('feed/a', ['9@07']);
      await world.deliver();
    }
    if (n === 3) {
      world.put('feed/d', ['1@08']);
      await world.deliver();
    }
    if (n === 4) await world.thaw();
  });
  world.put('feed/a', ['1@06', '2@06']);
  world.put('feed/b', ['1@06']);
  await world.deliver();
  await world.executeAll();
  await world.settle();
  expect(frozen.hit).not.toBe('');
  expect(world.lines()).toEqual(['feed/a 9@07', 'feed/b 1@06', 'feed/d 1@08']);
});

test('a CompleteBatch, taken for lost, goes on while the same execution has a later batch', async () => {
  world = new World({ isRetriedWhenFrozen: true });
  world.put('feed/a', ['a@06']);
  world.put('feed/b', ['b@06']);
  world.put('feed/c', ['c@06']);
  await world.settle();
  freeze('completeBatch', 2, (operation) => operation.endsWith('TransactWriteItems'));
  let n = 0;
  world.watch('publish', async () => {
    n++;
    if (n === 1) {
      world.put('feed/b', ['b2@06']);
      await world.deliver();
    }
    if (n === 2) {
      world.put('feed/d', ['d@08']);
      await world.deliver();
    }
    if (n === 3) await world.thaw();
  });
  world.put('feed/a', ['a2@06']);
  await world.deliver();
  await world.executeAll();
  await world.settle();
  const counted = await world.counted();
  const keys = world.objects();
  await world.cleanUp();
  expect(world.lines()).toEqual(['feed/a a2@06', 'feed/b b2@06', 'feed/c c@06', 'feed/d d@08']);
  expect(counted).toEqual(keys);
});

test('a replay that waits for a person, whose file is then corrected, leaves an entry nobody can remove', async () => {
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  world.aws.plan = undefined;
  world.put('feed/a', ['1@07', '2@07']);
  await world.settle();
  const { ledger } = world.deps('test');
  expect(await ledger.backlog(dataset, 10)).toMatchObject({ failed: 0 });
  await world.operate((deps) => retry(deps, dataset, {}));
  await world.settle();
  expect(await ledger.backlog(dataset, 10)).toMatchObject({ failed: 0 });
});

test('reconcile drops a partition in which a batch is published between its look and the drop', async () => {
  world = new World({ format: 'hive' });
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.put('feed/a', ['1@07']);
  await world.settle();
  const deps = world.deps('reconcile');
  const { store } = deps;
  const wrapped = {
    ...store,
    list: async (bucket: string, prefix: string) => {
      const found = await store.list(bucket, prefix);
      if (prefix.includes('day=06')) {
        world.put('feed/b', ['5@06']);
        await world.settle();
      }
      return found;
    },
  };
  const hive = hiveFormat({ ...deps, store: wrapped });
  await reconcile({ ...deps, formats: { ...deps.formats, hive } }, dataset);
  expect(world.lines()).toContain('feed/b 5@06');
  expect(world.aws.glue.partitions('db', 'feed').map((p) => p.values.join('/'))).toContain('feed/06');
});

test('a file released once is past every check when it is replayed later', async () => {
  world.put('feed/a', ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06']);
  await world.settle();
  world.put('feed/a', ['1@06']);
  await world.settle();
  const { ledger } = world.deps('test');
  const [held] = await ledger.waiting(dataset, 'held');
  await world.operate((deps) =>
    decide(deps, dataset, held?.batch ?? '', {
      kind: 'release',
      reason: 'ok',
      at: '2026-01-01T00:00:00.000Z',
    }),
  );
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@06']);
  world.aws.clock.advance(365 * 86_400_000);
  let decision: unknown = 'none';
  world.watch('publish', async (deps) => {
    const lease = await deps.ledger.lease(dataset);
    decision = (await readManifest(deps, { dataset, batch: lease?.batch ?? '', fence: lease?.fence ?? 0 }))
      .decision;
  });
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  expect(decision).toBe(null);
});

test('the entry of a held replay whose file was corrected cannot be retried, released or rejected', async () => {
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  world.breakEngine();
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  world.aws.plan = undefined;
  world.put('feed/a', ['1@07', '2@07']);
  await world.settle();
  const { ledger } = world.deps('test');
  const [held] = await ledger.waiting(dataset, 'held');
  const errors: string[] = [];
  await world.operate((deps) => retry(deps, dataset, {}));
  await world
    .operate((deps) =>
      decide(deps, dataset, held?.batch ?? '', {
        kind: 'reject',
        reason: 'x',
        at: '2026-01-01T00:00:00.000Z',
      }),
    )
    .catch((e) => errors.push(String(e)));
  await world.settle();
  expect(await ledger.backlog(dataset, 10)).toMatchObject({ held: 0, failed: 0 });
});

test('an empty correction beside another file, held for another reason, wipes its rows when that is released', async () => {
  world.put('feed/a', ['1@06', '2@06', '3@06', '4@06', '5@06']);
  await world.settle();
  world.put('feed/a', ['<html>']);
  world.put('feed/b', ['1@07']);
  let n = 0;
  world.watch('checkValidation', async () => {
    if (n++ > 0) return;
    const error = new Error('1 of 3 expectations failed: freshness');
    error.name = 'ExpectationFailed';
    throw error;
  });
  await world.settle();
  const { ledger } = world.deps('test');
  const [held] = await ledger.waiting(dataset, 'held');
  await world.operate((deps) =>
    decide(deps, dataset, held?.batch ?? '', {
      kind: 'release',
      reason: 'late feed is fine',
      at: '2026-01-01T00:00:00.000Z',
    }),
  );
  await world.settle();
  expect(world.lines().filter((r) => r.startsWith('feed/a'))).toHaveLength(5);
});

test('a replay with one poison file: the others are published again', async () => {
  for (const k of ['a', 'b', 'c', 'd']) world.put(`feed/${k}`, [`${k}@06`]);
  await world.settle();
  world.breakEngine('feed/a');
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  const { ledger } = world.deps('test');
  const states = [];
  for (const k of ['a', 'b', 'c', 'd'])
    states.push((await ledger.versionsOf(dataset, `feed/${k}`)).map((f) => f.state).join());
  expect(states).toEqual(['failed', 'published', 'published', 'published']);
});

test('a poison file of a replay is given up after a few tries, also while other files are published', async () => {
  world.put('feed/a', ['a@06']);
  await world.settle();
  world.breakEngine('feed/a');
  let fails = 0;
  world.watch('failBatch', async () => {
    if (++fails > 60) {
      world.aws.plan = undefined;
      return;
    }
    world.put(`feed/n${fails}`, [`n${fails}@06`]);
    await world.deliver();
  });
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/a' }));
  await world.settle();
  expect(fails).toBeLessThan(10);
});

test('a CompleteBatch that comes late releases the lease of its execution in the middle of a later batch', async () => {
  world = new World({ isRetriedWhenFrozen: true });
  freeze('completeBatch', 1, (operation) => operation.endsWith('GetItem'));
  let n = 0;
  world.watch('publish', async () => {
    n++;
    if (n === 1) {
      world.put('feed/b', ['b2@06']);
      await world.deliver();
    }
    if (n === 2) await world.thaw();
  });
  world.put('feed/a', ['a2@06']);
  await world.deliver();
  await world.executeAll();
  expect(world.errors).toEqual([]);
});

/** Stops a dataset that starts executions for ever. */
const bounded = (most: number) => {
  const seen = { fails: 0 };
  world.watch('failBatch', async () => {
    if (++seen.fails > most) throw new Error('endless');
  });
  return seen;
};

test('a version that is gone when it is read, has a copy, and was corrected meanwhile', async () => {
  const v1 = world.put('feed/a', ['1@06']);
  await world.deliver();
  world.put('feed/a', ['1@06']);
  await world.deliver();
  let n = 0;
  world.watch('transform', async () => {
    if (n++ > 0) return;
    world.aws.s3.expire('raw', 'feed/a', v1);
    world.put('feed/a', ['2@07']);
    await world.deliver();
  });
  await world.executeAll();
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 2@07']);
});

test('a replay of rows whose version is gone, has a copy, and whose object has a rejected correction', async () => {
  const many = ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06'];
  const v1 = world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', ['1@06']);
  await world.settle();
  const { ledger } = world.deps('test');
  expect((await ledger.waiting(dataset, 'held')).length).toBe(1);
  world.aws.s3.expire('raw', 'feed/a', v1);
  bounded(30);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  world.put('feed/b', ['b@08']);
  await world.settle();
  expect(world.lines()).toContain('feed/b b@08');
});

test('a staged object that is gone before Publish: its rows are not silently left out', async () => {
  let n = 0;
  world.watch('publish', async (deps) => {
    if (n++ > 0) return;
    const [key = ''] = world.aws.s3.keys('work', 'staging/').filter((k) => k.endsWith('.parquet'));
    await deps.store.delete('work', [key]);
  });
  world.put('feed/a', ['1@06', '2@07']);
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@06', 'feed/a 2@07']);
});

test('the list of rewritten objects is gone before Publish: old rows do not stay beside new ones', async () => {
  world.put('feed/a', ['1@06', '2@07']);
  await world.settle();
  let n = 0;
  world.watch('publish', async (deps) => {
    if (n++ > 0) return;
    const keys = world.aws.s3.keys('work', 'staging/').filter((k) => k.endsWith('rewrites.json'));
    await deps.store.delete('work', keys);
  });
  world.put('feed/a', ['1@08', '2@08']);
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@08', 'feed/a 2@08']);
});

test('rows that a person rejected are not published from a copy of the same bytes', async () => {
  const v1 = world.put('feed/a', ['1@06', '2@06']);
  let n = 0;
  world.watch('checkValidation', async () => {
    if (n++ > 0) return;
    const error = new Error('1 of 3 expectations failed');
    error.name = 'ExpectationFailed';
    throw error;
  });
  await world.settle();
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', v1);
  const { ledger } = world.deps('test');
  const [held] = await ledger.waiting(dataset, 'held');
  await world.operate((deps) =>
    decide(deps, dataset, held?.batch ?? '', {
      kind: 'reject',
      reason: 'bad',
      at: '2026-01-01T00:00:00.000Z',
    }),
  );
  await world.settle();
  expect(world.lines()).toEqual([]);
});

test('the same replay keeps every new file of the dataset waiting after ten minutes', async () => {
  const many = ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06'];
  const v1 = world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', many);
  await world.settle();
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', v1);
  bounded(30);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.executeAll();
  world.aws.clock.advance(660_000);
  world.put('feed/b', ['b@08']);
  await world.settle().catch(() => {});
  expect(world.lines()).toContain('feed/b b@08');
});

test('reconcile does not take the rows of a batch for garbage that is committed while it runs', async () => {
  world = new World({ pages: { keys: 1 } });
  world.put('feed/z', ['z@01']);
  await world.settle();
  let hold: Promise<unknown> | undefined;
  let hit = false;
  world.aws.wire.turn = (actor, operation) => {
    if (hit || !actor.name.startsWith('publish~') || !operation.key.endsWith('TransactWriteItems'))
      return Promise.resolve();
    hit = true;
    // The copies are made; Publish was retried for more than an hour.
    world.aws.clock.advance(2 * 3_600_000);
    return new Promise((go) => {
      const deps = world.deps('reconcile');
      const { store } = deps;
      let page = 0;
      hold = reconcile(
        {
          ...deps,
          store: {
            ...store,
            async *listPages(bucket: string, prefix: string) {
              for await (const found of store.listPages(bucket, prefix)) {
                // Two pages of the open batch; between them it is committed and completed.
                if (bucket === 'processed' && ++page === 3) {
                  go();
                  for (let i = 0; i < 3000; i++) await new Promise<void>((d) => setImmediate(d));
                }
                yield found;
              }
            },
          },
        },
        dataset,
      );
    });
  };
  world.put('feed/a', ['1@06', '2@07', '3@08']);
  await world.deliver();
  await world.executeAll();
  await hold;
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@06', 'feed/a 2@07', 'feed/a 3@08', 'feed/z z@01']);
});

test('a released decision does not survive in a copy either: it is held again, with no way out', async () => {
  const many = ['1@06', '2@06', '3@06', '4@06', '5@06', '6@06'];
  world.put('feed/a', many);
  await world.settle();
  const v2 = world.put('feed/a', ['1@06']);
  await world.settle();
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', v2);
  const { ledger } = world.deps('test');
  const [held] = await ledger.waiting(dataset, 'held');
  await world.operate((deps) =>
    decide(deps, dataset, held?.batch ?? '', {
      kind: 'release',
      reason: 'ok',
      at: '2026-01-01T00:00:00.000Z',
    }),
  );
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 1@06']);
});

test('a file that is held because its source is gone is read when the same bytes are put again, as its reason says', async () => {
  const v1 = world.put('feed/a', ['1@06']);
  await world.settle();
  world.aws.s3.expire('raw', 'feed/a', v1);
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
  await world.settle();
  world.put('feed/a', ['1@06']);
  await world.settle();
  expect(await world.deps('test').ledger.backlog(dataset, 10)).toMatchObject({ held: 0 });
});
