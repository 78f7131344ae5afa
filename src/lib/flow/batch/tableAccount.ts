/**
 * The account of a table: rows before + inserted - deleted - replaced = rows after. Inserted, deleted and replaced rows are what the transform
 * and ReplaceRows have counted. Before and after are what readers find around the commit.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { objectsAround } from '../../dialect/athena.ts';
import { isUnbalanced, type Plan, type Summary, type TableAccount } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import type { Committed } from '../../table/format.ts';
import { attemptPrefix } from '../../table/objectName.ts';
import { waitFor } from '../../waitFor.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import type { Published } from './published.ts';
import { commitOf } from './tableCommit.ts';

type Of = { readonly dataset: string } & Attempt;

/** Athena takes so many characters in a query, and the step waits so long for its answer. */
export const countLimits = { characters: 262_144, milliseconds: 60_000 };

/** `why`: nothing was counted. */
const countedSchema = z.union([z.object({ before: z.int(), after: z.int() }), z.object({ why: z.string() })]);

/**
 * Counts the rows of the changed partitions before and after the commit, in one query: until CompleteBatch, they have the objects of both. Only
 * for a batch that takes rows out of a table whose format does not count them; the rows of any other were counted in staging. It never
 * throws because of Athena: the batch is committed, and goes on without the counts.
 */
export async function countAround(
  deps: Deps,
  { dataset, batch, fence }: Of,
  plan: Plan,
  published: Published,
): Promise<void> {
  const { config, store } = deps;
  const attempt = { batch, fence };
  const { add, drop } = commitOf(config, dataset, attempt, plan, published);
  if (drop.length === 0 || formatOf(deps, plan).commitsAtOnce) return;
  const keys = plan.partitionKeys.map(({ name }) => name);
  const partitions = new Map([...add, ...drop].map(({ values }) => [JSON.stringify(values), values]));
  const sql = objectsAround(plan.table, keys, [...partitions.values()], {
    added: attemptPrefix(attempt),
    dropped: drop.map(({ address }) => address),
  });
  // The first answer stays: a twin of this call may ask when the old objects are gone.
  await store.writeJsonOnce(
    places(config).attempt(dataset, attempt).counted,
    await answerOf(deps, sql, `${batch} ${fence}`),
    countedSchema,
  );
}

async function answerOf({ athena }: Deps, sql: string, of: string): Promise<z.output<typeof countedSchema>> {
  if (sql.length > countLimits.characters) return { why: 'the batch changes too many objects for one query' };
  try {
    const query = await athena.start(sql, createHash('sha256').update(`${of}\n${sql}`).digest('hex'));
    const { state, reason } = await waitFor(
      () => athena.queryState(query),
      (q) => q.state !== 'QUEUED' && q.state !== 'RUNNING',
      countLimits.milliseconds,
    );
    if (state !== 'SUCCEEDED')
      return { why: `the query ${query} is ${state}: ${reason ?? 'no reason given'}` };
    const row = await athena.singleRow(query);
    return { before: Number(row.rows_before ?? 0), after: Number(row.rows_after ?? 0) };
  } catch (error) {
    return { why: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
  }
}

/** The account of a committed batch; undefined if a release that counted nothing has published it. */
export async function tableAccountOf(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  { dataset, batch, fence }: Of,
  { leaving, rewritten }: Published,
  { published: inserted, deletedRows: deleted = 0 }: Summary,
  { snapshot, rows }: Committed,
): Promise<TableAccount | undefined> {
  const hasDropped = rewritten.some(({ dropped }) => dropped.objects.length > 0);
  if (leaving === undefined && hasDropped) return undefined;
  const changes = { inserted, deleted, replaced: (leaving ?? 0) - deleted };
  if (snapshot !== undefined)
    return { counted: 'table', before: rows?.before ?? null, ...changes, after: rows?.after ?? null };
  const found = hasDropped
    ? await store.findJson(places(config).attempt(dataset, { batch, fence }).counted, countedSchema)
    : undefined;
  const { before, after } = found !== undefined && 'before' in found ? found : { before: null, after: null };
  return { counted: 'partitions', before, ...changes, after };
}

/** Reports an account that does not add up to the alarm and to `status`. Nothing waits for it: the rows are those of the commit. */
export async function noteUnbalanced(
  { ledger, measure }: Pick<Deps, 'ledger' | 'measure'>,
  { dataset, batch }: Of,
  table: string,
  account: TableAccount,
): Promise<void> {
  if (!isUnbalanced(account)) return;
  measure(dataset, { CatalogDrift: 1 });
  await ledger.noteDrift(dataset, { table, isTableMissing: false, partitions: 0, batch, account });
}
