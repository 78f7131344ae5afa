/** Adds DDL on the Data Catalog to an engine. */
import { isIceberg } from '../../src/lib/aws/catalog.ts';
import { findTable } from '../../src/stage/tables.ts';
import type { Upstream } from '../aws.ts';
import { runDdl } from './ddl.ts';
import { type Ddl, parseDdl } from './ddlParser.ts';
import { type Engine, refuseOthers, type SqlEngine } from './engine.ts';
import { icebergTarget } from './icebergStatements.ts';
import { QueryError } from './queryError.ts';
import { type Name, SqlReader } from './sqlReader.ts';

/**
 * DDL of Hive tables is the same on every engine: like Athena, it changes the Data Catalog only. A change of an Iceberg table writes
 * metadata files, so the engine does it.
 */
export function withDdl(upstream: Upstream, engine: SqlEngine): Engine {
  const isOfIceberg = async (name: Name | undefined, current: string): Promise<boolean> => {
    if (name === undefined) return false;
    const table = await findTable(upstream, name.database ?? current, name.table);
    return table !== undefined && isIceberg(table);
  };
  return {
    kindOf(sql) {
      const first = new SqlReader(sql).peek().toUpperCase();
      if (['SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN'].includes(first)) return 'UTILITY';
      if (dml.includes(first)) return 'DML';
      return new SqlReader(sql).isCreateTableAs() ? 'DML' : 'DDL';
    },
    async check(statement) {
      refuseOthers(statement.sql);
      if (parseDdl(statement.sql) === null) await engine.check(statement);
    },
    async run(statement) {
      refuseOthers(statement.sql);
      const target = icebergTarget(statement.sql);
      if (target !== null && !(await isOfIceberg(target, statement.database)))
        throw new QueryError(
          'NOT_SUPPORTED: Modifying Hive table rows is only supported for transactional tables',
        );
      const ddl = parseDdl(statement.sql);
      if (ddl === null || (await isOfIceberg(changed(ddl), statement.database))) return engine.run(statement);
      return runDdl(upstream, ddl, statement.database);
    },
  };
}

const dml = 'SELECT WITH VALUES ( TABLE INSERT UNLOAD DELETE UPDATE MERGE OPTIMIZE VACUUM'.split(' ');

/** The table that DDL changes. */
function changed(ddl: Ddl): Name | undefined {
  switch (ddl.kind) {
    case 'addColumns':
    case 'replaceColumns':
    case 'changeColumn':
    case 'otherChange':
    case 'setProperties':
    case 'dropTable':
      return ddl.name;
    default:
      return undefined;
  }
}
