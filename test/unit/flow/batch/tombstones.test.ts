/** Which deletes count for a batch. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Manifest } from '../../../../src/lib/flow/batch/manifest.ts';
import {
  areTombstones,
  dayOf,
  lookingBack,
  tombstonesFor,
} from '../../../../src/lib/flow/batch/tombstones.ts';
import type { Plan } from '../../../../src/lib/model/plan.ts';
import { attemptPrefix } from '../../../../src/lib/table/objectName.ts';
import { dataset, plan, World } from '../../../support/flowWorld.ts';

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  jest.restoreAllMocks();
});

const own = 'a'.repeat(20);
const name = (letter: string, fence = 1) => `${attemptPrefix({ batch: letter.repeat(20), fence })}0.parquet`;
const found = async (dedupe: Partial<NonNullable<Plan['set']['dedupe']>> | null) => {
  const of = { key: ['id'], order: [], published: true, ...dedupe };
  const graves = await tombstonesFor(
    world.deps('transform'),
    { ...plan, set: { ...plan.set, dedupe: dedupe && of } },
    own,
    [{ batch: 'b'.repeat(20), fence: 2 }],
  );
  return graves.map(({ ref, bytes, address }) => {
    expect(address).toBe(`s3://work/${ref.key}`);
    return [
      ref.key
        .split('/')
        .slice(-2)
        .join(' ')
        .replace('-0.parquet', '')
        .replace(/(.)\1{19}/, '$1'),
      bytes,
    ];
  });
};

test('those of the last days count, but none of the batch itself or of attempts that were taken back', async () => {
  const now = world.aws.clock.now();
  const day = (ago: number) => dayOf(now - ago * 86_400_000);
  const put = (ago: number, file: string, of = dataset) =>
    world.aws.s3.seed('work', `tombstones/${of}/${day(ago)}/${file}`, 'rows');
  put(0, name('c'));
  put(0, name('a'));
  put(0, name('a', 9));
  put(0, name('b', 2));
  put(0, name('b', 20));
  put(7, name('d'));
  put(8, name('e'));
  put(0, name('f'), 'other');
  const days = { deletes: true, keepDeletesDays: 7 };
  expect(await found(days)).toEqual([
    [`${day(7)} d-f1`, 4],
    [`${day(0)} b-f20`, 4],
    [`${day(0)} c-f1`, 4],
  ]);
  expect(await found({ ...days, keepDeletesDays: 8 })).toHaveLength(4);
  expect(await found({ ...days, keepDeletesDays: 6 })).toHaveLength(2);
  expect(await found({ deletes: true })).toHaveLength(2);
  expect(await found({})).toEqual([]);
  expect(await found(null)).toEqual([]);
});

const fileOf = (group: string, notedAt: string): Manifest['files'][number] => ({
  object: 'feed/a',
  version: '1',
  size: 1,
  sequencer: '',
  sk: '',
  etag: '',
  group,
  notedAt,
});

test.each([
  ['a new file', ['RETRY'], [300], undefined, 2],
  ['a replay', ['replay-1'], [300], undefined, 2],
  ['a file that has lost rows and came 20 days ago', ['replay-~lost-b'], [20], undefined, 3],
  ['one that came 300 days ago, with another', ['replay-~lost-b'], [20, 300], undefined, 4],
  ['one for which they would be too many', ['replay-~lost-b'], [300], 3, 2],
] as const)('those that count for longer: %s', async (_, [group], ages, most, count) => {
  const now = world.aws.clock.now();
  const before = (ago: number) => new Date(now - ago * 86_400_000).toISOString();
  for (const ago of [1, 30, 40, 300])
    world.aws.s3.seed('work', `tombstones/${dataset}/${before(ago).slice(0, 10)}/${name('c')}`, 'rows');
  const dedupe = { key: ['id'], order: [], published: true, deletes: true, keepDeletesDays: 30 };
  const files = ages.map((ago) => fileOf(group, before(ago)));
  const looking = lookingBack({ ...plan, set: { ...plan.set, dedupe } }, { files });
  expect(await tombstonesFor(world.deps('transform'), looking, own, [], most)).toHaveLength(count);
});

test('the oldest file of a large batch says for how long tombstones count', () => {
  const now = world.aws.clock.now();
  const of = (ago: number) => fileOf('replay-~lost-b', new Date(now - ago * 86_400_000).toISOString());
  const files = [...Array.from({ length: 200_000 }, () => of(3)), of(40)];
  const dedupe = { key: ['id'], order: [], published: true, deletes: true, keepDeletesDays: 30 };
  const { set } = lookingBack({ ...plan, set: { ...plan.set, dedupe } }, { files });
  expect(set.dedupe?.lookBackDays).toBeGreaterThanOrEqual(70);
});

test('keys of tombstones are known by their folder', () => {
  const { config } = world.deps('test');
  const are = areTombstones(config, dataset);
  expect(
    [`tombstones/${dataset}/2026-01-01/x`, `tombstones/${dataset}2/x`, `quarantine/${dataset}/x`].map(are),
  ).toEqual([true, false, false]);
});
