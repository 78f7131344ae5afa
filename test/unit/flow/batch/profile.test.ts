import { expect, test } from '@jest/globals';
import type { Contract } from '../../../../src/lib/contract/schema.ts';
import { ObjectMissing } from '../../../../src/lib/errors.ts';
import { partOf, profileOfParts, sampleOf, shapeOfContent } from '../../../../src/lib/flow/batch/profile.ts';
import { profileSchema } from '../../../../src/lib/flow/batch/profileRecord.ts';
import { avroContract, avroFiles } from '../../../support/avroFiles.ts';
import { contractWith } from '../../../support/embedded.ts';
import { parquetContract, parquetFiles } from '../../../support/parquetFiles.ts';
import { zipFiles } from '../../../support/zipFiles.ts';

/** The profile of objects that are in a store, as it is written and read again. */
async function profileOfObjects(contract: Contract, objects: Readonly<Record<string, Uint8Array>>) {
  const bytesOf = ({ key }: { readonly key: string }): Uint8Array => {
    const bytes = objects[key];
    if (bytes === undefined) throw new ObjectMissing(`${key} is gone`);
    return bytes;
  };
  const files = [...Object.keys(objects), 'gone'].map((object) => ({
    object,
    version: 'v',
    size: 0,
    sequencer: '',
  }));
  const store = {
    head: async (ref: { key: string }, bytes: number) => ({
      head: bytesOf(ref).subarray(0, bytes),
      size: bytesOf(ref).length,
    }),
    readRange: async (ref: { key: string }, start: number, end: number) =>
      Uint8Array.from(bytesOf(ref).subarray(start, end)).buffer,
  };
  const all = files.map((file) => ({ ...file, sk: '', etag: '' }));
  const part = await partOf(store, 'raw', contract, all, { documentBytes: 2 ** 25 });
  return profileSchema.parse(JSON.parse(JSON.stringify(profileOfParts([part]))));
}
const fieldsOf = ({ record }: Awaited<ReturnType<typeof profileOfObjects>>) =>
  record?.fields.map(({ name }) => name);

test('each member of an archive is an entry, also of one without any; a version that is gone is another', async () => {
  const profile = await profileOfObjects(contractWith(''), zipFiles);
  expect(fieldsOf(profile)).toEqual(['id', 'at']);
  const members = profile.files.filter(({ object }) => object === 'a.zip').map(({ member }) => member?.name);
  expect(members).toEqual(['../../etc/passwd', 'stored.json', 'ä.json', 'empty', 'blank']);
  expect(profile.files.filter(({ object }) => /none|folders|gone/.test(object))).toMatchObject([
    { layout: 'lines', unpacked: 0 },
    { layout: 'lines', unpacked: 0 },
    { layout: 'refused', fault: 'object_missing' },
  ]);
});

test('the fields of Parquet are those of its schemas, and those of Avro are those of its records', async () => {
  const parquet = await profileOfObjects(parquetContract, await parquetFiles());
  expect(fieldsOf(parquet)).toEqual(
    expect.arrayContaining(['id', 'at', 'address', 'items', 'bytes', 'gone']),
  );
  expect(parquet.files.find(({ object }) => object === 'test/groups.parquet')).toMatchObject({
    layout: 'table',
    groups: [
      { row: 0, rows: 2048 },
      { row: 2048, rows: 2048 },
      { row: 4096, rows: 904 },
    ],
  });
  const avro = await profileOfObjects(avroContract, avroFiles);
  expect(fieldsOf(avro)).toEqual(expect.arrayContaining(['id', 'at', 'items', 'tags']));
  expect(avro.files.find(({ object }) => object === 'test/xz.avro')).toMatchObject({
    fault: 'unsupported_archive',
    head: Buffer.from((avroFiles['test/xz.avro'] ?? Buffer.alloc(0)).subarray(0, 1024)).toString('base64'),
  });
});

test('the fields of a cut file are those of its whole lines', () => {
  const source = { prefix: 'x/', formats: ['ndjson' as const], records: undefined };
  const shape = shapeOfContent(
    source,
    { layout: 'lines', header: null },
    Buffer.from('{"a":1}\nbroken\n{"b":1}\n{"c"'),
    true,
  );
  expect(shape.kind === 'struct' && [...shape.fields.keys()]).toEqual(['a', 'b']);
});

test('the fields of a cut document are those of its whole records', () => {
  const fields = (source: object, text: string) => {
    const shape = shapeOfContent(
      { prefix: 'x/', formats: ['json_document'], ...source },
      { layout: 'document', header: null },
      Buffer.from(text),
      true,
    );
    return shape.kind === 'struct' ? [...shape.fields.keys()] : [];
  };
  const start = '{"meta":{"n":2},"data":{"item s":[{"a":{"x":1}},{"b":"}"},{"c"';
  expect(fields({ records: 'data."item s"' }, start)).toEqual(['a', 'b']);
  expect(fields({ records: 'data.items' }, start)).toEqual([]);
  expect(fields({ formats: ['json_array'] }, '[{"a":1},{"b":[{"z":1}]},{')).toEqual(['a', 'b']);
});

test('documents of a very large batch share the bytes that a step has time to parse', () => {
  const documents = (count: number, size: number) => Array.from({ length: count }, () => ({ size }));
  expect(sampleOf(documents(300, 2 ** 26))).toBe(2 ** 25);
  expect(sampleOf(documents(768, 2 ** 26))).toBe(2 ** 24);
  expect(sampleOf(documents(20_000, 1000))).toBe(2 ** 25);
  // As much of each as is read of every file.
  expect(sampleOf(documents(100_000, 5_000_000))).toBe(256 * 1024);
});
