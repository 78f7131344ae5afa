/** The data of the watch page. Times are milliseconds since 1970. */

import type { Outcome } from '../lib/model/expectation.ts';
import type { Accounting, TableAccount } from '../lib/model/plan.ts';
import type { BatchState, MaintenanceNote } from '../lib/model/records.ts';
import type { ExecutionSummary, Visit, VisitData } from '../stage/history.ts';

export type { ExecutionSummary, MaintenanceNote, Visit, VisitData };

export interface GraphState {
  readonly name: string;
  readonly type: string;
  readonly comment: string;
}

export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly kind: 'next' | 'choice' | 'catch';
}

export interface Graph {
  readonly states: readonly GraphState[];
  readonly edges: readonly GraphEdge[];
}

export interface BatchDetail {
  readonly dataset: string;
  readonly batch: string;
  readonly state: BatchState;
  readonly engine: string;
  readonly files: number;
  readonly bytes: number;
  readonly reason: string | null;
  /** Null while it is transformed. */
  readonly accounting: Accounting | null;
  /** What it has done to its table; null until it is complete. */
  readonly tableRows: TableAccount | null;
  /** Reason code -> rows; empty until the batch is complete. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly expectations: readonly Outcome[];
  /** Address of its data-quality report, once it was validated. */
  readonly report: string | null;
}

export interface ExecutionDetail extends ExecutionSummary {
  readonly error: string | null;
  readonly cause: string | null;
  readonly visits: readonly Visit[];
  readonly batches: readonly BatchDetail[];
}

/** One message of the live feed. */
export interface Live {
  readonly stage: string;
  readonly executions: readonly ExecutionSummary[];
  /** The requested one. */
  readonly execution: ExecutionDetail | null;
}

export interface LogLine {
  readonly at: number;
  readonly message: string;
}

export interface QuarantineSample {
  readonly reason: string;
  readonly object: string;
  readonly line: number | null;
  readonly column: string | null;
  readonly value: string | null;
  readonly raw: string | null;
}

export interface TablePartition {
  /** The folder's name: `year=2025/month=10/day=06`; '' for a table without partitions. */
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
}

/** A state of an Iceberg table. */
export interface ShownSnapshot {
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  readonly operation: string;
  readonly attempt: { readonly batch: string } | undefined;
  readonly rowsAdded: number | undefined;
  readonly rowsRemoved: number | undefined;
  readonly tags: readonly string[];
}

export interface TableDetail {
  readonly table: string;
  readonly dataset: string;
  /** What the Data Catalog lacks of it now, or lacked on the last day. */
  readonly drift: string | null;
  /** How many partitions there are; null if they are too many to count. */
  readonly registered: number | null;
  /** The last of them, by name. */
  readonly partitions: readonly TablePartition[];
  /** How many states of an Iceberg table can be read; null for a Hive table. */
  readonly states: number | null;
  /** The last of them, the newest first. */
  readonly snapshots: readonly ShownSnapshot[];
  /** What the last maintenance did; null before the first one. */
  readonly maintained: MaintenanceNote | null;
}
