import { createAthena } from '../lib/aws/athena.ts';
import { createCatalog } from '../lib/aws/catalog.ts';
import { createPointers } from '../lib/aws/pointer.ts';
import type { Deps } from '../lib/flow/batch/deps.ts';
import { icebergOn } from '../lib/table/iceberg/format.ts';
import { connect } from './step.ts';

/** The same, for functions that work with tables: their clients and formats are half of a package. */
export function connectTables(): Deps {
  const deps = connect();
  const { database, workgroup } = deps.config;
  return {
    ...deps,
    catalog: createCatalog(database),
    athena: createAthena({ database, workgroup }),
    iceberg: icebergOn(deps.store, createPointers(database)),
  };
}
