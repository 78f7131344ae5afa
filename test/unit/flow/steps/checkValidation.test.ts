import { AthenaClient } from '@aws-sdk/client-athena';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { createAthena } from '../../../../src/lib/aws/athena.ts';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import { createPointers } from '../../../../src/lib/aws/pointer.ts';
import { createStore } from '../../../../src/lib/aws/store.ts';
import type { Deps } from '../../../../src/lib/flow/batch/deps.ts';
import { checkValidation } from '../../../../src/lib/flow/steps/checkValidation.ts';
import { createLedger } from '../../../../src/lib/ledger/ledger.ts';
import type { Summary } from '../../../../src/lib/model/plan.ts';
import { tableFormats } from '../../../../src/lib/table/formats.ts';
import { testConfig } from '../../../support/config.ts';
import { dataset, World } from '../../../support/flowWorld.ts';

/** Athena ends every query in this way; no other service answers. */
function depsWhere(Status: object): Deps {
  const region = 'us-east-1';
  const send = async () => {
    throw new Error('nobody should be asked');
  };
  const athena = Object.assign(new AthenaClient({ region }), {
    send: async () => ({ QueryExecution: { Status } }),
  });
  const glue = Object.assign(new GlueClient({ region }), { send });
  const store = createStore(Object.assign(new S3Client({ region }), { send }));
  const catalog = createCatalog('db', glue);
  return {
    config: testConfig,
    contracts: new Map(),
    store,
    catalog,
    formats: tableFormats({ store, catalog, pointers: createPointers('db', glue, glue) }),
    athena: createAthena({ database: 'db', workgroup: 'w' }, athena),
    ledger: createLedger('ledger', Object.assign(new DynamoDBClient({ region }), { send })),
    measure: () => {},
  };
}

const input = { dataset: 'd', batch: 'b', fence: 1, run: 'r', query: 'q' };

test('a query that Athena broke off, and says may succeed, is started again a few times', async () => {
  const broken = {
    State: 'FAILED',
    StateChangeReason: 'Query exhausted resources at this scale factor',
    AthenaError: { ErrorCategory: 1, Retryable: true },
  };
  expect(await checkValidation(depsWhere(broken), { ...input, broken: 0 })).toEqual({ status: 'again' });
  await expect(checkValidation(depsWhere(broken), { ...input, broken: 4 })).rejects.toMatchObject({
    name: 'QueryBrokenOff',
    message: expect.stringContaining('exhausted resources'),
  });
});

test('a query that failed for its own reason is not started again', async () => {
  const failed = { State: 'FAILED', StateChangeReason: 'SYNTAX_ERROR', AthenaError: { Retryable: false } };
  await expect(checkValidation(depsWhere(failed), { ...input, broken: 0 })).rejects.toMatchObject({
    name: 'AthenaQueryFailed',
  });
  const stopped = { State: 'CANCELLED', AthenaError: { Retryable: true } };
  await expect(checkValidation(depsWhere(stopped), { ...input, broken: 0 })).rejects.toMatchObject({
    name: 'AthenaQueryFailed',
  });
});

/** An execution that has come to its validation; `change` changes the counts of its transform. */
async function reached(world: World, change: (summary: Summary) => Summary = (summary) => summary) {
  const check = await world.until('checkValidation');
  const deps = world.deps('checkValidation');
  const [open = { batch: '', fence: 0 }] = await world.deps('test').ledger.openBatches(dataset);
  const [key = ''] = world.aws.s3
    .keys('work', `staging/${dataset}/${open.batch}/`)
    .filter((name) => name.endsWith('/summary.json'));
  world.aws.s3.seed('work', key, JSON.stringify(change(JSON.parse(world.text('work', key)) as Summary)));
  return { deps, open, check: (of: Deps = deps) => check({ ...world.deps('checkValidation'), ...of }) };
}
const reasonsOf = (world: World) =>
  world.aws.s3
    .keys('work')
    .filter((key) => key.endsWith('/doubtful.json'))
    .map((key) => JSON.parse(world.text('work', key)) as unknown);

describe('with counts of a transform', () => {
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test.each(['QUEUED', 'RUNNING'])(
    'a query that is %s after some seconds is looked at again later',
    async (state) => {
      const world = new World();
      world.put('feed/a', ['1@06']);
      const { deps, check } = await reached(world);
      const queryState = async () => {
        world.aws.clock.advance(4000);
        return { state, reason: undefined, isRetryable: false, scannedBytes: 0 };
      };
      expect(await check({ ...deps, athena: { ...deps.athena, queryState } })).toEqual({ status: 'running' });
    },
  );

  test('counts that Athena confirms pass, and the batch has its report', async () => {
    const world = new World();
    world.put('feed/a', ['1@06']);
    const { deps, open, check } = await reached(world);
    expect(await check()).toEqual({ status: 'passed' });
    const record = await deps.ledger.batch(dataset, open.batch);
    expect(record?.report).toContain(`reports/${dataset}/${open.batch}`);
    expect(record?.expectations.map(({ name, passed }) => [name, passed])).toContainEqual([
      'row_count',
      true,
    ]);
  });

  test('rows that do not add up, or that Athena counts otherwise, are a fault of ours, and named', async () => {
    const world = new World();
    world.put('feed/a', ['1@06', '2@06']);
    const { check } = await reached(world, (summary) => ({
      ...summary,
      files: summary.files.map((file) => ({ ...file, rowsRead: 5 })),
    }));
    await expect(check()).rejects.toMatchObject({
      name: 'AccountingMismatch',
      message: expect.stringMatching(
        /^feed\/a: 5 rows read are not 2 published \+ 0 quarantined \+ 0 duplicates/,
      ),
      object: 'feed/a',
    });
    const other = new World();
    other.put('feed/a', ['1@06', '2@06']);
    const { check: again } = await reached(other, (summary) => ({ ...summary, published: 1 }));
    await expect(again()).rejects.toMatchObject({
      name: 'AccountingMismatch',
      message: 'row_count: found 2 rows, expected 1 row, as the transform counted',
    });
  });

  test('an expectation that fails holds the batch, unless a person has decided about it', async () => {
    const world = new World();
    world.put('feed/a', ['1@06']);
    const answer = world.aws.athena.answerOf;
    world.aws.athena.answerOf = (sql) => {
      const { columns = [], rows = [] } = answer(sql);
      return {
        columns,
        rows: rows.map((row) => row.map((cell, i) => (columns[i] === 'check_1_0' ? '7' : cell))),
      };
    };
    const { check } = await reached(world);
    await expect(check()).rejects.toMatchObject({
      name: 'ExpectationFailed',
      message: expect.stringMatching(
        /^1 of \d expectations failed: not_null\(id\): found 7 rows, expected no row/,
      ),
    });
    const [key = ''] = world.aws.s3.keys('work').filter((name) => name.endsWith('/manifest.json'));
    const manifest = JSON.parse(world.text('work', key)) as object;
    world.aws.s3.seed('work', key, JSON.stringify({ ...manifest, decision: 'release' }));
    expect(await check()).toEqual({ status: 'passed' });
  });

  test.each<[string, number, number, boolean, boolean]>([
    ['less than a fifth', 1, 0, false, false],
    ['a fifth', 2, 0, false, true],
    ['a fifth with the duplicates of others', 1, 1, false, true],
    ['less than a fifth, which a person knows', 1, 0, true, true],
  ])('a correction that keeps %s of the rows', async (_, published, duplicates, isKnown, isPassed) => {
    const world = new World();
    world.put(
      'feed/a',
      Array.from({ length: 10 }, (__, i) => `${i}@06`),
    );
    world.put('feed/b', ['x@07']);
    await world.settle();
    world.put(
      'feed/a',
      Array.from({ length: published }, (__, i) => `${i}@06`),
    );
    const { check } = await reached(world, (summary) => ({
      ...summary,
      rowsRead: published + duplicates,
      duplicates,
      files: summary.files.map((file) => ({ ...file, rowsRead: published + duplicates, duplicates })),
    }));
    const [key = ''] = world.aws.s3
      .keys('work')
      .filter((name) => name.endsWith('/manifest.json'))
      .filter((name) => world.text('work', name).includes('"published":10'));
    const manifest = JSON.parse(world.text('work', key)) as { files: object[] };
    const decision = { kind: 'release', reason: 'r', at: '2026-01-01T00:00:00Z', isReplacement: isKnown };
    const files = manifest.files.map((file) => ({ ...file, decision }));
    world.aws.s3.seed('work', key, JSON.stringify({ ...manifest, files }));
    if (isPassed) expect(await check()).toEqual({ status: 'passed' });
    else
      await expect(check()).rejects.toMatchObject({
        name: 'ReplacementDoubtful',
        object: 'feed/a',
        message: expect.stringContaining('1 file would lose most of the published rows: feed/a: '),
      });
    const reason = 'ReplacementDoubtful: it would publish 1 row in place of 10';
    expect(reasonsOf(world)).toEqual(isPassed ? [] : [[{ object: 'feed/a', reason }]]);
  });
});
