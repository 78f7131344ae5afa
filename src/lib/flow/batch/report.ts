/** Leaves a batch's data-quality report in the work bucket, as a page and as data. */
import { address } from '../../aws/store.ts';
import { tableOf } from '../../contract/contract.ts';
import type { Contract } from '../../contract/schema.ts';
import type { Outcome } from '../../model/expectation.ts';
import type { Summary, TableAccount } from '../../model/plan.ts';
import { columnFacts } from '../../quality/columns.ts';
import { reportPage } from '../../quality/page.ts';
import { qualityReport, qualityReportSchema } from '../../quality/report.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';

/** `row` is the validation query's, `lastBatches` are those published before. Returns the page's address. */
export async function leaveReport(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  contract: Contract,
  batch: string,
  found: {
    summary: Summary;
    expectations: readonly Outcome[];
    row: Readonly<Record<string, string | null>>;
    lastBatches: readonly { batch: string }[];
  },
): Promise<string> {
  const { dataset } = contract;
  const last = found.lastBatches.filter((b) => b.batch !== batch).at(-1);
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
    // A batch that is older than reports has none.
    last && (await store.findJson(places(config).report(dataset, last.batch).data, qualityReportSchema)),
  );
  const { page, data } = places(config).report(dataset, batch);
  await store.writeText(data, JSON.stringify(report));
  await store.writeText(page, reportPage(report));
  return address(page);
}

/** Adds what the batch has done to its table. A batch that is older than reports has none. */
export async function addToReport(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batch: string,
  tableRows: TableAccount,
): Promise<void> {
  const { page, data } = places(config).report(dataset, batch);
  const report = await store.findJson(data, qualityReportSchema);
  if (report === undefined) return;
  const whole = { ...report, tableRows };
  await store.writeText(data, JSON.stringify(whole));
  await store.writeText(page, reportPage(whole));
}
