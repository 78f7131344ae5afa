/** The raw table in the Data Catalog. */
import type { StructType } from './hiveType.ts';

/** The raw table in the Data Catalog. `record` is the type of one record, below the records path. */
export interface RawTable {
  readonly name: string;
  readonly record: StructType;
  /** The type of the batch's own records, as far as they were read. The Catalog's type covers all files that ever existed. */
  readonly seen?: StructType;
}
