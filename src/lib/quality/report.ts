/** Makes the data-quality report of a batch, with the history of earlier batches. Free of AWS. */
import * as z from 'zod';
import { ownValue } from '../json.ts';
import { type Outcome, outcomeSchema } from '../model/expectation.ts';
import { accountingSchema, batchCountsSchema, type Summary, tableAccountSchema } from '../model/plan.ts';
import { type ColumnFacts, columnFactsSchema } from './columns.ts';

/** The number of earlier batches in a report. */
const batchesBefore = 20;

const pastBatch = accountingSchema.extend({
  batch: z.string(),
  at: z.string(),
  /** Column -> share of its rows without a value. */
  nullShares: z.record(z.string(), z.number()),
});
export type PastBatch = z.output<typeof pastBatch>;

/** The report as JSON, stored next to the page, for the next report and for other readers. */
export const qualityReportSchema = batchCountsSchema.extend({
  version: z.literal(1),
  stage: z.string(),
  dataset: z.string(),
  table: z.string(),
  batch: z.string(),
  /** When the batch was validated (ISO 8601). */
  at: z.string(),
  files: z.int(),
  /** Added when the batch is published, if the rows of the table were counted around its commit. */
  tableRows: tableAccountSchema.optional(),
  expectations: z.array(outcomeSchema),
  columns: z.array(columnFactsSchema),
  /** The published batches before, the latest last. */
  before: z.array(pastBatch),
});
export type QualityReport = z.output<typeof qualityReportSchema>;

/** `last` is the report of the last published batch, if there is one. */
export function qualityReport(
  of: { stage: string; dataset: string; table: string; batch: string; at: Date },
  summary: Summary,
  expectations: readonly Outcome[],
  columns: readonly ColumnFacts[],
  last: QualityReport | undefined,
): QualityReport {
  return {
    version: 1,
    ...of,
    at: of.at.toISOString(),
    files: summary.files.length,
    ...batchCountsSchema.parse(summary),
    expectations: [...expectations],
    columns: [...columns],
    before:
      last === undefined
        ? []
        : [...last.before, pastOf(last)].filter((b) => b.batch !== of.batch).slice(-batchesBefore),
  };
}

/** The part of this report that later reports need. */
export const pastOf = (report: QualityReport): PastBatch => ({
  batch: report.batch,
  at: report.at,
  ...accountingSchema.parse(report),
  nullShares: Object.fromEntries(report.columns.map((c) => [c.name, nullShare(c, report.published)])),
});

export const nullShare = ({ nulls }: Pick<ColumnFacts, 'nulls'>, rows: number): number =>
  rows === 0 ? 0 : nulls / rows;

/** A value of this batch that differs from earlier batches. */
export interface Drift {
  /** A column's name, or the name of a count. */
  readonly of: string;
  readonly kind: 'null share' | 'rows read' | 'quarantine share';
  readonly now: number;
  /** The mean of the earlier batches. */
  readonly mean: number;
}

/** The minimum number of earlier batches for a comparison. */
export const batchesForDrift = 3;

/**
 * Values that drifted: more than three standard deviations from the mean of earlier batches, and by at least a twentieth of the rows for
 * shares, or by half for counts.
 */
export function driftOf(report: QualityReport): Drift[] {
  const { before } = report;
  if (before.length < batchesForDrift) return [];
  const unusual = (kind: Drift['kind'], of: string, now: number, past: readonly number[]): Drift[] => {
    if (past.length < batchesForDrift) return [];
    const mean = past.reduce((sum, n) => sum + n, 0) / past.length;
    const deviation = Math.sqrt(past.reduce((sum, n) => sum + (n - mean) ** 2, 0) / past.length);
    const least = kind === 'rows read' ? mean / 2 : 0.05;
    return Math.abs(now - mean) > Math.max(3 * deviation, least) ? [{ kind, of, now, mean }] : [];
  };
  return [
    ...unusual(
      'rows read',
      'batch',
      report.rowsRead,
      before.map((b) => b.rowsRead),
    ),
    ...unusual('quarantine share', 'batch', quarantineShare(report), before.map(quarantineShare)),
    ...report.columns.flatMap((column) =>
      unusual(
        'null share',
        column.name,
        nullShare(column, report.published),
        before.flatMap((b) => ownValue(b.nullShares, column.name) ?? []),
      ),
    ),
  ];
}

const quarantineShare = ({ quarantined, rowsRead }: Pick<PastBatch, 'quarantined' | 'rowsRead'>): number =>
  rowsRead === 0 ? 0 : quarantined / rowsRead;
