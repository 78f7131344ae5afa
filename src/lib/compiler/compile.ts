/** Contract + raw schema of the Data Catalog -> plan. Free of AWS and of engines. */

import type { StructType } from '../catalog/hiveType.ts';
import { ignoredFields, requireReadable } from '../catalog/rawSchema.ts';
import { contractVersion } from '../contract/load.ts';
import { type Contract, dedupeKey, tableOf } from '../contract/schema.ts';
import { documentsSql, recordsSql } from '../dialect/duckdb.ts';
import { loadReferences } from '../reference/load.ts';
import { lineage, type OutputColumn, type Plan, type ReferenceData, rescued } from './plan.ts';

/** The raw table as the Data Catalog has it. `record` is the type of one record, found below the records path. */
export interface RawTable {
  readonly name: string;
  readonly record: StructType;
}

/**
 * Compiles a contract. `referenceFolder` is where its reference files are looked up.
 * Throws SchemaMismatch when the raw table lacks a required column, ReferenceRefused when a reference cannot be used.
 */
export function compile(
  contract: Contract,
  rawTable: RawTable | null,
  referenceFolder: string,
): { plan: Plan; references: ReferenceData[] } {
  if (rawTable) requireReadable(contract, rawTable);
  const references = loadReferences(contract, referenceFolder);
  const key = dedupeKey(contract);
  const plan: Plan = {
    version: 1,
    dataset: contract.dataset,
    table: tableOf(contract),
    contract: contractVersion(contract),
    rawTable: rawTable && {
      name: rawTable.name,
      fields: rawTable.record.fields.map((f) => f.name),
      ignored: ignoredFields(contract, rawTable.record),
    },
    row: {
      documents: documentsSql(contract.source.records ?? null),
      records: recordsSql(contract, references),
      references: references.map(({ name, columns }) => ({ name, columns: { ...columns } })),
    },
    set: {
      dedupe: key ? { key, order: contract.dedupe?.order ?? [] } : null,
      sort: sortColumns(contract),
    },
    columns: goldenColumns(contract),
    partitionKeys: contract.partitionBy.map((p) => ({ name: p.name, type: 'string' })),
  };
  return { plan, references };
}

/** The published columns of a contract, in order, without partition keys. */
export function goldenColumns(contract: Contract): OutputColumn[] {
  const enriched = contract.enrich.flatMap((e) =>
    e.kind === 'lookup' ? Object.keys(e.columns) : [e.column],
  );
  return [
    ...contract.columns.map(({ name, type }) => ({ name, type: type === 'json' ? 'string' : type })),
    ...contract.derive.map(({ name, type }) => ({ name, type })),
    ...enriched.map((name) => ({ name, type: 'string' })),
    ...(contract.drift === 'rescue' ? [rescued] : []),
    ...lineage,
  ];
}

/** Event time first: files of one day are mostly read by time. */
function sortColumns(contract: Contract): string[] {
  const eventTimes = contract.partitionBy.flatMap((p) => ('of' in p ? [p.of] : []));
  return [...new Set([...eventTimes, ...(contract.dedupe?.key ?? [])])];
}
