/** Runs the files of a changing source through the flow in memory, on DuckDB, with corrections, replays and faults. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rowsIn } from '../../src/lib/engine/deletes.ts';
import { inDuckdb } from '../../src/lib/engine/instance.ts';
import { replay, retry } from '../../src/lib/flow/operate/again.ts';
import { decide } from '../../src/lib/flow/operate/decide.ts';
import type { TableFormatName } from '../../src/lib/model/plan.ts';
import { chunksOf, parallel } from '../../src/lib/parallel.ts';
import type { Dice } from '../oracle/dice.ts';
import { changesContract, type Feed, inTurn, type Told, textOf, versionText } from './changes.ts';
import { dataset, World } from './flowWorld.ts';
import type { Fault } from './memory/index.ts';
import { realEngine } from './realEngine.ts';

/** The rows of the table, as texts, sorted. */
export const tableOf = (world: World): Promise<string[]> => rowsOf(world, 'id, n, v', textOf);

/** The same of a table with a history, with the validity of each version. */
export const historyOf = (world: World): Promise<string[]> =>
  rowsOf(world, 'id, n, v, since, until, is_current AS current', versionText);

async function rowsOf(
  world: World,
  columns: string,
  text: (row: Parameters<typeof versionText>[0]) => string,
): Promise<string[]> {
  const rows = await columnsIn(world, columns);
  return rows.map(({ id, n, v, since, until, current }) => text({ id, n, v, since, until, current })).sort();
}

/** Columns of the table. */
export async function columnsIn(world: World, columns: string): Promise<Record<string, unknown>[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-table-'));
  try {
    const gone = world.deletes();
    const local = async (key: string | undefined, name: string) => {
      if (key === undefined) return undefined;
      await writeFile(join(folder, name), world.bytes('processed', key));
      return join(folder, name);
    };
    const files = await parallel(world.objects(), 1, async (key, i) => ({
      path: (await local(key, `${i}.parquet`)) ?? '',
      deletes: await local(gone.get(key), `${i}-deletes`),
    }));
    if (files.length === 0) return [];
    return await inDuckdb('the table of a test', async ({ db }) => {
      const all = files.map(({ path, deletes }) => `FROM ${rowsIn([path], deletes)}`);
      const rows = await db.runAndReadAll(`SELECT ${columns} FROM (${all.join(' UNION ALL BY NAME ')})`);
      return rows.getRowObjectsJson();
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}

const modes: readonly Fault[] = [
  { mode: 'fail', error: 'AccessDenied' },
  { mode: 'fail' },
  { mode: 'lost' },
  { mode: 'twice' },
  { mode: 'hang' },
  { mode: 'hang', effect: true },
];

/** Held files are released and failed ones are tried again, until all are published. */
async function settle(world: World): Promise<void> {
  await world.settle();
  for (let i = 0; i < 10; i++) {
    const { ledger } = world.deps('test');
    const waiting = [
      ...(await ledger.waiting(dataset, 'held')),
      ...(await ledger.waiting(dataset, 'failed')),
    ];
    if (waiting.length === 0) return;
    for (const { batch, state } of await ledger.batches(dataset))
      if (state === 'held')
        await world.operate((deps) =>
          decide(deps, dataset, batch, { kind: 'release', reason: 'a test', at: new Date().toISOString() }),
        );
    await world.operate((deps) => retry(deps, dataset, {}));
    await world.settle();
  }
  throw new Error(`files wait: ${world.errors.slice(-3).join('; ')}`);
}

/** Gives the world after all files have their right content. */
export async function runChanges(
  feed: Feed,
  told: Told,
  dice: Dice,
  {
    format,
    scope,
    hasHistory,
    filesAtOnce,
    hasFaults = true,
    isRewrittenByGlue = false,
  }: {
    format: TableFormatName;
    scope?: string;
    hasHistory?: boolean;
    filesAtOnce: number;
    hasFaults?: boolean;
    isRewrittenByGlue?: boolean;
  },
): Promise<World> {
  const world = new World({
    format,
    engine: realEngine,
    isRewrittenByGlue,
    contract: changesContract(feed, format, { scope, hasHistory }),
    batchFiles: Math.max(1, Math.ceil(filesAtOnce / 2)),
  });
  let fault: { after: number; mode: Fault } | undefined;
  world.aws.plan = ({ actor, operation }) => {
    if (fault === undefined || actor.startsWith('test') || actor.startsWith('operator') || fault.after-- > 0)
      return undefined;
    // A download that hangs would leave its file open in this process.
    const mode = operation === 'GetObject' ? ({ mode: 'fail' } as const) : fault.mode;
    fault = undefined;
    return mode;
  };
  const put = (key: string, lines: readonly string[]) => world.putText(key, `${lines.join('\n')}\n`);
  for (const some of chunksOf(inTurn(told, dice), filesAtOnce)) {
    for (const { key, lines } of some) put(key, lines);
    if (hasFaults && dice.isOne(2)) fault = { after: dice.from(0, 120), mode: dice.pick(modes) };
    await settle(world);
    if (dice.isOne(4)) {
      await world.operate((deps) => replay(deps, dataset, { prefix: `feed/${dice.from(0, 9)}` }));
      await settle(world);
    }
  }
  fault = undefined;
  await settle(world);
  world.aws.runStalled();
  await world.cleanUp();
  await settle(world);
  return world;
}
