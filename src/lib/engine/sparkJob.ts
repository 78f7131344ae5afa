/** What glue/job.py is told: the plan, where each input stands, and where the output goes. Free of AWS. */
import type { Plan, ReasonCode, ReferenceData } from '../compiler/plan.ts';
import type { Layout } from './layout.ts';

export interface SparkInput {
  readonly object: string;
  readonly version: string;
  /** Bytes. */
  readonly size: number;
  readonly layout: Layout;
  readonly fault: ReasonCode | null;
  /** For CSV: the names of the fields. */
  readonly header: readonly string[] | null;
  /** For a refused file: its first bytes, base64. */
  readonly head?: string | undefined;
}

/** Addresses that Hadoop understands: s3:// or file://. The last part of an input's is its number. */
export interface SparkPlaces {
  input(index: number): string;
  reference(name: string): string;
  /** Where published rows stand, when the plan looks for duplicates among them. */
  readonly published: string | null;
  readonly data: string;
  readonly quarantine: string;
  readonly summary: string;
}

/** The job's description, as JSON data. */
export function describeJob(
  plan: Plan,
  batch: string,
  inputs: readonly SparkInput[],
  references: readonly ReferenceData[],
  replaces: readonly { object: string; version: string }[],
  places: SparkPlaces,
) {
  return {
    plan,
    batch,
    files: inputs.map(({ object, version, size, layout, fault, header, head }, file) => ({
      file,
      object,
      version,
      size,
      layout: size === 0 && layout !== 'refused' ? 'empty' : layout,
      fault,
      header,
      head,
      uri: places.input(file),
    })),
    references: references.map(({ name, columns }) => ({ name, columns, uri: places.reference(name) })),
    published: places.published,
    replaces: replaces.map(({ object, version }) => ({ object, version })),
    data: places.data,
    quarantine: places.quarantine,
    summary: places.summary,
  };
}
