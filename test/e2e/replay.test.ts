/** Corrections and replays replace the rows of a file, and change nothing else. */
import { expect, test } from '@jest/globals';
import { replay } from '../../src/lib/flow/operate/again.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { depsOf } from '../../src/stage/connect.ts';
import { denied, expectWhole, setFaults, untilHit, untilSettled } from '../support/faults.ts';
import { athena, drop, post, put, quarantinedFrom, stage } from '../support/stage.ts';

const dataset = 'social_media';
const deps = depsOf(stage);
let next = 1_700_000_000 + (Date.now() % 100_000_000);

const rowsOf = (object: string) =>
  athena(`SELECT id, text, _batch AS batch FROM ${dataset} WHERE _object = '${object}' ORDER BY id`);
const versionsOf = (object: string) => stage.ledger.versionsOf(dataset, object);

/** Two files that were one batch: two good posts and a bad line each. */
async function twoFiles() {
  const files = [0, 1].map(() => {
    const ids = [next++, next++];
    return {
      key: `social-media-feed/again/${ids[0]}.json`,
      ids,
      text: `${ids.map((id) => post(id)).join('\n')}\n{"id":`,
    };
  });
  const [a, b] = files;
  if (!a || !b) throw new Error('no files');
  await drop(dataset, { [a.key]: a.text, [b.key]: b.text });
  return { a, b };
}

test('a version that is put over an old one is a correction: the old rows go, the others of its batch stay', async () => {
  const { a, b } = await twoFiles();
  const before = await rowsOf(b.key);
  const added = next++;
  const version = await put(a.key, [post(a.ids[0] ?? 0, { text: 'corrected' }), post(added)].join('\n'));
  await untilSettled(dataset, [a.key], [version]);
  expect((await rowsOf(a.key)).map((r) => [r.id, r.text])).toEqual([
    [String(a.ids[0]), 'corrected'],
    [String(added), 'hello'],
  ]);
  expect(await quarantinedFrom(a.key)).toEqual([]);
  expect(await rowsOf(b.key)).toEqual(before);
  await expectWhole(dataset, { ids: [...b.ids, a.ids[0] ?? 0, added], bad: { [b.key]: 1 } });
  const versions = await versionsOf(a.key);
  expect(versions.map((v) => v.state).sort()).toEqual(['published', 'replaced']);
  // Athena, or the snapshot, finds the rows that the batch says that it has changed.
  const { batch = '' } = versions.find((v) => v.state === 'published') ?? {};
  const tableRows = await waitFor(
    async () => (await stage.ledger.batch(dataset, batch))?.tableRows,
    (account) => account !== undefined,
    60_000,
  );
  expect(tableRows).toMatchObject({ inserted: 2, deleted: 0, replaced: 2, after: tableRows?.before });
  expect(tableRows?.before).toEqual(expect.any(Number));
});

test('bytes that an object had before are a correction too; bytes that it has already are not', async () => {
  const key = `social-media-feed/back/${next}.json`;
  const id = next++;
  const texts = ['first', 'second', 'first'].map((text) => post(id, { text }));
  for (const text of texts) await untilSettled(dataset, [key], [await put(key, text)]);
  expect((await rowsOf(key)).map((r) => r.text)).toEqual(['first']);
  const [file] = await drop(dataset, { [key]: texts[2] ?? '' });
  expect(file?.record.state).toBe('published');
  expect((await versionsOf(key)).filter((v) => v.state !== 'same')).toHaveLength(3);
});

test('a replay processes exactly the chosen files again', async () => {
  const { a, b } = await twoFiles();
  const before = await rowsOf(b.key);
  const [old] = await rowsOf(a.key);
  expect(await replay(deps, dataset, { prefix: a.key })).toEqual({ files: 1, batches: 1 });
  await untilSettled(dataset, [a.key]);
  const again = await rowsOf(a.key);
  expect(again.map((r) => r.id)).toEqual(a.ids.map(String));
  expect(again[0]?.batch).not.toBe(old?.batch);
  expect(await rowsOf(b.key)).toEqual(before);
  await expectWhole(dataset, { ids: [...a.ids, ...b.ids], bad: { [a.key]: 1, [b.key]: 1 } });
  // Replays both again, now in different batches.
  expect(
    await replay(deps, dataset, {
      from: new Date(Date.now() - 3_600_000),
      prefix: 'social-media-feed/again/',
    }),
  ).toMatchObject({ batches: 1 });
  await untilSettled(dataset, [a.key, b.key]);
  await expectWhole(dataset, { ids: [...a.ids, ...b.ids], bad: { [a.key]: 1, [b.key]: 1 } });
});

test('a replay that breaks off leaves the old rows, and is tried again', async () => {
  const { a, b } = await twoFiles();
  await setFaults([
    // An error that is not retried: the batch fails in the middle of its copies.
    { service: 's3', operation: 'CopyObject', function: 'publish', ...denied, skip: 1, times: 1 },
    { service: 's3', operation: 'CopyObject', function: 'publish', mode: 'lost', times: 1 },
  ]);
  await replay(deps, dataset, { prefix: a.key });
  const [file] = await untilSettled(dataset, [a.key]);
  await untilHit();
  await setFaults();
  // It was published, interrupted, and published again.
  expect(file).toMatchObject({ state: 'published', attempts: 3 });
  await expectWhole(dataset, { ids: [...a.ids, ...b.ids], bad: { [a.key]: 1, [b.key]: 1 } });
});

test('a correction that breaks off after its files are marked published goes forward to its end', async () => {
  const { a, b } = await twoFiles();
  await setFaults([
    {
      service: 's3',
      operation: 'DeleteObjects',
      function: 'completeBatch',
      ...denied,
      times: 1,
    },
  ]);
  const version = await put(a.key, post(a.ids[0] ?? 0, { text: 'corrected' }));
  await untilSettled(dataset, [a.key], [version]);
  await untilHit();
  await setFaults();
  const versions = await versionsOf(a.key);
  expect(versions.map((v) => v.state).sort()).toEqual(['published', 'replaced']);
  const batch = String(versions.find((v) => v.version === version)?.batch);
  expect(await stage.ledger.batch(dataset, batch)).toMatchObject({
    state: 'published',
    reason: expect.stringMatching(/AccessDenied/),
    counts: expect.objectContaining({ published: 1 }),
  });
  expect(await deps.store.list(stage.config.workBucket, `replaced/${dataset}/${batch}/`)).toEqual([]);
  await expectWhole(dataset, { ids: [...b.ids, a.ids[0] ?? 0], bad: { [b.key]: 1 } });
});

test('an old version whose event comes late is not published over the new one', async () => {
  const key = `social-media-feed/late/${next}.json`;
  const id = next++;
  const fence = await stage.ledger.acquireLease(dataset);
  const old = await put(key, post(id, { text: 'old' }));
  await put(key, post(id, { text: 'new' }));
  await stage.ledger.releaseLease(dataset, fence ?? 0);
  await drop(dataset, { [`social-media-feed/late/after-${next}.json`]: post(next++) });
  await untilSettled(dataset, [key]);
  expect((await rowsOf(key)).map((r) => r.text)).toEqual(['new']);
  expect((await versionsOf(key)).find((v) => v.version === old)?.state).toBe('replaced');
});
