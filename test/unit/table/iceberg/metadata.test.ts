import { expect, test } from '@jest/globals';
import { TableUnsupported } from '../../../../src/lib/errors.ts';
import { newMetadata } from '../../../../src/lib/table/iceberg/evolve.ts';
import {
  ancestors,
  currentSnapshot,
  formatMetadata,
  idAt,
  type Metadata,
  parseMetadata,
  pointedTo,
  schemaOf,
  specOf,
  successor,
  withSnapshot,
} from '../../../../src/lib/table/iceberg/metadata.ts';
import { wanted } from '../../../support/iceberg.ts';

const base = newMetadata(wanted, 1);

test('what others have put into metadata stays, exactly', () => {
  const text = JSON.stringify({
    ...JSON.parse(formatMetadata(base)),
    'next-row-id': 5,
    'current-snapshot-id': -1,
    'encryption-keys': [{ 'key-id': 'a' }],
  });
  const again: unknown = JSON.parse(formatMetadata(parseMetadata(text)));
  expect(again).toMatchObject({ 'next-row-id': 5, 'encryption-keys': [{ 'key-id': 'a' }] });
  expect(again).not.toHaveProperty('current-snapshot-id');
  expect(() => parseMetadata(text.replace('"format-version":2', '"format-version":3'))).toThrow(
    TableUnsupported,
  );
});

/** The table after snapshots with these parents, each a second after the one before. */
const withParents = (...parents: readonly (bigint | undefined)[]): Metadata =>
  parents.reduce<Metadata>(
    (table, parent, i) =>
      withSnapshot(table, {
        'snapshot-id': BigInt(i + 1),
        ...(parent === undefined ? {} : { 'parent-snapshot-id': parent }),
        'sequence-number': BigInt(i + 1),
        'timestamp-ms': 1000 * (i + 1),
        'manifest-list': 's3://b/list.avro',
        summary: {},
      }),
    base,
  );
const three = withParents(undefined, 1n, 2n);
const idsBefore = (table: Metadata, id: bigint | undefined) =>
  [...ancestors(table, id)].map((snapshot) => snapshot['snapshot-id']);

test('readers of a time saw the last snapshot that was set until then', () => {
  const back = { ...three, ...pointedTo(three, 1n, 4000) };
  expect([999, 1000, 1999, 3000, 3999, 4000].map((at) => idAt(back, at))).toEqual([
    undefined,
    1n,
    1n,
    3n,
    3n,
    1n,
  ]);
});

test('the ancestors of a snapshot end where one has expired, and at a cycle', () => {
  expect(idsBefore(three, 3n)).toEqual([3n, 2n, 1n]);
  expect(idsBefore(three, undefined)).toEqual([]);
  expect(
    idsBefore({ ...three, snapshots: three.snapshots.filter((s) => s['snapshot-id'] !== 2n) }, 3n),
  ).toEqual([3n]);
  expect(idsBefore(withParents(2n, 1n), 2n)).toEqual([2n, 1n]);
});

test('a new snapshot is the current one of the main branch, whose settings stay', () => {
  const main = { ...three.refs.main, 'snapshot-id': 3n, type: 'branch' as const, 'min-snapshots-to-keep': 7 };
  const { refs } = pointedTo({ ...three, refs: { ...three.refs, main } }, 2n, 5000);
  expect(refs.main).toEqual({ ...main, 'snapshot-id': 2n });
  expect(currentSnapshot(three)?.['snapshot-id']).toBe(3n);
  expect(three['last-sequence-number']).toBe(3n);
});

test.each([
  [{}, 100],
  [{ 'write.metadata.previous-versions-max': '2' }, 2],
  [{ 'write.metadata.previous-versions-max': '-5' }, 1],
  [{ 'write.metadata.previous-versions-max': 'many' }, 100],
])('the log of a table with the properties %j names %i earlier files', (properties, length) => {
  const entry = (n: number) => ({ 'timestamp-ms': n, 'metadata-file': `${n}.metadata.json` });
  const long = { ...base, 'metadata-log': Array.from({ length: 200 }, (_, n) => entry(n)) };
  const { 'metadata-log': log } = successor('last.metadata.json', long, { ...long, properties }, 1);
  expect(log).toHaveLength(length);
  expect(log.at(-1)?.['metadata-file']).toBe('last.metadata.json');
});

test('the time of a table never goes back, whatever the clock says', () => {
  const at = (now: number) =>
    successor('f', { ...base, 'last-updated-ms': 500 }, base, now)['last-updated-ms'];
  expect([499, 500, 501].map(at)).toEqual([500, 500, 501]);
});

test('a table from before branches has its current snapshot as the main one; a branch that it has stays', () => {
  const reread = (change: object) =>
    parseMetadata(JSON.stringify({ ...JSON.parse(formatMetadata(three)), ...change }));
  expect(reread({ refs: {} }).refs).toEqual({ main: { 'snapshot-id': 3n, type: 'branch' } });
  const main = { 'snapshot-id': 3, type: 'branch', 'max-snapshot-age-ms': 9 };
  expect(reread({ refs: { main } }).refs.main).toEqual({ ...main, 'snapshot-id': 3n });
  expect(reread({ refs: {}, 'current-snapshot-id': null, snapshots: [] }).refs).toEqual({});
  expect(reread({ 'current-snapshot-id': 0, refs: {} })['current-snapshot-id']).toBe(0n);
  for (const summary of [null, [], 'x', { operation: 1 }])
    expect(() =>
      reread({
        snapshots: [
          { ...three.snapshots[0], 'snapshot-id': 3, 'parent-snapshot-id': 1, 'sequence-number': 1, summary },
        ],
      }),
    ).toThrow(/expected (record|string)/);
});

test('metadata that refer to what they do not contain are refused by name', () => {
  expect(() => schemaOf({ ...base, 'current-schema-id': 9 })).toThrow('lack the schema 9');
  expect(() => specOf(base, 9)).toThrow('lack the partition spec 9');
  expect(() => currentSnapshot({ ...three, snapshots: [] })).toThrow(TableUnsupported);
  expect(currentSnapshot(base)).toBeUndefined();
});

test('snapshots and log entries mean the same beside one that is written in another way; a wrong one is refused', () => {
  const id = 4611686018427387905n;
  const entry = { 'timestamp-ms': 1000, 'snapshot-id': id, 'added-by-others': [1] };
  const snapshot = {
    ...entry,
    'parent-snapshot-id': id - 1n,
    'sequence-number': 7n,
    'manifest-list': 's3://b/list.avro',
    summary: { operation: 'append' },
    'schema-id': 0,
  };
  const { 'parent-snapshot-id': _, 'schema-id': __, ...first } = snapshot;
  const short = { ...entry, 'snapshot-id': 5n };
  const written = (snapshots: readonly object[], log: readonly object[]) =>
    formatMetadata({ ...base, snapshots, 'snapshot-log': log } as Metadata);
  const read = parseMetadata(written([first, snapshot], [entry]));
  const beside = parseMetadata(written([first, snapshot, { ...first, 'snapshot-id': 5n }], [entry, short]));
  expect([read.snapshots, read['snapshot-log']]).toEqual([[first, snapshot], [entry]]);
  expect([beside.snapshots.slice(0, 2), beside['snapshot-log']]).toEqual([read.snapshots, [entry, short]]);
  for (const [name, value] of [
    ['snapshot-id', '1'],
    ['parent-snapshot-id', null],
    ['sequence-number', 0.5],
    ['timestamp-ms', '1'],
    ['manifest-list', 1],
    ['schema-id', '0'],
    ['summary', { operation: 1 }],
    ['summary', ['append']],
    ['summary', null],
  ] as const)
    expect(() => parseMetadata(written([{ ...snapshot, [name]: value }], []))).toThrow();
  for (const wrong of [
    { ...entry, 'snapshot-id': '1' },
    { ...entry, 'timestamp-ms': 0.5 },
  ])
    expect(() => parseMetadata(written([], [wrong]))).toThrow();
  const unnamed = { ...snapshot, 'sequence-number': undefined, summary: undefined };
  expect(parseMetadata(written([unnamed], [])).snapshots).toEqual([
    { ...snapshot, 'sequence-number': 0n, summary: {} },
  ]);
});

test('snapshots are read as nearly every writer writes them, and what no writer may write is refused', () => {
  const large = 2n ** 60n;
  const usual = {
    ...three,
    'current-snapshot-id': large + 3n,
    refs: { main: { 'snapshot-id': large + 3n, type: 'branch' as const } },
    snapshots: three.snapshots.map(({ 'parent-snapshot-id': parent, ...snapshot }) => ({
      ...snapshot,
      'snapshot-id': snapshot['snapshot-id'] + large,
      ...(parent === undefined ? {} : { 'parent-snapshot-id': parent + large }),
      summary: { operation: 'append' },
      'schema-id': 0,
      'key-id': 'of others',
    })),
    'snapshot-log': three['snapshot-log'].map((entry) => ({
      ...entry,
      'snapshot-id': entry['snapshot-id'] + large,
    })),
  };
  const text = formatMetadata(usual);
  expect(parseMetadata(text)).toEqual({ ...usual, 'current-snapshot-id': large + 3n });
  for (const [from, to] of [
    ['"summary":{"operation":"append"}', '"summary":{"operation":1}'],
    ['"summary":{"operation":"append"}', '"summary":["append"]'],
    ['"summary":{"operation":"append"}', '"summary":null'],
    ['"summary":{"operation":"append"}', '"summary":"append"'],
    ['"manifest-list":"s3://b/list.avro"', '"manifest-list":7'],
    ['"schema-id":0,"key-id"', '"schema-id":"0","key-id"'],
    ['"timestamp-ms":1000', '"timestamp-ms":1000.5'],
    [`"parent-snapshot-id":${large + 1n}`, '"parent-snapshot-id":"1"'],
    [`"snapshot-id":${large + 2n}`, '"snapshot-id":"2"'],
    ['"snapshots":[{', '"snapshots":[null,{'],
    ['"snapshots":[{', '"snapshots":[7,{'],
    ['"snapshot-log":[{', '"snapshot-log":["x",{'],
    ['"snapshot-log":[', '"snapshot-log":null,"x":['],
  ] as const) {
    expect([from, text.includes(from)]).toEqual([from, true]);
    expect(() => parseMetadata(text.replace(from, to))).toThrow();
  }
  // A snapshot without a summary, or of a time before there were sequence numbers, is nothing unusual for zod.
  expect(parseMetadata(text.replace('"summary":{"operation":"append"},', '')).snapshots[0]?.summary).toEqual(
    {},
  );
});
