/** Write, audit, publish: Athena counts the staged rows in one scan before anyone can read them. */
import type { z } from 'zod';
import { judgeExpectations } from '../../compiler/expectations.ts';
import { counted } from '../../counted.ts';
import {
  AccountingMismatch,
  AthenaQueryFailed,
  ExpectationFailed,
  QueryBrokenOff,
  ReplacementDoubtful,
} from '../../errors.ts';
import { addsUp, type Summary } from '../../model/plan.ts';
import { waitFor } from '../../waitFor.ts';
import { places } from '../batch/addresses.ts';
import type { Deps } from '../batch/deps.ts';
import type { doubtfulSchema } from '../batch/endOpen.ts';
import { type Manifest, readContract, readManifest, replacesOf } from '../batch/manifest.ts';
import { readSummary } from '../batch/plan.ts';
import { leaveReport } from '../batch/report.ts';
import type { BatchInput, validationInput, validationOutput } from '../batch/schemas.ts';

/** How often a query that Athena interrupted is started again. */
const attempts = 4;

/**
 * Checks the query, and judges its row. The outcomes always go to the ledger and into the batch's report. Throws
 * AthenaQueryFailed, or QueryBrokenOff if Athena was the cause each time; AccountingMismatch if Athena and the transform count different rows, or if a file's rows do not add up;
 * ExpectationFailed if an expectation with severity hold fails.
 */
export async function checkValidation(
  deps: Deps,
  { dataset, batch, fence, run, query, broken }: z.output<typeof validationInput>,
): Promise<z.output<typeof validationOutput>> {
  const { athena, ledger } = deps;
  const attempt = { dataset, batch, fence };
  const { state, reason, isRetryable } = await waitFor(
    () => athena.queryState(query),
    (q) => q.state !== 'QUEUED' && q.state !== 'RUNNING',
    3000,
  );
  if (state === 'QUEUED' || state === 'RUNNING') return { status: 'running' };
  const isBrokenOff = state === 'FAILED' && isRetryable;
  if (isBrokenOff && broken < attempts) return { status: 'again' };
  if (state !== 'SUCCEEDED')
    throw new (isBrokenOff ? QueryBrokenOff : AthenaQueryFailed)(
      `the validation query ${query} ended ${state}: ${reason ?? 'no reason given'}`,
      attempt,
    );
  const summary = await readSummary(deps, dataset, batch, run);
  const [contract, manifest] = await Promise.all([readContract(deps, attempt), readManifest(deps, attempt)]);
  const lastBatches = await ledger.lastBatches(dataset);
  const row = await athena.singleRow(query);
  const expectations = judgeExpectations(
    contract,
    { published: summary.published, now: new Date(), lastBatches: lastBatches.map(({ rows }) => rows) },
    row,
  );
  const report = await leaveReport(deps, contract, batch, { summary, expectations, row, lastBatches });
  await ledger.annotateBatch(dataset, attempt, { expectations, report });
  for (const file of summary.files)
    if (!addsUp(file))
      throw new AccountingMismatch(
        `${file.object}: ${file.rowsRead} rows read are not ${file.published} published + ${file.quarantined} quarantined + ${file.duplicates} duplicates${(['deletes', 'skipped'] as const).map((fate) => (file[fate] === undefined ? '' : ` + ${file[fate]} ${fate}`)).join('')}`,
        { dataset, batch, object: file.object },
      );
  const failed = expectations.filter((e) => !e.passed && e.severity === 'hold');
  const describe = (e: (typeof failed)[number]) => `${e.name}: found ${e.found}, expected ${e.expected}`;
  if (failed.some((e) => e.name === 'row_count'))
    throw new AccountingMismatch(failed.map(describe).join('; '), attempt);
  await requireRows(deps, attempt, manifest, summary, contract.load !== undefined);
  // A person who decided about the batch has seen these failures.
  if (failed.length > 0 && manifest.decision === null)
    throw new ExpectationFailed(
      `${failed.length} of ${expectations.length} expectations failed: ${failed.map(describe).join('; ')}`,
      attempt,
    );
  return { status: 'passed' };
}

/** A file that publishes less than this share of the rows that it replaces is more likely broken than right. */
const leastShare = 0.2;

/**
 * Rows disappear only if other rows replace them or a person decides so. A correction or a replay that would leave almost none
 * of a file's rows is held, even if a person has released the batch for another reason. Throws ReplacementDoubtful.
 */
async function requireRows(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  attempt: BatchInput,
  manifest: Manifest,
  { files, published, replacedRows = 0 }: Summary,
  isSnapshot: boolean,
): Promise<void> {
  const after = new Map(files.map((file) => [file.object, file]));
  const known = new Set(manifest.files.flatMap((f) => (f.decision?.isReplacement ? [f.object] : [])));
  const doubtful = replacesOf(manifest).flatMap(({ object, published: before }) => {
    if (known.has(object)) return [];
    const now = after.get(object);
    // Rows that another file has published in the meantime are duplicates here, and are not lost. Rows that delete keys say so.
    const kept = (now?.published ?? 0) + (now?.duplicates ?? 0) + (now?.deletes ?? 0);
    return kept < before * leastShare
      ? [
          {
            object,
            reason: `ReplacementDoubtful: it would publish ${counted(kept, 'row')} in place of ${before}`,
          },
        ]
      : [];
  });
  if (isSnapshot && published < replacedRows * leastShare) {
    const named = new Set(doubtful.map(({ object }) => object));
    const reason = `ReplacementDoubtful: the snapshot would publish ${counted(published, 'row')} in place of ${replacedRows}`;
    for (const { object } of manifest.files)
      if (!known.has(object) && !named.has(object)) doubtful.push({ object, reason });
  }
  if (doubtful.length === 0) return;
  const at = places(config).attempt(attempt.dataset, attempt).doubtful;
  await store.writeOnce(at, JSON.stringify(doubtful satisfies z.output<typeof doubtfulSchema>));
  const [first] = doubtful;
  throw new ReplacementDoubtful(
    `${counted(doubtful.length, 'file')} would lose most of the published rows: ${first?.object}: ${first?.reason}. Release them to publish all the same, reject them to keep the rows that are published`,
    { dataset: attempt.dataset, batch: attempt.batch, object: first?.object },
  );
}
