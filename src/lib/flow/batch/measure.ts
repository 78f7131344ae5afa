/** The metrics. Alarms and the dashboard (infra/monitoring.yml) use these names. Free of AWS. */

/** Metric -> its unit in CloudWatch. */
export const metricUnits = {
  FilesPublished: 'Count',
  RowsRead: 'Count',
  RowsPublished: 'Count',
  RowsQuarantined: 'Count',
  RowsDuplicate: 'Count',
  /** The share of the rows read, in a batch that has any. */
  QuarantineShare: 'Percent',
  /** From the claim to the last step. */
  BatchDuration: 'Seconds',
  /** From the oldest file's landing to its rows being published. A replay has none. */
  Lag: 'Seconds',
  BatchesPublished: 'Count',
  BatchesFailed: 'Count',
  BatchesHeld: 'Count',
  /** Leases whose execution has ended. */
  LeasesTakenBack: 'Count',
  /** Since the oldest pending file of a dataset landed. Every sweep measures it; 0 when no file waits. */
  OldestPendingAge: 'Seconds',
  /** Objects without an event. */
  FilesFound: 'Count',
  /** Those of them that could not be recorded. */
  FilesNotNoted: 'Count',
  /** Items of the ledger that a list skipped, because they cannot be read. */
  RecordsUnreadable: 'Count',
  /** Objects of a table that the ledger does not count. */
  ObjectsRemoved: 'Count',
  /** Objects of batches that the ledger does not know. */
  ObjectsUnknown: 'Count',
  /** Objects that the ledger counts and S3 does not have. */
  ObjectsMissing: 'Count',
  /** Old states of a table that maintenance has removed. */
  SnapshotsExpired: 'Count',
  /** Objects that maintenance has removed, because no state of the table names them. */
  OrphansRemoved: 'Count',
  /** Small objects that maintenance has replaced by larger ones. */
  ObjectsCompacted: 'Count',
  /** Tables and partitions that the ledger counts rows in, but the Data Catalog does not have. */
  CatalogDrift: 'Count',
} as const;
export type MetricName = keyof typeof metricUnits;

/**
 * Sends values of a dataset. It may be called again for a batch whose end was interrupted, so counts may be too high.
 */
export type Measure = (dataset: string, values: Readonly<Partial<Record<MetricName, number>>>) => void;
