import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { readFooters, stageFooters } from '../../../../src/lib/flow/batch/footers.ts';
import { describeObject } from '../../../../src/lib/table/iceberg/statistics.ts';
import type { Schema } from '../../../../src/lib/table/iceberg/types.ts';
import { createMemoryAws } from '../../../support/memory/index.ts';
import { parquetFiles } from '../../../support/parquetFiles.ts';

const at = { bucket: 'work', key: 'footers' };
let folder: string;
let sample: Buffer;
beforeAll(async () => {
  [sample = Buffer.alloc(0)] = Object.values(await parquetFiles());
  folder = await mkdtemp(join(tmpdir(), 'sluice-footers-'));
  await writeFile(join(folder, 'a'), sample);
  // Longer than its footer says, as if it were another file.
  await writeFile(join(folder, 'b'), Buffer.concat([Buffer.from('PAR1'), sample]));
});
afterAll(() => rm(folder, { recursive: true }));

const filesOf = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `day=${i}/0`, path: join(folder, i === 3 ? 'b' : 'a') }));

test('the ends of many objects are one document, and describe them as their whole bytes do', async () => {
  const aws = createMemoryAws({ databases: [] });
  const store = createStore(aws.actor('test').s3, { pause: 0 });
  await stageFooters({ store }, at, filesOf(20));
  const find = await readFooters({ store }, at);
  const ends = filesOf(20).map(({ name }, i) => find(name, sample.length + (i === 3 ? 4 : 0)));
  expect(ends.every((end) => end !== undefined && end.length < sample.length)).toBe(true);
  // An object of another size is another one.
  expect(find('day=3/0', sample.length)).toBeUndefined();
  expect(find('day=20/0', sample.length)).toBeUndefined();
  const object = {
    path: 's3://b/day=1/0',
    size: sample.length,
    partition: new Map(),
    read: async (start: number, end: number) => Uint8Array.from(sample.subarray(start, end)).buffer,
  };
  const schema: Schema = { type: 'struct', 'schema-id': 0, fields: [] };
  const unread = async () => {
    throw new Error('it is known');
  };
  expect(await describeObject({ ...object, end: ends[1], read: unread }, schema)).toEqual(
    await describeObject(object, schema),
  );
});

test('few objects have no document, and without one nothing is known', async () => {
  const aws = createMemoryAws({ databases: [] });
  const store = createStore(aws.actor('test').s3, { pause: 0 });
  await stageFooters({ store }, at, filesOf(15));
  expect(aws.s3.keys('work')).toEqual([]);
  expect((await readFooters({ store }, at))('day=1/0', sample.length)).toBeUndefined();
  await stageFooters({ store }, at, filesOf(16));
  expect((await readFooters({ store }, at))('day=1/0', sample.length)).toBeDefined();
});
