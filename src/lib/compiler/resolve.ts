/** Columns that a contract leaves to the Data Catalog: `flatten`, and drift `passthrough`. */
import { createHash } from 'node:crypto';
import type { HiveType, StructType } from '../catalog/hiveType.ts';
import { ignoredFields, typeAt } from '../catalog/rawSchema.ts';
import { type Column, columnSchema, columnType } from '../contract/columnSchema.ts';
import { goldenColumns } from '../contract/columns.ts';
import { formatPath, type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import type { RawTable } from './compile.ts';

/** Whether a contract's columns depend on the Data Catalog. */
export const needsCatalog = (contract: Contract): boolean =>
  contract.flatten.length > 0 || contract.drift === 'passthrough';

/** A field of the record that shall become a column. */
interface Field {
  readonly steps: readonly PathStep[];
  /** As the contract's rules name it, without regard to other columns. */
  readonly name: string;
  /** Whether that is the field's own name, and not one that was made from it. */
  readonly isOwnName: boolean;
  readonly type: HiveType;
}

/**
 * The contract with these columns written out, at the end of its own. A field that a column reads already makes no
 * second one. Whatever a feed calls its fields, no name fails a batch: see `named`.
 */
export function resolveContract(contract: Contract, rawTable: RawTable | null): Contract {
  if (!needsCatalog(contract) || rawTable === null) return contract;
  const read = new Set(contract.columns.map((c) => identityOf(c.path)));
  const columns = [...fieldsFor(contract, rawTable)].flatMap((field) => {
    const column = columnOf(field.steps, field.type);
    return column === null || read.has(identityOf(column.path)) ? [] : [{ ...field, column }];
  });
  const taken = new Set([...goldenColumns(contract), ...contract.partitionBy].map((c) => c.name));
  return { ...contract, columns: [...contract.columns, ...named(columns.slice(0, maxFoundColumns), taken)] };
}

/** Compared without case, as the Catalog's names are, and however its keys are quoted. */
const identityOf = (path: string): string => JSON.stringify(parsePath(path)).toLowerCase();

function* fieldsFor(contract: Contract, { record }: RawTable): Generator<Field> {
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
 * Columns with their names. A name that is too long, or that another column has, ends in a digest of the field's path, so
 * that a field has the same name in every batch. Of two fields for one name, the one that is called so itself has it, else
 * the first in the Catalog, which adds new fields at the end.
 */
function named(
  fields: readonly (Field & { readonly column: Column })[],
  reserved: ReadonlySet<string>,
): Column[] {
  const names = new Set(reserved);
  const nameOf = new Map<Column, string>();
  for (const { name, column } of [...fields].sort((a, b) => Number(b.isOwnName) - Number(a.isOwnName))) {
    const digest = createHash('sha256').update(column.path).digest('hex').slice(0, 8);
    const digested = `${name.slice(0, maxNameLength - digest.length - 1)}_${digest}`;
    const unique = name.length > maxNameLength || names.has(name) ? digested : name;
    if (names.has(unique)) continue;
    names.add(unique);
    nameOf.set(column, unique);
  }
  return fields.flatMap(({ column }) => {
    const name = nameOf.get(column);
    return name === undefined ? [] : [{ ...column, name }];
  });
}

const maxNameLength = 63;

/** So many columns can be left to the Catalog: a feed whose fields are data, such as ids, has no end of them. */
export const maxFoundColumns = 1000;

/** `screenName` -> `screen_name`. */
export const snakeCase = (name: string): string => {
  const plain = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return (/^[a-z]/.test(plain) ? plain : `f_${plain}`).slice(0, 58);
};

/** The column that reads a field, as yet without its name; null for a field that no path can lead to. */
function columnOf(steps: readonly PathStep[], type: HiveType): Column | null {
  const isList = type.kind === 'array' && type.element.kind === 'scalar';
  const path = formatPath(isList ? [...steps, { kind: 'each' }] : steps);
  if (path === null) return null;
  const ofColumn = isList ? `array<${elementType(type.element)}>` : scalarType(type);
  const formats = ofColumn === 'timestamp' ? { formats: ['iso8601', 'iso8601_date'] } : {};
  return columnSchema.parse({ name: 'unnamed', path, type: ofColumn, ...formats });
}

/** Catalog type -> contract type. What is nested is kept as JSON text; a type without a like is a text. */
function scalarType(type: HiveType): string {
  if (type.kind !== 'scalar' || /^(map|uniontype)</.test(type.name)) return 'json';
  const name = type.name;
  if (['tinyint', 'smallint', 'int'].includes(name)) return 'int';
  if (['float', 'double'].includes(name)) return 'double';
  const known = columnType.safeParse(name);
  return known.success ? known.data : 'string';
}

/** Arrays hold fewer types. */
function elementType(type: HiveType): string {
  const name = scalarType(type);
  return name === 'timestamp' || name.startsWith('decimal') ? 'string' : name;
}
