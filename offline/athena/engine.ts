/** What carries out a statement: the Data Catalog for DDL, and an engine for everything that reads or writes rows. */
import { notSupported, QueryError } from './queryError.ts';
import { SqlReader } from './sqlReader.ts';

/** The name of the Data Catalog in Athena's SQL and messages. */
export const catalogName = 'awsdatacatalog';

/** Trino's catalog of the Iceberg tables of the Data Catalog. Statements that the one above does not pass on name it. */
export const icebergCatalog = 'iceberg';

export interface Statement {
  readonly sql: string;
  readonly database: string;
  /** Literals for the question marks, in order. */
  readonly parameters: readonly string[];
  /** The address of a folder for tables that name no place of their own. */
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
  /** Rows that the statement wrote. */
  readonly updateCount: number;
  readonly scannedBytes: number;
}

/** Runs queries, and statements that write rows. Both throw QueryError. */
export interface SqlEngine {
  /** Refuses what is no statement at all, before it runs. */
  check(statement: Pick<Statement, 'sql' | 'database'>): Promise<void>;
  run(statement: Statement): Promise<QueryResult>;
}

export interface Engine extends SqlEngine {
  /** As in the API: DML, DDL, or UTILITY for what only tells. */
  kindOf(sql: string): 'DML' | 'DDL' | 'UTILITY';
}

/** Statements of Trino that Athena has not, or has only for other kinds of tables. */
export function refuseOthers(sql: string): void {
  const reader = new SqlReader(sql);
  const first = reader.peek().toUpperCase();
  if (['PREPARE', 'EXECUTE', 'DEALLOCATE'].includes(first))
    throw notSupported(`${first}, but ExecutionParameters`);
  if (
    'ANALYZE CALL COMMENT COMMIT DENY GRANT REFRESH RESET REVOKE ROLLBACK SET START TRUNCATE USE'
      .split(' ')
      .includes(first)
  )
    throw new QueryError('SYNTAX_ERROR: Queries of this type are not supported');
}
