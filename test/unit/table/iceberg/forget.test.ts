/** After an erasure, no snapshot of a table names the objects, not even as dropped ones. Readers find the same rows. */
import { expect, test } from '@jest/globals';
import { createTable, requireTable, type TableDeps } from '../../../../src/lib/table/iceberg/commit.ts';
import { forget, namingOf } from '../../../../src/lib/table/iceberg/forget.ts';
import { addressesIn } from '../../../../src/lib/table/iceberg/manifest.ts';
import { publishChange, tagSnapshot } from '../../../../src/lib/table/iceberg/operations.ts';
import { manifestsOf } from '../../../../src/lib/table/iceberg/snapshot.ts';
import { changing, depsOf, fakeFile, icebergAws, plainTable, readable } from '../../../support/iceberg.ts';
import { faultAt, type MemoryAws } from '../../../support/memory/index.ts';

/** Four batches: a; b for a; c; d for c. */
async function started(): Promise<{ aws: MemoryAws; deps: TableDeps }> {
  const aws = icebergAws();
  const deps = depsOf(aws.actor('writer'), aws);
  await createTable(deps, plainTable);
  for (const [i, change] of [
    changing(['a']),
    changing(['b'], ['a']),
    changing(['c']),
    changing(['d'], ['c']),
  ].entries())
    await publishChange(deps, 't', { dataset: 'feed', fence: 1, batch: String(i) }, change);
  return { aws, deps };
}

const addressOf = (name: string): string => fakeFile(name).path;

/** All objects that a manifest of a snapshot names, dropped ones included. */
async function named({ files }: TableDeps, metadata: Awaited<ReturnType<typeof requireTable>>['metadata']) {
  const lists = await Promise.all(metadata.snapshots.map((snapshot) => manifestsOf(files, snapshot)));
  const paths = new Set(lists.flat().map(({ path }) => path));
  const found = await Promise.all([...paths].map(async (path) => addressesIn(await files.read(path))));
  return [...new Set(found.flat())].sort();
}

test('snapshots that name an object go with their tags, and the current one gets a successor', async () => {
  const { aws, deps } = await started();
  const { metadata } = await requireTable(deps, 't');
  await tagSnapshot(deps, 't', { name: 'model', snapshotId: metadata.snapshots[2]?.['snapshot-id'] ?? 0n });
  const addresses = new Set([addressOf('c')]);
  expect(await namingOf(deps, 't', addresses)).toMatchObject({ current: [], tags: ['model'], branches: [] });
  expect(await forget(deps, 't', addresses)).toEqual({ snapshots: 2, tags: ['model'] });
  const after = (await requireTable(deps, 't')).metadata;
  expect(after.snapshots.map(({ summary }) => summary.operation)).toEqual(['append', 'overwrite', 'replace']);
  expect(await named(deps, after)).toEqual(['a', 'b', 'd'].map(addressOf));
  expect(await readable(deps)).toEqual(['b', 'd']);
  expect(await forget(deps, 't', addresses)).toEqual({ snapshots: 0, tags: [] });
  await expect(forget(deps, 't', new Set([addressOf('d')]))).rejects.toThrow(/readers still find rows/);
  expect(aws.hits).toEqual([]);
});

test('under each fault the same call ends it', async () => {
  const clean = await started();
  const before = clean.aws.calls();
  await forget(clean.deps, 't', new Set([addressOf('c')]));
  const calls = clean.aws.calls() - before;
  expect(calls).toBeGreaterThan(5);
  for (const nth of [calls - 2, calls - 1, calls]) {
    const { aws } = await started();
    const deps = depsOf(aws.actor('eraser'), aws);
    aws.plan = faultAt({ mode: 'lost' }, { actor: 'eraser', nth });
    await forget(deps, 't', new Set([addressOf('c')])).catch(() => undefined);
    aws.plan = undefined;
    await forget(deps, 't', new Set([addressOf('c')]));
    const { metadata } = await requireTable(deps, 't');
    expect(await named(deps, metadata)).toEqual(['a', 'b', 'd'].map(addressOf));
    expect(await readable(deps)).toEqual(['b', 'd']);
  }
});
