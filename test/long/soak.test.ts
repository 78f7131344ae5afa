/**
 * `npm run soak -- --minutes N --seed N`: random files, faults and operator's commands. After each round, every good row must
 * exist once, every bad one must be in quarantine once, and no dataset may be stuck.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Fault } from '../../offline/faults.ts';
import { replay, retry } from '../../src/lib/flow/operate/again.ts';
import { reconcile } from '../../src/lib/flow/repair/reconcile.ts';
import type { FileRecord } from '../../src/lib/model/records.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { abortExecutions, expectWhole, killLambda, setFaults, untilSettled } from '../support/faults.ts';
import { athena, post, put, stage } from '../support/stage.ts';
import { sweepGarbage } from '../support/sweeps.ts';

const minutes = Number(process.env.SLUICE_SOAK_MINUTES ?? 20);
const seed = Number(process.env.SLUICE_SOAK_SEED ?? Date.now() % 1_000_000);
const dataset = 'social_media';

const fault: fc.Arbitrary<Fault> = fc.record({
  service: fc.constantFrom('s3', 'dynamodb', 'glue', 'athena', 'states', 'events'),
  mode: fc.constantFrom('throttle', 'error', 'lost', 'partial', 'partial', 'stall', 'stall', 'twice'),
  times: fc.integer({ min: 1, max: 9 }),
  skip: fc.integer({ min: 0, max: 12 }),
  // A stalled call takes effect during the retry, during the next batch, or with the remaining ones in the next round.
  after: fc.integer({ min: 0, max: 60 }),
  // Only calls of the flow; the operator's own tools are not under test.
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
/** A silent call blocks its caller, but not longer than the round. */
const silentStall: fc.Arbitrary<Fault> = fc
  .tuple(fault, fc.integer({ min: 1, max: 10 }))
  .map(([common, after]) => ({ ...common, mode: 'stall' as const, silent: true, times: 1, after }));

const round = fc.record({
  files: fc.array(fc.record({ good: fc.integer({ min: 0, max: 5 }), bad: fc.integer({ min: 0, max: 2 }) }), {
    minLength: 1,
    maxLength: 30,
  }),
  faults: fc.array(fc.oneof({ weight: 4, arbitrary: fault }, { weight: 1, arbitrary: silentStall }), {
    maxLength: 3,
  }),
  command: fc.constantFrom('none', 'none', 'replay', 'correct', 'reconcile'),
  // Of the files that were dropped before.
  which: fc.nat(),
  harm: fc.constantFrom(
    'none',
    'none',
    'abort',
    'kill publish',
    'kill transformEmbedded',
    'kill completeBatch',
  ),
});

interface Dropped {
  readonly key: string;
  readonly ids: readonly number[];
  readonly bad: number;
  readonly version: string;
}

test(
  `${minutes} minutes of anything, seed ${seed}`,
  async () => {
    const end = Date.now() + minutes * 60_000;
    const deps = depsOf(stage);
    const rounds = fc.sample(round, { numRuns: 100_000, seed });
    const known: Dropped[] = [];
    /** Ids of versions that a correction has replaced. */
    const gone: number[] = [];
    let next = 1_200_000_000;
    let done = 0;
    for (const { files, faults, harm, command, which } of rounds) {
      if (Date.now() > end) break;
      await setFaults(faults);
      const drop = async (key: string, good: number, bad: number): Promise<Dropped> => {
        const ids = Array.from({ length: good }, () => next++);
        // A unique first line, so an empty file never has the bytes of another.
        const lines = [
          ' '.repeat(next++ % 97),
          ...ids.map((id) => post(id)),
          ...Array.from({ length: bad }, (_, i) => `{"id": ${i},`),
        ];
        return { key, ids, bad, version: await put(key, `${lines.join('\n')}\n`) };
      };
      const dropped = await Promise.all(
        files.map(({ good, bad }) => drop(`social-media-feed/soak/${next++}.json`, good, bad)),
      );
      const old = known[which % Math.max(1, known.length)];
      if (command === 'reconcile') await reconcile(deps, dataset);
      if (old && command === 'replay') {
        await replay(deps, dataset, { prefix: old.key });
        dropped.push(old);
      }
      if (old && command === 'correct') {
        const corrected = await drop(old.key, old.ids.length + 1, old.bad);
        gone.push(...old.ids);
        known[known.indexOf(old)] = corrected;
        dropped.push(corrected);
      } else known.push(...dropped.filter((d) => d !== old));
      try {
        if (harm === 'abort') await abortExecutions();
        else if (harm !== 'none') killLambda(harm.replace('kill ', ''));
      } catch {
        // Nothing was running at that moment.
      }
      const keys = dropped.map((d) => d.key);
      const versions = dropped.map((d) => d.version);
      let settled = await untilSettled(dataset, keys, versions, { sweeping: true });
      await setFaults();
      const isOpen = (f: FileRecord) => f.state !== 'published' && f.state !== 'replaced';
      if (settled.some(isOpen)) {
        await retry(deps, dataset, {});
        settled = await untilSettled(dataset, keys, versions, { sweeping: true });
      }
      expect(settled.filter(isOpen)).toEqual([]);
      // Effects of stalled calls.
      if (faults.some(({ mode }) => mode === 'stall')) await sweepGarbage(dataset);
      await expectWhole(dataset, {
        ids: dropped.flatMap((d) => d.ids),
        bad: Object.fromEntries(dropped.filter((d) => d.bad > 0).map((d) => [d.key, d.bad])),
      });
      if (gone.length > 0)
        expect(
          await athena(`SELECT count(*) AS n FROM ${dataset} WHERE id IN (${gone.slice(-500).join(', ')})`),
        ).toEqual([{ n: '0' }]);
      done++;
      if (done % 10 === 0)
        console.log(`${done} rounds, ${Math.round((end - Date.now()) / 60_000)} minutes to go`);
    }
    console.log(`${done} rounds, seed ${seed}`);
    expect(done).toBeGreaterThan(0);
  },
  (minutes + 10) * 60_000,
);
