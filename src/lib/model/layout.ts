/** How the bytes of a raw file are read. */
import type { ReasonCode } from './plan.ts';

/** lines: one record per line. document: the file is parsed as a whole. refused: the file is quarantined as a whole, with the reason. */
export type Layout = 'lines' | 'document' | 'refused';

export const compressions = ['gzip', 'zstd', 'bzip2', 'snappy'] as const;

/** snappy: in the framing of Hadoop and Spark. */
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

/** Where the records of a file begin, and its encoding. */
export interface CsvBody {
  /** What comes before the records, in bytes of the UTF-8 text and in lines. */
  readonly skipBytes: number;
  readonly skipLines: number;
  /** The encoding; null for UTF-8. `table` has the 256 characters of a single-byte encoding. */
  readonly encoding: { readonly name: string; readonly table?: string | undefined } | null;
  /** Whether lines end with CR only. */
  readonly endsInCr: boolean;
  /** Whether fields have no name of their own. */
  readonly hasUnnamed: boolean;
}
