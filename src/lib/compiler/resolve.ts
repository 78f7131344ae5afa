/** Columns that a contract leaves to the Data Catalog: `flatten`, and drift `passthrough`. */
import type { HiveType } from '../catalog/hiveType.ts';
import { ignoredFields, typeAt } from '../catalog/rawSchema.ts';
import { type Column, columnSchema } from '../contract/columnSchema.ts';
import { goldenColumns } from '../contract/columns.ts';
import { formatPath, type PathStep, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import { SchemaMismatch } from '../errors.ts';
import type { RawTable } from './compile.ts';

/** Whether a contract's columns depend on the Data Catalog. */
export const needsCatalog = (contract: Contract): boolean =>
  contract.flatten.length > 0 || contract.drift === 'passthrough';

/**
 * The contract with these columns written out, at the end of its own. A field that a column reads already makes no
 * second one. Throws SchemaMismatch when two columns would have one name.
 */
export function resolveContract(contract: Contract, rawTable: RawTable | null): Contract {
  if (!needsCatalog(contract) || rawTable === null) return contract;
  const read = new Set(contract.columns.map((c) => c.path.toLowerCase()));
  const taken = new Map(
    [...goldenColumns(contract), ...contract.partitionBy].map((c) => [c.name, 'is a column of the contract']),
  );
  const found: Column[] = [];
  const add = (steps: readonly PathStep[], name: string, type: HiveType) => {
    const column = columnOf(steps, name, type);
    if (column === null || read.has(column.path.toLowerCase())) return;
    const other = taken.get(column.name);
    if (other !== undefined)
      throw new SchemaMismatch(
        `${contract.dataset}: the field ${column.path} of the Catalog table ${rawTable.name} would be the column "${column.name}", which ${other}; name one of them in columns`,
      );
    taken.set(column.name, `comes from the field ${column.path}`);
    found.push(column);
  };
  const flatten = (steps: readonly PathStep[], prefix: string, type: HiveType, except: readonly string[]) => {
    if (type.kind !== 'struct') return add(steps, prefix.replace(/_$/, ''), type);
    for (const field of type.fields)
      if (!except.includes(field.name))
        flatten(
          [...steps, { kind: 'key', key: field.name }],
          `${prefix}${snakeCase(field.name)}_`,
          field.type,
          [],
        );
  };
  for (const { path, prefix, except } of contract.flatten) {
    const type = typeAt(rawTable.record, path);
    if (type?.kind === 'struct') flatten(parsePath(path), prefix, type, except);
  }
  if (contract.drift === 'passthrough') {
    for (const name of ignoredFields(contract, rawTable.record)) {
      const type = rawTable.record.fields.find((f) => f.name === name)?.type;
      if (type) add([{ kind: 'key', key: name }], snakeCase(name), type);
    }
  }
  return { ...contract, columns: [...contract.columns, ...found] };
}

/** `screenName` -> `screen_name`. */
export const snakeCase = (name: string): string => {
  const plain = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  return (/^[a-z]/.test(plain) ? plain : `f_${plain}`).slice(0, 58);
};

/** Null for a field whose name no path can have. */
function columnOf(steps: readonly PathStep[], name: string, type: HiveType): Column | null {
  const isList = type.kind === 'array' && type.element.kind === 'scalar';
  const path = formatPath(isList ? [...steps, { kind: 'each' }] : steps);
  if (path === null) return null;
  const columnType = isList ? `array<${elementType(type.element)}>` : scalarType(type);
  const formats = columnType === 'timestamp' ? { formats: ['iso8601', 'iso8601_date'] } : {};
  return columnSchema.parse({ name, path, type: columnType, ...formats });
}

/** Catalog type -> contract type. What is nested is kept as JSON text; a type without a like is a text. */
function scalarType(type: HiveType): string {
  if (type.kind !== 'scalar') return 'json';
  const name = type.name;
  if (['tinyint', 'smallint', 'int'].includes(name)) return 'int';
  if (['float', 'double'].includes(name)) return 'double';
  const isKnown =
    ['bigint', 'boolean', 'date', 'timestamp'].includes(name) || /^decimal\(\d+,\d+\)$/.test(name);
  return isKnown ? name : 'string';
}

/** Arrays hold fewer types. */
function elementType(type: HiveType): string {
  const name = scalarType(type);
  return name === 'timestamp' || name.startsWith('decimal') ? 'string' : name;
}
