/** What the Data Catalog knows of a raw table. */
import type { StructType } from './hiveType.ts';

/** The raw table as the Data Catalog has it. `record` is the type of one record, found below the records path. */
export interface RawTable {
  readonly name: string;
  readonly record: StructType;
  /** The type of the batch's own records, as far as they were looked at: the Catalog's is that of all files there ever were. */
  readonly seen?: StructType;
}
