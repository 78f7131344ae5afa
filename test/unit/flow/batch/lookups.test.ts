/** A batch that looks up a published table: which rows it sees, and that each of its tries sees the same. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, afterEach, expect, jest, test } from '@jest/globals';
import type { Contract } from '../../../../src/lib/contract/schema.ts';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { planBatch } from '../../../../src/lib/flow/batch/plan.ts';
import type { TableFormatName } from '../../../../src/lib/model/plan.ts';
import { type Deps, dataset } from '../../../support/flowWorld.ts';
import { lookingUp, users } from '../../../support/lookedUp.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

const folder = await mkdtemp(join(tmpdir(), 'sluice-lookups-'));
const instance = await DuckDBInstance.create();
const db = await instance.connect();
afterAll(async () => {
  db.closeSync();
  instance.closeSync();
  await rm(folder, { recursive: true });
});

/** An object with a user. */
async function user(id: string, country: string): Promise<Uint8Array> {
  const path = join(folder, 'user.parquet');
  await db.run(
    `COPY (SELECT '${id}' AS id, '${country}' AS country, 'o' AS _object, 'v' AS _version, 1::BIGINT AS _line) TO '${path}' (FORMAT parquet)`,
  );
  return readFile(path);
}

/** A batch of the feed that has come to its transform. `contracts`: what else is deployed. */
async function reached(format: TableFormatName, contracts: readonly Contract[] = [users(format)]) {
  const { world, deps, step } = await lookingUp('transformEmbedded', contracts);
  const plan = async (more: Partial<Deps> = {}) => {
    const { references, plan: compiled } = await planBatch({ ...deps, ...more }, step);
    const rows = (references[0]?.ndjson ?? '').split('\n').sort();
    return { rows, lookups: compiled.lookups };
  };
  return { world, deps, step, plan };
}

const batch = (digit: string) => digit.repeat(20);
const place = (digit: string, fence = 1, of = '') =>
  `users/${batch(digit)}-f${fence}-${of && `of-${batch(of)}-`}0.parquet`;
const row = (id: string, country: string) => JSON.stringify({ id, country });

test('a lookup of a Hive table sees the objects that the ledger counts, and each try of the attempt the same', async () => {
  const { world, deps, step, plan } = await reached('hive');
  const { s3, dynamo } = world.aws;
  const seed = async (key: string, id: string, country: string) =>
    s3.seed('processed', key, await user(id, country));
  const open = (digit: string, more: object) => {
    dynamo.seed('ledger', { pk: 'users', sk: `OPEN#${batch(digit)}`, batch: batch(digit), fence: 1 });
    dynamo.seed('ledger', {
      pk: 'users',
      sk: `BATCH#${batch(digit)}`,
      batch: batch(digit),
      fence: 1,
      state: 'running',
      attempts: 1,
      files: 1,
      bytes: 1,
      engine: 'embedded',
      execution: 'x',
      claimedAt: '2025-01-01T00:00:00Z',
      ...more,
    });
  };
  await seed(place('1'), '1', 'de');
  // Taken back, being published, and put there by a person.
  await seed(place('2'), '2', 'taken back');
  dynamo.seed('ledger', {
    pk: 'users',
    sk: `GARBAGE#2099#${batch('2')}#1`,
    batch: batch('2'),
    fence: 1,
    due: '2099-01-01T00:00:00Z',
  });
  await seed(place('3'), '3', 'uncommitted');
  open('3', {});
  await seed('users/mine.parquet', '4', 'not of Sluice');
  // Committed, and about to drop an object whose rows it has rewritten.
  await seed(place('5'), '5', 'before');
  await seed(place('6', 1, '5'), '5', 'after');
  open('6', { committed: 1 });
  const none = { objects: [], quarantine: [] };
  await deps.store.writeText(
    places(deps.config).attempt('users', { batch: batch('6'), fence: 1 }).published,
    JSON.stringify({
      ...none,
      run: 'r',
      partitions: [],
      rewritten: [
        {
          batch: batch('5'),
          dropped: { ...none, objects: [{ key: place('5'), bytes: 1 }] },
          added: { ...none, objects: [{ key: place('6', 1, '5'), bytes: 1 }] },
          live: 'l',
        },
      ],
    }),
  );
  const first = await plan();
  expect(first).toEqual({
    rows: [row('1', 'de'), row('5', 'after')],
    lookups: [{ table: 'users', version: expect.stringMatching(/^[0-9a-f]{20}$/), objects: 2, rows: 2 }],
  });
  await seed(place('7'), '1', 'fr');
  expect(await plan()).toEqual(first);
  // What an erasure has removed is read again, as it is now.
  const at = places(deps.config).lookup(dataset, step, 'reference_0');
  await world.deps('eraser').store.delete(at.bucket, [at.key]);
  expect((await plan()).rows).toHaveLength(2);
});

test('a lookup of an Iceberg table sees one snapshot; it starts again if the table changes while it reads', async () => {
  const { world, deps, plan } = await reached('iceberg');
  const { s3 } = world.aws;
  for (const [name, id] of [
    ['old', '1'],
    ['new', '2'],
  ] as const)
    s3.seed('processed', `users/${name}.parquet`, await user(id, name));
  let looks = 0;
  // It changes between the first two looks.
  const snapshot = () => (looks === 0 ? 'old' : 'new');
  const observe = jest.fn(async () => {
    const id = snapshot();
    looks++;
    return { seen: { snapshot: { id, rows: 1, writer: '' } }, gone: [], rows: 0 };
  });
  const allObjects = async () => {
    const name = snapshot();
    const bytes = (await deps.store.list('processed', `users/${name}`))[0]?.size ?? 0;
    return [{ address: `s3://processed/users/${name}.parquet`, bytes, values: [] }];
  };
  const formats = { ...deps.formats, iceberg: { ...deps.formats.iceberg, observe, allObjects } };
  expect(await plan({ formats })).toEqual({
    rows: [row('2', 'new')],
    lookups: [{ table: 'users', version: 'new', objects: 1, rows: 1 }],
  });
  expect(observe).toHaveBeenCalledTimes(4);
});

test('a table that changes at each look, and one that no dataset fills any more', async () => {
  const busy = await reached('iceberg');
  let at = 0;
  const observe = async () => ({
    seen: { snapshot: { id: String(at++), rows: 1, writer: '' } },
    gone: [],
    rows: 0,
  });
  const formats = { ...busy.deps.formats, iceberg: { ...busy.deps.formats.iceberg, observe } };
  await expect(busy.plan({ formats })).rejects.toMatchObject({ name: 'LedgerBusy', table: 'users' });
  const alone = await reached('hive', []);
  await expect(alone.plan()).rejects.toMatchObject({ name: 'ReferenceRefused', table: 'users' });
});

test.each(['hive', 'iceberg'] as const)(
  'a %s table that does not exist yet has no rows; one that was dropped is not taken for it',
  async (format) => {
    const { plan } = await reached(format);
    expect(await plan()).toMatchObject({ rows: [''], lookups: [{ table: 'users', objects: 0, rows: 0 }] });
    const later = await reached(format);
    later.world.aws.dynamo.seed('ledger', {
      pk: 'users',
      sk: 'RECENT',
      batches: [{ batch: batch('1'), rows: 1 }],
    });
    await expect(later.plan()).rejects.toMatchObject({ name: 'ReferenceRefused', table: 'users' });
  },
);

test('a batch whose contract was changed by a deployment looks up nothing: its columns may have other names now', async () => {
  const { world, deps, plan } = await reached('hive');
  world.aws.s3.seed('processed', place('1'), await user('1', 'de'));
  expect((await plan()).rows).toEqual([row('1', 'de')]);
  world.deploy((contract) => ({ ...contract, description: 'Another one.' }));
  const contracts = new Map([...deps.contracts, ...world.deps('test').contracts]);
  await expect(plan({ contracts })).rejects.toMatchObject({ name: 'ContractOutdated', dataset });
});
