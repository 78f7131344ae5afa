/** The reference interpreter against Spark: thousands of cases in a few runs of the job. */
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { layOutJob } from '../../offline/spark.ts';
import { type Difference, report } from '../oracle/difference.ts';
import { search } from '../oracle/search.ts';
import type { RunEngine } from '../support/embedded.ts';
import { sparkSession } from '../support/sparkSession.ts';

const cases = Number(process.env.SLUICE_DIFFERENTIAL_CASES ?? 10_000);
const seed = Number(process.env.SLUICE_DIFFERENTIAL_SEED ?? 1);

const session = sparkSession();

const onSpark: RunEngine = async ({ plan, references, inputs, batch, outputDir }, at) =>
  session.run(await layOutJob(join(at, 'job'), plan, references, inputs, { batch, outputDir }));

test(`Spark gives the values, rows and counts of the reference (${cases} cases)`, async () => {
  const differences: Difference[] = [];
  for await (const found of search(seed, cases, onSpark)) differences.push(...found.differences);
  expect(report(differences)).toBe('');
});
