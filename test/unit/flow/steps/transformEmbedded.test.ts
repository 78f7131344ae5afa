/** TransformEmbedded with an engine that only notes what it is given. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import type { EmbeddedRun } from '../../../../src/lib/engine/embedded.ts';
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

test('published rows are asked for without objects of attempts that were taken back', async () => {
  const world = new World({ format: 'hive', isDeduped: true });
  world.put('feed/a', ['1@06']);
  const { step, seen, run } = await reached(world);
  const garbage = 'cd'.repeat(10);
  world.aws.dynamo.seed('ledger', {
    pk: dataset,
    sk: `GARBAGE#2099#${garbage}#3`,
    batch: garbage,
    fence: 3,
    due: '2099-01-01T00:00:00Z',
  });
  for (const name of [`${garbage}-f3-0`, `${step.batch}-f1-0`])
    world.aws.s3.seed(
      'processed',
      `feed/source=feed/day=06/${name}.parquet`,
      'no Parquet: it must not be read',
    );
  await run();
  expect(await seen.given?.published?.([['feed', '06']], '/nowhere')).toEqual([]);
  world.aws.s3.seed('processed', `feed/source=feed/day=06/${garbage}-f4-0.parquet`, 'another attempt');
  await expect(seen.given?.published?.([['feed', '06']], '/nowhere')).rejects.toThrow();
});
