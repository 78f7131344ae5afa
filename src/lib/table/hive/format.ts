/**
 * The table format Hive: every object in the folder of a registered partition is in the table. Only the ledger says which objects
 * count, so this format has nothing to commit.
 */
import { posix } from 'node:path';
import { address, placeOf } from '../../aws/store.ts';
import { folderOf, folderOfValues, valuesOfPath } from '../../catalog/partitionPath.ts';
import { parallel } from '../../parallel.ts';
import type { AnyKeyObject, CompactableObject, TableFormat } from '../format.ts';
import { addPartitions, dropEmpty, type HiveDeps } from './partitions.ts';

/** So many objects are looked at for a compaction at most: a hundred calls of S3. */
const mostCompactable = 100_000;

export const hiveFormat = (deps: HiveDeps): TableFormat => ({
  history: undefined,
  commitsAtOnce: false,
  isInPlace: false,
  keepsOldPartitions: false,

  isThere: (table) => deps.catalog.hasTable(table),

  check: (shape) => deps.catalog.requireFit(shape),

  fieldIds: async () => undefined,

  async ensure(shape) {
    await deps.catalog.ensureTable(shape);
  },

  commit: async () => ({ snapshot: undefined }),
  committed: async () => ({ snapshot: undefined }),

  async register(shape, partitions) {
    // Somebody may have dropped the table after the commit.
    await deps.catalog.ensureTable(shape);
    return addPartitions(deps, shape, partitions);
  },

  async objectsIn({ location, partitionKeys }, partitions) {
    const { bucket, key: prefix } = placeOf(location);
    const names = partitionKeys.map(({ name }) => name);
    const found = await parallel(partitions, 16, async (values) => {
      const objects = await deps.store.list(bucket, `${prefix}${folderOfValues(names, values)}`);
      return objects.map(({ key, size }) => ({ address: address({ bucket, key }), bytes: size, values }));
    });
    return found.flat();
  },

  async allObjects({ location, partitionKeys }) {
    const { bucket, key: prefix } = placeOf(location);
    const found: AnyKeyObject[] = [];
    for await (const page of deps.store.listPages(bucket, prefix))
      for (const { key, size } of page) {
        const values = valuesOfPath(folderOf(key.slice(prefix.length)));
        if (key.endsWith('.parquet') && values.length === partitionKeys.length)
          found.push({ address: address({ bucket, key }), bytes: size, values });
      }
    return found;
  },

  keySource: async ({ location }) => ({ kind: 'folders', root: location }),
  // Rows leave it only with their objects.
  deletesOf: async () => new Map(),

  takeBack: async () => 'never committed',

  // Readers find every object below the table. Its name tells whether the ledger counts it.
  verify: async () => ({ missing: [], extra: [] }),
  orphans: async () => null,

  async compactable({ location }, from) {
    const { bucket, key: prefix } = placeOf(location);
    const objects: CompactableObject[] = [];
    for await (const page of deps.store.listPages(bucket, prefix, from)) {
      for (const { key, size } of page)
        if (key.endsWith('.parquet'))
          objects.push({ address: address({ bucket, key }), bytes: size, partition: posix.dirname(key) });
      const last = page.at(-1);
      if (objects.length >= mostCompactable && last) return { objects, next: last.key };
    }
    return { objects };
  },

  // It has one state.
  expire: async () => null,
  expirable: async () => null,

  async repair(shape, standing, isOwn) {
    const wanted = new Map(standing.map((p) => [JSON.stringify(p.values), p]));
    const registered = new Set<string>();
    const gone: string[][] = [];
    for await (const page of deps.catalog.partitionPages(shape.name))
      for (const values of page) {
        registered.add(JSON.stringify(values));
        if (isOwn(values) && !wanted.has(JSON.stringify(values))) gone.push(values);
      }
    const unregistered = [...wanted].filter(([id]) => !registered.has(id)).map(([, p]) => p);
    return {
      added: await addPartitions(deps, shape, unregistered),
      dropped: await dropEmpty(deps, shape, gone),
    };
  },

  async observe({ name, partitionKeys }, last, part = { number: 0 }) {
    if (partitionKeys.length === 0) return { seen: {}, gone: [], rows: 0 };
    const { number, from } = part;
    const page =
      number === 0 || from !== undefined ? await deps.catalog.partitionPage(name, from) : undefined;
    const ids = (partitions: readonly (readonly string[])[]) =>
      new Set(partitions.map((values) => JSON.stringify(values)));
    const without = (there: ReadonlySet<string>) => (values: readonly string[]) =>
      !there.has(JSON.stringify(values));
    const known = last?.partitions ?? [];
    const unlisted = known.filter(without(ids(page?.partitions ?? [])));
    // Of several parts, a partition may be in another one now.
    const isWhole = number === 0 && page?.next === undefined;
    const elsewhere = isWhole ? [] : await deps.catalog.registeredOf(name, unlisted);
    const gone = unlisted.filter(without(ids(elsewhere)));
    const isMore = page?.next !== undefined || last?.isMore === true;
    return {
      seen: {
        partitions: page?.partitions ?? known.filter(without(ids(gone))),
        ...(isMore ? { isMore } : {}),
      },
      gone,
      rows: 0,
      next: page?.next,
    };
  },

  async inspect({ location }) {
    const { bucket, key: prefix } = placeOf(location);
    const found = new Map<string, { objects: number; bytes: number }>();
    for await (const page of deps.store.listPages(bucket, prefix))
      for (const { key, size } of page) {
        const folder = folderOf(key.slice(prefix.length));
        const { objects, bytes } = found.get(folder) ?? { objects: 0, bytes: 0 };
        found.set(folder, { objects: objects + 1, bytes: bytes + size });
      }
    return [...found].map(([folder, sums]) => ({ values: valuesOfPath(folder), rows: undefined, ...sums }));
  },
});
