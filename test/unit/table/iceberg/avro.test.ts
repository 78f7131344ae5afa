import { zstdCompressSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import { readAvro, writeAvro } from '../../../../src/lib/table/iceberg/avro.ts';

const schema = {
  type: 'record',
  name: 'r',
  fields: [
    { name: 'id', type: 'long', 'field-id': 7 },
    { name: 'text', type: ['null', 'string'], default: null, 'field-id': 8 },
  ],
};
const same = (_: number, name: string) => name;
const records = [
  { id: 9_007_199_254_740_993n, text: 'ä' },
  { id: -1n, text: null },
];

test('records are read back, with all digits of a long, under the names that their ids have now', () => {
  const file = writeAvro(schema, records, { kind: 'x' });
  expect(readAvro(file, same)).toMatchObject({
    records: [
      { id: records[0]?.id, text: 'ä' },
      { id: -1n, text: null },
    ],
  });
  expect(readAvro(file, same).meta).toMatchObject({
    kind: 'x',
    'avro.codec': 'deflate',
    'avro.schema': JSON.stringify(schema),
  });
  const renamed = readAvro(file, (id, name) => (id === 8 ? 'other' : name));
  expect(renamed.records).toEqual([
    { id: records[0]?.id, other: 'ä' },
    { id: -1n, other: null },
  ]);
  expect(readAvro(writeAvro(schema, [], {}), same).records).toEqual([]);
  expect(() => writeAvro(schema, [{ id: 'no number' }], {})).toThrow();
});

test.each<[string, (file: Buffer) => Uint8Array]>([
  ['of another format', (file) => Buffer.concat([Buffer.from('PAR1'), file])],
  ['that is empty', () => Buffer.alloc(0)],
  ['whose last block is cut', (file) => file.subarray(0, -1)],
  [
    'whose last bytes are another mark',
    (file) => Buffer.concat([file.subarray(0, -1), Buffer.from([(file.at(-1) ?? 0) ^ 1])]),
  ],
  [
    'that is packed in another way',
    (file) => Buffer.from(file.toString('latin1').replace('deflate', 'snapply'), 'latin1'),
  ],
])('a file %s is refused', (_, change) => {
  expect(() => readAvro(change(writeAvro(schema, records, {})), same)).toThrow(TableUnsupported);
});

test.each(['null', 'zstandard'] as const)(
  'blocks that are packed by %s are read, and cut ones refused',
  (codec) => {
    // A block of one record, as another writer makes it.
    const block = Buffer.from([2 * 5, 0]);
    const built = (content: Buffer) => {
      const data = codec === 'null' ? content : zstdCompressSync(content);
      const text = (value: string) => Buffer.concat([Buffer.from([2 * value.length]), Buffer.from(value)]);
      const int = JSON.stringify({
        type: 'record',
        name: 'r',
        fields: [
          { name: 'n', type: 'long' },
          { name: 'o', type: 'long' },
        ],
      });
      const long = (length: number) => Buffer.from([((2 * length) & 0x7f) | 0x80, (2 * length) >> 7]);
      const sync = Buffer.alloc(16, 5);
      return Buffer.concat([
        Buffer.from('Obj\x01'),
        Buffer.from([4]),
        text('avro.codec'),
        text(codec),
        text('avro.schema'),
        long(int.length),
        Buffer.from(int),
        Buffer.from([0]),
        sync,
        Buffer.from([2, 2 * data.length]),
        data,
        sync,
      ]);
    };
    expect(readAvro(built(block), same).records).toEqual([{ n: 5n, o: 0n }]);
    expect(() => readAvro(built(block.subarray(0, 1)), same)).toThrow(
      'a block of the Avro file is truncated',
    );
  },
);
