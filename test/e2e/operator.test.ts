/** The operator's commands, as typed, on the local stage. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { CreatePartitionCommand, DeletePartitionCommand } from '@aws-sdk/client-glue';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { expect, test } from '@jest/globals';
import { stageCommands } from '../../src/cli/commands.ts';
import type { QualityReport } from '../../src/lib/quality/report.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { listPartitions } from '../../src/stage/tables.ts';
import { sluiceInDocs } from '../support/docs.ts';
import { denied, expectWhole, readingOf, setFaults, untilHit, untilSettled } from '../support/faults.ts';
import {
  athena,
  drop,
  post,
  publishedFrom,
  put,
  quarantinedFrom,
  sluice,
  stage,
  startSluice,
  testOnHive,
} from '../support/stage.ts';

const dataset = 'social_media';
let next = 1_500_000_000 + (Date.now() % 100_000_000);

/** A file whose posts are all abroad, so an expectation holds its batch. */
async function heldFile() {
  const key = `social-media-feed/held-${next}.json`;
  const ids = [next++, next++];
  const text = ids.map((id) => post(id, { coordinates: { lat: 48.85, lon: 2.35 } })).join('\n');
  const [file] = await drop(dataset, { [key]: text });
  expect(file?.record.state).toBe('held');
  return { key, ids, batch: file?.record.batch ?? '' };
}

test("the README's commands for a stage do what it says, as they are typed", async () => {
  const typed = sluiceInDocs.filter(({ file, name }) => file === 'README.md' && name in stageCommands);
  expect(typed.length).toBeGreaterThan(2);
  for (const { text, name, rest } of typed) {
    const args = rest.replace(/ --stage [a-z]+/, '').trim();
    const { code, err } = await sluice(name, ...args.split(/ +/));
    expect({ text, err }).toEqual({ text, err: '' });
    // Other tests leave files that wait for a person.
    expect(name === 'status' ? [0, 1] : [0]).toContain(code);
  }
});

test('drop follows a file to its end, and quarantine shows why rows were refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-operator-'));
  try {
    const path = join(folder, `dropped-${next}.json`);
    const key = `social-media-feed/${basename(path)}`;
    await writeFile(path, [post(next++), post(next++, { timestamp: 'soon' }), '{'].join('\n'));
    // Another dataset's execution runs at the same time.
    await put(`tweets/beside-${next}.json`, '{"statuses":[{"id":"x"}]}');
    const dropped = await sluice('drop', '--dataset', dataset, path);
    expect(dropped.code).toBe(0);
    expect(dropped.out).not.toContain('tweets');
    expect(dropped.out).toMatch(/✔ TransformEmbedded/);
    expect(dropped.out).toMatch(new RegExp(`${key} +published +3 +1 +2 +0`));
    expect(dropped.out).toContain(`next: npm run sluice -- quarantine --dataset ${dataset}`);
    const [file] = await untilSettled(dataset, [key]);
    const batch = ['--dataset', dataset, '--batch', file?.batch?.slice(0, 8) ?? ''];
    const [, execution = ''] = new RegExp(`(${dataset}-\\d+) +✔ Publish`).exec(dropped.out) ?? [];
    const [listed, states, ofBatch, ofStep] = await Promise.all([
      sluice('executions', '--dataset', dataset, '--last', '1000'),
      sluice('executions', execution),
      sluice('logs', ...batch),
      sluice('logs', '--execution', execution, '--step', 'Publish', '--json'),
    ]);
    expect(listed.out).toMatch(new RegExp(`${execution} +${dataset} +SUCCEEDED`));
    expect(states.out).toMatch(/Publish +done .*\n(.*\n)*.*CompleteBatch +done/);
    expect(ofBatch.out).toMatch(/ claimBatch .*\n(.*\n)* *\S+ +publish +INFO +step done/);
    const lines = ofStep.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { function: string });
    expect(new Set(lines.map((line) => line.function))).toEqual(new Set(['publish']));
    const asked = await sluice(
      'query',
      `SELECT id, user_screen_name FROM social_media WHERE _object = '${key}'`,
    );
    expect(asked.out).toMatch(/^ {2}id +user_screen_name\n {2}\d+ +ana\n$/);
    expect(await sluice('query', 'SELECT nothing FROM nowhere')).toMatchObject({
      code: 1,
      err: expect.stringContaining('nowhere'),
    });
    const told = await sluice('quarantine', ...batch);
    expect(told.code).toBe(0);
    expect(told.out).toMatch(/^invalid_json {2}1 of social_media$/m);
    expect(told.out).toContain(`  ${key}, line 2\n    value  soon`);
    const { out } = await sluice('quarantine', ...batch, '--json');
    expect((JSON.parse(out) as { count: number }[]).map(({ count }) => count)).toEqual([1, 1]);
    const page = join(folder, 'report.html');
    expect(await sluice('report', '--dataset', dataset, '--out', page, file?.batch ?? '')).toMatchObject({
      code: 0,
      err: '',
    });
    expect(await readFile(page, 'utf8')).toMatch(/3 rows read.*1 published.*2 quarantined.*invalid_json/s);
    expect(await sluice('drop', '--dataset', dataset, join(folder, 'none'))).toMatchObject({ code: 2 });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('logs --follow prints the lines of a batch as they come, each once, and ends with it', async () => {
  const key = `social-media-feed/followed-${next}.json`;
  await setFaults([{ ...readingOf(key), mode: 'hold', times: 1 }]);
  await put(key, post(next++));
  await untilHit();
  const [running] = await stage.ledger.findOpenBatches(dataset);
  const followed = startSluice('logs', '--dataset', dataset, '--batch', running?.batch ?? '', '--follow');
  // The batch waits: what is printed now came while it ran.
  await waitFor(
    async () => followed.out,
    (out) => / claimBatch +INFO +step done/.test(out),
    30_000,
  );
  expect(followed.out).not.toContain('completeBatch');
  await setFaults();
  expect(await followed.ended).toBe(0);
  for (const name of ['claimBatch', 'transformEmbedded', 'publish', 'completeBatch'])
    expect(followed.out.match(new RegExp(` ${name} +INFO +step done`, 'g'))).toHaveLength(1);
  expect(followed.err).toBe('');
});

test('release publishes a held batch, with the reason on record', async () => {
  const { key, ids, batch } = await heldFile();
  const status = await sluice('status', '--dataset', dataset);
  expect(status.code).toBe(1);
  expect(status.out).toMatch(/held/);
  const report = await sluice('report', '--dataset', dataset, '--json', batch.slice(0, 8));
  const { published, expectations } = JSON.parse(report.out) as QualityReport;
  expect(published).toBe(2);
  expect(expectations.filter((e) => !e.passed)).not.toEqual([]);
  const refused = await sluice('release', '--dataset', dataset, '--reason', 'x', 'ffffffff');
  expect(refused).toMatchObject({ code: 1, err: expect.stringContaining('no batch begins with ffffffff') });
  const { code } = await sluice(
    'release',
    '--dataset',
    dataset,
    '--reason',
    'Paris is fine',
    batch.slice(0, 8),
  );
  expect(code).toBe(0);
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids, bad: {} });
  const batches = await sluice('batches', '--dataset', dataset);
  expect(batches.out).toMatch(new RegExp(`${batch.slice(0, 8)} +published .*release: Paris is fine`));
});

test('reject moves every row of a held batch to quarantine', async () => {
  const { key, batch } = await heldFile();
  expect((await sluice('reject', '--dataset', dataset, '--reason', 'not ours', batch)).code).toBe(0);
  const [file] = await untilSettled(dataset, [key]);
  expect(file).toMatchObject({ state: 'rejected', counts: { rowsRead: 2, published: 0, quarantined: 2 } });
  expect(await publishedFrom(dataset, key)).toBe(0);
  expect((await quarantinedFrom(key)).map((q) => q.reason)).toEqual(['rejected', 'rejected']);
});

test('engine chooses the engine of the next batches, and auto leaves it to the stage', async () => {
  const choose = (...args: string[]) => sluice('engine', '--dataset', dataset, ...args);
  try {
    expect(await choose('glue')).toEqual({ code: 0, out: 'social_media: glue\n', err: '' });
    expect(await stage.ledger.engineChoice(dataset)).toBe('glue');
  } finally {
    expect((await choose('auto', '--json')).out).toBe('{"dataset":"social_media","engine":"auto"}\n');
  }
  expect((await choose()).out).toBe('social_media: auto\n');
  expect(await choose('spark')).toMatchObject({ code: 2, err: expect.stringContaining('embedded, glue') });
});

test('retry tries a failed file again', async () => {
  const key = `social-media-feed/failed-${next}.json`;
  const id = next++;
  await setFaults([
    {
      service: 's3',
      function: 'transformEmbedded',
      operation: 'GetObject',
      path: key,
      ...denied,
    },
  ]);
  await put(key, post(id));
  const [file] = await untilSettled(dataset, [key]);
  await setFaults();
  expect(file).toMatchObject({ state: 'failed', reason: expect.stringContaining('AccessDenied') });
  const files = await sluice('files', '--dataset', dataset, '--state', 'failed', '--json');
  expect(JSON.parse(files.out)).toEqual(
    expect.arrayContaining([expect.objectContaining({ object: key, state: 'failed' })]),
  );
  expect((await sluice('retry', '--dataset', dataset, '--object', key)).out).toContain(
    '1 file put back into the queue',
  );
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids: [id], bad: {} });
});

test('replay processes a published file again, and its rows stand once', async () => {
  const key = `social-media-feed/replayed-${next}.json`;
  const id = next++;
  const [first] = await drop(dataset, { [key]: post(id) });
  const none = await sluice('replay', '--dataset', dataset, '--prefix', `${key}-not`);
  expect(none).toMatchObject({ code: 0, out: '0 files put back into the queue, in 0 batches\n' });
  expect((await sluice('replay', '--dataset', dataset, '--prefix', key)).out).toBe(
    '1 file put back into the queue, in 1 batch\n',
  );
  const [again] = await untilSettled(dataset, [key]);
  expect(again?.state).toBe('published');
  expect(again?.batch).not.toBe(first?.record.batch);
  await expectWhole(dataset, { ids: [id], bad: {} });
});

test('backfill looks at the objects of a prefix, and those that the ledger knows change nothing', async () => {
  const key = `social-media-feed/backfill-${next}.json`;
  await drop(dataset, { [key]: post(next++) });
  const { code, out } = await sluice('backfill', '--dataset', dataset, '--prefix', key);
  expect({ code, out }).toMatchObject({
    code: 0,
    out: expect.stringContaining('1 object looked at, 0 files put into the queue'),
  });
  expect(await sluice('backfill', '--dataset', dataset, '--prefix', 'elsewhere/')).toMatchObject({
    code: 1,
    err: expect.stringContaining('elsewhere/'),
  });
});

test('two replays of one file at once end with a line each, and its rows stand once', async () => {
  const key = `social-media-feed/twice-${next}.json`;
  const id = next++;
  await drop(dataset, { [key]: post(id) });
  const both = await Promise.all([1, 2].map(() => sluice('replay', '--dataset', dataset, '--prefix', key)));
  for (const { code, err } of both) {
    expect([0, 1]).toContain(code);
    expect(err).toMatch(/^(.+\n)?$/);
  }
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids: [id], bad: {} });
});

test('files wait during a pause, resume processes them, and rollback takes a batch out of the table', async () => {
  const reason = ['--reason', 'a test'];
  const [key, id] = [`social-media-feed/paused-${next}.json`, next++];
  expect((await sluice('pause', '--dataset', dataset, ...reason)).code).toBe(0);
  try {
    await put(key, post(id));
    await waitFor(
      () => stage.ledger.pending(dataset),
      (files) => files.some((file) => file.object === key),
      30_000,
    );
    const { code, out, err } = await sluice('status');
    expect(code).toBe(1);
    expect(out + err).toMatch(new RegExp(`${dataset}: paused since .*a test`));
  } finally {
    expect((await sluice('resume', '--dataset', dataset)).code).toBe(0);
  }
  const [published] = await untilSettled(dataset, [key]);
  expect(published?.state).toBe('published');
  const batch = published?.batch?.slice(0, 8) ?? '';
  const rolledBack = await sluice('rollback', '--dataset', dataset, ...reason, '--batch', batch);
  expect(rolledBack).toMatchObject({ code: 0, err: '' });
  // A query that runs while objects are replaced may fail on a Hive table: the file is settled first.
  const [file] = await untilSettled(dataset, [key]);
  expect(file?.state).toBe('rejected');
  expect(await publishedFrom('social_media', key)).toBe(0);
  expect(await quarantinedFrom(key)).toMatchObject([{ reason: 'rejected' }]);
});

test('two files that would go to one key are refused by name, and none is uploaded', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-operator-'));
  try {
    const ids = [next++, next++];
    const paths = ids.map((_, i) => join(folder, String(i), `same-${ids[0]}.json`));
    for (const [i, path] of paths.entries()) {
      await mkdir(dirname(path));
      await writeFile(path, post(ids[i] ?? 0));
    }
    const [a = '', b = ''] = paths;
    expect(await sluice('drop', '--dataset', dataset, a, b)).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining(`${a} and ${b} would both be uploaded to social-media-feed/same-`),
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('no command lets a key, a value or a reason steer the terminal', async () => {
  const hidden = '\u202e\u009b31m\u200b';
  const id = next++;
  const key = `social-media-feed/${hidden}${id}.json`;
  const bad = JSON.stringify({ id: next++, timestamp: `soon${hidden}\u001b[2J`, text: hidden });
  await drop(dataset, { [key]: [post(id, { text: hidden }), bad, `{"${hidden}`].join('\n') });
  const [file] = await untilSettled(dataset, [key]);
  const batch = file?.batch ?? '';
  const shown = String.raw`\u202e\u009b31m\u200b`;
  const asked: string[][] = [
    ['files', '--dataset', dataset],
    ['quarantine', '--dataset', dataset, '--batch', batch],
    ['query', `SELECT _object, text FROM ${dataset} WHERE _batch = '${batch}'`],
    ['retry', '--dataset', dataset, '--batch', hidden],
    ['replay', '--dataset', hidden, '--prefix', 'x'],
    ['query', `SELECT "${hidden}" FROM ${dataset}`],
  ];
  for (const args of asked) {
    const { out, err } = await sluice(...args);
    expect(out + err).toContain(shown);
    expect(out + err).not.toMatch(/[^\P{C}\n]/u);
  }
  for (const args of [...asked.slice(0, 3), ['batches', '--dataset', dataset], ['status']]) {
    const { out } = await sluice(...args, '--json');
    expect(out).not.toMatch(/[^\P{C}\n]/u);
    expect(args[0] === 'files' ? JSON.parse(out) : []).toEqual(
      args[0] === 'files' ? expect.arrayContaining([expect.objectContaining({ object: key })]) : [],
    );
  }
});

test('redrive brings messages back from the dead-letter queue', async () => {
  const key = `social-media-feed/redriven-${next}.json`;
  const id = next++;
  // As if dispatch could not parse the event: only the dead-letter queue knows the object.
  const fence = await stage.ledger.acquireLease(dataset);
  const version = await put(key, post(id));
  const event = {
    detail: {
      bucket: { name: stage.config.rawBucket },
      object: { key, size: 1, etag: 'x', 'version-id': version },
    },
  };
  await stage.sqs.send(
    new SendMessageCommand({ QueueUrl: stage.config.deadLettersUrl, MessageBody: JSON.stringify(event) }),
  );
  const shown = await sluice('redrive', '--show');
  expect(shown.out).toContain(key);
  await stage.ledger.releaseLease(dataset, fence ?? 0);
  // Messages that were shown are hidden for some seconds.
  const driven = await waitFor(
    () => sluice('redrive'),
    ({ out }) => out.includes(key),
    30_000,
  );
  expect(driven.out).toMatch(/[1-9]\d* messages? sent back to the queue/);
  await untilSettled(dataset, [key]);
  await expectWhole(dataset, { ids: [id], bad: {} });
});

testOnHive('reconcile registers what stands in S3 and drops what is gone', async () => {
  const id = next++;
  await drop(dataset, {
    [`social-media-feed/reconciled-${id}.json`]: post(id, { timestamp: '2024-02-29T12:00:00Z' }),
  });
  const own = ['social_media', '2024', '02', '29'];
  const gone = ['social_media', '1999', '12', '31'];
  const table = { DatabaseName: stage.config.database, TableName: dataset };
  await stage.glue.send(new DeletePartitionCommand({ ...table, PartitionValues: own }));
  await stage.glue.send(
    new CreatePartitionCommand({
      ...table,
      PartitionInput: {
        Values: gone,
        StorageDescriptor: { Location: `s3://${stage.config.processedBucket}/x/` },
      },
    }),
  );
  const { out } = await sluice('reconcile', '--dataset', dataset, '--json');
  // A sweep may have registered it already.
  expect(JSON.parse(out)).toEqual([expect.objectContaining({ dataset, dropped: 1 })]);
  const values = (await listPartitions(stage, stage.config.database, dataset)).map((p) => p.values);
  expect(values).toContainEqual(own);
  expect(values).not.toContainEqual(gone);
  expect(await athena(`SELECT count(*) AS n FROM ${dataset} WHERE id = ${id}`)).toEqual([{ n: '1' }]);
  expect(await sluice('maintain', '--dry-run')).toMatchObject({ code: 0, err: '' });
});
