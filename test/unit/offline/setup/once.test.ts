import { spawn } from 'node:child_process';
import { once as event } from 'node:events';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import { once } from '../../../../offline/setup/once.ts';
import { thoroughTest } from '../../../support/thorough.ts';

const above = mkdtempSync(join(tmpdir(), 'sluice-once-'));
afterAll(() => rm(above, { recursive: true, force: true }));

let made = 0;
let folder = '';
const said: string[] = [];
const make = async () => {
  made++;
  await writeFile(join(folder, 'file'), String(made));
};
const get = (how = make) => once(folder, (message) => said.push(message), how);

beforeEach(() => {
  made = 0;
  folder = mkdtempSync(join(above, 'folder-'));
  said.length = 0;
});

thoroughTest('what two ask for at once is made once, and the one that waits says for whom', async () => {
  const allowed = Promise.withResolvers<void>();
  const first = get(async () => {
    await make();
    await allowed.promise;
  });
  const second = get();
  while (said.length === 0) await new Promise(setImmediate);
  allowed.resolve();
  expect(await Promise.all([first, second, get()])).toEqual([folder, folder, folder]);
  expect(made).toBe(1);
  expect([...new Set(said)]).toEqual([
    `process ${process.pid} makes ${folder}; if it does not, remove ${folder}.lock`,
  ]);
});

thoroughTest('what a process left behind that has ended is made anew', async () => {
  const gone = spawn('true');
  await event(gone, 'exit');
  await writeFile(`${folder}.lock`, String(gone.pid));
  await writeFile(join(folder, 'part'), '');
  await get();
  expect([made, existsSync(join(folder, 'part')), existsSync(`${folder}.lock`)]).toEqual([1, false, false]);
});

test('a failure leaves nothing to wait for', async () => {
  await expect(get(() => Promise.reject(new Error('no network')))).rejects.toThrow('no network');
  await get();
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('1');
});
