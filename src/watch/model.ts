/** What the watch page is told. Times are milliseconds since 1970. */
import type { Outcome } from '../lib/compiler/expectations.ts';
import type { Accounting } from '../lib/flow/schemas.ts';

export interface ExecutionSummary {
  readonly arn: string;
  readonly name: string;
  readonly dataset: string;
  /** RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED. */
  readonly status: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
}

/** One stay in a state: a state in a loop is visited more than once. */
export interface Visit {
  readonly state: string;
  readonly type: string;
  readonly startedAt: number;
  readonly endedAt: number | null;
  readonly status: 'running' | 'done' | 'failed';
  /** Tries beyond the first. */
  readonly retries: number;
  readonly error: string | null;
  readonly cause: string | null;
}

/** What a visit was given, and what it gave; JSON as text. */
export interface VisitData {
  readonly input: string | null;
  readonly output: string | null;
}

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
  readonly state: string;
  readonly engine: string;
  readonly files: number;
  readonly bytes: number;
  readonly reason: string | null;
  /** Null while it is transformed. */
  readonly accounting: Accounting | null;
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
  /** The one that was asked for. */
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
  /** As in the folder's name: `year=2025/month=10/day=06`. */
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly files: number;
}

export interface TableDetail {
  readonly table: string;
  readonly dataset: string;
  readonly partitions: readonly TablePartition[];
}
