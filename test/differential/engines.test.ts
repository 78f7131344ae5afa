/**
 * Both engines give the same rows, the same quarantine and the same counts, on generated contracts and inputs.
 * SLUICE_DIFFERENTIAL_CASES and SLUICE_DIFFERENTIAL_SEED widen the search: npm run differential -- --cases 5000.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { layOutJob } from '../../offline/spark.ts';
import { SchemaMismatch } from '../../src/lib/errors.ts';
import { addsUp } from '../../src/lib/model/plan.ts';
import {
  type EngineResult,
  packedInputs,
  type TransformOptions,
  tombstonesIn,
  transform,
} from '../support/embedded.ts';

import { withParquet } from '../support/parquetCases.ts';
import { sparkSession } from '../support/sparkSession.ts';
import { type Case, cases } from './cases.ts';

const count = Number(process.env.SLUICE_DIFFERENTIAL_CASES ?? 64);
const seed = Number(process.env.SLUICE_DIFFERENTIAL_SEED ?? 1);
/** Cases on Spark at a time: it waits more than it works. */
const together = 4;

const session = sparkSession();

/** Rows and quarantine, sorted, so that they can be compared. */
const comparable = ({ summary, rows, quarantine, replaced, tombstones, lost }: EngineResult) => {
  const text = (row: unknown) =>
    JSON.stringify(row, (_, v: unknown) =>
      v === undefined ? null : typeof v === 'bigint' ? `${v}n` : Object.is(v, -0) ? '-0' : v,
    );
  const whole = (row: object) =>
    text(Object.fromEntries(Object.entries(row).map(([k, v]) => [k, v ?? null])));
  return {
    summary,
    rows: rows.map(whole).sort(),
    quarantine: quarantine.map(whole).sort(),
    replaced: replaced.map(whole).sort(),
    tombstones: tombstones.map(whole).sort(),
    lost: lost.map(whole).sort(),
  };
};

async function compare({ contract, heldReferenceBytes, ...described }: Case): Promise<void> {
  const files = await withParquet(described.files);
  const before = described.before && (await withParquet(described.before));

  const place = await mkdtemp(join(session.folder, 'case-'));
  try {
    const published = join(place, 'published');
    const options: TransformOptions = {
      references: resolve(import.meta.dirname, '../fixtures/reference'),
      heldReferenceBytes,
      ...(before === null ? {} : { published }),
    };
    if (before !== null) await transform(contract, before, { ...options, keep: published });
    const embedded = await transform(contract, files, options);
    const spark = await transform(contract, files, {
      ...options,
      engine: async (run, at) => {
        const { plan, references, batch, outputDir } = run;
        const inputs = await packedInputs(contract, files, run, at);
        const output = {
          batch,
          outputDir,
          ...(before === null ? {} : { published, tombstones: await tombstonesIn(published) }),
        };
        return session.run(await layOutJob(join(at, 'job'), plan, references, inputs, output));
      },
    });
    expect(comparable(spark)).toEqual(comparable(embedded));
    expect(addsUp(embedded.summary)).toBe(true);
  } catch (error) {
    // The Catalog's types contradict the contract: the batch is rejected before an engine starts.
    if (error instanceof SchemaMismatch) return;
    const shown = {
      contract,
      before: textsOf(described.before),
      files: textsOf(described.files),
      heldReferenceBytes,
    };
    throw new Error(`${error}\nin the case ${JSON.stringify(shown)}`, { cause: error });
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

const textsOf = (files: Case['files'] | null) =>
  files && Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.toString('latin1')]));

test(
  `property: Spark and the embedded engine agree (${count} cases)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.tuple(...Array.from({ length: together }, () => cases)), async (group) => {
        const outcomes = await Promise.allSettled(group.map(compare));
        const failed = outcomes.find((outcome) => outcome.status === 'rejected');
        if (failed) throw failed.reason;
      }),
      { numRuns: Math.ceil(count / together), seed, endOnFailure: true },
    );
  },
  6 * 3_600_000,
);
