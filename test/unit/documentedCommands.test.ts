/** Commands in the docs are ones that there are, with options that they take, and each is run by a test. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { commands, localCommands } from '../../src/cli/commands.ts';
import { documents, root } from '../support/docs.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Documented {
  readonly file: string;
  readonly text: string;
}

const documented: Documented[] = documents.flatMap((file) => {
  const content = readFileSync(join(root, file), 'utf8');
  const blocks = [...content.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(
    ([, text]) => text?.split('\n') ?? [],
  );
  const inline = [...content.matchAll(/`((?:npm|npx) [^`]*)`/g)].map(([, text]) => text ?? '');
  return [...blocks, ...inline]
    .map((text) =>
      text
        .replace(/\s+#.*/, '')
        .replaceAll('\n', ' ')
        .trim(),
    )
    .map((text) => text.replace(/^source <\((.*)\)$/, '$1'))
    .filter((text) => /^(npm|npx) /.test(text))
    .map((text) => ({ file, text }));
});
// The operator's commands, each a row of a table.
const operations = readFileSync(join(root, 'docs/operations.md'), 'utf8');
for (const [, text = ''] of operations
  .slice(operations.indexOf('## Commands'), operations.indexOf('## Reports'))
  .matchAll(/^\| `([a-z]+ ?[^`]*)`/gm))
  if (!text.startsWith('npm')) documented.push({ file: 'operations.md', text: `npm run sluice -- ${text}` });

/** Of `npm run sluice -- NAME …`: the name, and the rest. */
const ofSluice = documented.flatMap(({ file, text }) => {
  const [, name, rest] = /^npm run (?:-s )?sluice -- ([a-z]+)(.*)/.exec(text) ?? [];
  return name === undefined ? [] : [{ file, text, name, rest: rest ?? '' }];
});
const optionsIn = (text: string): string[] => text.match(/--[a-z][a-zA-Z]*/g) ?? [];

test('every npm script in the docs is one of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };
  const unknown = documented.filter(({ text }) => {
    const [, name] = /^npm (?:run (?:-s )?)?([a-z:-]+)/.exec(text) ?? [];
    const own = /^npm (ci|install|audit|pack|config)\b/.test(text) || text.startsWith('npx ');
    return !own && !Object.keys(scripts).includes(name ?? '');
  });
  expect(unknown).toEqual([]);
  expect(documented.length).toBeGreaterThan(30);
});

test('every command of sluice in the docs is there, and takes the options that it is given', async () => {
  for (const { file, text, name, rest } of ofSluice) {
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
  const names = new Set(ofSluice.map(({ name }) => name));
  expect(Object.keys(commands).filter((name) => !names.has(name) && name !== 'watch')).toEqual([]);
  const tests = ['e2e', 'unit']
    .flatMap((at) => readdirSync(join(root, 'test', at)).map((name) => join(root, 'test', at, name)))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');
  const isRun = (name: string) =>
    new RegExp(`sluice\\(\\s*'${name}'|'src/cli/sluice.ts', '${name}'`).test(tests);
  // The watch page has a test of its own.
  expect(Object.keys(commands).filter((name) => !isRun(name) && name !== 'watch')).toEqual([]);
});

test("the README's commands without AWS do what it says, as they are typed", () => {
  const readme = ofSluice.filter(({ file, name }) => file === 'README.md' && name in localCommands);
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
