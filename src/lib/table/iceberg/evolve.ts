/**
 * Changes a table to what a contract asks for: columns by their ids, partitions, sort order. Pure data. A change that Iceberg cannot
 * make without rewriting rows is refused by name. https://iceberg.apache.org/spec/#schema-evolution
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { TableMismatch, TableUnsupported } from '../../errors.ts';
import { tryParseJson } from '../../json.ts';
import { type HiveType, parseHiveType } from '../../model/hiveType.ts';
import {
  type Metadata,
  type PartitionField,
  type PartitionSpec,
  type SortOrder,
  schemaOf,
  specOf,
} from './metadata.ts';
import { resultType, type Transform } from './transforms.ts';
import {
  decimalOf,
  type Field,
  fieldsById,
  hiveOf,
  isPrimitive,
  membersOf,
  type PrimitiveType,
  primitiveOf,
  type Schema,
  type Type,
  typeOfHive,
} from './types.ts';

export interface WantedColumn {
  readonly name: string;
  /** A Hive type, as in contracts. */
  readonly type: string;
  readonly doc?: string | undefined;
  /** The column's earlier names. */
  readonly was?: readonly string[] | undefined;
}

export interface WantedTable {
  readonly name: string;
  /** An s3:// address. */
  readonly location: string;
  readonly columns: readonly WantedColumn[];
  readonly partitionBy: readonly { readonly column: string; readonly transform: Transform }[];
  /** Columns by which rows of an object are sorted, ascending. */
  readonly sortBy?: readonly string[];
  /** Columns to remove. Columns of other writers stay. */
  readonly dropped?: readonly string[];
  readonly properties?: Readonly<Record<string, string>>;
}

/** Metadata of a new table. */
export function newMetadata(wanted: WantedTable, now: number): Metadata {
  const empty: Metadata = {
    'format-version': 2,
    'table-uuid': randomUUID(),
    location: wanted.location.replace(/\/+$/, ''),
    'last-sequence-number': 0n,
    'last-updated-ms': now,
    'last-column-id': 0,
    'current-schema-id': 0,
    schemas: [{ type: 'struct', 'schema-id': 0, fields: [] }],
    'default-spec-id': 0,
    'partition-specs': [{ 'spec-id': 0, fields: [] }],
    'last-partition-id': 999,
    'default-sort-order-id': 0,
    'sort-orders': [{ 'order-id': 0, fields: [] }],
    properties: { 'write.format.default': 'parquet', 'write.parquet.compression-codec': 'zstd' },
    'current-snapshot-id': undefined,
    snapshots: [],
    'snapshot-log': [],
    'metadata-log': [],
    refs: {},
  };
  const full = evolve(empty, wanted);
  // A new table has no columns to rename or drop.
  const only = <T extends Record<string, unknown>>(list: readonly T[], key: keyof T, id: number) =>
    list.filter((item) => item[key] === id);
  return {
    ...full,
    schemas: only(full.schemas, 'schema-id', full['current-schema-id']),
    'partition-specs': only(full['partition-specs'], 'spec-id', full['default-spec-id']),
    'sort-orders': only(full['sort-orders'], 'order-id', full['default-sort-order-id']),
  };
}

/** Gives the same object if nothing changes. Throws TableMismatch for an impossible change. */
export function evolve(metadata: Metadata, wanted: WantedTable): Metadata {
  const steps = [evolveSchema, evolvePartitions, evolveSortOrder, evolveProperties];
  const evolved = steps.reduce((before, step) => step(before, wanted), metadata);
  requireColumnsInUse(evolved, wanted);
  return evolved;
}

// ---- columns

function evolveSchema(metadata: Metadata, wanted: WantedTable): Metadata {
  const before = schemaOf(metadata);
  let lastId = metadata['last-column-id'];
  const nextId = () => ++lastId;
  const found = existingColumns(metadata, wanted);
  const isNew = found.filter(({ existing }) => existing === undefined);
  requireFreshNames(metadata, wanted, found);
  // Like other writers, gives ids to all columns first and then to their nested fields.
  const ids = new Map(isNew.map(({ column }) => [column.name, nextId()]));
  const own = descriptionsOf(metadata);
  const columns = found.map(({ column, existing }): Field => {
    const { doc: before, ...field } = existing ?? { id: ids.get(column.name) ?? 0, required: false };
    // A comment that somebody else has written stays.
    const { name, doc = before === own.get(field.id) ? undefined : before } = column;
    const type = existing
      ? widened(existing.type, parseHiveType(column.type), nextId, `${wanted.name}: the column ${name}`)
      : typeOfHive(column.type, nextId);
    return {
      ...field,
      name,
      type,
      ...(doc === undefined ? {} : { doc }),
    };
  });
  const taken = new Set(columns.map(({ id }) => id));
  const dropped = new Set(wanted.dropped ?? []);
  const others = before.fields.filter(({ id, name }) => !taken.has(id) && !dropped.has(name));
  const fields = [...columns, ...others];
  const described = new Map(
    found.flatMap(({ column: { doc } }, i) => (doc === undefined ? [] : [[columns[i]?.id ?? 0, doc]])),
  );
  const hasBoth = found.some(({ column, existing }, i) => hasBothWidths(column, existing, columns[i]?.type));
  const told = withDescriptions(hasBoth ? evolveProperties(metadata, readInRows) : metadata, described);
  if (isDeepStrictEqual(fields, before.fields)) return withNameMapping(told);
  const known = metadata.schemas.find((schema) => isDeepStrictEqual(schema.fields, fields));
  const id = known?.['schema-id'] ?? 1 + Math.max(...metadata.schemas.map((s) => s['schema-id']));
  const schema: Schema = { ...before, 'schema-id': id, fields };
  return withNameMapping({
    ...told,
    'last-column-id': lastId,
    'current-schema-id': id,
    schemas: known ? metadata.schemas : [...metadata.schemas, schema],
  });
}

/** The comments that contracts have given to columns, by id. When a contract takes one back, it is told from that of another writer. */
const descriptionsProperty = 'sluice.descriptions';

function descriptionsOf({ properties }: Metadata): ReadonlyMap<number, string> {
  const text = properties[descriptionsProperty];
  const found = text === undefined ? undefined : descriptionsSchema.safeParse(tryParseJson(text));
  return new Map(found?.success ? found.data : []);
}
const descriptionsSchema = z.array(z.tuple([z.number(), z.string()]));

function withDescriptions(metadata: Metadata, described: ReadonlyMap<number, string>): Metadata {
  const { [descriptionsProperty]: before, ...properties } = metadata.properties;
  const byId = [...described].sort(([a], [b]) => a - b);
  const now = byId.length === 0 ? undefined : JSON.stringify(byId);
  if (now === before) return metadata;
  return {
    ...metadata,
    properties: { ...properties, ...(now === undefined ? {} : { [descriptionsProperty]: now }) },
  };
}

/**
 * Up to Iceberg 1.10, Spark fails when it reads 32-bit integers in columns for a column of 64 bits
 * (https://github.com/apache/iceberg/issues/16341). Row by row, it reads them right.
 */
const readInRows = { properties: { 'read.parquet.vectorization.enabled': 'false' } };

/** Whether a column of 64 bits has objects with 32: older ones, or those of a contract that says `int` again. */
const hasBothWidths = (column: WantedColumn, existing: Field | undefined, type: Type | undefined): boolean =>
  type === 'long' && existing !== undefined && (existing.type === 'int' || column.type === 'int');

interface FoundColumn {
  readonly column: WantedColumn;
  /** Undefined for a new column. */
  readonly existing: Field | undefined;
}

/**
 * The field of each column: the one with its name, or with an earlier name of it. A field that another column was goes to that one. Throws
 * TableMismatch if the table has a column and its earlier name as two columns.
 */
function existingColumns(metadata: Metadata, { name: table, columns }: WantedTable): FoundColumn[] {
  const { fields } = schemaOf(metadata);
  const named = (name: string) => fields.find((field) => field.name === name);
  const fieldOf = new Map(columns.map(({ name }) => [name, named(name)]));
  const taken = new Set<number>();
  // A column that loses its field may have been another one itself.
  for (let isChanged = true; isChanged; ) {
    isChanged = false;
    for (const { name, was = [] } of columns) {
      if (fieldOf.get(name) !== undefined) continue;
      const earlier = was.map(named).find((field) => field && !taken.has(field.id));
      if (earlier === undefined) continue;
      if (fieldOf.get(earlier.name) === earlier) fieldOf.set(earlier.name, undefined);
      fieldOf.set(name, earlier);
      taken.add(earlier.id);
      isChanged = true;
    }
  }
  const used = new Set([...fieldOf.values()].map((field) => field?.id));
  for (const { name, was = [] } of columns) {
    const own = fieldOf.get(name);
    const left = was.map(named).find((field) => field && !used.has(field.id));
    if (own?.name === name && left && !namesOf(metadata, own.id).has(left.name))
      throw new TableMismatch(
        `table ${table}: the contract says that the column ${name} was ${left.name}, and the table has both: remove "was", or give the column another name`,
      );
  }
  return columns.map((column) => ({ column, existing: fieldOf.get(column.name) }));
}

/** All names that a column has had. */
const namesOf = (metadata: Metadata, id: number): ReadonlySet<string> =>
  new Set(metadata.schemas.flatMap(({ fields }) => fields.flatMap((f) => (f.id === id ? [f.name] : []))));

/**
 * A column does not get the name of a dropped one, or of one that others have renamed: somebody would take the rows for lost. The name of
 * a column that the contract itself has renamed is free, except where objects without field ids may have it: these are read by names.
 */
function requireFreshNames(metadata: Metadata, wanted: WantedTable, found: readonly FoundColumn[]): void {
  const kept = new Set(found.flatMap(({ existing }) => existing?.id ?? []));
  const mayLackIds = metadata.schemas.some(({ fields }) => fields.some(({ type }) => !isPrimitive(type)));
  for (const { column, existing } of found) {
    const { name } = column;
    if (existing?.name === name) continue;
    const owners = metadata.schemas.flatMap(({ fields }) =>
      fields.flatMap((f) => (f.name === name && f.id !== existing?.id ? [f.id] : [])),
    );
    if (!owners.every((id) => kept.has(id)))
      throw new TableMismatch(
        `table ${wanted.name}: there was a column ${name} before, which was renamed or dropped; a name is not used twice: choose another one, or say by "was" which column it has become`,
      );
    if (owners.length > 0 && mayLackIds)
      throw new TableMismatch(
        `table ${wanted.name}: there was a column ${name} before, which was renamed, and the table has arrays: its objects of Spark are read by the names of columns, so this one is not used twice: choose another one`,
      );
  }
}

/** The wider of two types of a column. Throws TableMismatch if neither contains the other. */
function widened(type: Type, wanted: HiveType, nextId: () => number, what: string): Type {
  const mismatch = (): never => {
    throw new TableMismatch(
      `table ${what} is ${hiveOf(type)}, the contract says ${hiveText(wanted)}; a column only ever gets wider (int to bigint, float to double, more digits before the point)`,
    );
  };
  if (isPrimitive(type)) {
    if (wanted.kind !== 'scalar') return mismatch();
    const other = primitiveOf(wanted.name);
    if (holds(type, other)) return type;
    return holds(other, type) ? other : mismatch();
  }
  if (type.type === 'list' && wanted.kind === 'array') {
    const element = widened(type.element, wanted.element, nextId, what);
    return element === type.element ? type : { ...type, element };
  }
  if (type.type !== 'struct' || wanted.kind !== 'struct') return mismatch();
  const members = wanted.fields.map((member): Field => {
    const existing = type.fields.find((field) => field.name === member.name);
    if (!existing)
      return { id: nextId(), name: member.name, required: false, type: typeOfHive(member.type, nextId) };
    return { ...existing, type: widened(existing.type, member.type, nextId, what) };
  });
  const others = type.fields.filter((field) => !members.some((member) => member.id === field.id));
  const fields = [...members, ...others];
  return isDeepStrictEqual(fields, type.fields) ? type : { ...type, fields };
}

/** Whether readers can read every value of `narrow` as `wide`: https://iceberg.apache.org/spec/#schema-evolution */
function holds(wide: PrimitiveType, narrow: PrimitiveType): boolean {
  const [a, b] = [decimalOf(wide), decimalOf(narrow)];
  if (a && b) return a.scale === b.scale && a.precision >= b.precision;
  return (
    wide === narrow || (wide === 'long' && narrow === 'int') || (wide === 'double' && narrow === 'float')
  );
}

const hiveText = (type: HiveType): string =>
  type.kind === 'scalar'
    ? type.name
    : type.kind === 'array'
      ? `array<${hiveText(type.element)}>`
      : 'a struct';

// ---- names of objects without field ids

interface MappedField {
  readonly 'field-id'?: number | undefined;
  readonly names: readonly string[];
  readonly fields?: readonly MappedField[] | undefined;
}
const mappedSchema: z.ZodType<MappedField> = z.object({
  'field-id': z.int().optional(),
  names: z.array(z.string()),
  fields: z.array(z.lazy(() => mappedSchema)).optional(),
});

const mappingProperty = 'schema.name-mapping.default';

const mappingOf = ({ properties }: Metadata): readonly MappedField[] => {
  const text = properties[mappingProperty];
  return text === undefined ? [] : z.array(mappedSchema).parse(JSON.parse(text));
};

/** How objects without field ids may call a column of the table. */
export const mappedNames = (metadata: Metadata, id: number): readonly string[] =>
  mappingOf(metadata).find((field) => field['field-id'] === id)?.names ?? [];

/**
 * Objects that are older than a rename have the old name, so a field keeps all its earlier names. Of two fields that have had one name, the
 * first one keeps it: objects of the second one have ids. Dropped columns stay, because pyiceberg rejects an object with a column that the
 * mapping does not have.
 */
function withNameMapping(metadata: Metadata): Metadata {
  const text = metadata.properties[mappingProperty];
  const mapped = (fields: readonly Field[], before: readonly MappedField[]): MappedField[] => {
    const entryOf = new Map(before.map((entry) => [entry['field-id'], entry]));
    const ownerOf = new Map(before.flatMap((entry) => entry.names.map((name) => [name, entry['field-id']])));
    const present = fields.map(({ id, name, type }): MappedField => {
      const { names = [], fields: nested = [] } = entryOf.get(id) ?? {};
      const members = membersOf(type);
      const isFree = !ownerOf.has(name) || ownerOf.get(name) === id;
      return {
        'field-id': id,
        names: [...names.filter((n) => n !== name), ...(isFree ? [name] : [])],
        ...(members.length === 0 ? {} : { fields: mapped(members, nested) }),
      };
    });
    const ids = new Set(fields.map(({ id }) => id));
    return [...present, ...before.filter(({ 'field-id': id }) => id === undefined || !ids.has(id))];
  };
  const mapping = JSON.stringify(mapped(schemaOf(metadata).fields, mappingOf(metadata)));
  return mapping === text
    ? metadata
    : { ...metadata, properties: { ...metadata.properties, [mappingProperty]: mapping } };
}

// ---- partitions

function evolvePartitions(metadata: Metadata, wanted: WantedTable): Metadata {
  const schema = schemaOf(metadata);
  let lastId = metadata['last-partition-id'];
  const existing = metadata['partition-specs'].flatMap(({ fields }) => fields);
  const fields = wanted.partitionBy.map(({ column, transform }): PartitionField => {
    const source = schema.fields.find((field) => field.name === column);
    if (source === undefined || !isPrimitive(source.type))
      throw new TableUnsupported(`table ${wanted.name}: no partition can be made of the column ${column}`);
    resultType(transform, source.type);
    // The same field has the same id in every spec: https://iceberg.apache.org/spec/#partition-evolution
    const known = existing.find((f) => f['source-id'] === source.id && f.transform === transform);
    return {
      'source-id': source.id,
      'field-id': known?.['field-id'] ?? ++lastId,
      name: known?.name ?? partitionFieldName(schema, column, transform),
      transform,
    };
  });
  if (isDeepStrictEqual(fields, specOf(metadata).fields)) return metadata;
  const known = metadata['partition-specs'].find((spec) => isDeepStrictEqual(spec.fields, fields));
  const id = known?.['spec-id'] ?? 1 + Math.max(...metadata['partition-specs'].map((s) => s['spec-id']));
  const spec: PartitionSpec = { 'spec-id': id, fields };
  return {
    ...metadata,
    'last-partition-id': lastId,
    'default-spec-id': id,
    'partition-specs': known ? metadata['partition-specs'] : [...metadata['partition-specs'], spec],
  };
}

/** The names that other writers use: `day`, `created_at_day`, `id_bucket_16`. Underscores are added if a column has the name. */
function partitionFieldName({ fields }: Schema, column: string, transform: Transform): string {
  if (transform === 'identity') return column;
  let name = `${column}_${transform.replace('[', '_').replace(']', '')}`;
  while (fields.some((field) => field.name === name)) name += '_';
  return name;
}

// ---- order

function evolveSortOrder(metadata: Metadata, wanted: WantedTable): Metadata {
  const schema = schemaOf(metadata);
  if (wanted.sortBy === undefined) {
    // Without a wish, the sort order of another writer stays, unless a column of it is gone.
    const current = metadata['sort-orders'].find((o) => o['order-id'] === metadata['default-sort-order-id']);
    const known = fieldsById(schema);
    if (!current?.fields.some((field) => !known.has(field['source-id']))) return metadata;
    return evolveSortOrder(metadata, { ...wanted, sortBy: [] });
  }
  const fields = wanted.sortBy.map((column): SortOrder['fields'][number] => {
    const source = schema.fields.find((field) => field.name === column);
    if (source === undefined)
      throw new TableUnsupported(`table ${wanted.name}: there is no column ${column} to sort by`);
    return { transform: 'identity', 'source-id': source.id, direction: 'asc', 'null-order': 'nulls-last' };
  });
  const orders = metadata['sort-orders'];
  const known = orders.find((order) => isDeepStrictEqual(order.fields, fields));
  // 0 means unsorted.
  const id = known?.['order-id'] ?? 1 + Math.max(0, ...orders.map((o) => o['order-id']));
  if (id === metadata['default-sort-order-id']) return metadata;
  return {
    ...metadata,
    'default-sort-order-id': id,
    'sort-orders': known ? orders : [...orders, { 'order-id': id, fields }],
  };
}

function evolveProperties(
  metadata: Metadata,
  { properties = {} }: Pick<WantedTable, 'properties'>,
): Metadata {
  const isKnown = Object.entries(properties).every(([key, value]) => metadata.properties[key] === value);
  return isKnown ? metadata : { ...metadata, properties: { ...metadata.properties, ...properties } };
}

/**
 * Throws TableMismatch if a dropped column is still used by partitions or the sort order. Objects of an earlier spec have it in their
 * partition, and readers look for its column.
 */
function requireColumnsInUse(metadata: Metadata, wanted: WantedTable): void {
  const known = fieldsById(schemaOf(metadata));
  const order = metadata['sort-orders'].find((o) => o['order-id'] === metadata['default-sort-order-id']);
  const partitions = metadata['partition-specs'].flatMap(({ fields }) => fields);
  const lost = [...partitions, ...(order?.fields ?? [])].find((f) => !known.has(f['source-id']));
  if (lost === undefined) return;
  const name = metadata.schemas
    .flatMap((schema) => schema.fields)
    .find((field) => field.id === lost['source-id'])?.name;
  throw new TableMismatch(
    `table ${wanted.name}: the column ${name} cannot be dropped: the table is or was partitioned by it, or is sorted by it`,
  );
}
