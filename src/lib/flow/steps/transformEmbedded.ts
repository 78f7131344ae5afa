/** TransformEmbedded: transforms a small batch into staging, in DuckDB in this process. */
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import type { z } from 'zod';
import type { EmbeddedRun } from '../../engine/embedded.ts';
import { asOutOfMemory } from '../../engine/memory.ts';
import { fetchPublished, isOfAttempt } from '../../engine/publishedKeys.ts';
import { requireUnpacked } from '../../engine/size.ts';
import { unpackInput } from '../../engine/unpack.ts';
import type { InputFile } from '../../model/layout.ts';
import { accountingSchema, type Summary } from '../../model/plan.ts';
import { parallel } from '../../parallel.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { places } from '../batch/addresses.ts';
import { type Deps, formatOf } from '../batch/deps.ts';
import { stageFooters } from '../batch/footers.ts';
import { garbageOf, inputOf, newRun, objectsOf, planBatch } from '../batch/plan.ts';
import type { BatchInput, transformOutput } from '../batch/schemas.ts';
import { stagedBy } from '../batch/staged.ts';
import { tombstonesFor } from '../batch/tombstones.ts';

/** Transforms in DuckDB, in this process. `run` is the engine; only the handler that uses it loads its native code. */
export async function transformEmbedded(
  deps: Deps,
  run: (run: EmbeddedRun) => Promise<Summary>,
  { dataset, batch, fence }: BatchInput,
): Promise<z.output<typeof transformOutput>> {
  const { config, store, ledger, deadline } = deps;
  await ledger.annotateBatch(dataset, { batch, fence }, { engine: 'embedded' });
  const { plan, references, profile, replaces } = await planBatch(deps, { dataset, batch, fence });
  const garbage = await garbageOf(deps, plan);
  const prefixes = garbage.map(attemptPrefix);
  const isLive = (path: string) => !prefixes.some((prefix) => isOfAttempt(path, prefix));
  const attempt = newRun();
  const at = places(config).run(dataset, batch, attempt);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'));
  try {
    await mkdir(join(folder, 'input'));
    // The files of an archive are one object.
    const objects = [...Map.groupBy(profile.files, ({ object, version }) => `${version}/${object}`).values()];
    const found = await parallel(
      objects,
      16,
      async (files, index) => {
        const path = join(folder, 'input', String(index));
        const [{ object, version, fault } = { object: '', version: '', fault: null }] = files;
        if (fault === 'object_missing') await writeFile(path, '');
        else await store.download({ bucket: config.rawBucket, key: object, version }, path);
        const unpacked: InputFile[] = [];
        for (const file of files) unpacked.push(await unpackInput({ ...inputOf(file), path }));
        return unpacked;
      },
      deadline,
    );
    const inputs = found.flat();
    requireUnpacked(inputs);
    const outputDir = join(folder, 'output');
    const summary = await run({
      plan,
      references,
      inputs,
      batch,
      outputDir,
      memoryBytes: config.memoryBytes,
      replaces,
      published: (partitions, into, keys) =>
        fetchPublished(objectsOf(deps, plan), plan, batch, partitions, into, { isLive, keys }),
      tombstones: async (into) =>
        parallel(
          await tombstonesFor(deps, plan, batch, garbage),
          64,
          async ({ ref }, i) => {
            const path = join(into, `${i}.parquet`);
            await store.download(ref, path);
            return path;
          },
          deadline,
        ),
    });
    const data = stagedBy(deps, plan, { batch, fence }, attempt).data;
    for (const [name, target] of [
      ['data', data],
      ['quarantine', at.quarantine],
      ['tombstones', at.tombstones],
      ['replaced', at.replaced],
      ['changed', at.changed],
      ['lost', at.lost],
    ] as const) {
      const files = await filesBelow(join(outputDir, name));
      await parallel(
        files,
        16,
        (path) =>
          store.upload(path, {
            bucket: target.bucket,
            key: `${target.key}${relative(join(outputDir, name), path)}`,
          }),
        deadline,
      );
    }
    if (formatOf(deps, plan).isInPlace) {
      const root = join(outputDir, 'data');
      const files = (await filesBelow(root)).map((path) => ({ name: relative(root, path), path }));
      await stageFooters(deps, at.footers, files);
    }
    await store.writeText(at.summary, JSON.stringify(summary));
    return { run: attempt, accounting: accountingSchema.parse(summary) };
  } catch (error) {
    throw asOutOfMemory(error, `the batch ${batch} of ${dataset}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = existsSync(folder) ? await readdir(folder, { recursive: true, withFileTypes: true }) : [];
  return entries.filter((e) => e.isFile()).map((e) => join(e.parentPath, e.name));
}
