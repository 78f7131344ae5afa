import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import {
  decimalOf,
  fieldsById,
  hiveOf,
  primitiveOf,
  schemaSchema,
  type Type,
  typeOfHive,
} from '../../../../src/lib/table/iceberg/types.ts';

test.each([
  ['string', 'string', 'string'],
  ['json', 'string', 'string'],
  ['int', 'int', 'int'],
  ['smallint', 'int', 'int'],
  ['tinyint', 'int', 'int'],
  ['bigint', 'long', 'bigint'],
  ['float', 'float', 'float'],
  ['double', 'double', 'double'],
  ['boolean', 'boolean', 'boolean'],
  ['date', 'date', 'date'],
  ['timestamp', 'timestamptz', 'timestamp'],
  ['binary', 'binary', 'binary'],
  ['decimal(12,2)', 'decimal(12, 2)', 'decimal(12,2)'],
  ['decimal( 12 , 2 )', 'decimal(12, 2)', 'decimal(12,2)'],
])('the Hive type %s is Iceberg’s %s, and that is shown as %s', (hive, iceberg, shown) => {
  expect(primitiveOf(hive)).toBe(iceberg);
  expect(hiveOf(iceberg)).toBe(shown);
});

test.each([
  ['fixed[16]', 'binary'],
  ['uuid', 'string'],
  ['time', 'string'],
  ['timestamp', 'timestamp'],
  ['decimal(9,4)', 'decimal(9,4)'],
])('Iceberg’s %s, of another writer, is shown as %s', (type, hive) => {
  expect(hiveOf(type)).toBe(hive);
});

test('a type that Iceberg does not have is refused by name', () => {
  expect(() => primitiveOf('interval')).toThrow(new TableUnsupported('Iceberg has no type for interval'));
  expect(() => primitiveOf('xdecimal(1,1)')).toThrow(TableUnsupported);
  expect([decimalOf('decimal(9,2)x'), decimalOf('xdecimal(9,2)'), decimalOf('int')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(decimalOf('decimal( 10 , 3 )')).toEqual({ precision: 10, scale: 3 });
});

test('nested types have ids level by level, and every field is found by its id', () => {
  let id = 10;
  const type = typeOfHive('struct<a:array<struct<b:int,c:string>>,d:bigint>', () => id++);
  expect(type).toEqual({
    type: 'struct',
    fields: [
      {
        id: 10,
        name: 'a',
        required: false,
        type: {
          type: 'list',
          'element-id': 12,
          'element-required': false,
          element: {
            type: 'struct',
            fields: [
              { id: 13, name: 'b', required: false, type: 'int' },
              { id: 14, name: 'c', required: false, type: 'string' },
            ],
          },
        },
      },
      { id: 11, name: 'd', required: false, type: 'long' },
    ],
  });
  expect(hiveOf(type)).toBe('struct<a:array<struct<b:int,c:string>>,d:bigint>');
  const map: Type = {
    type: 'map',
    'key-id': 2,
    key: 'string',
    'value-id': 3,
    value: 'date',
    'value-required': true,
  };
  expect(hiveOf(map)).toBe('map<string,date>');
  const fields = [
    { id: 1, name: 'm', required: false, type: map },
    { id: 4, name: 's', required: true, type },
  ];
  expect(
    [...fieldsById({ fields })].map(([of, { field, path }]) => [of, path.join('.'), field.required]),
  ).toEqual([
    [1, 'm', false],
    [2, 'm.key', true],
    [3, 'm.value', true],
    [4, 's', true],
    [10, 's.a', false],
    [12, 's.a.element', false],
    [13, 's.a.element.b', false],
    [14, 's.a.element.c', false],
    [11, 's.d', false],
  ]);
});

test('a schema keeps what other engines have added to it, and needs what the spec says', () => {
  const field = { id: 1, name: 'a', required: false, type: 'int', doc: 'd', 'initial-default': 3 };
  const list = { type: 'list', 'element-id': 3, element: 'int', 'element-required': false, x: 1 };
  const schema = { type: 'struct', fields: [field, { ...field, id: 2, type: list }], 'other-ids': [1] };
  expect(schemaSchema.parse(schema)).toEqual({ 'schema-id': 0, ...schema });
  for (const absent of ['id', 'name', 'required', 'type'])
    expect(schemaSchema.safeParse({ ...schema, fields: [{ ...field, [absent]: undefined }] }).success).toBe(
      false,
    );
  expect(schemaSchema.safeParse({ ...schema, type: 'list' }).success).toBe(false);
});
