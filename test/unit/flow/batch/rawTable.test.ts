import { expect, test } from '@jest/globals';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { parseContract } from '../../../../src/lib/contract/load.ts';
import { type Deadline, deadlineAfter } from '../../../../src/lib/deadline.ts';
import { OutOfTime } from '../../../../src/lib/errors.ts';
import { places } from '../../../../src/lib/flow/batch/addresses.ts';
import { profileOf } from '../../../../src/lib/flow/batch/rawTable.ts';
import { testConfig } from '../../../support/config.ts';
import { createMemoryAws } from '../../../support/memory/index.ts';

const contractOf = (csv: object) =>
  parseContract(
    'sales.yml',
    JSON.stringify({
      dataset: 'sales',
      source: { prefix: 'sales/', formats: ['csv'], csv },
      columns: [
        { name: 'id', path: 'id', type: 'string' },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] },
      ],
      partitionBy: [{ name: 'day', of: 'at', part: 'day' }],
    }),
  );

test('after the delimiter was corrected in the contract, a retry looks at the same files anew', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('checkCrawler').s3, { pause: 0 });
  const { id } = aws.s3.seed('raw', 'sales/a.csv', 'id;at\n1;2026-01-01T00:00:00Z\n');
  const file = { object: 'sales/a.csv', version: id, size: 33, sequencer: '1', etag: '', sk: 'PENDING#1' };
  const profileWith = async (fence: number, delimiter: string) => {
    const attempt = { dataset: 'sales', batch: 'b', fence };
    const manifest = { dataset: 'sales', batch: 'b', files: [file], published: [], decision: null };
    return profileOf({ config: testConfig, store }, contractOf({ delimiter }), manifest, attempt);
  };
  const wrong = await profileWith(1, ',');
  expect(wrong.files[0]).toMatchObject({ fault: 'unknown_header' });
  const right = await profileWith(2, ';');
  expect(right.files[0]).toMatchObject({ fault: null, header: ['id', 'at'] });
  // A repeated step of one attempt keeps its profile.
  expect((await profileWith(1, ';')).files[0]).toMatchObject({ fault: 'unknown_header' });
});

test('the profile of a large batch is made in parts, and an interrupted call goes on behind the last one', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('checkCrawler').s3, { pause: 0 });
  const attempt = { dataset: 'events', batch: 'b', fence: 1 };
  const contract = parseContract(
    'events.yml',
    JSON.stringify({
      dataset: 'events',
      source: { prefix: 'events/', formats: ['ndjson'] },
      columns: [{ name: 'id', path: 'id', type: 'string' }],
      partitionBy: [{ name: 'source', constant: 'events' }],
    }),
  );
  const contents = ['{"id":1}', '{"at":{"day":null}}', '', '{"id":"a","tags":[null]}', '{"at":3,"tags":[1]}'];
  const files = contents.map((content, i) => {
    const object = `events/${i}`;
    const { id } = aws.s3.seed('raw', object, content);
    return { object, version: id, size: content.length, sequencer: '1', etag: '', sk: `PENDING#${i}` };
  });
  const manifest = { ...attempt, files, published: [], decision: null };
  const profileWith = (perPart: number, deadline?: Deadline) =>
    profileOf({ config: testConfig, store, deadline }, contract, manifest, attempt, perPart);
  let left = 15_003;
  await expect(
    profileWith(
      2,
      deadlineAfter(() => left--),
    ),
  ).rejects.toThrow(OutOfTime);
  const before = aws.calls('s3.GetObject');
  const parts = await profileWith(2);
  const reads = aws.calls('s3.GetObject') - before;
  // The profile and three parts are asked for; the other three files are looked at.
  expect(reads).toBe(4 + 3);
  const inOnePart = () =>
    profileOf({ config: testConfig, store }, contract, manifest, { ...attempt, fence: 2 });
  await inOnePart();
  // As it is read again, without what a step does not need.
  expect(await profileWith(2)).toEqual(await inOnePart());
  expect(parts.record?.fields.map(({ name }) => name)).toEqual(['id', 'at', 'tags']);
  // Of another attempt, nothing is taken.
  expect(aws.s3.keys('work', 'staging/events/b/f2/')).toEqual([]);
});

test('the profile has a header once, however many files have it, and those of earlier releases are read', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('checkCrawler').s3, { pause: 0 });
  const contents = ['id,at\n1,2\n', 'id,at\n3,4\n', 'at,id\n5,6\n', ''];
  const files = contents.map((content, i) => {
    const object = `sales/${i}.csv`;
    const { id } = aws.s3.seed('raw', object, content);
    return { object, version: id, size: content.length, sequencer: '1', etag: '', sk: `PENDING#${i}` };
  });
  const attempt = { dataset: 'sales', batch: 'b', fence: 1 };
  const manifest = { ...attempt, files, published: [], decision: null };
  const read = () => profileOf({ config: testConfig, store }, contractOf({}), manifest, attempt, 2);
  const headers = [['id', 'at'], ['id', 'at'], ['at', 'id'], null];
  expect((await read()).files.map(({ header }) => header)).toEqual(headers);
  const { profile } = places(testConfig).attempt('sales', attempt);
  const document = JSON.parse(await store.readText(profile)) as { files: { header: unknown }[] };
  expect(document.files.map(({ header }) => header)).toEqual([0, 0, 1, null]);
  expect(document).toMatchObject({
    headers: [
      ['id', 'at'],
      ['at', 'id'],
    ],
  });
  const [one, same] = (await read()).files;
  expect(one?.header).toBe(same?.header);
  const earlier = { record: null, files: document.files.map((file, i) => ({ ...file, header: headers[i] })) };
  await store.writeText(profile, JSON.stringify(earlier));
  expect((await read()).files.map(({ header }) => header)).toEqual(headers);
});
