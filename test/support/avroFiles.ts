/** Avro object container files, whole and broken ones, and a contract for them. */
import { deflateRawSync, zstdCompressSync } from 'node:zlib';
import avro from 'avsc';
import { parseContract } from '../../src/lib/contract/load.ts';

export const avroContract = parseContract(
  'test.yml',
  `
dataset: test
source: { prefix: test/, formats: [avro] }
columns:
  - { name: id, path: id, type: bigint, required: true }
  - { name: at, path: at, type: timestamp, formats: [iso8601] }
  - { name: day, path: day, type: date }
  - { name: price, path: price, type: "decimal(12,2)" }
  - { name: share, path: share, type: double }
  - { name: kind, path: kind, type: string }
  - { name: skus, path: "items[*].sku", type: array<string> }
drift: rescue
partitionBy: [{ name: source, constant: test }]
`,
);

const schema = {
  type: 'record',
  name: 'Order',
  namespace: 'shop',
  fields: [
    { name: 'id', type: 'long' },
    { name: 'at', type: { type: 'long', logicalType: 'timestamp-micros' } },
    { name: 'day', type: ['null', { type: 'int', logicalType: 'date' }] },
    { name: 'price', type: { type: 'bytes', logicalType: 'decimal', precision: 12, scale: 2 } },
    { name: 'share', type: 'double' },
    { name: 'small', type: 'float' },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['NEW', 'OLD'] } },
    {
      name: 'items',
      type: {
        type: 'array',
        items: { type: 'record', name: 'Item', fields: [{ name: 'sku', type: ['string', 'null'] }] },
      },
    },
    { name: 'tags', type: { type: 'map', values: 'int' } },
    { name: 'raw', type: 'bytes' },
    { name: 'hash', type: { type: 'fixed', name: 'Hash', size: 2 } },
    { name: 'clock', type: { type: 'int', logicalType: 'time-millis' } },
    { name: 'local', type: { type: 'long', logicalType: 'local-timestamp-millis' } },
    { name: 'next', type: ['null', 'Order'] },
  ],
};
/** Without logical types, which avsc would want implemented. */
const plain = avro.Type.forSchema(
  JSON.parse(
    JSON.stringify(schema, (key, value: unknown) => (key === 'logicalType' ? undefined : value)),
  ) as avro.Schema,
  { wrapUnions: true },
);

const value = (id: number, more: object = {}) => ({
  id,
  at: 1_759_729_200_123_456 + id,
  day: { int: 20_367 },
  price: Buffer.from([0xff, 0x6a]),
  share: 0.1,
  small: 0.1,
  kind: 'OLD',
  items: [{ sku: { string: 'a"\u0001ä\u2028' } }, { sku: null }],
  tags: { 'k "1"': -1 },
  raw: Buffer.from([0xff, 0x00]),
  hash: Buffer.from('ok'),
  clock: 45_000_001,
  local: -1,
  next: null,
  ...more,
});

const long = (n: number): Buffer => avro.Type.forSchema('long').toBuffer(n);
const sync = Buffer.alloc(16, 7);
const ofBytes = (bytes: Uint8Array): Buffer => Buffer.concat([long(bytes.length), bytes]);

/** A file of blocks, each a number of records and their bytes. */
export function container(
  text: string,
  codec: string,
  blocks: readonly (readonly [count: number, bytes: Uint8Array])[],
): Buffer {
  const entries = [
    ['avro.schema', text],
    ['avro.codec', codec],
  ] as const;
  return Buffer.concat([
    Buffer.from('Obj\x01'),
    long(entries.length),
    ...entries.flatMap(([name, v]) => [ofBytes(Buffer.from(name)), ofBytes(Buffer.from(v))]),
    long(0),
    sync,
    ...blocks.flatMap(([count, bytes]) => [long(count), ofBytes(bytes), sync]),
  ]);
}

const text = JSON.stringify(schema);
const numbers = [
  1e21,
  -1e-7,
  1.5e-5,
  123456789012345680000,
  5e-324,
  1.7976931348623157e308,
  100,
  -0,
  Number.NaN,
  1e20,
  0.000001,
];
const two = Buffer.concat(
  [value(1), value(2, { day: null, next: { 'shop.Order': value(9) } })].map((v) => plain.toBuffer(v)),
);
const many = Buffer.concat(numbers.map((share, i) => plain.toBuffer(value(10 + i, { share, small: share }))));
/** A literal alone is a valid stream of snappy. */
const snappy = (bytes: Buffer) => {
  const size: number[] = [];
  for (let n = bytes.length; ; n >>>= 7) {
    size.push(n >= 0x80 ? (n & 0x7f) | 0x80 : n);
    if (n < 0x80) break;
  }
  const length = Buffer.alloc(2);
  length.writeUInt16LE(bytes.length - 1);
  return Buffer.concat([Buffer.from(size), Buffer.from([61 << 2]), length, bytes, Buffer.alloc(4)]);
};
const whole = container(text, 'null', [
  [2, two],
  [numbers.length, many],
]);
const record = (fields: readonly object[]) => JSON.stringify({ type: 'record', name: 'R', fields });

export const avroFiles: Readonly<Record<string, Uint8Array>> = {
  'test/whole.avro': whole,
  'test/deflate.avro': container(text, 'deflate', [[2, deflateRawSync(two)]]),
  'test/snappy.avro': container(text, 'snappy', [[2, snappy(two)]]),
  'test/zstd.avro': container(text, 'zstandard', [[2, zstdCompressSync(two)]]),
  'test/none.avro': container(text, 'null', []),
  'test/empty.avro': Buffer.alloc(0),
  'test/xz.avro': container(text, 'xz', [[2, two]]),
  'test/text.avro': Buffer.from('{"id":1}'),
  'test/cut.avro': whole.subarray(0, -1),
  'test/sync.avro': Buffer.concat([whole.subarray(0, -1), Buffer.from([8])]),
  'test/more.avro': container(text, 'null', [[1, two]]),
  'test/fewer.avro': container(text, 'null', [[3, two]]),
  'test/inflate.avro': container(text, 'deflate', [[2, two]]),
  'test/schema.avro': container('{"type":"record"', 'null', [[2, two]]),
  'test/unknown.avro': container('"Order"', 'null', [[1, Buffer.from([2])]]),
  // Few bytes that say that they hold very much.
  'test/nulls.avro': container(record([{ name: 'id', type: { type: 'array', items: 'null' } }]), 'null', [
    [1, Buffer.concat([long(60_000_000), long(0)])],
  ]),
  'test/void.avro': container(record([]), 'null', [[50_000_000, Buffer.alloc(0)]]),
  'test/deep.avro': container(record([{ name: 'id', type: ['null', 'R'] }]), 'null', [
    [1, Buffer.concat([Buffer.alloc(5000, 2), Buffer.from([0])])],
  ]),
  'test/scalars.avro': container('["null","long","string"]', 'null', [[2, Buffer.from([0, 2, 14])]]),
  'test/bomb.avro': container(text, 'deflate', [[2, deflateRawSync(Buffer.alloc(70_000_000))]]),
};

/** Of the files that are refused as a whole. */
export const refusedOfAvro: Readonly<Record<string, number>> = {
  broken_archive: 11,
  unsupported_archive: 1,
  invalid_document: 1,
  not_an_object: 2,
};
