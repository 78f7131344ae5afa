/** What a plan says, apart from its SQL. */
import { expect, test } from '@jest/globals';
import { compile } from '../../../src/lib/compiler/compile.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { ReferenceRefused } from '../../../src/lib/errors.ts';
import { parseHiveType, type StructType } from '../../../src/lib/model/hiveType.ts';
import type { ReferenceData } from '../../../src/lib/model/plan.ts';
import { contractWith } from '../../support/embedded.ts';

const segments: ReferenceData = {
  name: 'ref_0',
  columns: { k: 'VARCHAR', s: 'VARCHAR' },
  ndjson: 'x'.repeat(100),
};
const lookup = (key: string) =>
  contractWith(
    '  - { name: code, path: code, type: string }\n  - { name: hidden, path: hidden, type: string, publish: false }',
    `enrich:\n  - { kind: lookup, file: a.csv, on: { ${key}: k }, columns: { segment: s } }`,
  );

test('a reference that fits into memory is looked up row by row, a larger one is joined', () => {
  const described = { name: 'ref_0', columns: segments.columns };
  const held = compile(lookup('code'), null, [segments], { heldReferenceBytes: 100 });
  expect([held.row.references, held.set.references, held.set.joins]).toEqual([[described], [], []]);
  const joined = compile(lookup('code'), null, [segments], { heldReferenceBytes: 99 });
  expect([joined.row.references, joined.set.references]).toEqual([[], [described]]);
  expect(joined.set.joins).toEqual([
    { reference: 'ref_0', on: { code: 'k' }, columns: { segment: 's' }, unmatched: expect.anything() },
  ]);
  const grid = { x: 0, y: 0, width: 1, height: 1, columns: 1, rows: 1 };
  expect(compile(lookup('code'), null, [{ ...segments, grid }], { heldReferenceBytes: 1 }).set.joins).toEqual(
    [],
  );
  expect(compile(lookup('code'), null, [], { heldReferenceBytes: 1 }).set.joins).toEqual([]);
});

test('a larger reference is not joined by a column that is not published', () => {
  expect(compile(lookup('hidden'), null, [segments]).set.joins).toEqual([]);
  expect(() => compile(lookup('hidden'), null, [segments], { heldReferenceBytes: 9 })).toThrow(
    new ReferenceRefused(
      'a.csv: has more than 9 bytes, and is looked up by hidden, which is not published: publish it, or make the lookup smaller',
    ),
  );
});

test('rows are compared in the scope of dedupe', () => {
  const dedupe = (text: string) => compile(contractWith('', text), null, []).set.dedupe;
  expect(dedupe('')).toBeNull();
  expect(dedupe('dedupe: { key: [id], scope: batch }')).toMatchObject({
    key: ['id'],
    order: [],
    published: false,
  });
  expect(
    dedupe('dedupe: { key: [id], scope: partition, order: [{ column: at, direction: desc }] }'),
  ).toMatchObject({
    key: ['id', 'source', 'day'],
    order: [{ column: 'at', direction: 'desc' }],
    published: true,
  });
});

test('deletes are remembered for thirty days, or as the contract says; snapshots replace a table or a partition', () => {
  const set = (text: string) => compile(contractWith('', text), null, []).set.dedupe;
  const order = 'order: [{ column: at, direction: desc }]';
  expect(set(`dedupe: { key: [id], scope: table, ${order} }`)).toEqual({
    key: ['id'],
    order: [{ column: 'at', direction: 'desc' }],
    published: true,
    // Rows of other datasets of the table are not compared.
    within: { source: 'test' },
  });
  expect(set(`dedupe: { key: [id], scope: partition, ${order}, deleteWhen: "id < 0" }`)).toEqual({
    key: ['id', 'source', 'day'],
    order: [{ column: 'at', direction: 'desc' }],
    published: true,
    deletes: true,
    keepDeletesDays: 30,
  });
  expect(
    set(`dedupe: { key: [id], scope: table, ${order}, deleteWhen: "id < 0", keepDeletesDays: 7 }`),
  ).toMatchObject({ deletes: true, keepDeletesDays: 7, within: { source: 'test' } });
  const snapshots = { order: [{ column: 'id', direction: 'desc' }], published: true, keepsAll: true };
  expect(set('load: { replace: table, by: id }')).toEqual({
    ...snapshots,
    key: [],
    within: { source: 'test' },
  });
  expect(set('load: { replace: partition, by: id }')).toEqual({ ...snapshots, key: ['source', 'day'] });
});

test('a plan names the fields of the Catalog, and those that nothing reads', () => {
  const record = parseHiveType('struct<id:string,at:string,other:string>') as StructType;
  const plan = compile(contractWith(''), { name: 'raw_test', record }, []);
  expect(plan.rawTable).toMatchObject({
    name: 'raw_test',
    fields: ['id', 'at', 'other'],
    ignored: ['other'],
  });
  expect(compile(contractWith(''), null, []).rawTable).toBeNull();
  const lacking = { name: 'raw_test', record: { ...record, fields: record.fields.slice(1) } };
  expect(() => compile(contractWith(''), lacking, [])).toThrow('id');
  expect(compile(contractWith(''), lacking, [], { isRejected: true }).dataset).toBe('test');
});

const withPartitions = (partitionBy: string, more = '') =>
  parseContract(
    'test.yml',
    `
dataset: test
source: { prefix: test/, formats: [parquet] }
columns:
  - { name: id, path: id, type: bigint, required: true }
  - { name: at, path: at, type: timestamp, required: true, formats: [iso8601] }
  - { name: seen, path: seen, type: timestamp, required: true, formats: [iso8601] }
  - { name: hidden, path: hidden, type: timestamp, required: true, formats: [iso8601], publish: false }
partitionBy: ${partitionBy}
${more}`,
  );
const part = (name: string, of: string, by: string) => `{ name: ${name}, of: ${of}, part: ${by} }`;

test.each([
  [`[{ name: s, constant: x }]`, true],
  [`[{ name: s, constant: x }, ${part('y', 'at', 'year')}]`, true],
  [
    `[${part('y', 'at', 'year')}, ${part('m', 'at', 'month')}, ${part('d', 'at', 'day')}, ${part('h', 'at', 'hour')}]`,
    true,
  ],
  [`[${part('y', 'at', 'year')}, { name: s, constant: x }, ${part('m', 'at', 'month')}]`, true],
  [`[${part('d', 'at', 'day')}]`, false],
  [`[${part('m', 'at', 'month')}, ${part('y', 'at', 'year')}]`, false],
  [`[${part('y', 'at', 'year')}, ${part('m', 'seen', 'month')}]`, false],
  [`[${part('y', 'hidden', 'year')}]`, false],
])('whether partitions by %s have the order of their time: %s', (partitionBy, isInOrder) => {
  expect(compile(withPartitions(partitionBy), null, []).set.isPartitionOrder).toBe(isInOrder);
});

test('what a contract leaves out is not in its plan', () => {
  const plain = compile(contractWith(''), null, []);
  for (const absent of ['dropped', 'maxPartitions']) expect(plain).not.toHaveProperty(absent);
  expect(plain.row).not.toHaveProperty('tables');
  expect(plain.set).not.toHaveProperty('skips');
  const more = 'table: { format: iceberg }\ndropped: [old]\nmaxPartitions: 7\nwhen: "id > 0"';
  const full = compile(withPartitions('[{ name: s, constant: x }]', more), null, []);
  expect(full).toMatchObject({ format: 'iceberg', dropped: ['old'], maxPartitions: 7, set: { skips: true } });
  expect(full.row.tables).toBeDefined();
});
