/** The texts of the project that a person reads. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

/** Paths below `root`. */
export const documents: readonly string[] = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => `docs/${path}`),
];

export interface Documented {
  readonly file: string;
  readonly text: string;
}

/** Every npm and npx command in the docs, on one line, without its comment. */
export const commandsInDocs: Documented[] = documents.flatMap((file) => {
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
  if (!text.startsWith('npm'))
    commandsInDocs.push({ file: 'operations.md', text: `npm run sluice -- ${text}` });

/** Of `npm run sluice -- NAME …`: the name, and the rest. */
export const sluiceInDocs = commandsInDocs.flatMap(({ file, text }) => {
  const [, name, rest] = /^npm run (?:-s )?sluice -- ([a-z]+)(.*)/.exec(text) ?? [];
  return name === undefined ? [] : [{ file, text, name, rest: rest ?? '' }];
});
