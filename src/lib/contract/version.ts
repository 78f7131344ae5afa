import { createHash } from 'node:crypto';
import type { Contract } from './schema.ts';

/** A short fingerprint of a contract's meaning, written to ledger and events. */
export const contractVersion = (contract: Contract): string =>
  createHash('sha256').update(JSON.stringify(contract)).digest('hex').slice(0, 12);
