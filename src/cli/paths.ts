/** Checks paths from the command line, and decides the keys of uploaded files. */
import { stat } from 'node:fs/promises';
import { basename, isAbsolute, posix } from 'node:path';
import type { Contract } from '../lib/contract/schema.ts';
import type { Drop } from '../stage/connect.ts';
import { UsageError } from './usage.ts';

/**
 * Throws UsageError if the path is not a file, and the file system's error if it does not exist. A `pipe` is allowed only for input that is
 * read once from its beginning.
 */
export async function requireFiles(paths: readonly string[], also?: 'pipe'): Promise<void> {
  for (const path of paths) {
    const found = await stat(path);
    if (found.isDirectory()) throw new UsageError(`${path}: it is a folder; name the files in it`);
    if (!found.isFile() && !(also === 'pipe' && found.isFIFO()))
      throw new UsageError(`${path}: it is not a file`);
  }
}

/**
 * The keys of the files: below the contract's prefix, under their names or, with `keepFolders`, under their paths.
 * Throws UsageError if two files would go to one key, where the second would overwrite the first.
 */
export function dropsOf(
  { dataset, source: { prefix } }: Pick<Contract, 'dataset' | 'source'>,
  paths: readonly string[],
  keepFolders: boolean,
): Drop[] {
  const pathOfKey = new Map<string, string>();
  for (const path of paths) {
    const key = `${prefix}${keepFolders ? pathBelow(path) : basename(path)}`;
    const other = pathOfKey.get(key);
    if (other !== undefined)
      throw new UsageError(
        `${other} and ${path} would both be uploaded to ${key}${keepFolders || posix.normalize(other) === posix.normalize(path) ? '' : '; --folders keeps their folders in the keys'}`,
      );
    pathOfKey.set(key, path);
  }
  return [...pathOfKey].map(([key, path]) => ({ dataset, path, key }));
}

function pathBelow(path: string): string {
  const below = posix.normalize(path);
  if (isAbsolute(below) || below.startsWith('../'))
    throw new UsageError(`${path}: --folders needs paths below the folder you are in`);
  return below;
}
