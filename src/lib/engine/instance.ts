/** DuckDB within this process, and its settings. */
import { freemem } from 'node:os';
import { DuckDBInstance } from '@duckdb/node-api';

/** `scratch` is a folder that takes what does not fit into memory; `memoryBytes` what this process may take, by default what is free. */
export const openDuckdb = (scratch: string, memoryBytes?: number): Promise<DuckDBInstance> =>
  DuckDBInstance.create(':memory:', {
    temp_directory: scratch,
    memory_limit: `${memoryLimit(memoryBytes)}B`,
    // The workers of the row part come in no order; what is written is put in order first.
    preserve_insertion_order: 'false',
    // A checkpoint would compress the tables in memory, which costs more than it gives where they are read once.
    checkpoint_threshold: '1TB',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });

/** How much DuckDB holds before it writes to disk, in bytes: Node and what is not counted need the rest. */
export const memoryLimit = (available: number = freemem()): number =>
  Math.floor(Math.min(memoryAtMost, available * 0.6));

const memoryAtMost = 1.75 * 1024 * 1024 * 1024;
