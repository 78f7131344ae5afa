/** How the bytes of a raw file are read. */
import type { ReasonCode } from './plan.ts';

/** lines: a record a line. document: the whole file is parsed at once. refused: quarantined whole, with the reason. */
export type Layout = 'lines' | 'document' | 'refused';

export const compressions = ['gzip', 'zstd', 'bzip2', 'snappy'] as const;

/** snappy: as Hadoop and Spark frame it. */
export type Compression = (typeof compressions)[number];

export interface InputFile {
  readonly object: string;
  readonly version: string;
  readonly path: string;
  readonly layout: Layout;
  readonly fault: ReasonCode | null;
  /** For CSV: the names of the fields. */
  readonly header: readonly string[] | null;
  /** For CSV: where the records begin. */
  readonly body?: CsvBody | null | undefined;
}

/** Where the records of a file begin, and in which characters. */
export interface CsvBody {
  /** Before the records, in bytes of the text as UTF-8, and in lines. */
  readonly skipBytes: number;
  readonly skipLines: number;
  /** How the bytes become text; null for UTF-8. `table`: the 256 characters of an encoding of single bytes. */
  readonly encoding: { readonly name: string; readonly table?: string | undefined } | null;
  /** Whether lines end in CR alone. */
  readonly endsInCr: boolean;
  /** Whether fields have no name of their own. */
  readonly hasUnnamed: boolean;
}
