/** Columns that a contract leaves to the Data Catalog: `flatten`, and drift `passthrough`. */
import { createHash } from 'node:crypto';
import { ignoredFields, refinedBy, typeAt } from '../catalog/rawSchema.ts';
import { type Column, columnSchema, columnType as columnTypeSchema } from '../contract/columnSchema.ts';
import { goldenColumns } from '../contract/columns.ts';
import { formatPath, type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import { snakeCase } from '../contract/snakeCase.ts';
import type { HiveType, StructType } from '../model/hiveType.ts';
import type { RawTable } from '../model/rawTable.ts';

/** Whether a contract's columns depend on the Data Catalog. */
export const needsCatalog = (contract: Contract): boolean =>
  contract.flatten.length > 0 || contract.drift === 'passthrough';

/** A field of the record that becomes a column. */
interface Field {
  readonly steps: readonly PathStep[];
  /** The name by the contract's rules, before conflicts with other columns are solved. */
  readonly name: string;
  /** Whether this is the field's own name, not a derived one. */
  readonly isOwnName: boolean;
  readonly type: HiveType;
}

/**
 * The contract with these columns after its own. A field that a column reads already gets no second column. No name of a field fails a
 * batch: see `named`. `published` has the columns of the table with their types. They stay, even if the Catalog's type has changed.
 */
export function resolveContract(
  contract: Contract,
  rawTable: RawTable | null,
  published: ReadonlyMap<string, string> = new Map(),
): Contract {
  if (!needsCatalog(contract) || rawTable === null) return contract;
  const record = refinedBy(rawTable.record, rawTable.seen);
  const read = new Set(contract.columns.map((c) => identityOf(parsePath(c.path))));
  const fields = [...fieldsFor(contract, record)].filter(
    ({ steps }) => formatPath(steps) !== null && !read.has(identityOf(steps)),
  );
  const taken = new Set(
    [...goldenColumns(contract), ...contract.columns, ...contract.derive, ...contract.partitionBy].map(
      (c) => c.name,
    ),
  );
  const columns = named(fields.slice(0, maxFoundColumns), taken).map(({ field, name }) =>
    columnOf(field, name, published.get(name)),
  );
  return { ...contract, columns: [...contract.columns, ...columns] };
}

/** Paths are compared in lower case, like the Catalog's names. An array and all of its elements are one field. */
const identityOf = (steps: readonly PathStep[]): string =>
  JSON.stringify(steps.at(-1)?.kind === 'each' ? steps.slice(0, -1) : steps).toLowerCase();

function* fieldsFor(contract: Contract, record: StructType): Generator<Field> {
  for (const { path, prefix, except } of contract.flatten) {
    const type = typeAt(record, path);
    if (type?.kind === 'struct')
      yield* fieldsBelow(parsePath(path), { made: prefix, own: prefix }, type, except);
  }
  if (contract.drift !== 'passthrough') return;
  const ignored = new Set(ignoredFields(contract, record));
  for (const { name, type } of record.fields)
    if (ignored.has(name))
      yield {
        steps: [{ kind: 'key', key: name }],
        name: snakeCase(name),
        isOwnName: snakeCase(name) === name,
        type,
      };
}

function* fieldsBelow(
  steps: readonly PathStep[],
  prefix: { readonly made: string; readonly own: string },
  { fields }: StructType,
  except: readonly string[],
): Generator<Field> {
  for (const { name: key, type } of fields) {
    if (except.includes(key)) continue;
    const at: readonly PathStep[] = [...steps, { kind: 'key', key }];
    const name = `${prefix.made}${snakeCase(key)}`;
    const own = `${prefix.own}${key}`;
    if (type.kind === 'struct') yield* fieldsBelow(at, { made: `${name}_`, own: `${own}_` }, type, []);
    else yield { steps: at, name, isOwnName: own === name, type };
  }
}

/**
 * Fields with the names of their columns. A name that is too long, or that another column has, ends in a digest of the field's
 * path, so that a field has the same name in every batch. Of two fields for one name, the one that is called so itself has it,
 * else the first in the Catalog, which adds new fields at the end.
 */
function named(fields: readonly Field[], reserved: ReadonlySet<string>): { field: Field; name: string }[] {
  const names = new Set(reserved);
  const nameOf = new Map<Field, string>();
  for (const field of [...fields].sort((a, b) => Number(b.isOwnName) - Number(a.isOwnName))) {
    const { name, steps } = field;
    const digest = createHash('sha256')
      .update(formatPath(steps) ?? '')
      .digest('hex')
      .slice(0, 8);
    const digested = `${name.slice(0, maxNameLength - digest.length - 1)}_${digest}`;
    const unique = name.length > maxNameLength || names.has(name) ? digested : name;
    if (names.has(unique)) continue;
    names.add(unique);
    nameOf.set(field, unique);
  }
  return fields.flatMap((field) => {
    const name = nameOf.get(field);
    return name === undefined ? [] : [{ field, name }];
  });
}

const maxNameLength = 63;

/** The maximum number of columns from the Catalog, because a feed may use data such as ids as field names. */
const maxFoundColumns = 1000;

/** The column that reads a field. */
function columnOf({ steps, type }: Field, name: string, published: string | undefined): Column {
  const isList = type.kind === 'array' && type.element.kind === 'scalar';
  const found = isList ? `array<${elementType(type.element)}>` : scalarType(type);
  const kept = published === 'string' && type.kind !== 'scalar' ? 'json' : published;
  const columnType = kept !== undefined && isColumnType(kept) ? kept : found;
  const path = formatPath(columnType.startsWith('array<') ? [...steps, { kind: 'each' }] : steps);
  const formats = columnType === 'timestamp' ? { formats: ['iso8601', 'iso8601_date'] } : {};
  return columnSchema.parse({ name, path, type: columnType, ...formats });
}

const isColumnType = (type: string): boolean => columnTypeSchema.safeParse(type).success;

/** Converts a Catalog type to a contract type. Nested values become JSON text, and unknown types become text. */
function scalarType(type: HiveType): string {
  if (type.kind !== 'scalar' || /^(map|uniontype)</.test(type.name)) return 'json';
  const name = type.name;
  if (['tinyint', 'smallint', 'int'].includes(name)) return 'int';
  if (['float', 'double'].includes(name)) return 'double';
  return isColumnType(name) ? name : 'string';
}

/** Arrays support fewer element types. */
function elementType(type: HiveType): string {
  const name = scalarType(type);
  return name === 'timestamp' || name.startsWith('decimal') ? 'string' : name;
}
