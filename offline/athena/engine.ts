/** A statement is carried out by the Data Catalog if it is DDL, and by an engine if it reads or writes rows. */
import { QueryError } from './queryError.ts';
import { SqlReader } from './sqlReader.ts';

export interface Statement {
  readonly sql: string;
  readonly database: string;
  /** Literals for the question marks, in order. */
  readonly parameters: readonly string[];
  /** The address of a folder for new tables whose statement names no location. */
  readonly tables: string;
  /** Aborted when the query is stopped. */
  readonly signal: AbortSignal;
}

export interface ResultColumn {
  readonly name: string;
  /** Athena's name of the type, such as varchar or bigint. */
  readonly type: string;
  readonly precision: number;
  readonly scale: number;
}

export interface QueryResult {
  readonly columns: readonly ResultColumn[];
  /** Values as Athena writes them; null for NULL. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The statement wrote rows, and gives their number only. */
  readonly isWrite?: boolean;
  /** Rows that the statement wrote. */
  readonly updateCount: number;
  readonly scannedBytes: number;
  /** Rows that the engine read; undefined if it does not count them. */
  readonly scannedRows?: number | undefined;
  /** The addresses of the files that CTAS, INSERT or UNLOAD wrote. */
  readonly written?: readonly string[];
}

/** Runs queries, and statements that write rows. Both throw QueryError. */
export interface SqlEngine {
  /** Rejects a statement with a syntax error before it runs. */
  check(statement: Pick<Statement, 'sql' | 'database'>): Promise<void>;
  run(statement: Statement): Promise<QueryResult>;
}

export interface Engine extends SqlEngine {
  /** The API's statement types. UTILITY is for statements that only show something. */
  kindOf(sql: string): 'DML' | 'DDL' | 'UTILITY';
}

/** Rejects statements that Trino has and Athena does not have. */
export function refuseOthers(sql: string): void {
  const reader = new SqlReader(sql);
  const first = reader.peek().toUpperCase();
  if (
    'ANALYZE CALL COMMENT COMMIT DEALLOCATE DENY EXECUTE GRANT PREPARE REFRESH RESET REVOKE ROLLBACK SET START TRUNCATE USE'
      .split(' ')
      .includes(first)
  )
    throw new QueryError('SYNTAX_ERROR: Queries of this type are not supported');
}
