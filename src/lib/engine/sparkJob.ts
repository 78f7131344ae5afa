/** Describes a job to glue/job.py: the plan, the place of each input, and the place of the output. Free of AWS. */

import type { Compression, Conversion, CsvBody, Layout, Member, RowGroup } from '../model/layout.ts';
import { maxRecordBytes, type Plan, type ReasonCode, type ReferenceData } from '../model/plan.ts';
import type { Deletes } from '../table/format.ts';
import { numberHeaders } from './headers.ts';
import { refusedSampleBytes } from './layout.ts';
import { archiveLimits, documentLimits } from './unpack.ts';

export interface SparkInput {
  readonly object: string;
  readonly version: string;
  /** Bytes, as it stands in the store. */
  readonly size: number;
  /** Estimated unpacked bytes; see unpackedBytes. */
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
  /** For XML and Excel. */
  readonly conversion?: Conversion | null | undefined;
  /** For Parquet. */
  readonly groups?: readonly RowGroup[] | undefined;
  /** For a file in a zip archive. */
  readonly member?: Member | null | undefined;
}

/** Addresses that Hadoop understands: s3:// or file://. */
export interface SparkPlaces {
  /** The place of an input: a version of a raw object, or a file. */
  input(index: number): string;
  reference(name: string): string;
  /** Where published rows are, if the plan looks for duplicates of them: folders of partitions, or objects. */
  readonly published: string | readonly SparkPublishedObject[] | null;
  readonly data: string;
  readonly quarantine: string;
  readonly replaced: string;
  readonly changed: string;
  readonly tombstones: string;
  readonly lost: string;
  readonly summary: string;
  /** The address of the store; null for local files. */
  readonly region: string | null;
}

/** An object with published rows, and its partition. Null stands for any value of a key. */
export interface SparkPublishedObject {
  readonly address: string;
  readonly bytes: number;
  readonly values: readonly (string | null)[];
  /** Whether its rows always stay; by default, if a value is null. */
  readonly isFixed?: boolean | undefined;
  /** Rows in it that have left the table. */
  readonly deletes?: Deletes | undefined;
}

/** Which published rows the batch replaces, and which objects do not count as published. */
export interface SparkPublished {
  readonly replaces?: readonly { object: string; version: string }[];
  /** Prefixes of file names, such as `<batch>-f<fence>-`: objects of attempts that were never committed. */
  readonly exclude?: readonly string[];
  /** Tombstones of earlier batches. */
  readonly deleted?: readonly { readonly address: string; readonly bytes: number }[];
}

/** The job's description, as JSON data. */
export function describeJob(
  plan: Plan,
  batch: string,
  inputs: readonly SparkInput[],
  references: readonly ReferenceData[],
  { replaces = [], exclude = [], deleted = [] }: SparkPublished,
  places: SparkPlaces,
  limits: Partial<SparkLimits> = {},
) {
  const { headers, numberOf } = numberHeaders();
  return {
    plan,
    batch,
    headers,
    files: inputs.map(
      (
        {
          object,
          version,
          size,
          unpacked,
          layout,
          fault,
          compression,
          header,
          body,
          head,
          member,
          conversion,
          groups,
        },
        file,
      ) => ({
        file,
        object,
        version,
        size,
        unpacked: unpacked ?? size,
        layout: size === 0 && layout !== 'refused' ? 'empty' : layout,
        fault,
        compression,
        header: header && numberOf(header),
        body: body ?? null,
        head,
        member: member ?? null,
        conversion: conversion ?? null,
        groups: groups ?? null,
        uri: places.input(file),
      }),
    ),
    references: references.map(({ name, columns }) => ({ name, columns, uri: places.reference(name) })),
    limits: { ...sparkLimits, ...limits },
    published:
      typeof places.published === 'object'
        ? (places.published?.map(({ address, bytes, values, isFixed, deletes }) => ({
            uri: address,
            size: bytes,
            values,
            isFixed,
            ...(deletes === undefined ? {} : { deletes: { uri: deletes.address, size: deletes.bytes } }),
          })) ?? null)
        : places.published,
    replaces: replaces.map(({ object, version }) => ({ object, version })),
    exclude,
    deleted: deleted.map(({ address, bytes }) => ({ uri: address, size: bytes })),
    data: places.data,
    quarantine: places.quarantine,
    replaced: places.replaced,
    changed: places.changed,
    tombstones: places.tombstones,
    lost: places.lost,
    summary: places.summary,
    region: places.region,
  };
}

/** Limits in bytes: of a record, of an archive of lines, of documents, and of the kept part of a refused file. */
const sparkLimits = {
  record: maxRecordBytes,
  archive: archiveLimits.spark,
  ...documentLimits,
  sample: refusedSampleBytes,
};
type SparkLimits = Readonly<Record<keyof typeof sparkLimits, number>>;
