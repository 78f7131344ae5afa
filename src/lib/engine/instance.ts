/** DuckDB within this process, and its settings. */
import { mkdtemp, rm } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { asOutOfMemory } from './memory.ts';

/** `scratch` is a folder for data that does not fit into memory. `memoryBytes` is the memory that this process may use, by default the free memory. */
export const openDuckdb = (scratch: string, memoryBytes?: number): Promise<DuckDBInstance> =>
  DuckDBInstance.create(':memory:', {
    temp_directory: scratch,
    memory_limit: `${memoryLimit(memoryBytes)}B`,
    // The workers of the row part finish in any order, and rows are sorted before they are written.
    preserve_insertion_order: 'false',
    // A checkpoint would compress the tables in memory, which does not pay off because they are read once.
    checkpoint_threshold: '1TB',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });

/** A database for one piece of work, with a folder for its files. */
export interface Workplace {
  readonly instance: DuckDBInstance;
  readonly db: DuckDBConnection;
  readonly scratch: string;
}

/** Works in a database of its own, in UTC. `what` names the input in EngineOutOfMemory, which is thrown if it does not fit. */
export async function inDuckdb<T>(what: string, work: (place: Workplace) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-duckdb-'));
  try {
    const instance = await openDuckdb(scratch);
    const db = await instance.connect();
    try {
      await db.run("SET TimeZone = 'UTC'");
      return await work({ instance, db, scratch });
    } finally {
      db.closeSync();
      instance.closeSync();
    }
  } catch (error) {
    throw asOutOfMemory(error, what);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** DuckDB's memory limit in bytes, before it writes to disk. Node and uncounted memory need the rest. */
export const memoryLimit = (available: number = freemem()): number =>
  Math.floor(Math.min(memoryAtMost, available * 0.6));

const memoryAtMost = 1.75 * 1024 * 1024 * 1024;
