/** DuckDB within this process, and its settings. */
import { freemem } from 'node:os';
import { DuckDBInstance } from '@duckdb/node-api';

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

/** DuckDB's memory limit in bytes, before it writes to disk. Node and uncounted memory need the rest. */
export const memoryLimit = (available: number = freemem()): number =>
  Math.floor(Math.min(memoryAtMost, available * 0.6));

const memoryAtMost = 1.75 * 1024 * 1024 * 1024;
