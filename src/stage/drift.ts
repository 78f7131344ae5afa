/** What the Data Catalog lacked of a table, in words: for `status` and the watch page. */
import type { CatalogDrift, Ledger } from '../lib/ledger/ledger.ts';

/** In milliseconds. */
const shownFor = 86_400_000;

/** Shown for a day. */
export async function recentDrift(
  ledger: Pick<Ledger, 'catalogDrift'>,
  dataset: string,
): Promise<CatalogDrift | null> {
  const drift = await ledger.catalogDrift(dataset);
  return drift !== undefined && Date.parse(drift.at) + shownFor > Date.now() ? drift : null;
}

export function driftText({ at, table, isTableMissing, partitions, rows }: CatalogDrift): string {
  if (isTableMissing) return `at ${at} the Data Catalog lacked the table ${table}`;
  const counted = rows === undefined ? '' : `${rows} ${rows === 1 ? 'row' : 'rows'}`;
  if (partitions === 0) return `at ${at} another writer had taken ${counted || 'rows'} out of ${table}`;
  const which = `${partitions} ${partitions === 1 ? 'partition' : 'partitions'} of ${table}`;
  return `at ${at} the Data Catalog lacked ${which}${counted && ` with ${counted}`}`;
}
