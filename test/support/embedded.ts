/** Runs a contract on texts with the embedded engine, for unit tests. */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { localObjects, tableOfInputs } from '../../src/cli/inputs.ts';
import { compile } from '../../src/lib/compiler/compile.ts';
import { needsCatalog } from '../../src/lib/compiler/resolve.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { type EmbeddedRun, runEmbedded } from '../../src/lib/engine/embedded.ts';
import { localFile } from '../../src/lib/engine/inputFile.ts';
import { looksAt } from '../../src/lib/engine/looks.ts';
import { fetchPublished, type PublishedOptions } from '../../src/lib/engine/publishedKeys.ts';
import { unpackInput } from '../../src/lib/engine/unpack.ts';
import { objectsOnLines } from '../../src/lib/json.ts';
import type { KeyRange } from '../../src/lib/model/keyRange.ts';
import { addsUp, type Summary } from '../../src/lib/model/plan.ts';
import { loadReferences, noRows, type ReadTable } from '../../src/lib/reference/load.ts';

export const datasetsFolder = resolve(import.meta.dirname, '../../datasets');

export type Row = Record<string, unknown>;

export interface EngineResult {
  readonly summary: Summary;
  readonly rows: readonly Row[];
  readonly quarantine: readonly Row[];
  /** The published rows that newer ones replace: the path of their object below `published`, and their key. */
  readonly replaced: readonly Row[];
  /** The same of those whose validity another version changes. */
  readonly changed: readonly Row[];
  /** The keys that rows of the batch delete, with the columns of the order. */
  readonly tombstones: readonly Row[];
  /** The files that have lost rows to others, by the winner. */
  readonly lost: readonly Row[];
  /** Partition folders with rows. */
  readonly partitions: readonly string[];
}

/** Timestamps as whole microseconds, because a JavaScript Date would round them. */
export const exactParsers = {
  timestampFromMicroseconds: (micros: bigint) => micros,
};

/** Smaller limits than in production. */
const limits = { archive: 100_000_000, json: 1_000_000, csv: 1_000_000 };

/** Runs a plan: the embedded engine, or Spark. */
export type RunEngine = (run: EmbeddedRun, folder: string) => Promise<Summary>;

export interface TransformOptions extends PublishedOptions {
  readonly engine?: RunEngine;
  readonly references?: string;
  readonly heldReferenceBytes?: number;
  /** The rows of tables that the contract looks up. By default they are empty. */
  readonly readTable?: ReadTable;
  /** Rows published before: a folder of partitions. */
  readonly published?: string;
  /** Published rows of these files do not count. */
  readonly replaces?: readonly { object: string; version: string }[];
  /** Published objects may have rows of other partitions, too. */
  readonly isShared?: boolean;
  /** Keeps the published rows here, and tombstones next to them. */
  readonly keep?: string;
  /** Is told where the keys of the batch are. */
  readonly asked?: (keys: readonly KeyRange[]) => void;
  /** The limit of unpacked bytes, if it is not the tests' usual one. */
  readonly limits?: Partial<typeof limits>;
}

/** `files`: object key -> content. */
export async function transform(
  contract: Contract,
  files: Readonly<Record<string, string | Uint8Array>>,
  {
    engine = runEmbedded,
    references: folderOfReferences = datasetsFolder,
    ...options
  }: TransformOptions = {},
): Promise<EngineResult> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-test-'));
  try {
    const found = await Promise.all(
      Object.entries(files).map(async ([object, content], i) => {
        const bytes = Buffer.from(content);
        const path = join(folder, `input-${i}`);
        await writeFile(path, bytes);
        const looks = await looksAt(contract, localFile(path, bytes.length), (look) => look);
        return Promise.all(
          looks.map(async ({ start: _start, isWhole: _isWhole, unpacked: _unpacked, example, ...look }) => ({
            ...(await unpackInput(
              { object, version: 'v1', path, ...look },
              { ...limits, ...options.limits },
            )),
            example,
          })),
        );
      }),
    );
    const inputs = found.flat();
    const outputDir = join(folder, 'output');
    // Spark makes no folder if there are no rows.
    await mkdir(outputDir);
    const references = await loadReferences(
      contract,
      folderOfReferences,
      options.readTable ?? noRows(contract),
    );
    const { heldReferenceBytes = 1_000_000, published } = options;
    const plan = compile(
      contract,
      needsCatalog(contract) ? await tableOfInputs(contract, inputs) : null,
      references,
      {
        heldReferenceBytes,
      },
    );
    const run = { plan, references, inputs, batch: 'test', outputDir };
    const summary = await engine(
      published === undefined
        ? run
        : {
            ...run,
            replaces: options.replaces ?? [],
            tombstones: () => tombstonesIn(published),
            published: (places, into, keys) => {
              options.asked?.(keys);
              const local = localObjects(published, plan.partitionKeys);
              const { isShared = false } = options;
              const find = async (partitions: Parameters<typeof local.find>[0]) =>
                (await local.find(partitions)).map((object) => ({ ...object, isShared }));
              const all = async () => (await local.all()).map((object) => ({ ...object, isShared }));
              return fetchPublished({ ...local, find, all }, plan, 'test', places, into, options);
            },
          },
      folder,
    );
    for (const counted of [summary, ...summary.files])
      if (!addsUp(counted)) throw new Error(`rows are lost: ${JSON.stringify(counted)}`);
    if (options.keep) {
      await cp(join(outputDir, 'data'), options.keep, { recursive: true });
      const kept = join(options.keep, '_tombstones');
      for (const path of await tombstonesIn(outputDir, 'tombstones'))
        await cp(path, join(kept, `${(await tombstonesIn(options.keep)).length}.parquet`));
    }
    const paths = (await readdir(outputDir, { recursive: true }))
      .filter((p) => p.endsWith('.parquet'))
      .sort();
    const read = async (prefix: string) => {
      const found = paths.filter((p) => p.startsWith(prefix));
      return (await Promise.all(found.map((p) => readParquet(join(outputDir, p))))).flat();
    };
    return {
      summary,
      rows: await read('data'),
      quarantine: await read('quarantine'),
      // Spark names objects by their address.
      replaced: listed(await read('replaced'), published),
      changed: listed(await read('changed'), published),
      tombstones: await read('tombstones'),
      lost: await readLines(join(outputDir, 'lost')),
      partitions: paths.filter((p) => p.startsWith('data')).map((p) => p.slice(5, p.lastIndexOf('/'))),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

const listed = (rows: readonly Row[], published: string | undefined): Row[] =>
  rows.map(({ _path, ...key }) => ({ _path: String(_path).split(`${published}/`).at(-1), ...key }));

/** The files of a run as they were, packed, for an engine that unpacks them itself. */
export async function packedInputs(
  contract: Contract,
  files: Readonly<Record<string, string | Uint8Array>>,
  { inputs }: EmbeddedRun,
  folder: string,
) {
  const names = [...new Map(inputs.map(({ object, version }) => [object, version]))];
  const looks = await Promise.all(
    names.map(async ([object, version], i) => {
      const bytes = Buffer.from(files[object] ?? '');
      const path = join(folder, `packed-${i}`);
      await writeFile(path, bytes);
      const found = await looksAt(contract, localFile(path, bytes.length), (look) => look);
      return found.map((look) => ({ object, version, path, ...look }));
    }),
  );
  return looks.flat();
}

/** The objects of the files of JSON in a folder. */
async function readLines(folder: string): Promise<Row[]> {
  const names = existsSync(folder) ? (await readdir(folder)).filter((name) => name.endsWith('.json')) : [];
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return [...objectsOnLines(texts.join('\n'))].map((row) => ({ ...row }));
}

/** The files of tombstones that were kept with published rows, or those of another folder. */
export async function tombstonesIn(folder: string, below = '_tombstones'): Promise<string[]> {
  const place = join(folder, below);
  const names = existsSync(place) ? await readdir(place) : [];
  return names.filter((name) => name.endsWith('.parquet')).map((name) => join(place, name));
}

export async function readParquet(path: string): Promise<Row[]> {
  const file = await asyncBufferFromFile(path);
  return (await parquetReadObjects({ file, compressors, parsers: exactParsers })) as Row[];
}

/** A small contract around the columns under test. */
export const contractWith = (columns: string, more = ''): Contract =>
  parseContract(
    'test.yml',
    `
dataset: test
source: { prefix: test/, formats: [ndjson, json_array] }
columns:
  - { name: id, path: id, type: bigint, required: true }
  - { name: at, path: at, type: timestamp, required: true, formats: [iso8601, epoch_s, epoch_ms, twitter] }
${columns}
partitionBy:
  - { name: source, constant: test }
  - { name: day, of: at, part: day }
${more}`,
  );

/** A record of `contractWith`. */
export const record = (fields: Row): string =>
  JSON.stringify({ id: 1, at: '2025-10-06T05:40:00Z', ...fields });
