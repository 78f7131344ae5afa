/**
 * `npm run soak -- --minutes N --seed N`: random files, faults and operator's commands, and after each round the same
 * question: is every good row there once, every bad one in quarantine once, and no dataset stuck?
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Fault } from '../../offline/faults.ts';
import { depsOf } from '../../offline/stage.ts';
import { retry } from '../../src/lib/flow/operate.ts';
import { abortExecutions, expectWhole, killLambda, setFaults, untilSettled } from '../support/faults.ts';
import { post, put, stage } from '../support/stage.ts';

const minutes = Number(process.env.SLUICE_SOAK_MINUTES ?? 20);
const seed = Number(process.env.SLUICE_SOAK_SEED ?? Date.now() % 1_000_000);
const dataset = 'social_media';

const fault: fc.Arbitrary<Fault> = fc.record({
  service: fc.constantFrom('s3', 'dynamodb', 'glue', 'athena', 'states', 'events'),
  mode: fc.constantFrom('throttle', 'error', 'lost'),
  times: fc.integer({ min: 1, max: 9 }),
  skip: fc.integer({ min: 0, max: 12 }),
  // Only what the flow calls: a person's own tools are not under test.
  function: fc.constantFrom(
    'dispatch',
    'claimBatch',
    'checkCrawler',
    'transformEmbedded',
    'startValidation',
    'checkValidation',
    'publish',
    'repairPartitions',
    'completeBatch',
    'failBatch',
    'recover',
  ),
});
const round = fc.record({
  files: fc.array(fc.record({ good: fc.integer({ min: 0, max: 5 }), bad: fc.integer({ min: 0, max: 2 }) }), {
    minLength: 1,
    maxLength: 30,
  }),
  faults: fc.array(fault, { maxLength: 3 }),
  harm: fc.constantFrom(
    'none',
    'none',
    'abort',
    'kill publish',
    'kill transformEmbedded',
    'kill completeBatch',
  ),
});

test(
  `${minutes} minutes of anything, seed ${seed}`,
  async () => {
    const end = Date.now() + minutes * 60_000;
    const deps = depsOf(stage);
    const rounds = fc.sample(round, { numRuns: 100_000, seed });
    let next = 1_200_000_000;
    let done = 0;
    for (const { files, faults, harm } of rounds) {
      if (Date.now() > end) break;
      await setFaults(faults);
      const dropped = await Promise.all(
        files.map(async ({ good, bad }) => {
          const ids = Array.from({ length: good }, () => next++);
          const key = `social-media-feed/soak/${next++}.json`;
          // A first line that is blank keeps an empty file from having the bytes of another.
          const lines = [
            ...ids.map((id) => post(id)),
            ...Array.from({ length: bad }, (_, i) => `{"id": ${i},`),
          ];
          await put(key, `\n${lines.join('\n')}\n`);
          return { key, ids, bad };
        }),
      );
      try {
        if (harm === 'abort') await abortExecutions();
        else if (harm !== 'none') killLambda(harm.replace('kill ', ''));
      } catch {
        // Nothing ran just then.
      }
      const keys = dropped.map((d) => d.key);
      let settled = await untilSettled(dataset, keys);
      await setFaults();
      if (settled.some((f) => f.state !== 'published')) {
        await retry(deps, dataset, {});
        settled = await untilSettled(dataset, keys);
      }
      expect(settled.filter((f) => f.state !== 'published')).toEqual([]);
      await expectWhole(dataset, {
        ids: dropped.flatMap((d) => d.ids),
        bad: Object.fromEntries(dropped.filter((d) => d.bad > 0).map((d) => [d.key, d.bad])),
      });
      done++;
      if (done % 10 === 0)
        console.log(`${done} rounds, ${Math.round((end - Date.now()) / 60_000)} minutes to go`);
    }
    console.log(`${done} rounds, seed ${seed}`);
    expect(done).toBeGreaterThan(0);
  },
  (minutes + 10) * 60_000,
);
