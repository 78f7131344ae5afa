/** Compiles a contract and the raw schema of the Data Catalog to a plan. Free of AWS and of engines. */

import { ignoredFields, requireReadable } from '../catalog/rawSchema.ts';
import { goldenColumns, sortColumns } from '../contract/columns.ts';
import {
  comparesPublished,
  dedupeKey,
  partitionKeysOf,
  tableFormatOf,
  tableOf,
} from '../contract/contract.ts';
import type { Contract } from '../contract/schema.ts';
import { contractVersion } from '../contract/version.ts';
import { recordSteps } from '../dialect/duckdb.ts';
import { documentSteps } from '../dialect/duckdbDocuments.ts';
import { parquetReader } from '../dialect/duckdbParquet.ts';
import { duckdbSetDialect } from '../dialect/duckdbSet.ts';
import { setSql } from '../dialect/set.ts';
import { sparkSetDialect } from '../dialect/sparkSet.ts';
import { type Step, statementOf } from '../dialect/steps.ts';
import { ReferenceRefused } from '../errors.ts';
import type { Plan, ReferenceData } from '../model/plan.ts';
import type { RawTable } from '../model/rawTable.ts';
import { fieldsOf } from './fields.ts';
import { resolveContract } from './resolve.ts';

/** The maximum size of a lookup that every executor has in memory, in bytes of its rows as JSON. A larger one is joined in the set part. */
export const heldReferenceBytes = 64 * 1024 * 1024;

/** How many days a deleted key is remembered, if the contract does not say so. */
const usualDeleteDays = 30;

export interface CompileOptions {
  readonly heldReferenceBytes?: number;
  /** Every good row goes to quarantine as `rejected`. */
  readonly isRejected?: boolean;
  /** The columns that the table has, with their Hive types. */
  readonly published?: ReadonlyMap<string, string>;
}

/**
 * Compiles a contract. `references` is its reference data from loadReferences. Throws SchemaMismatch if the raw table lacks a required
 * column or has a column with an unreadable type.
 */
export function compile(
  contract: Contract,
  rawTable: RawTable | null,
  references: readonly ReferenceData[],
  options: CompileOptions = {},
): Plan {
  if (rawTable && !options.isRejected) requireReadable(contract, rawTable);
  const resolved = resolveContract(contract, rawTable, options.published);
  const columns = goldenColumns(resolved);
  const names = new Set(columns.map(({ name }) => name));
  const isHeld = heldBy(options);
  const { heldReferenceBytes: limit = heldReferenceBytes } = options;
  const joins = contract.enrich.flatMap((e, i) => {
    const reference = references[i];
    if (!reference || isHeld(reference) || e.kind !== 'lookup') return [];
    const helper = Object.keys(e.on).find((name) => !names.has(name));
    if (helper !== undefined)
      throw new ReferenceRefused(
        `${e.file ?? e.table}: has more than ${limit} bytes, and is looked up by ${helper}, which is not published: publish it, or make the lookup smaller`,
      );
    return [{ reference: reference.name, on: e.on, columns: e.columns, unmatched: e.unmatched }];
  });
  const set = {
    joins,
    dedupe: contract.load ? snapshotsOf(contract, contract.load) : dedupeOf(contract),
    sort: sortColumns(contract, names),
    isPartitionOrder: arePartitionsInOrder(contract, names),
    ...(contract.when === undefined ? {} : { skips: true }),
  };
  const describe = ({ name, columns }: ReferenceData) => ({ name, columns: { ...columns } });
  const lookups = references.flatMap(({ table }) => table ?? []);
  const partitionKeys = partitionKeysOf(contract);
  const shape = { set, columns, partitionKeys };
  return {
    version: 1,
    dataset: contract.dataset,
    table: tableOf(contract),
    format: tableFormatOf(contract),
    contract: contractVersion(contract),
    rawTable: rawTable && {
      name: rawTable.name,
      fields: rawTable.record.fields.map((f) => f.name),
      ignored: ignoredFields(resolved, rawTable.record),
    },
    row: {
      documents: statementOf(documentSteps(contract.source)),
      records: statementOf(rowSteps(resolved, references, options)),
      references: references.filter(isHeld).map(describe),
      ...(contract.source.formats.includes('parquet') ? { tables: parquetReader() } : {}),
    },
    set: {
      ...set,
      references: references.filter((r) => !isHeld(r)).map(describe),
      sql: { duckdb: setSql(shape, duckdbSetDialect), spark: setSql(shape, sparkSetDialect) },
    },
    columns,
    partitionKeys,
    ...(contract.dropped === undefined ? {} : { dropped: contract.dropped }),
    ...(contract.maxPartitions === undefined ? {} : { maxPartitions: contract.maxPartitions }),
    ...(lookups.length === 0 ? {} : { lookups }),
    fields: fieldsOf(resolved),
  };
}

/** The steps of the row part, for a contract with all its columns; see `plan.row.records`. */
export function rowSteps(
  contract: Contract,
  references: readonly ReferenceData[],
  options: CompileOptions = {},
): readonly Step[] {
  const isHeld = heldBy(options);
  return recordSteps(
    contract,
    references.map((r) => (isHeld(r) ? r : null)),
    options.isRejected ?? false,
  );
}

/** Whether every executor has the reference in memory. */
const heldBy =
  ({ heldReferenceBytes: limit = heldReferenceBytes }: CompileOptions) =>
  ({ grid, ndjson }: ReferenceData): boolean =>
    grid !== undefined || ndjson.length <= limit;

/** The set part of `dedupe`: of the rows with a key, the first in the order stays. */
function dedupeOf(contract: Contract): Plan['set']['dedupe'] {
  const { partitionBy, dedupe, history } = contract;
  const key = dedupeKey(contract);
  if (!dedupe || !key) return null;
  const [version] = dedupe.order;
  const versions =
    history === undefined || version === undefined
      ? undefined
      : { key: dedupe.key, version: version.column, validTo: history.validTo, current: history.current };
  return {
    key: dedupe.scope === 'partition' ? [...key, ...partitionBy.map(({ name }) => name)] : key,
    // Rows of one version are equal in it.
    order: versions === undefined ? dedupe.order : [],
    ...(versions === undefined ? {} : { history: versions }),
    published: comparesPublished(dedupe),
    ...(dedupe.scope === 'table' ? { within: constantsOf(contract) } : {}),
    ...(dedupe.deleteWhen === undefined
      ? {}
      : {
          deletes: true,
          ...(dedupe.truncateWhen === undefined ? {} : { truncates: true }),
          keepDeletesDays: dedupe.keepDeletesDays ?? usualDeleteDays,
        }),
  };
}

/** The set part of snapshots: of the rows that are compared, those of the newest snapshot stay. */
const snapshotsOf = (contract: Contract, { replace, by }: NonNullable<Contract['load']>) => ({
  key: replace === 'partition' ? contract.partitionBy.map(({ name }) => name) : [],
  order: [{ column: by, direction: 'desc' as const }],
  published: true,
  keepsAll: true,
  ...(replace === 'table' ? { within: constantsOf(contract) } : {}),
});

/** The values that all partitions of a dataset have. Another dataset of the table has others. */
const constantsOf = ({ partitionBy }: Contract): Record<string, string> =>
  Object.fromEntries(partitionBy.flatMap((key) => ('constant' in key ? [[key.name, key.constant]] : [])));

/** Whether the partitions have the order of the event time: constants, then its year, month, day and hour. */
function arePartitionsInOrder(contract: Contract, published: ReadonlySet<string>): boolean {
  const parts = contract.partitionBy.filter((p) => 'of' in p);
  const widest = ['year', 'month', 'day', 'hour'];
  return parts.every(
    (p, i) => published.has(p.of) && p.of === parts[0]?.of && 'part' in p && p.part === widest[i],
  );
}
