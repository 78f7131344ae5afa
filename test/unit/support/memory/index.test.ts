/** The project's own store, catalog and signals, unchanged, on AWS in memory. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import * as z from 'zod';
import { createAthena } from '../../../../src/lib/aws/athena.ts';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import { createAnnouncer } from '../../../../src/lib/aws/events.ts';
import { createExecutionStatus, createStarter } from '../../../../src/lib/aws/executions.ts';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { ObjectMissing } from '../../../../src/lib/errors.ts';
import { createMemoryAws, type MemoryAws } from '../../../support/memory/index.ts';

let aws: MemoryAws;
let folder: string;
beforeEach(async () => {
  aws = createMemoryAws({ pages: { keys: 2, items: 2, partitions: 2 } });
  folder = await mkdtemp(join(tmpdir(), 'sluice-'));
});
afterEach(() => rm(folder, { recursive: true }));

test('the store reads, writes, copies, lists and deletes', async () => {
  const store = createStore(aws.actor('a').s3);
  const ref = { bucket: 'work', key: 'a b/k.json' };
  await store.writeText(ref, '{"n":1}');
  expect(await store.readText(ref)).toBe('{"n":1}');
  expect(await store.findJson(ref, z.object({ n: z.number() }))).toEqual({ n: 1 });
  expect(await store.findJson({ ...ref, key: 'gone' }, z.object({}))).toBeUndefined();
  await expect(store.readText({ ...ref, key: 'gone' })).rejects.toBeInstanceOf(ObjectMissing);
  await store.copy(ref, { bucket: 'processed', key: 'copy' });
  expect(aws.s3.text('processed', 'copy')).toBe('{"n":1}');
  for (let i = 0; i < 5; i++) await store.writeText({ bucket: 'work', key: `l/${i}` }, 'x');
  expect((await store.list('work', 'l/')).map((o) => o.key)).toEqual([0, 1, 2, 3, 4].map((i) => `l/${i}`));
  await store.delete('work', ['l/0', 'l/1']);
  expect(aws.s3.keys('work', 'l/')).toEqual(['l/2', 'l/3', 'l/4']);
});

test('the store reads the beginning and ranges of an object, and moves files', async () => {
  const store = createStore(aws.actor('a').s3);
  const ref = { bucket: 'work', key: 'k' };
  await writeFile(join(folder, 'up'), 'abcdef');
  await store.upload(join(folder, 'up'), ref);
  expect(await store.head(ref, 3)).toEqual({ head: Buffer.from('abc'), size: 6 });
  expect(Buffer.from(await store.readRange(ref, 2, 4)).toString()).toBe('cd');
  await store.download(ref, join(folder, 'down'));
  expect(await readFile(join(folder, 'down'), 'utf8')).toBe('abcdef');
  await store.writeText({ ...ref, key: 'empty' }, '');
  expect(await store.head({ ...ref, key: 'empty' }, 3)).toEqual({ head: new Uint8Array(), size: 0 });
});

test('the store lists versions in pages', async () => {
  const store = createStore(aws.actor('a').s3);
  for (const text of ['1', '2', '3']) await store.writeText({ bucket: 'raw', key: 'k' }, text);
  await store.writeText({ bucket: 'raw', key: 'l' }, '4');
  const { versions } = await store.listVersions('raw', '', undefined, 100);
  expect(versions.map((v) => [aws.s3.text('raw', v.key, v.version), v.isLatest])).toEqual([
    ['3', true],
    ['2', false],
    ['1', false],
    ['4', true],
  ]);
});

test('the catalog makes and extends tables, and keeps partitions', async () => {
  const catalog = createCatalog('sluice', aws.actor('a').glue);
  const table = {
    name: 't',
    columns: [{ name: 'id', type: 'bigint' }],
    partitionKeys: [{ name: 'year', type: 'string' }],
    location: 's3://processed/t/',
  };
  expect(await catalog.ensureTable(table)).toBe('created');
  expect(await catalog.ensureTable(table)).toBe('unchanged');
  const wider = { ...table, columns: [...table.columns, { name: 'more', type: 'string' }] };
  expect(await catalog.ensureTable(wider)).toBe('extended');
  expect(await catalog.tableAt('s3://processed/t')).toMatchObject({ name: 't', columns: wider.columns });
  const partitions = ['2024', '2025', '2026'].map((year) => ({
    values: [year],
    location: `s3://processed/t/year=${year}/`,
  }));
  expect(await catalog.addPartitions(table, partitions)).toBe(3);
  expect(await catalog.addPartitions(table, partitions)).toBe(0);
  const found: string[][] = [];
  for await (const page of catalog.partitionPages('t')) found.push(...page);
  expect(found).toEqual([['2024'], ['2025'], ['2026']]);
  await catalog.dropPartitions('t', [['2024'], ['1999']]);
  expect(aws.glue.partitions('sluice', 't').map((p) => p.values)).toEqual([['2025'], ['2026']]);
});

test('executions, events and queries', async () => {
  const a = aws.actor('a');
  const machine = 'arn:aws:states:us-east-1:000000000000:stateMachine:ingest';
  const start = createStarter(machine, a.sfn);
  await start('one', { n: 1 });
  await start('one', { n: 2 });
  const [arn = ''] = aws.sfn.executions.keys();
  const status = createExecutionStatus(a.sfn);
  expect([await status(arn), await status(`${arn}-not`), await status('starting')]).toEqual([
    'RUNNING',
    null,
    null,
  ]);
  await createAnnouncer(a.events)('batch published', { batch: 'b' });
  expect(aws.bus.details('batch published')).toEqual([{ batch: 'b' }]);
  aws.athena.answerOf = () => ({ columns: ['n', 'm'], rows: [['1', null]] });
  const athena = createAthena({ database: 'sluice', workgroup: 'w' }, a.athena);
  const id = await athena.start('SELECT 1', 't'.repeat(32));
  expect(await athena.queryState(id)).toMatchObject({ state: 'SUCCEEDED' });
  expect(await athena.singleRow(id)).toEqual({ n: '1', m: null });
});
