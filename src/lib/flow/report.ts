/** Leaves a batch's data-quality report in the work bucket, as a page and as data. */
import { address } from '../aws/store.ts';
import type { Outcome } from '../compiler/expectations.ts';
import type { Summary } from '../compiler/plan.ts';
import { tableOf } from '../contract/schema.ts';
import { ObjectMissing } from '../errors.ts';
import { columnFacts } from '../quality/columns.ts';
import { reportPage } from '../quality/page.ts';
import { type QualityReport, qualityReport, qualityReportSchema } from '../quality/report.ts';
import { places } from './batch.ts';
import { contractOf, type Deps } from './deps.ts';

/** `row` is the validation query's, `lastBatches` are those published before. The ledger gets the page's address. */
export async function leaveReport(
  deps: Deps,
  { dataset, batch }: { dataset: string; batch: string },
  found: {
    summary: Summary;
    expectations: readonly Outcome[];
    row: Readonly<Record<string, string | null>>;
    lastBatches: readonly { batch: string }[];
  },
): Promise<void> {
  const { config, store, ledger } = deps;
  const contract = contractOf(deps, dataset);
  const report = qualityReport(
    {
      stage: config.stage,
      dataset,
      table: `${config.database}.${tableOf(contract)}`,
      batch,
      at: new Date(),
    },
    found.summary,
    found.expectations,
    columnFacts(contract, found.row, found.summary.published),
    await lastReport(deps, dataset, found.lastBatches.filter((b) => b.batch !== batch).at(-1)?.batch),
  );
  const { page, data } = places(config).report(dataset, batch);
  await Promise.all([
    store.writeText(data, JSON.stringify(report)),
    store.writeText(page, reportPage(report)),
  ]);
  await ledger.annotateBatch(dataset, batch, { report: address(page) });
}

/** Undefined for no batch, and for one that is older than reports. */
async function lastReport(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batch: string | undefined,
): Promise<QualityReport | undefined> {
  if (batch === undefined) return undefined;
  try {
    return await store.readJson(places(config).report(dataset, batch).data, qualityReportSchema);
  } catch (error) {
    if (error instanceof ObjectMissing) return undefined;
    throw error;
  }
}
