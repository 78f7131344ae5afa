/**
 * `npm run docs`: writes what is generated in docs/: the JSON Schemas of the contract language, for editors, and of the
 * event, for consumers, and the diagrams. A test tells when that is due.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { jsonSchema } from '../src/lib/contract/jsonSchema.ts';
import { batchPublishedJsonSchema } from '../src/lib/flow/batch/batchPublished.ts';
import { withDiagrams } from './diagrams.ts';

const root = resolve(import.meta.dirname, '..');
writeFileSync(join(root, 'docs/contract.schema.json'), jsonSchema());
writeFileSync(join(root, 'docs/batch-published.schema.json'), batchPublishedJsonSchema());
const architecture = join(root, 'docs/architecture.md');
writeFileSync(architecture, withDiagrams(readFileSync(architecture, 'utf8'), root));
