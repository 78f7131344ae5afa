/** Rows of one key in several files: the table is the same in whatever order and batches the files come. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { replay } from '../../../src/lib/flow/operate/again.ts';
import { rollback } from '../../../src/lib/flow/operate/rollback.ts';
import { columnsIn } from '../../support/changesWorld.ts';
import { dataset, expectNoOrphans, expectWhole, World } from '../../support/flowWorld.ts';
import { realEngine } from '../../support/realEngine.ts';
import { isThorough } from '../../support/thorough.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const files = {
  'feed/a': ['1@06', '-2@06', '3@07', '-5@08'],
  'feed/b': ['2@06', '3@06', '-3@07', '-4@08'],
  'feed/c': ['1@06', '2@06', '-3@06', '4@08', 'bad', '6@08'],
};
const orders = [
  ['a', 'b', 'c'],
  ['a', 'c', 'b'],
  ['b', 'a', 'c'],
  ['b', 'c', 'a'],
  ['c', 'a', 'b'],
  ['c', 'b', 'a'],
] as const;

test.each(orders.flatMap((order) => [1, 2, 3].map((size) => [order.join(''), size, order] as const)))(
  'invariant 10: the same files give the same table: %s, %i at a time',
  async (_, size, order) => {
    const world = new World({ isDeduped: true });
    for (let at = 0; at < order.length; at += size) {
      for (const name of order.slice(at, at + size)) world.put(`feed/${name}`, files[`feed/${name}`]);
      await world.settle();
    }
    await expectWhole(world);
    await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
    await world.settle();
    await world.cleanUp();
    await expectWhole(world);
    await expectNoOrphans(world);
  },
);

test.each((isThorough ? orders : orders.slice(1, 3)).map((order) => [order.join(''), order] as const))(
  'invariant 10: the same files give the same table, if rows of all partitions are compared: %s',
  async (_, order) => {
    const moving = {
      'feed/a': ['1@06', '-2@07', '3@07', '-5@08'],
      'feed/b': ['2@06', '1@08', '-3@06', '4@07'],
      'feed/c': ['2@08', '3@06', '4@08', 'bad', '6@08', '5@06'],
    };
    const world = new World({ isDedupedInTable: true });
    for (const name of order) {
      world.put(`feed/${name}`, moving[`feed/${name}`]);
      await world.settle();
    }
    await expectWhole(world);
    await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/' }));
    await world.settle();
    await world.cleanUp();
    await expectWhole(world);
    await expectNoOrphans(world);
  },
);

/** Puts files one after the other, each when the one before is processed. */
async function putInTurn(world: World, given: readonly (readonly [string, readonly string[]])[]) {
  for (const [name, lines] of given) {
    world.put(`feed/${name}`, lines);
    await world.settle();
  }
}

test('a batch says how many rows left the table for its rows, and its objects have the others', async () => {
  const world = new World({ isDeduped: true });
  world.put('feed/b', files['feed/b']);
  await world.settle();
  world.put('feed/a', files['feed/a']);
  await world.settle();
  const batches = await world.deps('test').ledger.batches(dataset);
  const counts = batches.map((b) => b.counts);
  expect(counts.map((c) => [c?.rowsRead, c?.published, c?.deletes, c?.replacedRows, c?.deletedRows])).toEqual(
    [
      [4, 2, 2, 0, 0],
      [4, 2, 2, 0, 1],
    ],
  );
  expect(world.lines()).toEqual(['feed/a 1@06', 'feed/a 3@07', 'feed/b 3@06']);
});

test('a Publish that is repeated on the next day publishes the deletes of its run', async () => {
  const world = new World({ isDeduped: true });
  world.put('feed/b', ['1@06']);
  await world.settle();
  world.put('feed/a', ['-1@06']);
  // Its record is written, and none of its objects.
  world.aws.plan = ({ actor, operation, input }) => {
    if (
      !actor.startsWith('publish') ||
      operation !== 'CopyObject' ||
      !JSON.stringify(input).includes('tombstones/')
    )
      return undefined;
    world.aws.plan = undefined;
    world.aws.clock.advance(86_400_000);
    return { mode: 'fail', error: 'InternalError' };
  };
  await world.settle();
  expect(world.lines()).toEqual([]);
  world.put('feed/c', ['1@06']);
  await world.settle();
  await world.cleanUp();
  await expectWhole(world);
  await expectNoOrphans(world);
});

test('a deleted key stays deleted for the days of the contract; a correction without the delete brings its row back', async () => {
  const world = new World({ isDeduped: true });
  const graves = () => world.aws.s3.keys('work', `tombstones/${dataset}/`);
  world.put('feed/b', ['1@06', '2@06']);
  await world.settle();
  world.put('feed/a', ['-1@06', '-2@06']);
  await world.settle();
  expect([world.lines(), graves().length]).toEqual([[], 1]);
  world.put('feed/a', ['-1@06']);
  await world.settle();
  await expectWhole(world);
  expect(world.lines()).toEqual(['feed/b 2@06']);
  await world.cleanUp();
  await expectNoOrphans(world);
  world.aws.clock.advance(31 * 86_400_000);
  world.put('feed/c', ['1@06']);
  await world.settle();
  expect(world.lines()).toEqual(['feed/b 2@06', 'feed/c 1@06']);
});

/** Files in the order of their batches; then some are put again. */
const corrections: readonly [string, readonly [string, readonly string[]][], ...(readonly string[][])][] = [
  [
    'a duplicate',
    [
      ['a', ['1@06']],
      ['b', ['1@06', '2@06']],
    ],
    ['a', '3@06'],
  ],
  [
    'a replaced row',
    [
      ['b', ['1@06', '2@06']],
      ['a', ['1@06']],
    ],
    ['a', '3@06'],
  ],
  [
    'a row below two others',
    [
      ['c', ['1@06']],
      ['b', ['1@06']],
      ['a', ['1@06']],
    ],
    ['a', '9@06'],
    ['b', '8@06'],
  ],
  [
    'a row beside another',
    [
      ['c', ['1@06']],
      ['a', ['1@06']],
      ['b', ['1@06']],
    ],
    ['b', '9@06'],
    ['a', '8@06'],
  ],
  [
    'a delete below a row',
    [
      ['c', ['1@06']],
      ['a', ['1@06']],
      ['b', ['-1@06']],
    ],
    ['a', '9@06'],
    ['b', '8@06'],
  ],
  [
    'a row below two deletes',
    [
      ['b', ['-1@06']],
      ['a', ['-1@06']],
      ['c', ['1@06']],
    ],
    ['a', '9@06'],
    ['b', '8@06'],
  ],
];

test.each(corrections)(
  'invariant 10: a correction brings back %s of another file',
  async (_, files, ...corrected) => {
    const world = new World({ isDeduped: true });
    for (const [name, lines] of files) {
      world.put(`feed/${name}`, lines);
      await world.settle();
    }
    for (const [name, ...lines] of corrected) {
      world.put(`feed/${name}`, lines);
      await world.settle();
      await expectWhole(world);
    }
    await world.cleanUp();
    await expectNoOrphans(world);
  },
);

test('invariant 10: a rollback brings back what had lost to the file, and a correction reads only the losers again', async () => {
  const world = new World({ isDeduped: true });
  await putInTurn(world, [
    ['d', ['7@06']],
    ['b', ['1@06', '2@06']],
    ['a', ['1@06', '3@06']],
  ]);
  const { ledger } = world.deps('test');
  const before = await ledger.batches(dataset);
  const last =
    (
      await ledger.file(dataset, {
        object: 'feed/a',
        version: world.aws.s3.versions('raw', 'feed/a')[0]?.id ?? '',
      })
    )?.batch ?? '';
  await world.operate((deps) =>
    rollback(deps, dataset, last, { reason: 'a test', at: new Date().toISOString() }),
  );
  await world.settle();
  expect(world.lines()).toEqual(['feed/b 1@06', 'feed/b 2@06', 'feed/d 7@06']);
  // The rollback, and the replay of one file.
  expect((await ledger.batches(dataset)).length).toBe(before.length + 2);
  await world.cleanUp();
  await expectNoOrphans(world);
});

const beaten = async (): Promise<World> => {
  const world = new World({ isDeduped: true });
  world.put('feed/b', ['1@06']);
  await world.settle();
  world.put('feed/a', ['1@06', '2@06']);
  await world.settle();
  return world;
};

test('a row comes back if the file that it lost to is corrected under a contract that compares no published rows', async () => {
  const world = await beaten();
  world.changeContract(
    (contract) => ({ ...contract, dedupe: { key: ['id'], scope: 'batch', order: [] } }),
    'claimBatch',
  );
  world.put('feed/a', ['2@06']);
  await world.settle();
  await expectWhole(world);
});

test('a row comes back if a replay of the file that it lost to finds its row bad, because what it looks up has changed', async () => {
  const world = await beaten();
  // Here, the same version has other bytes.
  const [version] = world.aws.s3.versions('raw', 'feed/a');
  const text = world.text('raw', 'feed/a').replace(/^.*$/m, 'unmatched');
  Object.assign(version ?? {}, { content: world.aws.s3.seed('work', 'other', text).content });
  await world.operate((deps) => replay(deps, dataset, { prefix: 'feed/a' }));
  await world.settle();
  expect(world.lines()).toEqual(['feed/a 2@06', 'feed/b 1@06']);
});

test('a row whose raw file is gone does not come back, and its file is held and says so', async () => {
  const world = await beaten();
  const [version] = world.aws.s3.versions('raw', 'feed/b');
  world.aws.s3.expire('raw', 'feed/b', version?.id ?? '');
  world.put('feed/a', ['2@06']);
  await world.settle();
  const [held] = await Array.fromAsync(world.deps('test').ledger.files(dataset));
  expect(held).toMatchObject({
    object: 'feed/b',
    state: 'held',
    reason: expect.stringContaining('those that had lost to another file do not come back'),
  });
});

test('a file that is read again for a row that had lost brings back no row whose delete is forgotten', async () => {
  const world = new World({ isDeduped: true });
  await putInTurn(world, [
    ['c', ['1@06', '2@06']],
    ['b', ['-1@06']],
  ]);
  world.aws.clock.advance(100 * 86_400_000);
  world.put('feed/a', ['2@06', '3@06']);
  await world.settle();
  world.put('feed/a', ['3@06']);
  await world.settle();
  await expectWhole(world);
  expect(world.lines()).toEqual(['feed/a 3@06', 'feed/c 2@06']);
});

test('a correction under another contract reads the losers of its file again, and not all files, one after the other', async () => {
  const world = new World({ isDeduped: true });
  // Each has lost a row to the next one.
  await putInTurn(world, [
    ['e', ['1@06', '2@06']],
    ['d', ['2@06', '3@06']],
    ['c', ['3@06', '4@06']],
    ['b', ['4@06', '5@06']],
    ['a', ['5@06', '6@06']],
  ]);
  world.changeContract((contract) => ({ ...contract, maxPartitions: 9 }), 'claimBatch');
  const { ledger } = world.deps('test');
  const before = (await ledger.batches(dataset)).length;
  world.put('feed/a', ['6@06']);
  await world.settle();
  await expectWhole(world);
  expect((await ledger.batches(dataset)).length).toBe(before + 2);
});

test('a batch is rolled back with its files that were read again, because they had lost rows', async () => {
  const world = await beaten();
  const { ledger } = world.deps('test');
  const [first, second] = await ledger.batches(dataset);
  const by = { reason: 'a test', at: new Date().toISOString() };
  for (const batch of [second, first]) {
    await world.operate((deps) => rollback(deps, dataset, batch?.batch ?? '', by));
    await world.settle();
  }
  expect(world.lines()).toEqual([]);
  expect(await world.statesOf('feed/b')).toEqual(['rejected']);
});

test('a file that is read again sends its losers on only if its own rows are others, not if a delete of it loses by now', async () => {
  const world = new World({ isDeduped: true });
  await putInTurn(world, [
    ['c', ['1@06']],
    ['b', ['-1@06', '2@06']],
    ['a', ['1@06', '2@06']],
  ]);
  const { ledger } = world.deps('test');
  const before = (await ledger.batches(dataset)).length;
  world.put('feed/a', ['1@06']);
  await world.settle();
  await expectWhole(world);
  expect((await ledger.batches(dataset)).length).toBe(before + 2);
});

test.each(['path', 'pos', 'filename', 'file_row_number'])(
  'the column of a key may be called %s',
  async (name) => {
    const contract = parseContract(
      'feed.yml',
      JSON.stringify({
        dataset,
        source: { prefix: 'feed/', formats: ['ndjson'] },
        columns: [
          { name, path: 'id', type: 'int', required: true },
          { name: 'n', path: 'n', type: 'int' },
        ],
        partitionBy: [{ name: 'source', constant: 'feed' }],
        dedupe: { key: [name], scope: 'partition', order: [{ column: 'n', direction: 'desc' }] },
      }),
    );
    const world = new World({ engine: realEngine, contract });
    for (const [key, ids, n] of [
      ['feed/a', [1, 2, 3], 1],
      ['feed/b', [2], 2],
    ] as const) {
      world.putText(key, ids.map((id) => JSON.stringify({ id, n })).join('\n'));
      await world.settle();
    }
    const rows = await columnsIn(world, `${name} AS id, n`);
    expect(rows.map(({ id, n }) => `${id} ${n}`).sort()).toEqual(['1 1', '2 2', '3 1']);
  },
);
