/** What the Data Catalog lacked of a table, in words: for `status` and the watch page. */
import { counted } from '../lib/counted.ts';
import type { OperatorDeps } from '../lib/flow/operate/again.ts';
import { findLost } from '../lib/flow/repair/rebuild.ts';
import type { CatalogDrift, Ledger } from '../lib/ledger/ledger.ts';
import { expectedAfter } from '../lib/model/plan.ts';
import { oneLine } from '../lib/visible.ts';

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

/** What the Data Catalog lacks now, or why nobody can tell. The rest of an answer does not need it, so it never throws. */
export async function lossNow(
  deps: OperatorDeps,
  dataset: string,
): Promise<{ lost: Omit<CatalogDrift, 'at'> | null; unseen: string | null }> {
  try {
    return { lost: await findLost(deps, dataset), unseen: null };
  } catch (error) {
    const why = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return {
      lost: null,
      unseen: `the Data Catalog cannot be compared with the ledger: ${oneLine(why, 300)}`,
    };
  }
}

/** What was missing at a time, and has been brought back or reported since. */
export const driftText = (drift: CatalogDrift): string => `at ${drift.at} ${lossText(drift, true)}`;

/** What is missing, or was. */
export function lossText(
  { table, isTableMissing, partitions, rows, batch = '', account }: Omit<CatalogDrift, 'at'>,
  isOver = false,
): string {
  if (account !== undefined)
    return `${account.counted === 'table' ? table : `the changed partitions of ${table}`} had ${account.after} rows after the commit of batch ${batch.slice(0, 8)}, and not ${expectedAfter(account)} (${account.before} before + ${account.inserted} inserted - ${account.deleted} deleted - ${account.replaced} replaced)`;
  const lacks = isOver ? 'lacked' : 'lacks';
  if (isTableMissing) return `the Data Catalog ${lacks} the table ${table}`;
  const count = rows === undefined ? '' : counted(rows, 'row');
  if (partitions === 0)
    return `another writer ${isOver ? 'had' : 'has'} taken ${count || 'rows'} out of ${table}`;
  return `the Data Catalog ${lacks} ${counted(partitions, 'partition')} of ${table}${count && ` with ${count}`}`;
}
