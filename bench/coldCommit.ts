/**
 * Measures a commit by a process that has not seen its table before, after a number of earlier commits: on the local AWS, from the first
 * look at the table to the swapped pointer. As a program, makes one such commit: `coldCommit.ts ENDPOINT TABLE`.
 */
import { join, resolve } from 'node:path';
import * as z from 'zod';
import { createPointers } from '../src/lib/aws/pointer.ts';
import { maintenanceOf } from '../src/lib/contract/contract.ts';
import { commit, createTable, requireTable, type TableDeps } from '../src/lib/table/iceberg/commit.ts';
import { filesOf } from '../src/lib/table/iceberg/files.ts';
import { formatMetadata } from '../src/lib/table/iceberg/metadata.ts';
import { publishChange } from '../src/lib/table/iceberg/operations.ts';
import { connectStage, depsOf, type Stage } from '../src/stage/connect.ts';
import { onLocalStage } from './localStage.ts';
import { measure } from './measure.ts';

export interface ColdCommit {
  /** A batch every five minutes has made them. */
  readonly commits: number;
  /** Whether maintenance has run, with the limits that contracts have by default. */
  readonly isMaintained: boolean;
  /** The snapshots that the table has when it is committed to. */
  readonly snapshots: number;
  readonly metadataBytes: number;
  /** Medians of the processes. */
  readonly seconds: number;
  readonly cpuSeconds: number;
}

const rounds = 5;
const interval = 300_000;
const root = resolve(import.meta.dirname, '..');

export const measureColdCommits = (report: (message: string) => void): Promise<ColdCommit[]> =>
  onLocalStage(report, {}, (stage, endpoint) => measureOn(stage, endpoint, report));

async function measureOn(
  stage: Stage,
  endpoint: string,
  report: (message: string) => void,
): Promise<ColdCommit[]> {
  const wanted = [
    { commits: 10, isMaintained: true },
    { commits: 10_000, isMaintained: true },
    { commits: 10_000, isMaintained: false },
  ];
  const tables = await Promise.all(
    wanted.map(async (table, i) => {
      const name = `commits_${i}`;
      return { ...table, name, ...(await withSnapshots(stage, name, table)), runs: [] as Run[] };
    }),
  );
  // In turn, so that other load on the machine affects all.
  for (let round = 0; round < rounds; round++)
    for (const { name, runs } of tables) {
      const program = join(root, 'bench/coldCommit.ts');
      const { output } = await measure(join(root, 'node_modules/.bin/node'), [program, endpoint, name]);
      runs.push(runSchema.parse(JSON.parse(output)));
    }
  return tables.map(({ name: _, runs, ...table }) => {
    const median = (of: (run: Run) => number) => runs.map(of).sort((a, b) => a - b)[rounds >> 1] ?? 0;
    const found = { ...table, seconds: median((r) => r.seconds), cpuSeconds: median((r) => r.cpuSeconds) };
    report(
      `a cold commit after ${found.commits}, of which ${found.snapshots} stay: ${found.seconds.toFixed(3)} s, ${found.cpuSeconds.toFixed(3)} s of CPU`,
    );
    return found;
  });
}

const runSchema = z.object({ seconds: z.number(), cpuSeconds: z.number() });
type Run = z.output<typeof runSchema>;

const depsFor = (stage: Stage): TableDeps => ({
  files: filesOf(depsOf(stage).store),
  pointers: createPointers(stage.config.database, stage.glue, stage.glueOnce),
});

const author = { dataset: 'bench', fence: 1 };

const publish = (deps: TableDeps, table: string, batch: string) =>
  publishChange(
    deps,
    table,
    { ...author, batch },
    { add: [], drop: [], dropped: 'replaced', summary: { 'sluice.contract': '0123456789ab' } },
  );

/** Makes a table with the snapshots of so many batches, and runs the maintenance of its metadata. */
async function withSnapshots(
  stage: Stage,
  table: string,
  { commits, isMaintained }: Pick<ColdCommit, 'commits' | 'isMaintained'>,
): Promise<Pick<ColdCommit, 'snapshots' | 'metadataBytes'>> {
  const deps = depsFor(stage);
  const location = `s3://${stage.config.workBucket}/bench/${table}/`;
  const columns = [{ name: 'id', type: 'bigint' }];
  await createTable(deps, { name: table, location, columns, partitionBy: [] });
  await publish(deps, table, 'f'.repeat(20));
  await commit(deps, table, {
    author: undefined,
    apply(before) {
      const [first] = before.snapshots;
      if (first === undefined) throw new Error(`table ${table} has no snapshot`);
      const earlier = Array.from({ length: commits - 1 }, (_, i) => ({
        ...first,
        'snapshot-id': first['snapshot-id'] - BigInt(commits - i),
        ...(i === 0 ? {} : { 'parent-snapshot-id': first['snapshot-id'] - BigInt(commits - i + 1) }),
        'timestamp-ms': first['timestamp-ms'] - (commits - i) * interval,
        summary: { ...first.summary, 'sluice.batch': i.toString(16).padStart(20, '0') },
      }));
      const log = earlier.map((s) => ({
        'timestamp-ms': s['timestamp-ms'],
        'snapshot-id': s['snapshot-id'],
      }));
      return {
        ...before,
        snapshots: [...earlier, first],
        'snapshot-log': [...log, ...before['snapshot-log']],
      };
    },
  });
  if (isMaintained) {
    const { keepDays, keepSnapshots, metadataMb, metadataVersions } = maintenanceOf({});
    await depsOf(stage).formats.iceberg.expire(table, {
      olderThan: Date.now() - keepDays * 86_400_000,
      keepLast: keepSnapshots,
      metadataBytes: metadataMb * 1024 * 1024,
      metadataVersions,
    });
  }
  const { metadata } = await requireTable(depsFor(stage), table);
  return { snapshots: metadata.snapshots.length, metadataBytes: formatMetadata(metadata).length };
}

/** A commit in this process. */
async function commitOnce(endpoint: string, table: string): Promise<Run> {
  const stage = await connectStage(endpoint);
  const deps = depsFor(stage);
  // Opens the connections, which any earlier step of a function has done.
  await deps.pointers.read('none');
  await depsOf(stage).store.exists({ bucket: stage.config.workBucket, key: 'none' });
  const [started, cpu] = [performance.now(), process.cpuUsage()];
  await publish(deps, table, process.pid.toString(16).padStart(20, '0'));
  const { user, system } = process.cpuUsage(cpu);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: (user + system) / 1e6 };
}

if (process.argv[1] === import.meta.filename) {
  const [, , endpoint = '', table = ''] = process.argv;
  console.log(JSON.stringify(await commitOnce(endpoint, table)));
}
