import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { withDiagrams } from '../../../scripts/diagrams.ts';
import { jsonSchema } from '../../../src/lib/contract/jsonSchema.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { functions } from '../../../src/lib/expression/functions.ts';
import { reasonCodes } from '../../../src/lib/model/plan.ts';
import { documents, root } from '../../support/docs.ts';
import { datasetsFolder } from '../../support/embedded.ts';

const docs = readFileSync(join(datasetsFolder, '../docs/contract.md'), 'utf8');
const examples = [...docs.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');

interface Example {
  readonly dataset?: string;
  readonly columns: readonly object[];
}

test('every example of the reference is a contract, alone or beside the first', () => {
  const [whole = '', ...parts] = examples;
  expect(parts.length).toBeGreaterThan(2);
  parseContract('contract.md', whole);
  for (const part of parts) {
    const [base, more] = [parse(whole) as Example, parse(part) as Partial<Example>];
    const columns = [...base.columns, ...(more.columns ?? [])];
    parseContract(
      'contract.md',
      more.dataset === undefined ? JSON.stringify({ ...base, ...more, columns }) : part,
    );
  }
});

test('every key and every choice of the language is in the reference', () => {
  const words = new Set<string>();
  const look = (node: unknown) => {
    if (Array.isArray(node)) node.forEach(look);
    if (typeof node !== 'object' || node === null || Array.isArray(node)) return;
    const { properties, enum: choices, const: only } = node as Record<string, unknown>;
    for (const key of Object.keys((properties as object | undefined) ?? {})) words.add(key);
    for (const choice of Array.isArray(choices) ? choices : [only])
      if (typeof choice === 'string') words.add(choice);
    Object.values(node).forEach(look);
  };
  look(JSON.parse(jsonSchema()));
  const missing = [...words].filter((word) => !new RegExp(`\\b${word}\\b`).test(docs));
  expect(words.size).toBeGreaterThan(60);
  expect(missing).toEqual([]);
});

test('every reason code is documented, in its order', () => {
  const listed = [...docs.matchAll(/^\| `([a-z_0-9]+)` +\| (?:is|has)/gm)].map(([, code]) => code);
  expect(listed).toEqual([...reasonCodes]);
});

test('every function of expressions is documented', () => {
  const listed = /the functions\n`([a-z_ ]+)`/.exec(docs)?.[1]?.split(' ');
  expect(listed).toEqual(Object.keys(functions));
});

test('the published JSON Schema is the one that checks', () => {
  const published = readFileSync(join(datasetsFolder, '../docs/contract.schema.json'), 'utf8');
  expect(JSON.parse(published)).toEqual(JSON.parse(jsonSchema()));
});

test('the diagrams are those of the definitions', () => {
  const architecture = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
  expect(architecture).toContain('ClaimBatch --> IsAnythingClaimed');
  expect(withDiagrams(architecture, root)).toBe(architecture);
});

test('every link between files of the project leads somewhere', () => {
  const broken = documents.flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, target]) => target ?? '')
      .filter((target) => !existsSync(join(root, dirname(file), target)))
      .map((target) => `${file}: ${target}`),
  );
  expect(broken).toEqual([]);
});
