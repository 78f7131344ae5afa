import { SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import { createCrawlQueue } from '../../../../src/lib/aws/crawlQueue.ts';
import { address } from '../../../../src/lib/aws/store.ts';
import { contractText } from '../../../../src/lib/contract/built.ts';
import type { Contract } from '../../../../src/lib/contract/schema.ts';
import { type CrawlerDeps, checkCrawler } from '../../../../src/lib/flow/steps/checkCrawler.ts';
import { parseHiveType, type StructType } from '../../../../src/lib/model/hiveType.ts';
import { testConfig } from '../../../support/config.ts';
import { contractWith } from '../../../support/embedded.ts';
import { fakeGlue } from '../../../support/fakeGlue.ts';

const struct = (text: string) => parseHiveType(text) as StructType;
const queueArn = 'arn:aws:sqs:us-east-1:123456789012:sluice-test-crawl-test';

/** A stage whose Catalog has `columns`; a crawl adds those in `learns`. */
function stageWith(
  contract: Contract,
  columns: string,
  learns: (known: string) => string = (known) => known,
) {
  const objects = new Map<string, string>();
  const told: string[] = [];
  const queue = { isRead: true };
  const crawler = {
    State: 'READY',
    LastCrawl: { Status: 'SUCCEEDED', ErrorMessage: '' },
    Targets: { S3Targets: [{ EventQueueArn: queueArn }] },
    /** The state after a start. */
    isSlow: false,
  };
  const manifest = { decision: null as 'reject' | null };
  let known = columns;
  const { client, calls } = fakeGlue(({ name }) => {
    if (name === 'StartCrawler') {
      known = learns(known);
      if (crawler.isSlow) crawler.State = 'RUNNING';
    }
    if (name === 'GetCrawler') return { Crawler: crawler };
    if (name !== 'GetTables') return {};
    if (known === '') return { TableList: [] };
    const Columns = struct(known).fields.map((f) => ({
      Name: f.name,
      Type: f.type.kind === 'scalar' ? f.type.name : 'struct<a:int>',
    }));
    const Location = `s3://raw/${contract.source.prefix}`;
    return {
      TableList: [{ Name: 'raw_test', StorageDescriptor: { Location, Columns } }],
    };
  });
  const deps: CrawlerDeps = {
    config: testConfig,
    catalog: createCatalog('db', client),
    crawlQueue: {
      tell: async (arn, bucket, files) => {
        told.push(...files.map((f) => `${arn} ${bucket} ${f.object}`));
      },
      isRead: async () => queue.isRead,
    },
    store: {
      findJson: async (ref, schema) => {
        const text = objects.get(address(ref));
        return text === undefined ? undefined : schema.parse(JSON.parse(text));
      },
      readText: async () => contractText(contract),
      readJson: async (_, schema) =>
        schema.parse({ dataset: contract.dataset, batch: 'b', files: [], published: [], ...manifest }),
      head: async () => {
        throw new Error('the profile is there');
      },
      readRange: async () => {
        throw new Error('the profile is there');
      },
      writeText: async (ref, text) => {
        objects.set(address(ref), text);
      },
      writeOnce: async () => {
        throw new Error('the profile is there');
      },
    },
  };
  /** Checks a batch whose records have this type. */
  const check = async (
    batch: string,
    record: string | null,
    crawlStarted = false,
    names: readonly string[] = [`${batch}.json`],
  ) => {
    const files = names.map((name) => ({
      object: `${contract.source.prefix}${name}`,
      version: 'v',
      size: 10,
      unpacked: 10,
      sequencer: '',
      layout: 'lines',
      fault: null,
      compression: null,
      header: null,
    }));
    objects.set(
      `s3://work/manifests/${contract.dataset}/${batch}/f1/profile.json`,
      JSON.stringify({ files, record: record && struct(record) }),
    );
    const input = {
      dataset: contract.dataset,
      batch,
      fence: 1,
      crawlStarted,
      engine: 'auto' as const,
    };
    return checkCrawler(deps, input);
  };
  const crawls = () => calls.filter((c) => c.name === 'StartCrawler').map((c) => c.input.Name);
  return { check, crawls, told, objects, queue, crawler, manifest };
}

const known = 'struct<id:bigint,at:string>';

test('a batch whose usable fields are all known starts no crawl, whatever else it has', async () => {
  const stage = stageWith(contractWith(''), known);
  expect(await stage.check('a', 'struct<id:bigint,at:string,other:int>')).toEqual({
    status: 'ready',
    crawlStarted: false,
    engine: 'embedded',
  });
  expect(stage.crawls()).toEqual([]);
  expect(stage.told).toEqual([]);
});

test('a crawl is told the objects of its batch, of the crawler of its dataset', async () => {
  const contract = contractWith('', 'drift: passthrough');
  const stage = stageWith(contract, known, () => 'struct<id:bigint,at:string,other:int>');
  expect(await stage.check('a', 'struct<id:bigint,at:string,other:int>')).toEqual({
    status: 'ready',
    crawlStarted: true,
    engine: 'embedded',
  });
  expect(stage.crawls()).toEqual(['sluice-test-raw-test']);
  expect(stage.told).toEqual([`${queueArn} raw ${contract.source.prefix}a.json`]);
  await stage.check('b', 'struct<id:bigint,at:string,other:int>');
  expect(stage.crawls()).toHaveLength(1);
});

test('a field that a crawl did not bring starts no second one, until the contract is another', async () => {
  const stage = stageWith(contractWith('', 'drift: passthrough'), known);
  const record = 'struct<id:bigint,at:string,empty:int>';
  await stage.check('a', record);
  await stage.check('b', record);
  expect(stage.crawls()).toHaveLength(1);
  await stage.check('c', 'struct<id:bigint,at:string,empty:int,new:int>');
  expect(stage.crawls()).toHaveLength(2);
  const changed = stageWith(contractWith('', 'drift: passthrough\ndescription: another'), known);
  for (const [place, text] of stage.objects) changed.objects.set(place, text);
  await changed.check('d', record);
  expect(changed.crawls()).toHaveLength(1);
});

test('a crawl that has not read the batch says nothing of its fields', async () => {
  const stage = stageWith(contractWith('', 'drift: passthrough'), known);
  stage.queue.isRead = false;
  await stage.check('a', 'struct<id:bigint,at:string,new:int>');
  await stage.check('b', 'struct<id:bigint,at:string,new:int>');
  expect(stage.crawls()).toHaveLength(2);
});

test('keys of a map, new ones in every batch, start crawls no longer when many were in vain', async () => {
  const stage = stageWith(contractWith('', 'drift: passthrough'), known);
  const keys = (from: number) => Array.from({ length: 15 }, (_, i) => `k${from + i}:int`).join(',');
  for (let batch = 0; batch < 20; batch++)
    await stage.check(String(batch), `struct<id:bigint,at:string,${keys(batch * 15)}>`);
  expect(stage.crawls()).toHaveLength(2);
});

test('notes that cannot be read cost a crawl, not a batch', async () => {
  const stage = stageWith(contractWith('', 'drift: passthrough'), known);
  stage.objects.set('s3://work/catalog/test.json', '{"contract":7}');
  expect(await stage.check('a', 'struct<id:bigint,at:string,new:int>')).toMatchObject({ status: 'ready' });
  expect(stage.crawls()).toHaveLength(1);
});

test('a required column that a crawl did not bring refuses the batch, and its retry crawls again', async () => {
  const stage = stageWith(contractWith('  - { name: must, path: must, type: int, required: true }'), known);
  const record = 'struct<id:bigint,at:string,must:int>';
  await expect(stage.check('a', record)).rejects.toMatchObject({ name: 'SchemaMismatch' });
  await expect(stage.check('a', record)).rejects.toMatchObject({ name: 'SchemaMismatch' });
  expect(stage.crawls()).toHaveLength(2);
});

/** A new field that the contract passes through. */
const [passing, other] = [contractWith('', 'drift: passthrough'), 'struct<id:bigint,at:string,other:int>'];

describe('a crawl that takes its time', () => {
  beforeEach(() => {
    // Waiting takes no time.
    let now = 0;
    jest.spyOn(Date, 'now').mockImplementation(() => (now += 4000));
  });
  afterEach(() => {
    jest.restoreAllMocks();
  });

  test('is started when an earlier one has ended, and waited for until it ends', async () => {
    const stage = stageWith(passing, known, () => other);
    const crawling = (crawlStarted: boolean) => ({ status: 'crawling', crawlStarted, engine: 'embedded' });
    stage.crawler.State = 'RUNNING';
    expect(await stage.check('a', other)).toEqual(crawling(false));
    expect([stage.crawls(), stage.told]).toEqual([[], []]);
    stage.crawler.State = 'READY';
    stage.crawler.isSlow = true;
    expect(await stage.check('a', other)).toEqual(crawling(true));
    // The Catalog may know a part of the fields while the crawl still runs.
    expect(await stage.check('a', 'struct<id:bigint,at:string,other:int,more:int>', true)).toEqual(
      crawling(true),
    );
    stage.crawler.State = 'READY';
    expect(await stage.check('a', 'struct<id:bigint,at:string,other:int,more:int>', true)).toMatchObject({
      status: 'ready',
      crawlStarted: true,
    });
    expect(stage.crawls()).toHaveLength(1);
  });
});

test('a crawl that failed fails its batch by name, with the crawler’s words', async () => {
  const stage = stageWith(passing, known);
  stage.crawler.LastCrawl = { Status: 'FAILED', ErrorMessage: 'no permission' };
  await expect(stage.check('a', other)).rejects.toMatchObject({
    name: 'CrawlerFailed',
    message: 'the crawler sluice-test-raw-test failed: no permission',
    dataset: 'test',
    batch: 'a',
  });
});

test('a crawler without a queue reads everything, so a field that it did not bring is noted', async () => {
  const stage = stageWith(passing, known);
  stage.crawler.Targets = { S3Targets: [] };
  stage.queue.isRead = false;
  await stage.check('a', other);
  await stage.check('b', other);
  expect([stage.crawls(), stage.told]).toEqual([['sluice-test-raw-test'], []]);
});

test('a crawl that brings every field leaves no note, and one that brings no table refuses the batch', async () => {
  const stage = stageWith(passing, known, () => other);
  await stage.check('a', other);
  expect([...stage.objects.keys()].filter((key) => key.includes('/catalog/'))).toEqual([]);
  const empty = stageWith(passing, '');
  await expect(empty.check('a', other)).rejects.toMatchObject({
    name: 'SchemaMismatch',
    message: expect.stringContaining('made no table for s3://raw/test/'),
    dataset: 'test',
    batch: 'a',
  });
});

test('a required column that neither the Catalog nor the batch has refuses the batch without a crawl', async () => {
  const stage = stageWith(contractWith('  - { name: must, path: must, type: int, required: true }'), known);
  await expect(stage.check('a', known)).rejects.toMatchObject({ name: 'SchemaMismatch' });
  expect(stage.crawls()).toEqual([]);
});

test('a batch of which nothing can be parsed needs no crawl', async () => {
  const stage = stageWith(contractWith(''), '');
  expect(await stage.check('a', null)).toMatchObject({ status: 'ready', crawlStarted: false });
  expect(stage.crawls()).toEqual([]);
});

test('a crawl is told of each object once, and of each that has another key', async () => {
  const stage = stageWith(passing, known, () => other);
  await stage.check('a', other, false, ['a.zip', 'a.zip', 'b.json']);
  expect(stage.told).toEqual(['a.zip', 'b.json'].map((name) => `${queueArn} raw test/${name}`));
});

test('a batch whose rows are all rejected needs neither columns nor a crawl', async () => {
  const stage = stageWith(contractWith('  - { name: must, path: must, type: int, required: true }'), known);
  stage.manifest.decision = 'reject';
  expect(await stage.check('a', 'struct<id:bigint>')).toMatchObject({ status: 'ready' });
  expect(stage.crawls()).toEqual([]);
});

test('the header of a CSV is its schema: nothing is crawled, and a column that it lacks refuses the batch', async () => {
  const contract = { ...contractWith(''), source: { ...contractWith('').source, formats: ['csv' as const] } };
  const stage = stageWith(contract, '');
  expect(await stage.check('a', 'struct<id:string,at:string>')).toEqual({
    status: 'ready',
    crawlStarted: false,
    engine: 'embedded',
  });
  await expect(stage.check('b', 'struct<id:string>')).rejects.toMatchObject({ name: 'SchemaMismatch' });
  expect(stage.crawls()).toEqual([]);
});

test('notifications are S3’s own, ten a call; those that the queue refuses are sent again', async () => {
  const sent: { Id: string; MessageBody: string }[][] = [];
  let waiting = '1';
  const client = Object.assign(new SQSClient({ region: 'us-east-1' }), {
    send: async ({
      input,
    }: {
      input: {
        QueueName?: string;
        AttributeNames?: string[];
        Entries?: { Id: string; MessageBody: string }[];
      };
    }) => {
      if (input.AttributeNames)
        return {
          Attributes: {
            ApproximateNumberOfMessages: '0',
            ApproximateNumberOfMessagesNotVisible: waiting,
          },
        };
      if (!input.Entries) return { QueueUrl: `https://sqs/1/${input.QueueName}` };
      sent.push(input.Entries);
      return sent.length === 1 ? { Failed: [{ Id: '3', Code: 'InternalError', SenderFault: false }] } : {};
    },
  });
  const { tell, isRead } = createCrawlQueue(client, { attempts: 3, pause: 1 });
  const objects = Array.from({ length: 12 }, (_, i) => ({ object: `feed/a b+ü/${i}.json`, size: i }));
  await tell(queueArn, 'raw', objects);
  const sizes = sent.map((entries) => entries.length).sort();
  expect(sizes).toEqual([1, 10, 2].sort());
  expect(sent.flat().filter((e) => e.Id === '3')).toHaveLength(2);
  expect(await isRead(queueArn)).toBe(false);
  waiting = '0';
  expect(await isRead(queueArn)).toBe(true);
  expect(JSON.parse(sent[0]?.[0]?.MessageBody ?? '')).toMatchObject({
    Records: [
      {
        eventSource: 'aws:s3',
        eventName: 'ObjectCreated:Put',
        s3: { bucket: { name: 'raw' }, object: { key: 'feed/a+b%2B%C3%BC/0.json', size: 0 } },
      },
    ],
  });
});
