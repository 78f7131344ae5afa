import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import { type AvroSchema, readAvro, writeAvro } from '../../../../src/lib/table/iceberg/avro.ts';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import {
  addressesIn,
  contents,
  type ManifestEntry,
  readManifest,
  readManifestList,
  statuses,
  typedFields,
  writeManifest,
  writeManifestList,
} from '../../../../src/lib/table/iceberg/manifest.ts';
import { schemaOf, specOf } from '../../../../src/lib/table/iceberg/metadata.ts';
import { fakeFile, wanted } from '../../../support/iceberg.ts';

test('manifests and their lists are read back exactly, with snapshot ids of 63 bits', () => {
  const table = newMetadata(
    {
      ...wanted,
      partitionBy: [
        { column: 'day', transform: 'identity' },
        { column: 'price', transform: 'identity' },
        { column: 'id', transform: 'bucket[4]' },
      ],
    },
    1,
  );
  const spec = specOf(table);
  const snapshotId = 2n ** 62n + 1n;
  const partition = new Map<number, string | bigint | number | null>([
    [1000, null],
    [1001, -12345n],
    [1002, 3],
  ]);
  const file = {
    ...fakeFile('x', partition, 2n ** 60n),
    lowerBounds: new Map([[1, Buffer.from([1, 2, 3, 4])]]),
    columnSizes: new Map([[1, 2n ** 40n]]),
    splitOffsets: [4n, 2n ** 35n],
  };
  const entries: ManifestEntry[] = [
    { status: statuses.added, snapshotId, sequenceNumber: undefined, fileSequenceNumber: undefined, file },
    { status: statuses.existing, snapshotId: 5n, sequenceNumber: 3n, fileSequenceNumber: 3n, file },
  ];
  const { bytes, manifest } = writeManifest(entries, {
    spec,
    schema: schemaOf(table),
    schemas: table.schemas,
    content: contents.data,
    snapshotId,
  });
  const placed = manifest('s3://processed/t/metadata/m.avro', 7n);
  expect(placed).toMatchObject({
    addedFiles: 1,
    existingFiles: 1,
    minSequenceNumber: 3n,
    addedRows: 2n ** 60n,
  });
  const list = readManifestList(
    writeManifestList([placed], { id: snapshotId, parent: undefined, sequenceNumber: 7n }),
  );
  expect(list).toEqual([placed]);
  const [first, second] = readManifest(bytes, placed, typedFields(spec, table.schemas));
  expect(first).toEqual({ ...entries[0], sequenceNumber: 7n, fileSequenceNumber: 7n });
  expect(second).toEqual(entries[1]);
});

/** A manifest of a table that is partitioned by a column of each of these types. */
const partitionedBy = (...types: readonly string[]) => {
  const schema = {
    type: 'struct' as const,
    'schema-id': 0,
    fields: types.map((type, i) => ({ id: i + 1, name: `c${i}`, required: false, type })),
  };
  const fields = types.map((_, i) => ({
    'source-id': i + 1,
    'field-id': 1000 + i,
    name: `c${i}`,
    transform: 'identity',
  }));
  return {
    spec: { 'spec-id': 3, fields },
    schema,
    schemas: [schema],
    content: contents.data,
    snapshotId: 5n,
  };
};
const schemaIn = (bytes: Uint8Array): unknown =>
  JSON.parse(readAvro(bytes, (_, name) => name).meta['avro.schema'] ?? '');

/** The fields of a schema, one in a line, as the tables of the spec name them. */
function described(node: unknown, found: string[] = []): string[] {
  if (Array.isArray(node)) for (const member of node) described(member, found);
  else if (typeof node === 'object' && node !== null) {
    const { type, 'field-id': id, name } = node as { type?: unknown; 'field-id'?: number; name?: string };
    const isOptional = Array.isArray(type) && type[0] === 'null';
    const of: unknown = isOptional ? type[1] : type;
    const kind = typeof of === 'string' ? of : (of as { type?: unknown; logicalType?: string } | undefined);
    const text =
      typeof kind === 'string'
        ? kind
        : `${String(kind?.type)}${kind?.logicalType ? ` as ${kind.logicalType}` : ''}`;
    if (id !== undefined) found.push(`${id} ${name} ${isOptional ? 'optional ' : ''}${text}`);
    for (const [key, member] of Object.entries(node)) if (key !== 'default') described(member, found);
  }
  return found;
}

/** https://iceberg.apache.org/spec/#manifests and https://iceberg.apache.org/spec/#manifest-lists */
test('manifests and their lists have the fields of the spec', () => {
  const { bytes, manifest } = writeManifest([], partitionedBy('string'));
  expect(described(schemaIn(bytes)).sort()).toEqual(
    [
      '0 status int',
      '1 snapshot_id optional long',
      '3 sequence_number optional long',
      '4 file_sequence_number optional long',
      '2 data_file record',
      '134 content int',
      '100 file_path string',
      '101 file_format string',
      '102 partition record',
      '1000 c0 optional string',
      '103 record_count long',
      '104 file_size_in_bytes long',
      '108 column_sizes optional array as map',
      '117 key int',
      '118 value long',
      '109 value_counts optional array as map',
      '119 key int',
      '120 value long',
      '110 null_value_counts optional array as map',
      '121 key int',
      '122 value long',
      '137 nan_value_counts optional array as map',
      '138 key int',
      '139 value long',
      '125 lower_bounds optional array as map',
      '126 key int',
      '127 value bytes',
      '128 upper_bounds optional array as map',
      '129 key int',
      '130 value bytes',
      '131 key_metadata optional bytes',
      '132 split_offsets optional array',
      '135 equality_ids optional array',
      '140 sort_order_id optional int',
      '143 referenced_data_file optional string',
    ].sort(),
  );
  const list = writeManifestList([manifest('s3://b/m.avro', 7n)], { id: 5n, parent: 4n, sequenceNumber: 7n });
  expect(described(schemaIn(list)).sort()).toEqual(
    [
      '500 manifest_path string',
      '501 manifest_length long',
      '502 partition_spec_id int',
      '517 content int',
      '515 sequence_number long',
      '516 min_sequence_number long',
      '503 added_snapshot_id long',
      '504 added_files_count int',
      '505 existing_files_count int',
      '506 deleted_files_count int',
      '512 added_rows_count long',
      '513 existing_rows_count long',
      '514 deleted_rows_count long',
      '507 partitions optional array',
      '509 contains_null boolean',
      '518 contains_nan optional boolean',
      '510 lower_bound optional bytes',
      '511 upper_bound optional bytes',
      '519 key_metadata optional bytes',
    ].sort(),
  );
  // Each record of a schema has a name of its own, and each list the id of its elements.
  const names = [...JSON.stringify(schemaIn(bytes)).matchAll(/"type":"record","name":"([^"]+)"/g)];
  expect(new Set(names.map(([, name]) => name)).size).toBe(names.length);
  expect(JSON.stringify([schemaIn(bytes), schemaIn(list)]).match(/"element-id":\d+/g)).toEqual([
    '"element-id":133',
    '"element-id":136',
    '"element-id":508',
  ]);
  expect(readAvro(bytes, (_, name) => name).meta).toMatchObject({
    'format-version': '2',
    content: 'data',
    'partition-spec-id': '3',
    'schema-id': '0',
    'partition-spec': JSON.stringify(partitionedBy('string').spec.fields),
    schema: JSON.stringify(partitionedBy('string').schema),
  });
  expect(readAvro(list, (_, name) => name).meta).toMatchObject({
    'snapshot-id': '5',
    'parent-snapshot-id': '4',
    'sequence-number': '7',
    'format-version': '2',
  });
  const first = writeManifestList([], { id: 5n, parent: undefined, sequenceNumber: 7n });
  expect(readAvro(first, (_, name) => name).meta).toMatchObject({ 'parent-snapshot-id': 'null' });
  const deletes = writeManifest([], { ...partitionedBy('string'), content: contents.positionDeletes });
  expect(readAvro(deletes.bytes, (_, name) => name).meta.content).toBe('deletes');
});

/** https://iceberg.apache.org/spec/#avro */
test.each<[string, object | string]>([
  ['boolean', 'boolean'],
  ['int', 'int'],
  ['long', 'long'],
  ['float', 'float'],
  ['double', 'double'],
  ['date', { type: 'int', logicalType: 'date' }],
  ['time', { type: 'long', logicalType: 'time-micros' }],
  ['timestamp', { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': false }],
  ['timestamptz', { type: 'long', logicalType: 'timestamp-micros', 'adjust-to-utc': true }],
  ['string', 'string'],
  ['uuid', { type: 'fixed', size: 16, logicalType: 'uuid' }],
  ['fixed[7]', { type: 'fixed', size: 7 }],
  ['binary', 'bytes'],
  ['decimal(2, 1)', { type: 'fixed', size: 1, logicalType: 'decimal', precision: 2, scale: 1 }],
  ['decimal(3, 0)', { type: 'fixed', size: 2, logicalType: 'decimal', precision: 3, scale: 0 }],
  ['decimal(9, 2)', { type: 'fixed', size: 4 }],
  ['decimal(10, 2)', { type: 'fixed', size: 5 }],
  ['decimal(18, 2)', { type: 'fixed', size: 8 }],
  ['decimal(38, 9)', { type: 'fixed', size: 16 }],
])('a partition by a column of the type %s has its type in Avro', (type, wantedType) => {
  const text = JSON.stringify(schemaIn(writeManifest([], partitionedBy(type)).bytes));
  const found = /"name":"c0","type":\["null",(.*?)\],"field-id":1000/.exec(text)?.[1] ?? '';
  const avro: unknown = JSON.parse(found);
  if (typeof wantedType === 'string') expect(avro).toBe(wantedType);
  else expect(avro).toMatchObject(wantedType);
});

test('values of partitions come back as they were, also negative ones and those between two other files', () => {
  const types = ['decimal(10, 2)', 'long', 'date', 'boolean', 'uuid', 'timestamptz', 'float'];
  const context = partitionedBy(...types);
  const values = [
    [-1n, -5n, -1, true, Buffer.alloc(16, 7), 3n, -1.5],
    [9_999_999_999n, 2n ** 62n, 20_000, false, Buffer.alloc(16, 9), -3n, 0.5],
    [null, null, null, null, null, null, null],
    [-9_999_999_999n, 0n, 5, true, Buffer.alloc(16, 8), 0n, Number.NaN],
  ];
  const entries = values.map(
    (row): ManifestEntry => ({
      status: statuses.added,
      snapshotId: 5n,
      sequenceNumber: undefined,
      fileSequenceNumber: undefined,
      file: fakeFile('x', new Map(row.map((value, i) => [1000 + i, value]))),
    }),
  );
  const { bytes, manifest } = writeManifest(entries, context);
  const placed = manifest('s3://b/m.avro', 1n);
  const read = readManifest(bytes, placed, typedFields(context.spec, context.schemas));
  expect(read.map(({ file }) => [...file.partition.values()])).toEqual(values);
  const hex = (of: Buffer | null | undefined) => of?.toString('hex');
  const summaries = placed.partitions?.map((p) => [
    p.containsNull,
    p.containsNan,
    hex(p.lowerBound),
    hex(p.upperBound),
  ]);
  expect(summaries?.slice(0, 4)).toEqual([
    // Two's complement, the first byte first; the others the last byte first.
    [true, false, 'fdabf41c01', '02540be3ff'],
    [true, false, 'fbffffffffffffff', '0000000000000040'],
    [true, false, 'ffffffff', '204e0000'],
    [true, false, '00', '01'],
  ]);
  expect(summaries?.[6]).toEqual([true, true, '0000c0bf', '0000003f']);
});

test('a manifest is read by the ids of fields, whatever its writer calls them and leaves out', () => {
  const field = (id: number, name: string, type: AvroSchema) => ({ name, type, 'field-id': id });
  const schema = {
    type: 'record',
    name: 'theirs',
    fields: [
      field(0, 'st', 'int'),
      field(1, 'snap', ['null', 'long']),
      field(2, 'df', {
        type: 'record',
        name: 'their_file',
        fields: [
          field(100, 'path', 'string'),
          field(101, 'fmt', 'string'),
          field(102, 'part', {
            type: 'record',
            name: 'their_part',
            fields: [field(1000, '_x31', ['null', 'int'])],
          }),
          field(103, 'n', 'long'),
          field(104, 'size', 'long'),
        ],
      }),
    ],
  };
  const df = { path: 's3://b/a', fmt: 'PARQUET', part: { _x31: 7 }, n: 5n, size: 9n };
  const bytes = writeAvro(
    schema,
    [statuses.added, statuses.existing, statuses.deleted].map((st) => ({ st, snap: null, df })),
    {},
  );
  const fields = [{ id: 1000, name: '1', type: 'long' }];
  const read = (sequenceNumber: bigint) => {
    const { manifest } = writeManifest([], { ...partitionedBy('long'), snapshotId: 77n });
    return readManifest(bytes, manifest('s3://b/m', sequenceNumber), fields);
  };
  expect(read(8n)[0]).toMatchObject({
    status: statuses.added,
    snapshotId: 77n,
    sequenceNumber: 8n,
    file: { ...fakeFile('x'), path: 's3://b/a', partition: new Map([[1000, 7n]]), records: 5n, bytes: 9n },
  });
  // A file that was there before has its own number, which nobody can guess; one from before there were numbers has 0.
  expect(read(8n).map((e) => [e.sequenceNumber, e.fileSequenceNumber])).toEqual([
    [8n, 8n],
    [undefined, undefined],
    [undefined, undefined],
  ]);
  expect(read(0n).map((e) => e.sequenceNumber)).toEqual([0n, 0n, 0n]);
  expect(addressesIn(bytes)).toEqual(['s3://b/a', 's3://b/a', 's3://b/a']);
  expect(addressesIn(writeAvro({ type: 'record', name: 'r', fields: [] }, [{}], {}))).toEqual([]);
});

test('names of partitions that Avro does not have are written by their code points', () => {
  const context = partitionedBy('string');
  for (const [name, avro] of [
    ['größe-1', 'gr_xF6_xDFe_x2D1'],
    ['1st', '_1st'],
    ['a🦊', 'a_x1F98A'],
  ] as const) {
    const spec = { ...context.spec, fields: context.spec.fields.map((f) => ({ ...f, name })) };
    expect(described(schemaIn(writeManifest([], { ...context, spec }).bytes))).toContain(
      `1000 ${avro} optional string`,
    );
  }
});

test('the type of a partition is that of its column’s widest version, and text for a column that is unknown', () => {
  const { spec, schema } = partitionedBy('int');
  const wider = { ...schema, 'schema-id': 1, fields: schema.fields.map((f) => ({ ...f, type: 'long' })) };
  expect(typedFields(spec, [schema, wider])).toEqual([{ id: 1000, name: 'c0', type: 'long' }]);
  expect(typedFields(spec, [])).toEqual([{ id: 1000, name: 'c0', type: 'string' }]);
  const list = { type: 'list' as const, 'element-id': 9, element: 'int', 'element-required': false };
  const lists = { ...schema, fields: schema.fields.map((f) => ({ ...f, type: list })) };
  expect(() => typedFields(spec, [lists])).toThrow(TableUnsupported);
});

test('a list counts live and dropped files and rows, and names the least sequence number of the live ones', () => {
  const entry = (status: number, sequenceNumber: bigint | undefined, records: bigint): ManifestEntry => ({
    status,
    snapshotId: 5n,
    sequenceNumber,
    fileSequenceNumber: sequenceNumber,
    file: fakeFile('x', new Map(), records),
  });
  const entries = [
    entry(statuses.added, undefined, 1n),
    entry(statuses.added, undefined, 2n),
    entry(statuses.existing, 4n, 10n),
    entry(statuses.existing, 3n, 20n),
    entry(statuses.deleted, 2n, 100n),
  ];
  const { manifest } = writeManifest(entries, partitionedBy());
  expect(manifest('m', 9n)).toMatchObject({
    specId: 3,
    addedSnapshotId: 5n,
    sequenceNumber: 9n,
    minSequenceNumber: 3n,
    addedFiles: 2,
    existingFiles: 2,
    deletedFiles: 1,
    addedRows: 3n,
    existingRows: 30n,
    deletedRows: 100n,
    partitions: [],
  });
  const dropped = writeManifest(entries.slice(4), partitionedBy());
  expect(dropped.manifest('m', 9n).minSequenceNumber).toBe(9n);
});
