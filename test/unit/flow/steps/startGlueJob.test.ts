/** StartGlueJob: the description that the job reads. */
import { afterEach, expect, jest, test } from '@jest/globals';
import { startGlueJob } from '../../../../src/lib/flow/steps/startGlueJob.ts';
import { dataset, World } from '../../../support/flowWorld.ts';
import { lookingUp, users } from '../../../support/lookedUp.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test('the job is told where the files are, where its run writes, and what it does not read', async () => {
  const world = new World({ format: 'hive', isDeduped: true });
  const version = world.put('feed/a', ['1@06']);
  await world.until('transform');
  const deps = world.deps('startGlueJob');
  const [open] = await deps.ledger.openBatches(dataset);
  const step = { dataset, batch: open?.batch ?? '', fence: open?.fence ?? 0 };
  const garbage = 'cd'.repeat(10);
  world.aws.dynamo.seed('ledger', {
    pk: dataset,
    sk: `GARBAGE#2099#${garbage}#3`,
    batch: garbage,
    fence: 3,
    due: '2099-01-01T00:00:00Z',
  });
  const { run, jobRun } = await startGlueJob(deps, step);
  expect(run).toMatch(new RegExp(`^[0-9a-f]{8}-${jobRun}$`));
  const root = `staging/${dataset}/${step.batch}/${run.slice(0, 8)}`;
  expect(world.aws.glue.jobRuns.get(jobRun)).toMatchObject({
    job: 'job',
    args: { '--job': `s3://work/${root}/job.json`, '--attempt': `${dataset}/${step.batch}-f${step.fence}` },
  });
  const output = `s3://work/${root}-{jobRun}`;
  expect(JSON.parse(world.text('work', `${root}/job.json`))).toMatchObject({
    batch: step.batch,
    files: [{ object: 'feed/a', version, uri: 's3://raw/feed/a' }],
    published: 's3://processed/feed/',
    references: [],
    data: `${output}/data/`,
    quarantine: `${output}/quarantine/`,
    replaced: `${output}/replaced/`,
    summary: `${output}/summary.json`,
    region: 'us-east-1',
  });
  expect(world.text('work', `${root}/job.json`)).toContain(`${garbage}-f3-`);
  expect(await deps.ledger.batch(dataset, step.batch)).toMatchObject({ engine: 'glue' });
});

test('what the contract looks up is written before the job starts, and the job is told where', async () => {
  const { world, deps, step } = await lookingUp('startGlueJob', [users('hive')]);
  const { run } = await startGlueJob(deps, step);
  const job = world.text('work', `staging/${dataset}/${step.batch}/${run.slice(0, 8)}/job.json`);
  const { references } = JSON.parse(job) as { references: { name: string; uri: string }[] };
  expect(references).toHaveLength(1);
  expect(references[0]?.uri).toMatch(/^s3:\/\/work\/staging\/feed\//);
  const written = world.aws.s3.keys('work').map((key) => `s3://work/${key}`);
  expect(written).toContain(references[0]?.uri);
});

/** What the job is told of the published object. */
const there = {
  uri: expect.stringMatching(/^s3:\/\/processed\/feed\/.*\.parquet$/),
  size: expect.any(Number),
  values: ['feed', '06'],
};
test.each([
  ['a table of folders', { format: 'hive', isDeduped: true }, 's3://processed/feed/'],
  ['the objects of a table', { format: 'iceberg', isDeduped: true }, [there]],
  ['the whole table', { format: 'hive', isDedupedInTable: true }, [{ ...there, isFixed: false }]],
  ['nothing, if rows are not compared', { format: 'hive' }, null],
] as const)('the job looks for published keys in %s', async (_, options, published) => {
  const world = new World(options);
  world.put('feed/a', ['1@06']);
  await world.settle();
  world.put('feed/b', ['2@06']);
  await world.until('transform');
  const deps = world.deps('startGlueJob');
  const [open] = await deps.ledger.openBatches(dataset);
  const { run } = await startGlueJob(deps, { dataset, batch: open?.batch ?? '', fence: open?.fence ?? 0 });
  const [key = ''] = world.aws.s3
    .keys('work')
    .filter((name) => name.endsWith(`/${run.slice(0, 8)}/job.json`));
  const job = JSON.parse(world.text('work', key)) as { published: unknown };
  expect(job.published).toEqual(published);
});
