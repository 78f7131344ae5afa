/** Invariant 2 for documents: of two concurrent calls of a step, the later changes nothing that the first has written. */
import { UpdateTableCommand } from '@aws-sdk/client-glue';
import { afterEach, expect, jest, test } from '@jest/globals';
import * as z from 'zod';
import { places } from '../../../src/lib/flow/batch/addresses.ts';
import { contractOf } from '../../../src/lib/flow/batch/deps.ts';
import { profileOf } from '../../../src/lib/flow/batch/rawTable.ts';
import { startGlueJob } from '../../../src/lib/flow/steps/startGlueJob.ts';
import { type Deps, dataset, World } from '../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const jobSchema = z.looseObject({ plan: z.unknown() });

/** What `look` reads of a batch before its transform. An error would only fail the batch, so the result is returned. */
async function beforeTransform<T>(
  look: (deps: Deps, attempt: { batch: string; fence: number }) => Promise<T>,
): Promise<T> {
  const world = new World();
  world.put('feed/a', ['1@06']);
  let found: Promise<T> | undefined;
  world.watch('transform', async (deps) => {
    const [attempt] = await deps.ledger.openBatches(dataset);
    if (found === undefined && attempt) found = look(deps, attempt);
    await found?.catch(() => {});
  });
  await world.deliver();
  await world.executeAll();
  if (found === undefined) throw new Error('nothing was transformed');
  return found;
}

test('invariant 2: a twin that finds another schema in the Catalog goes by the plan that its attempt has', async () => {
  const found = await beforeTransform(async (deps, attempt) => {
    const { store, config } = deps;
    const step = { dataset, ...attempt };
    const at = places(config);
    const startOne = async () => {
      const { run } = await startGlueJob(deps, step);
      const { job } = at.run(dataset, attempt.batch, run.slice(0, run.indexOf('-')));
      return {
        plan: await store.readText(at.attempt(dataset, attempt).plan),
        ofJob: (await store.readJson(job, jobSchema)).plan,
      };
    };
    const first = await startOne();
    await deps.actor.glue.send(
      new UpdateTableCommand({
        DatabaseName: 'db',
        TableInput: {
          Name: 'raw_feed',
          StorageDescriptor: { Location: 's3://raw/feed/', Columns: [{ Name: 'id', Type: 'string' }] },
        },
      }),
    );
    return { first, second: await startOne() };
  });
  expect(JSON.stringify(found.first.ofJob)).toContain('day');
  expect(found.second).toEqual(found.first);
});

test('invariant 2: a twin of CheckCrawler that has looked at the files later goes by the profile that its attempt has', async () => {
  const { before, found, after } = await beforeTransform(async (deps, attempt) => {
    const { store, config, contracts } = deps;
    const at = places(config).attempt(dataset, attempt);
    const manifest = { dataset, batch: attempt.batch, files: [], published: [], decision: null };
    const before = await store.readText(at.profile);
    // It found no profile, and a moment later one exists.
    const late = { ...store, findJson: async () => undefined };
    const contract = contractOf({ contracts }, dataset);
    const found = await profileOf({ config, store: late }, contract, manifest, { dataset, ...attempt });
    return { before, found, after: await store.readText(at.profile) };
  });
  expect(found.files.map((f) => f.object)).toEqual(['feed/a']);
  expect(after).toBe(before);
});
