/**
 * A line is a record if it is an object by RFC 8259, on both engines. test/fixtures/json has one file per case, named as in
 * JSON parsing corpora: y_ is JSON, n_ is not, and RFC 8259 leaves i_ open.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from '@jest/globals';
import { ensureSpark } from '../../offline/setup/environments.ts';
import { layOutJob, runSparkJob } from '../../offline/spark.ts';
import { contractWith, type RunEngine, transform } from '../support/embedded.ts';

const folder = resolve(import.meta.dirname, '../fixtures/json');
const names = (await readdir(folder)).sort();
const contract = contractWith('  - { name: v, path: v, type: json }');

/** Case -> published, or the reason for its quarantine. */
async function verdicts(engine?: RunEngine): Promise<Record<string, string>> {
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  );
  const { summary, quarantine } = await transform(contract, files, engine ? { engine } : {});
  const reasons = new Map(quarantine.map((q) => [String(q.object), String(q.reason)]));
  return Object.fromEntries(
    summary.files.map((f) => [f.object, f.published === 1 ? 'published' : (reasons.get(f.object) ?? 'lost')]),
  );
}

test('y_ is accepted, n_ is quarantined, i_ has one documented verdict, and Spark says the same', async () => {
  const embedded = await verdicts();
  const wrong = Object.entries(embedded).filter(
    ([name, verdict]) =>
      (name.startsWith('y_') && verdict !== 'published') ||
      (name.startsWith('n_') && !['invalid_json', 'invalid_utf8', 'not_an_object'].includes(verdict)),
  );
  expect(wrong).toEqual([]);
  expect(Object.fromEntries(Object.entries(embedded).filter(([name]) => name.startsWith('i_')))).toEqual({
    'i_array_deep.json': 'published',
    'i_array_very_deep.json': 'published',
    'i_number_long.json': 'published',
    'i_number_overflow.json': 'published',
    'i_number_underflow.json': 'published',
    'i_string_inverted_surrogates.json': 'invalid_json',
    'i_string_lone_surrogate.json': 'invalid_json',
  });
  const place = await mkdtemp(join(tmpdir(), 'sluice-json-'));
  try {
    const home = await ensureSpark(console.log);
    const spark = await verdicts(async ({ plan, references, inputs, batch, outputDir }) =>
      runSparkJob(home, place, await layOutJob(place, plan, references, inputs, { batch, outputDir })),
    );
    expect(spark).toEqual(embedded);
  } finally {
    await rm(place, { recursive: true, force: true, maxRetries: 5 });
  }
});
