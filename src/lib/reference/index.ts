/**
 * Polygon indexes that are built with the project, so that batches do not have to. They are in the datasets folder, under a name that
 * depends on the file and the options, so that a change causes a new index.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Contract } from '../contract/schema.ts';
import type { ReferenceData } from '../model/plan.ts';
import { indexPolygons, readPolygons } from './polygons.ts';
import { readReference } from './rows.ts';

export type PolygonOptions = { object: string | undefined; property: string };

/** Increased when the form of an index changes. */
const indexVersion = 2;
const indexFolder = '.index';

/** The index of a polygon file; null if there is none. */
export async function readIndex(
  folder: string,
  bytes: Buffer,
  options: PolygonOptions,
): Promise<Omit<ReferenceData, 'name'> | null> {
  try {
    const text = await readFile(join(folder, indexFolder, indexName(bytes, options)), 'utf8');
    return JSON.parse(text) as Omit<ReferenceData, 'name'>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** Makes the indexes that contracts need and drops all others. Throws ReferenceRefused, naming the file. */
export async function buildIndexes(contracts: Iterable<Contract>, folder: string): Promise<number> {
  const place = join(folder, indexFolder);
  await mkdir(place, { recursive: true });
  const wanted = new Set<string>();
  for (const contract of contracts)
    for (const enrichment of contract.enrich) {
      if (enrichment.kind !== 'polygon') continue;
      const options = { object: enrichment.object, property: enrichment.property };
      const bytes = await readReference(folder, enrichment.file);
      const name = indexName(bytes, options);
      wanted.add(name);
      if (await readIndex(folder, bytes, options)) continue;
      const index = indexPolygons(readPolygons(enrichment.file, bytes.toString('utf8'), options));
      await writeFile(join(place, name), JSON.stringify(index));
    }
  for (const name of await readdir(place)) if (!wanted.has(name)) await rm(join(place, name));
  return wanted.size;
}

const indexName = (bytes: Buffer, options: PolygonOptions): string =>
  `${createHash('sha256')
    .update(JSON.stringify([indexVersion, options.object ?? null, options.property]))
    .update(bytes)
    .digest('hex')
    .slice(0, 32)}.json`;
