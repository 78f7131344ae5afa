/** Runs a generated case on Spark and on the embedded engine, and compares everything that they give. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { layOutJob, type SparkSession } from '../../offline/spark.ts';
import { SchemaMismatch, TooManyPartitions } from '../../src/lib/errors.ts';
import {
  type EngineResult,
  packedInputs,
  type TransformOptions,
  tombstonesIn,
  transform,
} from '../support/embedded.ts';
import { withParquet } from '../support/parquetCases.ts';
import type { Case } from './cases.ts';
import { readTable } from './contracts.ts';

/** Where cases run. */
export interface Workplace {
  readonly folder: string;
  readonly run: SparkSession['run'];
}

/** Cases on Spark at a time: it waits more than it works. */
export const together = 4;

/** What differs, and the case itself; null if nothing does. */
export async function difference(at: Workplace, { contract, heldReferenceBytes, ...described }: Case) {
  const place = await mkdtemp(join(at.folder, 'case-'));
  const shown = () =>
    `in the case ${JSON.stringify({
      contract,
      before: textsOf(described.before),
      files: textsOf(described.files),
      heldReferenceBytes,
    })}`;
  try {
    const files = await withParquet(described.files);
    const before = described.before && (await withParquet(described.before));
    const published = join(place, 'published');
    const options: TransformOptions = {
      references: resolve(import.meta.dirname, '../fixtures/reference'),
      readTable,
      heldReferenceBytes,
      ...(before === null ? {} : { published }),
    };
    if (before !== null) await transform(contract, before, { ...options, keep: published });
    const onSpark: TransformOptions = {
      ...options,
      engine: async (run, folder) => {
        const { plan, references, batch, outputDir } = run;
        const inputs = await packedInputs(contract, files, run, folder);
        const output = {
          batch,
          outputDir,
          ...(before === null ? {} : { published, tombstones: await tombstonesIn(published) }),
        };
        return at.run(await layOutJob(join(folder, 'job'), plan, references, inputs, output));
      },
    };
    const embedded = await outcomeOf(transform(contract, files, options));
    const spark = await outcomeOf(transform(contract, files, onSpark));
    const parts = Object.keys({ ...embedded, ...spark }).filter(
      (part) => !isDeepStrictEqual(spark[part], embedded[part]),
    );
    const told = parts.map((part) => {
      const text = (of: unknown) => JSON.stringify(of, null, 1);
      return `${part}\n  Spark ${text(spark[part])}\n  embedded ${text(embedded[part])}`;
    });
    return told.length === 0 ? null : `${told.join('\n')}\n${shown()}`;
  } catch (error) {
    // The Catalog's types contradict the contract: the batch is rejected before an engine starts.
    if (error instanceof SchemaMismatch) return null;
    return `${error instanceof Error ? error.stack : error}\n${shown()}`;
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** What a run gives, sorted, so that it can be compared. Too many partitions are an outcome, too. */
async function outcomeOf(run: Promise<EngineResult>): Promise<Readonly<Record<string, unknown>>> {
  try {
    const { summary, partitions, ...rows } = await run;
    const sorted = Object.entries(rows).map(([name, of]) => [name, of.map(textOf).sort()]);
    return { summary, partitions: [...new Set(partitions)].sort(), ...Object.fromEntries(sorted) };
  } catch (error) {
    const isFull = error instanceof TooManyPartitions || String(error).includes('TooManyPartitions: ');
    if (isFull) return { failed: 'TooManyPartitions' };
    throw error;
  }
}

/** A row as a text. A column without a value may be missing. */
const textOf = (row: object): string =>
  JSON.stringify(
    Object.fromEntries(Object.entries(row).map(([column, value]) => [column, value ?? null])),
    (_, value: unknown) =>
      value === undefined
        ? null
        : typeof value === 'bigint'
          ? `${value}n`
          : Object.is(value, -0)
            ? '-0'
            : value,
  );

const textsOf = (files: Case['files'] | null) =>
  files && Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.toString('latin1')]));
