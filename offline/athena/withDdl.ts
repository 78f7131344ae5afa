/** An engine whose DDL is answered from the Data Catalog. */
import type { Upstream } from '../aws.ts';
import { runDdl } from './ddl.ts';
import { parseDdl } from './ddlParser.ts';
import { type Engine, refuseOthers, type SqlEngine } from './engine.ts';
import { SqlReader } from './sqlReader.ts';

/** DDL is the same on every engine: it is carried out on the Data Catalog, as Athena does. */
export function withDdl(upstream: Upstream, engine: SqlEngine): Engine {
  return {
    kindOf(sql) {
      const first = new SqlReader(sql).peek().toUpperCase();
      if (['SHOW', 'DESCRIBE', 'DESC', 'EXPLAIN'].includes(first)) return 'UTILITY';
      if (['SELECT', 'WITH', 'VALUES', '(', 'TABLE', 'INSERT', 'UNLOAD'].includes(first)) return 'DML';
      return new SqlReader(sql).isCreateTableAs() ? 'DML' : 'DDL';
    },
    async check(statement) {
      refuseOthers(statement.sql);
      if (parseDdl(statement.sql) === null) await engine.check(statement);
    },
    async run(statement) {
      refuseOthers(statement.sql);
      const ddl = parseDdl(statement.sql);
      return ddl === null ? engine.run(statement) : runDdl(upstream, ddl, statement.database);
    },
  };
}
