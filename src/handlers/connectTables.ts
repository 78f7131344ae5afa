import { createAthena } from '../lib/aws/athena.ts';
import { createCatalog } from '../lib/aws/catalog.ts';
import { createPointers } from '../lib/aws/pointer.ts';
import { createStore } from '../lib/aws/store.ts';
import type { Deps } from '../lib/flow/batch/deps.ts';
import { tableFormats } from '../lib/table/formats.ts';
import { connect } from './step.ts';

/** The same, for functions that work with tables: their clients and formats are half of a package. */
export function connectTables(): Deps {
  const deps = connect();
  const { database, workgroup } = deps.config;
  const store = createStore();
  const catalog = createCatalog(database);
  return {
    ...deps,
    store,
    catalog,
    athena: createAthena({ database, workgroup }),
    formats: tableFormats({ store, catalog, pointers: createPointers(database) }),
  };
}
