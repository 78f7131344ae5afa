/** What glue/job.py is told: the plan, where each input stands, and where the output goes. Free of AWS. */

import type { Compression, CsvBody, Layout } from '../model/layout.ts';
import { maxRecordBytes, type Plan, type ReasonCode, type ReferenceData } from '../model/plan.ts';
import { refusedSampleBytes } from './layout.ts';
import { documentLimits } from './unpack.ts';

export interface SparkInput {
  readonly object: string;
  readonly version: string;
  /** Bytes, as it stands in the store. */
  readonly size: number;
  /** Bytes of what it holds, as far as that is known: for a packed file, see unpackedBytes. */
  readonly unpacked?: number | undefined;
  readonly layout: Layout;
  readonly fault: ReasonCode | null;
  readonly compression: Compression | null;
  /** For CSV: the names of the fields. */
  readonly header: readonly string[] | null;
  /** For CSV: where the records begin. */
  readonly body?: CsvBody | null | undefined;
  /** For a refused file: its first bytes, base64. */
  readonly head?: string | undefined;
}

/** Addresses that Hadoop understands: s3:// or file://. */
export interface SparkPlaces {
  /** Where an input stands: a raw object, whose version the job reads, or a file. */
  input(index: number): string;
  reference(name: string): string;
  /** Where published rows stand, when the plan looks for duplicates among them: folders of partitions, or objects. */
  readonly published: string | readonly SparkPublishedObject[] | null;
  readonly data: string;
  readonly quarantine: string;
  readonly summary: string;
  /** Of the store; null for files of this machine. */
  readonly region: string | null;
}

/** An object with published rows, and its partition; null stands for each value of a key. */
export interface SparkPublishedObject {
  readonly address: string;
  readonly values: readonly (string | null)[];
}

/** What takes the place of published rows, and what is no published row though it stands among them. */
export interface SparkPublished {
  readonly replaces?: readonly { object: string; version: string }[];
  /** Prefixes of file names, such as `<batch>-f<fence>-`: objects of attempts that were never committed. */
  readonly exclude?: readonly string[];
}

/** The most bytes that an archive may unpack to on Spark, where one task reads it through: some two hours. */
const archiveLimit = 100 * 1024 * 1024 * 1024;

/** The job's description, as JSON data. */
export function describeJob(
  plan: Plan,
  batch: string,
  inputs: readonly SparkInput[],
  references: readonly ReferenceData[],
  { replaces = [], exclude = [] }: SparkPublished,
  places: SparkPlaces,
  limits: Partial<SparkLimits> = {},
) {
  return {
    plan,
    batch,
    files: inputs.map(
      ({ object, version, size, unpacked, layout, fault, compression, header, body, head }, file) => ({
        file,
        object,
        version,
        size,
        unpacked: unpacked ?? size,
        layout: size === 0 && layout !== 'refused' ? 'empty' : layout,
        fault,
        compression,
        header,
        body: body ?? null,
        head,
        uri: places.input(file),
      }),
    ),
    references: references.map(({ name, columns }) => ({ name, columns, uri: places.reference(name) })),
    limits: { ...sparkLimits, ...limits },
    published:
      typeof places.published === 'object'
        ? (places.published?.map(({ address, values }) => ({ uri: address, values })) ?? null)
        : places.published,
    replaces: replaces.map(({ object, version }) => ({ object, version })),
    exclude,
    data: places.data,
    quarantine: places.quarantine,
    summary: places.summary,
    region: places.region,
  };
}

/** In bytes: of a record, of an archive of lines, of documents, and of what is kept of a refused file. */
const sparkLimits = {
  record: maxRecordBytes,
  archive: archiveLimit,
  ...documentLimits,
  sample: refusedSampleBytes,
};
type SparkLimits = Readonly<Record<keyof typeof sparkLimits, number>>;
