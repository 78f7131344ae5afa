/** All table formats, by their names in plans. */
import type { Catalog } from '../aws/catalog.ts';
import type { Pointers } from '../aws/pointer.ts';
import type { Store } from '../aws/store.ts';
import type { TableFormatName } from '../model/plan.ts';
import type { TableFormat } from './format.ts';
import { hiveFormat } from './hive/format.ts';
import { icebergOn } from './iceberg/format.ts';

export type TableFormats = Readonly<Record<TableFormatName, TableFormat>>;

/** The formats on a stage. */
export const tableFormats = (clients: {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly pointers: Pointers;
}): TableFormats => ({
  hive: hiveFormat(clients),
  iceberg: icebergOn(clients.store, clients.pointers),
});
