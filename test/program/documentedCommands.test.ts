/** The commands in the docs exist and take the given options, and a test runs each of them. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { commands, localCommands } from '../../src/cli/commands.ts';
import { commandsInDocs, root, sluiceInDocs } from '../support/docs.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

const optionsIn = (text: string): string[] => text.match(/--[a-z][a-zA-Z]*/g) ?? [];

test('every npm script in the docs is one of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const unknown = commandsInDocs.filter(({ text }) => {
    const [, name] = /^npm (?:run (?:-s )?)?([a-z:-]+)/.exec(text) ?? [];
    const own = /^npm (ci|install|audit|pack|config)\b/.test(text) || text.startsWith('npx ');
    return !own && !Object.keys(scripts).includes(name ?? '');
  });
  expect(unknown).toEqual([]);
  expect(commandsInDocs.length).toBeGreaterThan(30);
});

test('what npm says itself goes into no file', () => {
  const redirected = commandsInDocs.filter(({ text }) => / [>|] /.test(text) && text.startsWith('npm run'));
  expect(redirected.filter(({ text }) => !text.startsWith('npm run -s '))).toEqual([]);
  expect(redirected.length).toBeGreaterThan(1);
});

test('every command of sluice in the docs is there, and takes the options that it is given', async () => {
  for (const { file, text, name, rest } of sluiceInDocs) {
    expect([file, text, Object.keys(commands)]).toEqual([file, text, expect.arrayContaining([name])]);
    const help = (await commands[name]?.load())?.help ?? '';
    expect([file, text, optionsIn(rest).filter((option) => !help.includes(option))]).toEqual([
      file,
      text,
      [],
    ]);
  }
});

test('every command of sluice is in the docs, and is run by a test', () => {
  const names = new Set(sluiceInDocs.map(({ name }) => name));
  expect(Object.keys(commands).filter((name) => !names.has(name) && name !== 'watch')).toEqual([]);
  const tests = ['e2e', 'program', 'unit']
    .flatMap((at) =>
      readdirSync(join(root, 'test', at), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(root, 'test', at, name),
      ),
    )
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const isRun = (name: string) =>
    new RegExp(`sluice\\(\\s*'${name}'|'src/cli/sluice.ts', '${name}'`).test(tests);
  // The watch page has its own test.
  expect(Object.keys(commands).filter((name) => !isRun(name) && name !== 'watch')).toEqual([]);
});

test("the README's commands without AWS do what it says, as they are typed", () => {
  const readme = sluiceInDocs.filter(({ file, name }) => file === 'README.md' && name in localCommands);
  const typed = [...new Set(readme.map(({ text }) => text))].filter((text) => !text.includes('<'));
  expect(typed.length).toBeGreaterThan(4);
  for (const text of typed) {
    const command = text
      .replace(/^npm run (-s )?sluice --/, 'node src/cli/sluice.ts')
      .replaceAll('/tmp/', `${folder}/`)
      .replace(/(sluice.ts init)/, `$1 --yes --out ${folder}/init.yml`);
    const { status, stderr } = spawnSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' });
    expect({ text, status, stderr }).toEqual({ text, status: 0, stderr: '' });
  }
});
