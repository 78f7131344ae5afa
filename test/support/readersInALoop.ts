/** The Iceberg table of `visits` is queried in a loop, 20 times a second as far as the machine can, while it changes. */
import { compactNow } from './compactNow.ts';
import { nextId, untilSettled, visits } from './faults.ts';
import { put } from './stage.ts';
import { WatchedStates } from './watchedStates.ts';

const { dataset } = visits;
const perSecond = 20;
/** An engine answers some queries side by side. */
const loops = 8;
/** A query opens each object of the table. Without maintenance in between, the later queries would cost many times as much as the first. */
const batchesPerCompaction = 8;

interface Loop {
  readonly batches: number;
  readonly corrections: number;
  /** Gives the values of a query's only row. */
  readonly ask: (sql: string) => Promise<readonly unknown[]>;
}

/**
 * Publishes batches and corrections of earlier ones, with compactions in between and at the end. Throws Error if a reader finds anything but a committed state. Gives
 * the number of queries, and of compacted objects.
 */
export async function watchReaders({
  batches,
  corrections,
  ask,
}: Loop): Promise<{ reads: number; perSecond: number; compacted: number }> {
  const folder = `visits/loop-${nextId()}`;
  const rows = new Map<string, readonly number[]>();
  const ids = (count: number) => Array.from({ length: count }, nextId);
  const state = () => {
    const all = [...rows.values()].flat();
    const sum = (of: (id: number) => number) => all.reduce((total, id) => total + of(id), 0);
    return `${all.length} ${sum((id) => id)} ${sum((id) => id * (id % 97))}`;
  };
  const publish = async (name: string, own: readonly number[]) => {
    const key = `${folder}/${name}.json`;
    const version = await put(key, own.map(visits.line).join('\n'));
    const settled = (await untilSettled(dataset, [key], [version])).find((file) => file.version === version);
    if (settled?.state !== 'published')
      throw new Error(`${key} is ${settled?.state}, not published: ${settled?.reason}`);
  };
  const first = ids(3);
  rows.set('0', first);
  await publish('0', first);
  const watched = new WatchedStates(state());
  const write = (name: string, own: readonly number[]) => {
    rows.set(name, own);
    return watched.commit(state(), () => publish(name, own));
  };
  const sql = `SELECT count(*), sum(id), sum(id * (id % 97)) FROM ${dataset} WHERE _object LIKE '${folder}/%'`;
  const look = async () => (await ask(sql)).join(' ');
  let compacted = 0;
  const compact = () =>
    watched.commit(state(), async () => {
      compacted += (await compactNow(dataset))?.compacted ?? 0;
    });
  const started = performance.now();
  await watched.during({ look, loops, every: (1000 * loops) / perSecond }, async () => {
    for (let i = 1; i < batches; i++) {
      await write(`${i}`, ids(1 + (i % 7)));
      if (i % batchesPerCompaction === 0) await compact();
      if (i > 2 * corrections || i % 2 !== 0) continue;
      // A correction that loses most rows would wait for a person.
      const before = rows.get(`${i / 2}`)?.length ?? 0;
      await write(`${i / 2}`, ids(before + (i % 3)));
    }
    await compact();
  });
  const { reads } = watched;
  return { reads, perSecond: (1000 * reads) / (performance.now() - started), compacted };
}
