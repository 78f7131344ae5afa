/** Iceberg's types and schemas, in the JSON form of the spec: https://iceberg.apache.org/spec/#schemas-and-data-types */
import * as z from 'zod';
import { TableUnsupported } from '../../errors.ts';
import { type HiveType, parseHiveType } from '../../model/hiveType.ts';

/** `int`, `timestamptz`, `decimal(10, 2)`, `fixed[16]`. */
export type PrimitiveType = string;
export interface StructType {
  readonly type: 'struct';
  readonly fields: readonly Field[];
}
export interface ListType {
  readonly type: 'list';
  readonly 'element-id': number;
  readonly element: Type;
  readonly 'element-required': boolean;
}
export interface MapType {
  readonly type: 'map';
  readonly 'key-id': number;
  readonly key: Type;
  readonly 'value-id': number;
  readonly value: Type;
  readonly 'value-required': boolean;
}
export type Type = PrimitiveType | StructType | ListType | MapType;
/** A column, or a member of a struct. Its id never changes; its name and type may. */
export interface Field {
  readonly id: number;
  readonly name: string;
  readonly required: boolean;
  readonly type: Type;
  readonly doc?: string | undefined;
}

const typeSchema: z.ZodType<Type> = z.lazy(() =>
  z.union([
    z.string(),
    z.looseObject({ type: z.literal('struct'), fields: z.array(fieldSchema) }),
    z.looseObject({
      type: z.literal('list'),
      'element-id': z.int(),
      element: typeSchema,
      'element-required': z.boolean(),
    }),
    z.looseObject({
      type: z.literal('map'),
      'key-id': z.int(),
      key: typeSchema,
      'value-id': z.int(),
      value: typeSchema,
      'value-required': z.boolean(),
    }),
  ]),
);
const fieldSchema: z.ZodType<Field> = z.looseObject({
  id: z.int(),
  name: z.string(),
  required: z.boolean(),
  type: typeSchema,
  doc: z.string().optional(),
});

/** Additions of other engines to a schema are kept. */
export const schemaSchema = z.looseObject({
  type: z.literal('struct'),
  'schema-id': z.int().default(0),
  'identifier-field-ids': z.array(z.int()).optional(),
  fields: z.array(fieldSchema),
});
export type Schema = z.output<typeof schemaSchema>;

export const isPrimitive = (type: Type): type is PrimitiveType => typeof type === 'string';

/** Precision and scale; undefined for another type. */
export function decimalOf(type: Type): { precision: number; scale: number } | undefined {
  const found = isPrimitive(type) ? /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(type) : null;
  return found ? { precision: Number(found[1]), scale: Number(found[2]) } : undefined;
}

/** A field with the names that lead to it. */
export interface Placed {
  readonly field: Field;
  /** The path in a Parquet schema without the groups around lists and maps: `tags`, `element`. */
  readonly path: readonly string[];
}

/** All fields of a schema by id, nested ones too; elements, keys and values of lists and maps as fields of those names. */
export function fieldsById({ fields }: Pick<StructType, 'fields'>): Map<number, Placed> {
  const found = new Map<number, Placed>();
  const visit = (field: Field, above: readonly string[]): void => {
    const path = [...above, field.name];
    found.set(field.id, { field, path });
    for (const member of membersOf(field.type)) visit(member, path);
  };
  for (const field of fields) visit(field, []);
  return found;
}

/** The nested fields of a type. */
export function membersOf(type: Type): readonly Field[] {
  if (isPrimitive(type)) return [];
  if (type.type === 'struct') return type.fields;
  if (type.type === 'list')
    return [
      { id: type['element-id'], name: 'element', required: type['element-required'], type: type.element },
    ];
  return [
    { id: type['key-id'], name: 'key', required: true, type: type.key },
    { id: type['value-id'], name: 'value', required: type['value-required'], type: type.value },
  ];
}

/** Hive -> Iceberg. A timestamp of Sluice's is an instant, kept in UTC. */
const scalars: ReadonlyMap<string, PrimitiveType> = new Map(
  Object.entries({
    string: 'string',
    json: 'string',
    int: 'int',
    smallint: 'int',
    tinyint: 'int',
    bigint: 'long',
    float: 'float',
    double: 'double',
    boolean: 'boolean',
    date: 'date',
    timestamp: 'timestamptz',
    binary: 'binary',
  }),
);

/** The Iceberg type of a Hive scalar. Throws TableUnsupported if Iceberg does not have the type. */
export function primitiveOf(hiveType: string): PrimitiveType {
  const [, precision, scale] = /^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$/.exec(hiveType) ?? [];
  if (precision !== undefined) return `decimal(${precision}, ${scale})`;
  const type = scalars.get(hiveType);
  if (type === undefined) throw new TableUnsupported(`Iceberg has no type for ${hiveType}`);
  return type;
}

/** The Iceberg type of a Hive type. `nextId` gives ids for its nested fields. */
export function typeOfHive(hive: HiveType | string, nextId: () => number): Type {
  const type = typeof hive === 'string' ? parseHiveType(hive) : hive;
  if (type.kind === 'scalar') return primitiveOf(type.name);
  if (type.kind === 'array') {
    const id = nextId();
    return {
      type: 'list',
      'element-id': id,
      element: typeOfHive(type.element, nextId),
      'element-required': false,
    };
  }
  // Like other writers, gives ids to all fields of a level before the levels below it.
  const ids = type.fields.map(() => nextId());
  return {
    type: 'struct',
    fields: type.fields.map((member, i) => ({
      id: ids[i] ?? 0,
      name: member.name,
      required: false,
      type: typeOfHive(member.type, nextId),
    })),
  };
}

const hiveScalars: ReadonlyMap<string, string> = new Map(
  Object.entries({
    long: 'bigint',
    timestamptz: 'timestamp',
    time: 'string',
    uuid: 'string',
  }),
);

/** The type in the notation of the Glue Catalog. */
export function hiveOf(type: Type): string {
  const decimal = decimalOf(type);
  if (decimal) return `decimal(${decimal.precision},${decimal.scale})`;
  if (isPrimitive(type)) return type.startsWith('fixed[') ? 'binary' : (hiveScalars.get(type) ?? type);
  if (type.type === 'list') return `array<${hiveOf(type.element)}>`;
  if (type.type === 'map') return `map<${hiveOf(type.key)},${hiveOf(type.value)}>`;
  return `struct<${type.fields.map((f) => `${f.name}:${hiveOf(f.type)}`).join(',')}>`;
}
