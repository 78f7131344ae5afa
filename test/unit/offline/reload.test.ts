import { expect, test } from '@jest/globals';
import { Reload } from '../../../offline/reload.ts';

/** Lets everything continue that can. */
const settle = () => new Promise((done) => setImmediate(done));

test('an edit waits for the invocations that run, and new ones wait for the edit', async () => {
  const reload = new Reload();
  const told: string[] = [];
  expect(await reload.enter(false)).toBeUndefined();
  const edit = reload.edit(async () => void told.push('built'));
  void reload.enter(false).then(() => told.push('entered'));
  await settle();
  expect(told).toEqual([]);
  reload.leave();
  expect(await edit).toBe(false);
  await settle();
  expect(told).toEqual(['built', 'entered']);
});

test('a person is told for which functions an edit waits, if it takes long', async () => {
  const told = Promise.withResolvers<string>();
  const reload = new Reload(told.resolve, 0);
  for (const name of ['loadServing', 'publish', 'publish']) await reload.enter(false, name);
  const edit = reload.edit(async () => undefined);
  await settle();
  reload.leave('publish');
  expect(await told.promise).toBe(
    'the edit, and every new invocation, waits for loadServing, publish to end',
  );
  reload.leave('loadServing');
  reload.leave('publish');
  expect(await edit).toBe(false);
});

test('two edits are taken up one after the other, and nobody enters between them', async () => {
  const reload = new Reload();
  const told: string[] = [];
  const slow = Promise.withResolvers<void>();
  const first = reload.edit(() => slow.promise.then(() => void told.push('first')));
  const second = reload.edit(async () => void told.push('second'));
  void reload.enter(false).then(() => told.push('entered'));
  await settle();
  slow.resolve();
  await Promise.all([first, second]);
  await settle();
  expect(told).toEqual(['first', 'second', 'entered']);
});

test('code that cannot be built is named with its place, until an edit mends it, for which events wait', async () => {
  const reload = new Reload();
  const failure = Object.assign(new Error('Build failed with 1 error'), {
    errors: [{ text: 'Unexpected ";"', location: { file: 'src/a.ts', line: 1, column: 9 } }],
  });
  await expect(reload.edit(() => Promise.reject(failure))).rejects.toBe(failure);
  expect(await reload.enter(false)).toBe('src/a.ts:1:10: Unexpected ";"');
  await expect(reload.edit(() => Promise.reject(new Error('no such file')))).rejects.toThrow('no such file');
  expect(await reload.enter(false)).toBe('no such file');
  let isRun = false;
  const event = reload.enter(true).then(() => {
    isRun = true;
  });
  await settle();
  expect(isRun).toBe(false);
  expect(await reload.edit(async () => {})).toBe(true);
  expect(await reload.enter(false)).toBeUndefined();
  await event;
});
