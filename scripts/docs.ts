/** `npm run docs`: writes the generated parts of docs/. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { jsonSchema } from '../src/lib/contract/jsonSchema.ts';
import { batchPublishedJsonSchema } from '../src/lib/flow/batch/batchPublished.ts';
import { withDiagrams } from './diagrams.ts';
import { runPlain } from './plain.ts';

const help = `Usage: npm run docs

Writes the generated parts of docs/: the JSON Schema of the contract language, the JSON Schema of the event, and the diagrams. A test
fails if they are out of date.`;

await runPlain(help, async () => {
  const root = resolve(import.meta.dirname, '..');
  writeFileSync(join(root, 'docs/contract.schema.json'), jsonSchema());
  writeFileSync(join(root, 'docs/batch-published.schema.json'), batchPublishedJsonSchema());
  const architecture = join(root, 'docs/architecture.md');
  writeFileSync(architecture, withDiagrams(readFileSync(architecture, 'utf8'), root));
});
