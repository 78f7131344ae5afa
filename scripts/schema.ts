/** `npm run schema`: writes the contract language's JSON Schema, for editors. */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { jsonSchema } from '../src/lib/contract/jsonSchema.ts';

writeFileSync(resolve(import.meta.dirname, '../docs/contract.schema.json'), jsonSchema());
