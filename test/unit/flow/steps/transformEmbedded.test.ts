/** TransformEmbedded with an engine that only notes what it is given. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import type { EmbeddedRun } from '../../../../src/lib/engine/embedded.ts';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { worthwhile } from '../../../../src/lib/flow/batch/footers.ts';
import { transformEmbedded } from '../../../../src/lib/flow/steps/transformEmbedded.ts';
import type { Summary } from '../../../../src/lib/model/plan.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const summary: Summary = {
  rowsRead: 2,
  published: 1,
  quarantined: 1,
  duplicates: 0,
  reasons: {},
  nulled: {},
  files: [],
  partitions: [{ values: ['feed', '06'], rows: 1 }],
};

/** An execution that has come to its transform, and an engine that writes these files. */
async function reached(world: World, outputs: readonly string[] = [], error?: Error) {
  await world.until('transform');
  const deps = world.deps('transformEmbedded');
  const [open] = await deps.ledger.openBatches(dataset);
  const step = { dataset, batch: open?.batch ?? '', fence: open?.fence ?? 0 };
  const seen: { given?: EmbeddedRun; texts: string[] } = { texts: [] };
  const engine = async (given: EmbeddedRun) => {
    const inputs = given.inputs.toSorted((a, b) => (a.object < b.object ? -1 : 1));
    seen.given = { ...given, inputs };
    for (const { path } of inputs) seen.texts.push(await readFile(path, 'utf8'));
    for (const name of outputs) {
      const path = join(given.outputDir, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, name);
    }
    if (error) throw error;
    return summary;
  };
  return { deps, step, seen, run: () => transformEmbedded(deps, engine, step) };
}

test('the engine gets the files of the batch, and what it writes is staged under its run', async () => {
  const world = new World({ format: 'hive' });
  const [a, b] = [world.put('feed/a', ['1@06']), world.put('feed/b', ['2@07', 'bad'])];
  const outputs = [
    'data/day=06/0.parquet',
    'data/day=07/0.parquet',
    'quarantine/0.parquet',
    'replaced/objects.json',
  ];
  const { deps, step, seen, run } = await reached(world, outputs);
  const first = await run();
  expect(first).toMatchObject({
    run: expect.stringMatching(/^[0-9a-f]{8}$/),
    accounting: { rowsRead: 2, published: 1 },
  });
  expect(seen.given).toMatchObject({
    batch: step.batch,
    memoryBytes: deps.config.memoryBytes,
    replaces: [],
    references: [],
    inputs: [
      { object: 'feed/a', version: a },
      { object: 'feed/b', version: b },
    ],
  });
  expect(seen.texts).toEqual([
    '{"id":"1","at":"2025-01-06T00:00:00Z"}',
    '{"id":"2","at":"2025-01-07T00:00:00Z"}\nbad',
  ]);
  const root = `staging/${dataset}/${step.batch}/${first.run}/`;
  const staged = world.aws.s3.keys('work', root);
  expect(staged).toEqual([...outputs, 'summary.json'].map((name) => `${root}${name}`).sort());
  for (const name of outputs) expect(world.text('work', `${root}${name}`)).toBe(name);
  expect(JSON.parse(world.text('work', `${root}summary.json`))).toEqual(summary);
  expect(await deps.ledger.batch(dataset, step.batch)).toMatchObject({ engine: 'embedded' });
  expect(existsSync(dirname(seen.given?.outputDir ?? ''))).toBe(false);
  // A second run has a place of its own.
  expect((await run()).run).not.toBe(first.run);
});

test('a file that was gone before it was looked at is empty; one that goes afterwards ends the step', async () => {
  const world = new World({ format: 'hive' });
  const [gone, later] = [world.put('feed/a', ['1@06']), world.put('feed/b', ['2@06'])];
  world.aws.s3.expire('raw', 'feed/a', gone);
  const { seen, run } = await reached(world);
  await run();
  expect(seen.given?.inputs.map(({ object, fault }) => [object, fault])).toEqual([
    ['feed/a', 'object_missing'],
    ['feed/b', null],
  ]);
  expect(seen.texts[0]).toBe('');
  world.aws.s3.expire('raw', 'feed/b', later);
  await expect(run()).rejects.toMatchObject({ name: 'ObjectMissing' });
});

test('a batch that does not fit into memory or the disk goes to Glue; other errors stay, and nothing is left on the disk', async () => {
  const world = new World({ format: 'hive' });
  world.put('feed/a', ['1@06']);
  const { seen, run, step } = await reached(world, [], new Error('Out of Memory Error: failed to allocate'));
  await expect(run()).rejects.toMatchObject({
    name: 'EngineOutOfMemory',
    message: expect.stringContaining(`the batch ${step.batch} of ${dataset}`),
  });
  expect(existsSync(dirname(seen.given?.outputDir ?? ''))).toBe(false);
  const other = new World({ format: 'hive' });
  other.put('feed/a', ['1@06']);
  await expect((await reached(other, [], new Error('another'))).run()).rejects.toThrow('another');
});

/** The ledger knows of attempts that were taken back; their objects may still be there. */
const takenBack = (world: World, ...attempts: readonly (readonly [batch: string, fence: number])[]) => {
  for (const [batch, fence] of attempts)
    world.aws.dynamo.seed('ledger', {
      pk: dataset,
      sk: `GARBAGE#2099#${batch}#${fence}`,
      batch,
      fence,
      due: '2099-01-01T00:00:00Z',
    });
};

test('published rows are asked for without objects of attempts that were taken back', async () => {
  const world = new World({ format: 'hive', isDeduped: true });
  world.put('feed/a', ['1@06']);
  const { step, seen, run } = await reached(world);
  const [one, other] = ['cd'.repeat(10), 'ef'.repeat(10)];
  takenBack(world, [one, 3], [other, 5]);
  for (const name of [`${one}-f3-0`, `${other}-f5-0`, `${step.batch}-f1-0`])
    world.aws.s3.seed(
      'processed',
      `feed/source=feed/day=06/${name}.parquet`,
      'no Parquet: it must not be read',
    );
  await run();
  expect(await seen.given?.published?.([['feed', '06']], '/nowhere', [])).toEqual([]);
  world.aws.s3.seed('processed', `feed/source=feed/day=06/${one}-f4-0.parquet`, 'another attempt');
  await expect(seen.given?.published?.([['feed', '06']], '/nowhere', [])).rejects.toThrow();
});

test('the engine gets each tombstone that counts, and none of attempts that were taken back', async () => {
  const world = new World({ format: 'hive', isDeduped: true });
  for (const [key, line] of [
    ['feed/a', '-1@06'],
    ['feed/b', '-2@06'],
  ] as const) {
    world.put(key, [line]);
    await world.settle();
  }
  const counted = world.aws.s3.keys('work', 'tombstones/');
  expect(counted).toHaveLength(2);
  world.put('feed/c', ['3@06']);
  const { seen, run } = await reached(world);
  const garbage = 'cd'.repeat(10);
  takenBack(world, [garbage, 3]);
  world.aws.s3.seed('work', `${dirname(counted[0] ?? '')}/${garbage}-f3-0.parquet`, 'taken back');
  await run();
  const into = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  const paths = (await seen.given?.tombstones?.(into)) ?? [];
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
  expect(texts.sort()).toEqual(counted.map((key) => world.text('work', key)).sort());
  await rm(into, { recursive: true });
});

test('of a table that is written in place, the ends of many objects are staged beside them', async () => {
  for (const format of ['hive', 'iceberg'] as const) {
    const world = new World({ format });
    world.put('feed/a', ['1@06']);
    const parts = Array.from({ length: worthwhile }, (_, i) => `data/day=06/${i}.parquet`);
    const { deps, step, run } = await reached(world, parts);
    const staged = places(deps.config).run(dataset, step.batch, (await run()).run).footers;
    expect(await deps.store.exists(staged)).toBe(format === 'iceberg');
  }
});
