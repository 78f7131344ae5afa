/** Invariant 2 of documents: of two calls of a step that run beside each other, the later changes nothing that the first has written. */
import { UpdateTableCommand } from '@aws-sdk/client-glue';
import { afterEach, expect, jest, test } from '@jest/globals';
import * as z from 'zod';
import { places } from '../../../src/lib/flow/batch.ts';
import { profileOf } from '../../../src/lib/flow/checkCrawler.ts';
import { startGlueJob } from '../../../src/lib/flow/transform.ts';
import { type Deps, dataset, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

/** Runs `look` on a batch that is about to be transformed. */
async function beforeTransform(
  look: (deps: Deps, attempt: { batch: string; fence: number }) => Promise<void>,
) {
  const world = new World();
  world.put('feed/a', ['1@06']);
  let isDone = false;
  world.watch('transform', async (deps) => {
    const [attempt] = await deps.ledger.openBatches(dataset);
    if (isDone || !attempt) return;
    isDone = true;
    await look(deps, attempt);
  });
  await world.deliver();
  await world.executeAll();
  expect(isDone).toBe(true);
  return world;
}

test('invariant 2: a twin that finds another schema in the Catalog goes by the plan that its attempt has', async () => {
  const jobSchema = z.looseObject({ plan: z.unknown() });
  await beforeTransform(async (deps, attempt) => {
    const { store, config } = deps;
    const step = { dataset, ...attempt };
    const at = places(config);
    const planNow = () => store.readText(at.attempt(dataset, attempt).plan);
    const jobOf = async (run: string) => {
      const folder = run.slice(0, run.indexOf('-'));
      return store.readJson(at.run(dataset, attempt.batch, folder).job, jobSchema);
    };
    const first = await startGlueJob(deps, step);
    const plan = await planNow();
    await deps.actor.glue.send(
      new UpdateTableCommand({
        DatabaseName: 'db',
        TableInput: {
          Name: 'raw_feed',
          StorageDescriptor: { Location: 's3://raw/feed/', Columns: [{ Name: 'id', Type: 'int' }] },
        },
      }),
    );
    const second = await startGlueJob(deps, step);
    expect(await planNow()).toBe(plan);
    expect(await jobOf(second.run)).toEqual({
      ...(await jobOf(second.run)),
      plan: (await jobOf(first.run)).plan,
    });
  });
});

test('invariant 2: a twin of CheckCrawler that has looked at the files later goes by the profile that its attempt has', async () => {
  await beforeTransform(async (deps, attempt) => {
    const { store, config, contracts } = deps;
    const at = places(config).attempt(dataset, attempt);
    const contract = contracts.get(dataset);
    const manifest = { dataset, batch: attempt.batch, files: [], published: [], decision: null };
    const profile = await store.readText(at.profile);
    // It has found no profile yet, and a moment later there is one.
    const late = { ...store, findJson: async () => undefined };
    if (!contract) throw new Error('no contract');
    const found = await profileOf({ config, store: late }, contract, manifest, { dataset, ...attempt });
    expect(found.files.map((f) => f.object)).toEqual(['feed/a']);
    expect(await store.readText(at.profile)).toBe(profile);
  });
});
