/**
 * Compares a table's partitions in the Data Catalog with the objects that stand in S3: what MSCK REPAIR TABLE does, and
 * what it does not, partitions whose files are gone. All in pages: 100,000 partitions are within a Lambda's time.
 */
import { hiveSegment, valuesOfPath } from '../catalog/partitionPath.ts';
import { tableOf } from '../contract/contract.ts';
import { parallel } from '../parallel.ts';
import { goldenTable, readPlan } from './batch.ts';
import { contractOf, type Deps } from './deps.ts';

export interface Reconciled {
  readonly table: string;
  /** Partitions with objects. */
  readonly partitions: number;
  readonly added: number;
  readonly dropped: number;
}

/** Null for a dataset that has published nothing. Partitions of other datasets in the same table are left alone. */
export async function reconcile(
  deps: Pick<Deps, 'config' | 'contracts' | 'store' | 'catalog' | 'ledger'>,
  dataset: string,
): Promise<Reconciled | null> {
  const { config, store, catalog, ledger } = deps;
  const contract = contractOf(deps, dataset);
  const latest = (await ledger.batches(dataset)).findLast((b) => b.state === 'published');
  if (!latest) return null;
  const table = goldenTable(await readPlan(deps, dataset, latest.batch), config);
  const constants = contract.partitionBy.map((p) => ('constant' in p ? p.constant : null));
  const isOwn = (values: readonly string[]) => constants.every((c, i) => c === null || values[i] === c);
  const prefix = `${tableOf(contract)}/`;
  const standing = new Map<string, { path: string; values: string[] }>();
  for await (const page of store.listPages(config.processedBucket, prefix))
    for (const { key } of page) {
      if (!key.endsWith('.parquet')) continue;
      const path = key.slice(prefix.length, key.lastIndexOf('/') + 1);
      if (standing.has(path)) continue;
      const values = valuesOfPath(path);
      if (values.length === table.partitionKeys.length && isOwn(values)) standing.set(path, { path, values });
    }
  const wanted = new Map([...standing.values()].map((p) => [JSON.stringify(p.values), p]));
  const registered = new Set<string>();
  const gone: string[][] = [];
  for await (const page of catalog.partitionPages(table.name))
    for (const values of page) {
      registered.add(JSON.stringify(values));
      if (isOwn(values) && !wanted.has(JSON.stringify(values))) gone.push(values);
    }
  const missing = [...wanted].filter(([id]) => !registered.has(id)).map(([, p]) => p);
  const added = await catalog.addPartitions(
    table,
    missing.map(({ path, values }) => ({ values, location: `${table.location}${path}` })),
  );
  // A batch may have published there since the listing.
  const empty = await parallel(gone, 16, async (values) => {
    const segments = table.partitionKeys.map(({ name }, i) => hiveSegment(name, values[i] ?? ''));
    const found = await store.list(config.processedBucket, `${prefix}${segments.join('/')}/`);
    return found.length === 0 ? [values] : [];
  });
  await catalog.dropPartitions(table.name, empty.flat());
  return { table: table.name, partitions: standing.size, added, dropped: empty.flat().length };
}
