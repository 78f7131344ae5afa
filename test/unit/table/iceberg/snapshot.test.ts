/** Random histories of a table: whatever happens in whatever order, every readable state is complete. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { TableConflict } from '../../../../src/lib/errors.ts';
import { createTable, requireTable, type TableDeps } from '../../../../src/lib/table/iceberg/commit.ts';
import { refOf } from '../../../../src/lib/table/iceberg/files.ts';
import { expireSnapshots, orphansOf } from '../../../../src/lib/table/iceberg/maintenance.ts';
import {
  dropTag,
  evolveTable,
  publishChange,
  revertBatch,
  tagSnapshot,
} from '../../../../src/lib/table/iceberg/operations.ts';
import { liveEntries } from '../../../../src/lib/table/iceberg/snapshot.ts';
import { bucket, depsOf, fakeFile, icebergAws, plainTable, rollBackTo } from '../../../support/iceberg.ts';

const author = { dataset: 'feed', fence: 1 };
const operations = [
  'append',
  'correct',
  'compact',
  'revert',
  'roll back',
  'tag',
  'untag',
  'repartition',
  'expire',
  'remove orphans',
] as const;
const step = fc.record({ kind: fc.constantFrom(...operations), pick: fc.nat(1000) });

/** The objects of a snapshot by name, sorted. */
async function objectsOf(deps: TableDeps, snapshotId: bigint): Promise<string[]> {
  const { metadata } = await requireTable(deps, 't');
  const snapshot = metadata.snapshots.find((s) => s['snapshot-id'] === snapshotId);
  if (!snapshot) throw new Error(`there is no snapshot ${snapshotId}`);
  return (await liveEntries(deps.files, metadata, snapshot)).map(({ file }) => file.path).sort();
}

test('every snapshot of a random history keeps its objects, and the current one has what the commits say', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
      const aws = icebergAws();
      const deps = depsOf(aws.actor('writer'), aws);
      const store = createStore(aws.actor('upkeep').s3);
      await createTable(deps, plainTable);
      /** The objects of each snapshot, and the changes of each batch. */
      const states = new Map<bigint, string[]>();
      const batches: { batch: string; added: string[]; dropped: string[] }[] = [];
      let now: string[] = [];
      let number = 0;
      const at = <T>(list: readonly T[], pick: number): T | undefined => list[pick % list.length];
      const newObject = () => {
        const file = fakeFile(`f${number++}`);
        aws.s3.seed(bucket, refOf(file.path).key, 'rows');
        return file;
      };
      const change = async (added: string[], dropped: string[], run: () => Promise<unknown>) => {
        await run();
        now = [...now.filter((path) => !dropped.includes(path)), ...added].sort();
        const { metadata } = await requireTable(deps, 't');
        states.set(metadata['current-snapshot-id'] ?? 0n, now);
      };
      for (const { kind, pick } of steps) {
        aws.clock.advance(1000);
        const { metadata } = await requireTable(deps, 't');
        const specId = metadata['default-spec-id'];
        const snapshot = at(metadata.snapshots, pick);
        const victim = at(now, pick);
        if (kind === 'append' || (kind === 'correct' && victim !== undefined)) {
          const file = newObject();
          const dropped = kind === 'correct' && victim !== undefined ? [victim] : [];
          const batch = `b${number}`;
          batches.push({ batch, added: [file.path], dropped });
          await change([file.path], dropped, () =>
            publishChange(
              deps,
              't',
              { ...author, batch },
              {
                add: [{ file, specId }],
                drop: dropped.map((path) => ({ path })),
                dropped: 'replaced',
                summary: {},
              },
            ),
          );
        } else if (kind === 'compact' && now.length > 1) {
          const [file, dropped] = [newObject(), now.slice(0, 2)];
          const drop = dropped.map((path) => ({ path }));
          await change([file.path], dropped, () =>
            publishChange(
              deps,
              't',
              { ...author, batch: `c${number}` },
              { add: [{ file, specId }], drop, dropped: 'replaced', isRewrite: true, summary: {} },
            ),
          );
        } else if (kind === 'revert') {
          const batch = at(batches, pick);
          const made = metadata.snapshots.find((s) => s.summary['sluice.batch'] === batch?.batch);
          if (!batch || !made) continue;
          const hasParent = metadata.snapshots.some((s) => s['snapshot-id'] === made['parent-snapshot-id']);
          const isWhole =
            batch.added.every((path) => now.includes(path)) && (hasParent || batch.dropped.length === 0);
          const isDone = metadata.snapshots.some((s) => s.summary['sluice.reverts'] === `${batch.batch}-f1`);
          const revert = () => revertBatch(deps, 't', author, { batch: batch.batch, fence: 1 });
          if (isDone) expect((await revert()).how).toBe('done before');
          else if (isWhole) await change(batch.dropped, batch.added, revert);
          else await expect(revert()).rejects.toThrow(TableConflict);
        } else if (kind === 'roll back' && snapshot) {
          await rollBackTo(deps, 't', snapshot['snapshot-id']);
          now = states.get(snapshot['snapshot-id']) ?? [];
        } else if (kind === 'tag' && snapshot)
          await tagSnapshot(deps, 't', { name: `t${number++}`, snapshotId: snapshot['snapshot-id'] });
        else if (kind === 'untag') {
          const tag = at(
            Object.keys(metadata.refs).filter((name) => name !== 'main'),
            pick,
          );
          if (tag) await dropTag(deps, 't', tag);
        } else if (kind === 'repartition') {
          const partitionBy = [
            [],
            [{ column: 'id', transform: 'bucket[4]' }],
            [{ column: 'id', transform: 'identity' }],
          ][pick % 3];
          await evolveTable(deps, { ...plainTable, partitionBy: partitionBy ?? [] }, author);
        } else if (kind === 'expire') {
          const olderThan = aws.clock.now() - (pick % 10) * 1000;
          await expireSnapshots(deps, 't', { olderThan, keepLast: 1 + (pick % 3) });
        } else if (kind === 'remove orphans') {
          const orphans = await orphansOf(
            deps,
            't',
            (from, prefix) => store.list(from, prefix),
            aws.clock.now(),
          );
          await store.delete(bucket, orphans);
        }
      }
      const { metadata } = await requireTable(deps, 't');
      const there = new Set(aws.s3.keys(bucket).map((key) => `s3://${bucket}/${key}`));
      for (const { 'snapshot-id': id } of metadata.snapshots) {
        const objects = await objectsOf(deps, id);
        expect(objects).toEqual(states.get(id));
        expect(objects.filter((path) => !there.has(path))).toEqual([]);
      }
      const current = metadata['current-snapshot-id'];
      expect(current === undefined ? [] : states.get(current)).toEqual(now);
      for (const ref of Object.values(metadata.refs))
        expect(metadata.snapshots.map((s) => s['snapshot-id'])).toContain(ref['snapshot-id']);
    }),
    { numRuns: Math.min(Number(process.env.SLUICE_HISTORIES ?? 8), 300) },
  );
});
