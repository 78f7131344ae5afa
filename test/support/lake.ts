/**
 * A lake with years of history, for what must not grow with it: batches of one file and one partition each, evenly over the days.
 * The stores are filled directly, and the code above them is the real one. Each kind of work is then done once and counted.
 */
import { Session } from 'node:inspector';
import { lastFiles } from '../../src/cli/files.ts';
import { statusOf } from '../../src/cli/status.ts';
import { placeOf } from '../../src/lib/aws/store.ts';
import { pathOfValues } from '../../src/lib/catalog/partitionPath.ts';
import { maintenanceShape } from '../../src/lib/contract/maintenance.ts';
import { places } from '../../src/lib/flow/batch/addresses.ts';
import type { Published } from '../../src/lib/flow/batch/published.ts';
import { goldenTable } from '../../src/lib/flow/batch/tables.ts';
import { replay } from '../../src/lib/flow/operate/again.ts';
import { reconcile, reconcileSteps } from '../../src/lib/flow/repair/reconcile.ts';
import { sweep } from '../../src/lib/flow/repair/sweep.ts';
import { claimBatch } from '../../src/lib/flow/steps/claimBatch.ts';
import { chunksOf } from '../../src/lib/parallel.ts';
import { ownFolder, ownObject } from '../../src/lib/table/objectName.ts';
import { tableDetail } from '../../src/watch/collect.ts';
import { testConfig } from './config.ts';
import { dataset, plan, type Row, World, type WorldOptions } from './flowWorld.ts';
import { idOf, oldBatch } from './oldBatch.ts';

export interface Lake {
  readonly world: World;
  readonly batches: number;
}

/** The first day of every history. */
const begins = Date.UTC(2015, 0, 1);
const day = 86_400_000;
/** The world's own batches are younger. */
const today = begins + 3700 * day;
const run = 'r1';

/** A dataset that has published `perDay` files on each of so many days. */
export async function lakeOf(days: number, perDay: number, options: WorldOptions = {}): Promise<Lake> {
  const world = new World({ startsAt: today, ...options });
  // The first batch creates the table.
  world.put('feed/first', ['1@06']);
  await world.settle();
  const batches = days * perDay;
  const { aws, format } = world;
  const at = places(testConfig);
  const table = goldenTable(plan, testConfig);
  const root = placeOf(table.location).key;
  const [first] = await world.deps('past').ledger.batches(dataset);
  const own = { batch: first?.batch ?? '', fence: first?.committed ?? 0 };
  const past = Array.from({ length: batches }, (_, i) => {
    const attempt = { batch: idOf(i), fence: own.fence + i + 1 };
    const values = ['feed', `old-${String(i).padStart(8, '0')}`];
    const folder = `${pathOfValues(['source', 'day'], values)}/`;
    const key =
      format === 'iceberg'
        ? `${root}${ownFolder(attempt, run)}${folder}0.parquet`
        : `${root}${folder}${ownObject(attempt, 0)}`;
    return { i, attempt, values, folder, key };
  });
  const byBatch = new Map(past.map((one) => [one.attempt.batch, one]));
  // What every batch has in the work bucket: the first one's, but for the objects.
  const template = at.attempt(dataset, own);
  const textOf = ({ key }: { key: string }) => aws.s3.text('work', key) ?? '';
  const published = JSON.parse(textOf(template.published)) as Published;
  aws.s3.textOf = (bucket, key) => {
    const [, batch = '', document = ''] = /^manifests\/feed\/([0-9a-f]{20})\/f\d+\/(.*)$/.exec(key) ?? [];
    const one = bucket === 'work' ? byBatch.get(batch) : undefined;
    if (one === undefined) return undefined;
    if (document !== 'published.json')
      return aws.s3.text('work', template.published.key.replace('published.json', document));
    return JSON.stringify({
      ...published,
      run,
      objects: [{ key: one.key, bytes: 100 }],
      partitions: [{ path: one.folder, values: one.values }],
    } satisfies Published);
  };
  for (const { i, attempt, values, key } of past) {
    const object = objectOf(i);
    const { id } = aws.s3.seed('raw', object, `{"id":"${i}","at":"2025-01-06T00:00:00Z"}`);
    const notedAt = new Date(begins + (i * day) / perDay).toISOString();
    for (const item of oldBatch(dataset, i, 'feed/', { version: id, at: notedAt, fence: attempt.fence }))
      aws.dynamo.seed('ledger', item);
    const row: Row = { id: String(i), day: values[1] ?? '', object, version: id };
    aws.s3.seed('processed', key, JSON.stringify([row]));
    aws.s3.seed('work', at.mark(dataset, attempt).key, '');
  }
  const deps = world.deps('past');
  if (format === 'iceberg')
    for (const some of chunksOf(past, 500))
      await deps.formats.iceberg.commit(table, {
        dataset,
        attempt: some.at(-1)?.attempt ?? own,
        contract: 'old',
        add: some.map(({ key, values }) => ({ address: `s3://processed/${key}`, bytes: 100, values })),
        drop: [],
      });
  // As maintenance does.
  if (format === 'iceberg')
    await deps.formats.iceberg.expire(table.name, {
      olderThan: aws.clock.now(),
      keepLast: 1,
      metadataVersions: maintenanceShape.parse({}).metadataVersions,
    });
  else
    await deps.catalog.addPartitions(
      table,
      past.map(({ values, folder }) => ({ values, location: `${table.location}${folder}` })),
    );
  const lease = aws.dynamo.item('ledger', { pk: dataset, sk: 'LEASE' });
  aws.dynamo.seed('ledger', { ...lease, fence: own.fence + batches });
  // A batch after all of them, and what happens once.
  world.put('feed/second', ['2@06']);
  await world.settle();
  await world.sweep();
  return { world, batches };
}

const objectOf = (i: number) => `feed/old-${String(i).padStart(8, '0')}`;

/** What a piece of work costs. */
export interface Cost {
  readonly calls: number;
  /** Items, objects of lists, and partitions that AWS's answers contain. */
  readonly items: number;
  /** Characters and bytes of requests and answers. */
  readonly bytes: number;
  /** Bytes that the program allocates, without those of the simulated stores. */
  readonly memory: number;
}

/** Each kind of work on a lake, once. A reconcile compares every object. */
export async function costsOf(
  { world, batches }: Lake,
  { withMemory = false, withReconcile = false, steps = reconcileSteps } = {},
): Promise<Record<string, Cost>> {
  const { aws } = world;
  const costs: Record<string, Cost> = {};
  const measured = async (name: string, work: () => Promise<unknown>) => {
    let [items, bytes] = [0, 0];
    const before = aws.calls();
    aws.wire.onAnswer = (_, input, answer) => {
      items += itemsOf(answer);
      bytes += sizeOf(input) + sizeOf(answer);
    };
    let memory = 0;
    if (withMemory) memory = await allocatedBy(work);
    else await work();
    aws.wire.onAnswer = undefined;
    costs[name] = { calls: aws.calls() - before, items, bytes, memory };
  };
  const call = (name: string, work: Parameters<World['call']>[1]) => () => world.call(name, work);
  const finish = async () => {
    await world.deliver();
    await world.executeAll();
  };
  const old = Math.floor(batches / 2);

  world.put('feed/next', ['3@06']);
  await world.deliver();
  const [execution] = [...aws.sfn.executions.values()].filter((e) => e.status === 'RUNNING');
  const { fence } = JSON.parse(execution?.input ?? '{}') as { fence: number };
  await measured(
    'a claim',
    call('claimBatch', (deps) => claimBatch(deps, { dataset, fence, execution: execution?.arn ?? '' })),
  );
  await world.executeAll();
  world.put('feed/another', ['4@06']);
  await measured('a batch', finish);
  world.put(objectOf(old), ['5@06', '6@07']);
  await measured('a correction of an old file', finish);
  const from = new Date(begins);
  await measured('a replay of the first day', async () => {
    await world.call('replay', (deps) => replay(deps, dataset, { from, to: new Date(begins + day - 1) }));
    await finish();
  });
  await measured(
    'a sweep',
    call('sweep', (deps) => sweep(deps, dataset)),
  );
  await measured(
    'status',
    call('status', (deps) => statusOf(deps.ledger, dataset)),
  );
  await measured(
    'a list of files',
    call('files', (deps) => lastFiles(deps.ledger, dataset, { last: 20 })),
  );
  await measured('the watch page of the table', () => {
    const { actor, contracts, config, ledger } = world.deps('watch');
    aws.athena.answerOf = (sql) => ({
      columns: ['source', 'day', 'n'],
      rows: sql.includes('$partitions') ? lastPartitions(world) : [],
    });
    const { s3, glue, athena } = actor;
    const stage = { ...config, crawler: '', job: '', queueUrl: '', deadLettersUrl: '' };
    return tableDetail({ contracts, ledger, s3, glue, athena, config: stage }, dataset);
  });
  if (withReconcile)
    await measured(
      'reconcile',
      call('reconcile', (deps) => reconcile(deps, dataset, { goesOn: true, steps })),
    );
  return costs;
}

/** Athena's answer to the query for the last partitions. */
function lastPartitions({ aws }: World): string[][] {
  const all = aws.glue
    .partitions('db', dataset)
    .map(({ values }) => values)
    .sort();
  return all.slice(-366).map((values) => [...values, String(all.length)]);
}

/** The names of what answers list. */
const lists = new Set(['Items', 'Contents', 'Versions', 'Partitions', 'TableList']);

function itemsOf(answer: object): number {
  return Object.entries(answer).reduce<number>((sum, [name, value]) => {
    if (name === 'Item' && value !== undefined) return sum + 1;
    if (lists.has(name) && Array.isArray(value)) return sum + value.length;
    return name === 'Responses' ? sum + Object.values(value).flat().length : sum;
  }, 0);
}

/** The size of a request or an answer, with its body. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof Uint8Array) return value.length;
  if (Array.isArray(value)) return value.reduce<number>((sum, member) => sum + sizeOf(member), 0);
  if (typeof value !== 'object' || value === null) return 8;
  if (value instanceof Date) return 24;
  return Object.entries(value).reduce((sum, [name, member]) => {
    // The length of an answer's body is a number beside it.
    if (name === 'ContentLength' && typeof member === 'number') return sum + member;
    return name === 'Body' && !(member instanceof Uint8Array) && typeof member !== 'string'
      ? sum
      : sum + name.length + sizeOf(member);
  }, 0);
}

/** The bytes that a program allocates while it works, sampled; those of the stores in memory do not count. */
async function allocatedBy(work: () => Promise<unknown>): Promise<number> {
  const session = new Session();
  session.connect();
  const all = { includeObjectsCollectedByMajorGC: true, includeObjectsCollectedByMinorGC: true };
  const posted = (method: 'HeapProfiler.startSampling') =>
    new Promise<void>((done, fail) =>
      session.post(method, { samplingInterval: 4096, ...all }, (error) => (error ? fail(error) : done())),
    );
  await posted('HeapProfiler.startSampling');
  try {
    await work();
    return await new Promise<number>((done, fail) =>
      session.post('HeapProfiler.stopSampling', (error, { profile }) =>
        error ? fail(error) : done(sizeOfNode(profile.head)),
      ),
    );
  } finally {
    session.disconnect();
  }
}

interface HeapNode {
  readonly callFrame: { readonly url: string };
  readonly selfSize: number;
  readonly children: readonly HeapNode[];
}

function sizeOfNode({ callFrame, selfSize, children }: HeapNode): number {
  if (callFrame.url.includes('/test/support/')) return 0;
  return children.reduce((sum, child) => sum + sizeOfNode(child), selfSize);
}
