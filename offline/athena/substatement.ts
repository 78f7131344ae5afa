/** The kind of a statement, as GetQueryExecution tells it: SubstatementType. */
import { SqlReader } from './sqlReader.ts';

export type Substatement =
  | 'SELECT'
  | 'INSERT'
  | 'UPDATE'
  | 'DELETE'
  | 'MERGE'
  | 'UNLOAD'
  | 'EXPLAIN'
  | 'CREATE_TABLE_AS_SELECT'
  | 'VACUUM_TABLE';

const byFirstWord: Readonly<Record<string, Substatement>> = {
  SELECT: 'SELECT',
  WITH: 'SELECT',
  VALUES: 'SELECT',
  TABLE: 'SELECT',
  '(': 'SELECT',
  INSERT: 'INSERT',
  UPDATE: 'UPDATE',
  DELETE: 'DELETE',
  MERGE: 'MERGE',
  UNLOAD: 'UNLOAD',
  EXPLAIN: 'EXPLAIN',
  VACUUM: 'VACUUM_TABLE',
};

/** Undefined for DDL, which clients do not ask about. */
export function substatementOf(sql: string): Substatement | undefined {
  if (new SqlReader(sql).isCreateTableAs()) return 'CREATE_TABLE_AS_SELECT';
  const first = new SqlReader(sql).peek().toUpperCase();
  return Object.hasOwn(byFirstWord, first) ? byFirstWord[first] : undefined;
}

/** Whether a statement only reads rows. */
export const isRead = (substatement: Substatement | undefined): boolean => substatement === 'SELECT';
