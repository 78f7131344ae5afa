/** Compares a contract and a batch with the raw table in the Data Catalog. Free of AWS. */
import { isChangeField } from '../contract/changes.ts';
import { hasFlatTexts, namesOwnFields } from '../contract/contract.ts';
import { explodesOf, type Inner, innerDocuments } from '../contract/documents.ts';
import { firstKey, isBelow, objectKey, parsePath } from '../contract/path.ts';
import type { Contract } from '../contract/schema.ts';
import { SchemaMismatch } from '../errors.ts';
import { type HiveType, isHiveName, parseHiveType, type StructType } from '../model/hiveType.ts';
import type { RawTable } from '../model/rawTable.ts';

/**
 * The type of one record, from a raw table's columns. A crawler sees a JSON document as one row, so the records stand
 * below their path; a file that is one JSON array becomes a column `array` (Glue's own name for it).
 */
export function recordType(
  columns: readonly { name: string; type: string }[],
  recordsPath: string | undefined,
): StructType {
  const table: StructType = {
    kind: 'struct',
    fields: columns.map((c) => ({ name: c.name, type: parseHiveType(c.type) })),
  };
  if (recordsPath !== undefined) {
    const found = typeAt(table, recordsPath);
    return found?.kind === 'array' && found.element.kind === 'struct'
      ? found.element
      : { kind: 'struct', fields: [] };
  }
  const whole = typeAt(table, 'array');
  if (whole?.kind !== 'array' || whole.element.kind !== 'struct') return table;
  const own = table.fields.filter((f) => f.name !== 'array');
  const names = new Set(own.map((f) => f.name));
  const extra = whole.element.fields.filter((f) => !names.has(f.name.toLowerCase()));
  return { kind: 'struct', fields: [...own, ...extra] };
}

/**
 * Throws SchemaMismatch with every required column that the Catalog lacks, and every column with an unreadable type there. A field that
 * the batch's own records have is readable whatever the Catalog says, because one odd row of another file changes a type there forever.
 */
export function requireReadable(contract: Contract, rawTable: RawTable): void {
  // Elements may be missing or repeated in any record of XML, so each record is judged alone.
  if (contract.source.formats.includes('xml')) return;
  // Columns read the rows in the records, and their types are not known.
  if (contract.source.change !== undefined) return;
  const isText = hasFlatTexts(contract.source);
  const where = isText
    ? 'the headers of its files'
    : namesOwnFields(contract) && contract.source.records === undefined
      ? 'the schemas of its files'
      : `the Catalog table ${rawTable.name}`;
  const { record, seen } = rawTable;
  /** The type in the batch itself, used if the Catalog's type is unreadable. */
  const inners = innerDocuments(contract);
  const ownType = (path: string, within: readonly Inner[] = []) =>
    seen ? typeAlong(seen, path, within) : 'absent';
  const faults = contract.columns.flatMap((column): { text: string; column?: string }[] => {
    if (column.path === objectKey) return [];
    const known = typeAlong(record, column.path, inners);
    const own = known === 'absent' ? 'absent' : ownType(column.path, inners);
    const found = known === 'otherwise' ? own : known;
    const place = `column "${column.name}" (${column.type}, from ${column.path})`;
    if (typeof found === 'string')
      return column.required && (isText || isHeld(column.path))
        ? [{ column: column.name, text: `required ${place} is not in ${where}` }]
        : [];
    // A CSV contains texts only, so a crawler's type says nothing about a single value.
    if (column.type === 'json' || isText) return [];
    const wanted = column.type.startsWith('array<') ? column.type.slice('array<'.length, -1) : column.type;
    return isReadable(wanted, found) || (typeof own !== 'string' && isReadable(wanted, own))
      ? []
      : [{ column: column.name, text: `${place} cannot be read from ${describe(found)} in ${where}` }];
  });
  for (const [i, { kind, path }] of inners.entries()) {
    if (kind === 'json') continue;
    const known = typeAlong(record, path, inners.slice(0, i));
    const own = ownType(path, inners.slice(0, i));
    const isWanted = (type: typeof known) =>
      typeof type !== 'string' && (type.kind === (kind === 'map' ? 'struct' : 'array') || isOpen(type));
    if (typeof known !== 'string' && !isWanted(known) && !isWanted(own))
      faults.push({
        text: `explode: ${path} is ${describe(known)} in ${where}, not ${kind === 'map' ? 'an object' : 'an array'}`,
      });
  }
  for (const { path } of contract.flatten) {
    const known = typeAlong(record, path, []);
    const isObject = (type: typeof known) =>
      typeof type !== 'string' && (type.kind === 'struct' || isOpen(type));
    if (known !== 'absent' && !isObject(known) && !isObject(ownType(path)))
      faults.push({
        text: `flatten: ${path} is ${known === 'otherwise' ? 'below something else than an object' : describe(known)} in ${where}, not an object`,
      });
  }
  if (faults.length > 0)
    throw new SchemaMismatch(
      `${contract.dataset}: ${faults.map((fault) => fault.text).join('; ')}. Mend the contract or the feed, then retry the batch.`,
      { dataset: contract.dataset, column: faults.find((fault) => fault.column !== undefined)?.column },
    );
}

/**
 * The Catalog's type, with the batch's own type in place of each string: objects that once met a scalar are a string in the Catalog
 * forever, but their columns must stay readable.
 */
export function refinedBy(known: StructType, seen: StructType | undefined): StructType {
  if (!seen) return known;
  const own = new Map(seen.fields.map((f) => [f.name.toLowerCase(), f.type]));
  const refine = (type: HiveType, by: HiveType | undefined): HiveType => {
    if (!by || by.kind === 'scalar') return type;
    if (isOpen(type)) return by;
    if (type.kind === 'struct' && by.kind === 'struct') return refinedBy(type, by);
    if (type.kind === 'array' && by.kind === 'array')
      return { kind: 'array', element: refine(type.element, by.element) };
    return type;
  };
  return {
    kind: 'struct',
    fields: known.fields.map(({ name, type }) => ({ name, type: refine(type, own.get(name.toLowerCase())) })),
  };
}

/** Top-level fields of the Catalog that the contract does not read. */
export function ignoredFields(contract: Contract, record: StructType): string[] {
  const read = new Set(fieldsRead(contract).map((name) => name.toLowerCase()));
  return record.fields.map((f) => f.name).filter((name) => !read.has(name.toLowerCase()));
}

/** Paths that a contract reads: of columns, `flatten` and `explode`. */
export const pathsRead = (contract: Contract): string[] => [
  ...contract.columns.flatMap((c) => (c.path === objectKey ? [] : [c.path])),
  ...contract.flatten.map((f) => f.path),
  ...explodesOf(contract).map(({ path }) => path),
];

/** Top-level fields that a contract reads. */
export const fieldsRead = (contract: Contract): string[] => {
  const paths = pathsRead(contract);
  // The row part makes the fields of a change.
  const own = contract.source.change === undefined ? paths : paths.filter((path) => !isChangeField(path));
  return [...new Set(own.map(firstKey))];
};

/** A field of a batch that the Catalog lacks. */
export interface MissingField {
  /** Its path from the record. */
  readonly keys: readonly string[];
  /** Whether it is inside the elements of an array. */
  readonly isInArray: boolean;
}

/**
 * Fields of `seen` that `known` lacks. Names are compared in lower case, because the Catalog lower-cases top-level names. A name that is
 * impossible in the Catalog is not missing: no crawl would add it.
 */
export const missingFields = (known: StructType, seen: StructType): MissingField[] =>
  missingBelow(known, seen, [], false);

function missingBelow(
  known: HiveType,
  seen: HiveType,
  above: readonly string[],
  isInArray: boolean,
): MissingField[] {
  if (known.kind === 'array' && seen.kind === 'array')
    return missingBelow(known.element, seen.element, above, true);
  if (known.kind !== 'struct' || seen.kind !== 'struct') return [];
  const types = new Map([...known.fields].reverse().map((f) => [f.name.toLowerCase(), f.type]));
  return seen.fields.flatMap(({ name, type }) => {
    const match = types.get(name.toLowerCase());
    const keys = [...above, name];
    if (match) return missingBelow(match, type, keys, isInArray);
    return isHiveName(name) ? [{ keys, isInArray }] : [];
  });
}

/** Whether every field on a path has a possible name in the Catalog. */
const isHeld = (path: string): boolean =>
  parsePath(path).every((step) => step.kind !== 'key' || isHiveName(step.key));

/** Whether values of a type may be of any kind: the Catalog uses string for mixed objects, arrays and scalars. */
const isOpen = (type: HiveType | undefined): boolean => type?.kind === 'scalar' && type.name === 'string';

const anything: HiveType = { kind: 'scalar', name: 'string' };

/** The type at a path such as `user.id`, `tags[0]` or `tags[*]`. */
export function typeAt(type: HiveType, path: string): HiveType | undefined {
  const found = typeAlong(type, path, []);
  return typeof found === 'string' ? undefined : found;
}

/**
 * The same, with an element in place of an exploded array. `absent`: an object lacks the field. `otherwise`: the path leads through a
 * value of another kind. Every path below a string is a string, because its values may be of any kind.
 */
function typeAlong(
  type: HiveType,
  path: string,
  inners: readonly Inner[],
): HiveType | 'absent' | 'otherwise' {
  const steps = parsePath(path);
  const exploded = inners.filter((inner) => inner.kind !== 'json' && isBelow(path, inner.path));
  let at = type;
  for (const [i, step] of steps.entries()) {
    if (isOpen(at)) return at;
    if (step.kind === 'key') {
      if (at.kind !== 'struct') return 'otherwise';
      const field = at.fields.find((f) => f.name.toLowerCase() === step.key.toLowerCase());
      if (!field) return 'absent';
      at = field.type;
    } else if (at.kind === 'array') at = at.element;
    else return 'otherwise';
    for (const { kind } of exploded.filter((inner) => parsePath(inner.path).length === i + 1)) {
      if (isOpen(at)) return at;
      // The fields of a map are data, so the Catalog does not have the type of its values.
      if (kind === 'map') return at.kind === 'struct' ? anything : 'otherwise';
      if (at.kind !== 'array') return 'otherwise';
      at = at.element;
    }
  }
  return at;
}

/**
 * Whether a column can be read from a Catalog type. A string may contain any value as text, numeric types can be mixed, and a nested type
 * never becomes a scalar.
 */
function isReadable(wanted: string, found: HiveType): boolean {
  if (found.kind !== 'scalar') return false;
  const name = found.name.replace(/\(.*/, '');
  if (wanted === 'string' || name === 'string') return true;
  const isNumber = ['tinyint', 'smallint', 'int', 'bigint', 'float', 'double', 'decimal'].includes(name);
  switch (wanted) {
    case 'boolean':
      return name === 'boolean';
    case 'date':
      return name === 'date';
    case 'timestamp':
      return isNumber || name === 'timestamp' || name === 'date';
    default:
      return isNumber;
  }
}

const describe = (type: HiveType): string => (type.kind === 'scalar' ? type.name : `${type.kind}<…>`);
