/** Write, audit, publish: Athena counts the staged rows in one scan before anyone can read them. */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { address } from '../aws/store.ts';
import { expectationQuery, judgeExpectations } from '../compiler/expectations.ts';
import { AccountingMismatch, AthenaQueryFailed, ExpectationFailed } from '../errors.ts';
import { columnAggregates } from '../quality/columns.ts';
import { waitFor } from '../waitFor.ts';
import { places, readPlan, stagingPartition, stagingTable } from './batch.ts';
import { contractOf, type Deps } from './deps.ts';
import { leaveReport } from './report.ts';
import type { validationInput, validationOutput, validationStart, validationStarted } from './schemas.ts';
import { readSummary } from './transform.ts';

/** So often a query that Athena broke off is started anew. */
const attempts = 4;

/** Registers the run's staged rows and starts the one query over them: expectations, and facts of the columns. */
export async function startValidation(
  deps: Deps,
  { dataset, batch, run, attempt }: z.output<typeof validationStart>,
): Promise<z.output<typeof validationStarted>> {
  const { config, catalog, athena } = deps;
  const contract = contractOf(deps, dataset);
  const table = stagingTable(await readPlan(deps, dataset, batch), config);
  const partition = stagingPartition(batch, run);
  await catalog.ensureTable(table);
  const location = address(places(config).run(dataset, batch, run).data);
  await catalog.addPartitions(table, [{ values: [partition], location }]);
  const sql = expectationQuery(
    contract,
    { table: table.name, column: 'run', value: partition },
    columnAggregates(contract),
  );
  const token = createHash('sha256')
    .update([partition, sql, ...(attempt > 0 ? [attempt] : [])].join('\n'))
    .digest('hex');
  return { query: await athena.start(sql, token) };
}

/**
 * Looks after the query, and judges its row. Outcomes go to the ledger and into the batch's report whatever they are.
 * Throws AthenaQueryFailed, AccountingMismatch when Athena counts other rows than the transform wrote or a file's
 * rows do not add up, and ExpectationFailed when an expectation with severity hold fails.
 */
export async function checkValidation(
  deps: Deps,
  { dataset, batch, run, query, attempt }: z.output<typeof validationInput>,
): Promise<z.output<typeof validationOutput>> {
  const { athena, ledger } = deps;
  const { state, reason, isRetryable } = await waitFor(
    () => athena.queryState(query),
    (q) => q.state !== 'QUEUED' && q.state !== 'RUNNING',
    3000,
  );
  if (state === 'QUEUED' || state === 'RUNNING') return { status: 'running' };
  if (state === 'FAILED' && isRetryable && attempt < attempts) return { status: 'again' };
  if (state !== 'SUCCEEDED')
    throw new AthenaQueryFailed(
      `the validation query ${query} ended ${state}: ${reason ?? 'no reason given'}`,
    );
  const summary = await readSummary(deps, dataset, batch, run);
  const lastBatches = await ledger.lastBatches(dataset);
  const row = await athena.singleRow(query);
  const expectations = judgeExpectations(
    contractOf(deps, dataset),
    { published: summary.published, now: new Date(), lastBatches: lastBatches.map(({ rows }) => rows) },
    row,
  );
  await ledger.annotateBatch(dataset, batch, { expectations });
  await leaveReport(deps, { dataset, batch }, { summary, expectations, row, lastBatches });
  for (const file of summary.files)
    if (file.rowsRead !== file.published + file.quarantined + file.duplicates)
      throw new AccountingMismatch(
        `${file.object}: ${file.rowsRead} rows read are not ${file.published} published + ${file.quarantined} quarantined + ${file.duplicates} duplicates`,
      );
  const failed = expectations.filter((e) => !e.passed && e.severity === 'hold');
  const describe = (e: (typeof failed)[number]) => `${e.name}: found ${e.found}, expected ${e.expected}`;
  if (failed.some((e) => e.name === 'row_count'))
    throw new AccountingMismatch(failed.map(describe).join('; '));
  // Whoever decided about the batch has seen them fail.
  if (failed.length > 0 && !(await ledger.batch(dataset, batch))?.decision)
    throw new ExpectationFailed(
      `${failed.length} of ${expectations.length} expectations failed: ${failed.map(describe).join('; ')}`,
    );
  return { status: 'passed' };
}
