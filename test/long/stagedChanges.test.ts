/**
 * `npm run test:changes -- --engine glue`: a long feed of each kind, on both formats, on a local stage whose batches all run on Spark, with
 * corrections, replays and faults. Each table must end as the source. scripts/stagedChanges.ts has made the datasets of this stage.
 */
import { afterEach, expect, test } from '@jest/globals';
import type { Fault } from '../../offline/faults.ts';
import { replay, retry } from '../../src/lib/flow/operate/again.ts';
import { decide } from '../../src/lib/flow/operate/decide.ts';
import { chunksOf } from '../../src/lib/parallel.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { Dice } from '../oracle/dice.ts';
import { inTurn, tellChanges, textOf, versionText } from '../support/changes.ts';
import { setFaults, untilSettled } from '../support/faults.ts';
import { athena, put, stage } from '../support/stage.ts';
import { stagedFeeds } from '../support/stagedFeeds.ts';

const changes = Number(process.env.SLUICE_CHANGES ?? 100_000);
const seed = Number(process.env.SLUICE_SOAK_SEED ?? 1);
const filesAtOnce = 10;
const deps = depsOf(stage);

afterEach(() => setFaults());

/** Until all files are published: held ones are released, failed ones are tried again. */
async function settle(dataset: string, keys: readonly string[], versions: readonly string[]): Promise<void> {
  for (let i = 0; i < 10; i++) {
    const files = await untilSettled(dataset, keys, versions, {
      sweeping: true,
      pause: 20,
      seconds: 900,
    });
    const waiting = files.filter(({ state }) => state === 'held' || state === 'failed');
    if (waiting.length === 0) return;
    await setFaults();
    for (const batch of new Set(
      waiting.flatMap(({ state, batch }) => (state === 'held' && batch ? [batch] : [])),
    ))
      await decide(deps, dataset, batch, {
        kind: 'release',
        reason: 'a test',
        at: new Date().toISOString(),
      });
    await retry(deps, dataset, {});
  }
  throw new Error(`${dataset}: files stay held or failed`);
}

/** A fault of the flow that a later call, a retry or the sweep gets over. */
const someFault = (dice: Dice): Fault => ({
  service: dice.pick(['s3', 'dynamodb', 'glue', 'athena'] as const),
  mode: dice.pick(['throttle', 'error', 'lost', 'partial', 'twice'] as const),
  times: dice.from(1, 4),
  skip: dice.from(0, 12),
  function: dice.pick([
    'claimBatch',
    'startGlueJob',
    'checkGlueJob',
    'replaceRows',
    'publish',
    'completeBatch',
  ]),
});

test.each(stagedFeeds)(
  '$feed on $format, with a history: $hasHistory, ends as the source',
  async ({ dataset, feed, hasHistory }) => {
    const dice = new Dice(seed);
    const told = tellChanges(feed, dice, {
      changes,
      keys: Math.ceil(changes / 20),
      fileLines: Math.ceil(changes / 50),
      window: Math.ceil(changes / 10),
      truncates: !hasHistory,
    });
    const started = Date.now();
    const seconds = () => Math.round((Date.now() - started) / 1000);
    const [keys, versions] = [new Set<string>(), new Map<string, string>()];
    const chunks = chunksOf(inTurn(told, dice), filesAtOnce);
    for (const [i, some] of chunks.entries()) {
      if (dice.isOne(2)) await setFaults([someFault(dice)]);
      for (const { key, lines } of some) {
        const object = key.replace('feed/', `${dataset}/`);
        versions.set(object, await put(object, `${lines.join('\n')}\n`));
        keys.add(object);
      }
      await settle(dataset, [...keys], [...versions.values()]);
      await setFaults();
      process.stderr.write(`${dataset}: ${i + 1} of ${chunks.length} in ${seconds()} s\n`);
      if (!dice.isOne(4)) continue;
      await replay(deps, dataset, { prefix: `${dataset}/${dice.from(0, 9)}` });
      await settle(dataset, [...keys], [...versions.values()]);
    }
    const columns = hasHistory ? 'id, n, v, since, until, is_current AS current' : 'id, n, v';
    const rows = await athena(`SELECT ${columns} FROM ${dataset}`);
    const seen = rows.map(({ id, n, v, since, until, current }) =>
      hasHistory
        ? versionText({ id, n, v, since, until, current: current === 'true' })
        : textOf({ id, n, v }),
    );
    expect({ seed, table: seen.sort() }).toEqual({ seed, table: hasHistory ? told.versions : told.state });
    process.stderr.write(
      `${dataset}: ${(await stage.ledger.batches(dataset)).length} batches, ${seconds()} s\n`,
    );
  },
  7_200_000,
);
