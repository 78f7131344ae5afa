import * as z from 'zod';
import { contractSchema } from './check.ts';

/** The contract language as a JSON Schema (draft 2020-12). Keys with defaults are optional. */
export const jsonSchema = (): string =>
  `${JSON.stringify({ title: 'Sluice contract', ...z.toJSONSchema(contractSchema, { io: 'input' }) }, null, 2)}\n`;
