/** A model's rows can be read again: the example for training gives the same frames a month of batches later. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { ensureIceberg } from '../../offline/setup/environments.ts';
import { createStore } from '../../src/lib/aws/store.ts';
import { createTable, requireTable } from '../../src/lib/table/iceberg/commit.ts';
import type { WantedTable } from '../../src/lib/table/iceberg/evolve.ts';
import { historyOf } from '../../src/lib/table/iceberg/history.ts';
import { expireSnapshots, orphansOf } from '../../src/lib/table/iceberg/maintenance.ts';
import { schemaOf } from '../../src/lib/table/iceberg/metadata.ts';
import { publishChange } from '../../src/lib/table/iceberg/operations.ts';
import { bucket, depsOf, icebergAws, putRows } from '../support/iceberg.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'sluice-training-'));
afterAll(() => rmSync(folder, { recursive: true }));

const aws = icebergAws();
const deps = depsOf(aws.actor('writer'), aws);
const visits: WantedTable = {
  name: 'visits',
  location: `s3://${bucket}/visits/`,
  columns: [
    { name: 'id', type: 'bigint' },
    { name: 'page', type: 'string' },
    { name: 'seconds', type: 'double' },
    { name: 'day', type: 'string' },
  ],
  partitionBy: [{ column: 'day', transform: 'identity' }],
};

let fence = 0;
/** A batch with the rows of some ids, in place of those of an earlier batch if it is a correction. */
async function publish(
  ids: readonly [from: number, to: number],
  page: string,
  corrects?: string,
): Promise<string> {
  const name = `b${++fence}`;
  const { metadata } = await requireTable(deps, 'visits');
  const partition = new Map([[1000, '06']]);
  const file = await putRows(aws, schemaOf(metadata), {
    key: `visits/${name}/day=06/rows.parquet`,
    rows: `SELECT i AS id, '${page} ' || i AS page, CASE WHEN i % 3 > 0 THEN i / 7 END AS seconds FROM range(${ids[0]}, ${ids[1]}) r(i) ORDER BY hash(i)`,
    partition,
  });
  const drop =
    corrects === undefined
      ? []
      : [{ path: `s3://${bucket}/visits/${corrects}/day=06/rows.parquet`, partition }];
  const change = {
    add: [{ file, specId: metadata['default-spec-id'] }],
    drop,
    dropped: 'replaced' as const,
    summary: {},
  };
  await publishChange(deps, 'visits', { dataset: 'visits', batch: name, fence }, change);
  return name;
}

/** Runs the example as a person would, with a catalog over a folder instead of Glue. */
async function train(tag: string, out: string) {
  const python = await ensureIceberg(() => {});
  const { pointer } = await requireTable(deps, 'visits');
  const here = join(folder, 'lake');
  rmSync(here, { recursive: true, force: true });
  for (const key of aws.s3.keys(bucket)) {
    const path = join(here, bucket, key);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, aws.s3.versions(bucket, key)[0]?.content?.bytes ?? '');
  }
  const run = (...args: string[]) =>
    spawnSync(python, args, {
      cwd: root,
      encoding: 'utf8',
      env: {
        ...process.env,
        FOLDER: here,
        PYTHONPATH: join(root, 'test/support'),
        PYTHONDONTWRITEBYTECODE: '1',
        PYICEBERG_CATALOG__FOLDER__TYPE: 'sql',
        PYICEBERG_CATALOG__FOLDER__URI: `sqlite:///${here}/catalog.db`,
        PYICEBERG_CATALOG__FOLDER__PY_IO_IMPL: 'folderCatalog.FolderIO',
      },
    });
  const registered = run('test/support/folderCatalog.py', 'sluice.visits', pointer.file);
  expect(registered).toMatchObject({ status: 0, stderr: '' });
  return run(
    'examples/training/training_set.py',
    ...[
      '--catalog',
      'folder',
      '--table',
      'sluice.visits',
      '--tag',
      tag,
      '--key',
      'id',
      '--out',
      join(folder, out),
    ],
  );
}
const frames = (out: string) =>
  ['train', 'test'].map((name) => readFileSync(join(folder, out, `${name}.parquet`)));

test('a pinned snapshot gives the same rows in the same frames after a month of batches, corrections and an expiry', async () => {
  await createTable(deps, visits);
  const first = await publish([0, 1000], 'first');
  const second = await publish([1000, 1500], 'second');
  const history = historyOf(deps);
  const pinned = (await history.snapshots('visits')).at(-1)?.id ?? '';
  await history.tag('visits', 'model-2025-10', pinned);

  const before = await train('model-2025-10', 'before');
  expect(before).toMatchObject({ status: 0, stderr: '' });
  expect(JSON.parse(before.stdout)).toEqual({ snapshot: pinned, train: 1214, test: 286 });

  await publish([0, 900], 'corrected', first);
  for (let day = 0; day < 28; day++) await publish([2000 + day * 10, 2010 + day * 10], 'later');
  await publish([1000, 1400], 'corrected', second);
  await expireSnapshots(deps, 'visits', { olderThan: Number.MAX_SAFE_INTEGER, keepLast: 1 });
  const store = createStore(aws.actor('maintain').s3);
  const orphans = await orphansOf(deps, 'visits', (...at) => store.list(...at), Number.POSITIVE_INFINITY);
  await store.delete(bucket, orphans);
  expect(await history.snapshots('visits')).toHaveLength(2);
  expect(orphans.length).toBeGreaterThan(28);

  const after = await train('model-2025-10', 'after');
  expect(after).toMatchObject({ status: 0, stderr: '' });
  expect(after.stdout).toBe(before.stdout);
  expect(frames('after')).toEqual(frames('before'));

  expect(await train('model-2025-11', 'none')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('the table has no tag model-2025-11; it has: main, model-2025-10'),
  });
});
