/** How the bytes of a raw file are read. */
import type { ReasonCode } from './plan.ts';

/**
 * lines: one record per line. document: the file is parsed as a whole. table: a Parquet file, which is read by row groups. refused: the file is
 * quarantined as a whole, with the reason.
 */
export const layouts = ['lines', 'document', 'table', 'refused'] as const;
export type Layout = (typeof layouts)[number];

/** A row group of a Parquet file with rows: its first row from 0, its number of rows, and its place in bytes. */
export interface RowGroup {
  readonly row: number;
  readonly rows: number;
  readonly start: number;
  readonly end: number;
}

export const compressions = ['gzip', 'zstd', 'bzip2', 'snappy', 'zip', 'avro'] as const;

/** snappy: in the framing of Hadoop and Spark. zip: the file is a member of an archive. avro: its records are read as lines of JSON. */
export type Compression = (typeof compressions)[number];

/** A member of a zip archive, which is a file of its own. */
export interface Member {
  readonly name: string;
  /** The place of its bytes in the archive, and their number. */
  readonly start: number;
  readonly size: number;
  /** The number of its bytes when unpacked, and their checksum. */
  readonly unpacked: number;
  readonly crc: number;
  /** Whether it is compressed with deflate; otherwise it is stored. */
  readonly isDeflated: boolean;
}

/** XML becomes lines of JSON. */
export interface XmlConversion {
  readonly kind: 'xml';
  /** The name of a record's element, after those of the elements around it. */
  readonly record: readonly string[];
  /** The elements that the contract reads as lists, by their paths from the record, such as `items/item`. */
  readonly lists: readonly string[];
  readonly encoding: CsvBody['encoding'];
}

/** A sheet of an Excel file becomes a CSV. */
export interface XlsxConversion {
  readonly kind: 'xlsx';
  readonly sheet: Member;
  /** The texts that cells share; null if there are none. */
  readonly strings: Member | null;
  /** The numbers of the cell formats that are dates. */
  readonly dates: readonly number[];
  /** Those of them with a time. */
  readonly times: readonly number[];
  /** Whether days are counted from 1904. */
  readonly is1904: boolean;
}

/** How the unpacked content of a file becomes lines or a document. */
export type Conversion = XmlConversion | XlsxConversion;

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
  /** For a file in a zip archive; `path` is then the archive, or the unpacked member. */
  readonly member?: Member | null | undefined;
  /** For XML and Excel. */
  readonly conversion?: Conversion | null | undefined;
  /** For Parquet. */
  readonly groups?: readonly RowGroup[] | undefined;
  /** For a file that was refused before it was read: its first bytes, base64. */
  readonly head?: string | undefined;
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
