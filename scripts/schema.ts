/** `npm run schema`: writes the JSON Schemas of the contract language, for editors, and of the event, for consumers. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { jsonSchema } from '../src/lib/contract/jsonSchema.ts';
import { batchPublishedJsonSchema } from '../src/lib/flow/batchPublished.ts';

const docs = resolve(import.meta.dirname, '../docs');
writeFileSync(resolve(docs, 'contract.schema.json'), jsonSchema());
writeFileSync(resolve(docs, 'batch-published.schema.json'), batchPublishedJsonSchema());
