/**
 * Work that only Spark does: it reads raw files in place, splits them, and unpacks them. Small cases, each compared with the
 * embedded engine.
 */
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { layOutJob } from '../../offline/spark.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { parallel } from '../../src/lib/parallel.ts';
import { avroContract, avroFiles, refusedOfAvro } from '../support/avroFiles.ts';
import {
  contractOf as contractOfCase,
  contractOfShape,
  csvCases,
  filesOf,
  shapeCases,
} from '../support/cases.ts';
import {
  contractWith,
  type EngineResult,
  packedInputs,
  record,
  type TransformOptions,
  transform,
} from '../support/embedded.ts';
import { hadoopSnappy, packed as packedFile } from '../support/packed.ts';
import { parquetContract, parquetFiles } from '../support/parquetFiles.ts';
import { sparkSession } from '../support/sparkSession.ts';
import { byTransforms, rowsOfTransforms } from '../support/transforms.ts';
import { usualFeeds } from '../support/usualFeeds.ts';
import { refusedOfXlsx, xlsxContract, xlsxFiles } from '../support/xlsxFiles.ts';
import { refusedOfXml, xmlContract, xmlFiles } from '../support/xmlFiles.ts';
import { refusedOfZips, zipFiles } from '../support/zipFiles.ts';

const session = sparkSession();

type Files = Readonly<Record<string, string | Uint8Array>>;
type Limits = Parameters<typeof layOutJob>[5];

/** Runs on Spark with the original bytes: packed files stay packed. */
const onSpark = (
  contract: Contract,
  files: Files,
  options: TransformOptions & { exclude?: readonly string[] } = {},
  limits: Limits = {},
): Promise<EngineResult> =>
  transform(contract, files, {
    ...options,
    engine: async (run, at) => {
      const { plan, references, batch, outputDir, tombstones, replaces = [] } = run;
      const packed = await packedInputs(contract, files, run, at);
      const { published, exclude = [] } = options;
      const told = (await tombstones?.(at)) ?? [];
      const output = {
        batch,
        outputDir,
        exclude,
        replaces,
        tombstones: told,
        ...(published === undefined ? {} : { published }),
      };
      return session.run(await layOutJob(join(at, 'job'), plan, references, packed, output, limits));
    },
  });

const comparable = ({ summary, rows, quarantine, partitions }: EngineResult) => {
  const texts = (items: readonly object[]) =>
    items.map((row) => JSON.stringify(row, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v))).sort();
  return { summary, rows: texts(rows), quarantine: texts(quarantine), partitions: [...new Set(partitions)] };
};

async function expectSame(contract: Contract, files: Files): Promise<EngineResult> {
  const [embedded, spark] = [await transform(contract, files), await onSpark(contract, files)];
  expect(comparable(spark)).toEqual(comparable(embedded));
  return spark;
}

const contract = contractWith('  - { name: text, path: text, type: string }');

test('Spark unpacks gzip of one and of many members, zstd, bzip2 and snappy itself; a broken archive is refused whole', async () => {
  const lines = (from: number) => `${record({ id: from })}\nno JSON\n${record({ id: from + 1 })}\n`;
  const packed = gzipSync(lines(20));
  const { summary } = await expectSame(contract, {
    'test/one.gz': gzipSync(lines(0)),
    'test/many.gz': Buffer.concat([gzipSync(lines(10)), gzipSync(lines(12))]),
    'test/padded.gz': Buffer.concat([packed, Buffer.alloc(100)]),
    'test/a.zst': zstdCompressSync(lines(30)),
    'test/array.gz': gzipSync(`[${record({ id: 40 })},${record({ id: 41 })}]`),
    'test/cut.gz': packed.subarray(0, -9),
    'test/cut.zst': zstdCompressSync(lines(50)).subarray(0, -5),
    'test/plain.json': `\uFEFF${lines(60)}`,
    ...Object.fromEntries(
      ['bzip2', 'snappy'].flatMap((kind) => [
        ...['array', 'lines', 'two', 'empty'].map((name) => [
          `test/${name}.${kind}`,
          packedFile(`${name}.${kind}`),
        ]),
        [`test/cut.${kind}`, packedFile(`two.${kind}`).subarray(0, -1)],
      ]),
    ),
    'test/block.snappy': hadoopSnappy(Buffer.from(`${record({ id: 70 })}\n`.repeat(8000))),
  });
  expect(summary.reasons).toEqual({ broken_archive: 4, invalid_json: 8 });
});

test('Spark reads the members of zip archives as the embedded engine does', async () => {
  const named = contractWith(
    "  - { name: member, path: $key, type: string, extract: '^[^/]*/(.*)$', onError: 'null' }",
    'dedupe: { key: [id] }',
  );
  const { quarantine } = await expectSame(named, zipFiles);
  expect(quarantine.map((q) => [q.object, Number(q.line), q.reason])).toEqual(refusedOfZips);
});

test('rows are in the same partitions of transforms', async () => {
  const { partitions } = await expectSame(byTransforms, rowsOfTransforms);
  expect(partitions).toContain('source=x/posted_day=2025-10-06/id_bucket_4=3/name_truncate_2=ab');
});

test('Spark reads Parquet by row groups, and refuses the same ones', async () => {
  const { summary } = await expectSame(parquetContract, await parquetFiles());
  expect(summary.reasons).toEqual({ invalid_document: 6, encrypted_archive: 1 });
});

test('Spark reads Avro as the embedded engine does, to the last digit', async () => {
  const { summary } = await expectSame(avroContract, avroFiles);
  expect(summary.reasons).toEqual(refusedOfAvro);
});

test('Spark reads XML and Excel as the embedded engine does, and refuses the same files', async () => {
  expect((await expectSame(xmlContract, xmlFiles)).summary.reasons).toEqual(refusedOfXml);
  expect((await expectSame(xlsxContract, xlsxFiles)).summary.reasons).toEqual(refusedOfXlsx);
});

test('a small archive of one huge line is one quarantined row, and the lines around it are rows', async () => {
  const huge = Buffer.alloc(300_000_000, 'x');
  const gz = gzipSync(
    Buffer.concat([Buffer.from(`${record({ id: 1 })}\n`), huge, Buffer.from(`\n${record({ id: 2 })}`)]),
  );
  const { summary, quarantine } = await onSpark(contract, { 'test/huge.gz': gz });
  expect(summary).toMatchObject({ rowsRead: 3, published: 2, reasons: { record_too_large: 1 } });
  expect(quarantine).toMatchObject([{ line: 2n, raw: 'x'.repeat(1024) }]);
});

test('an archive of line ends, and one of many small members, cost no more than their bytes', async () => {
  const blank = Buffer.alloc(10_000_000, '\n');
  const { quarantine, summary } = await expectSame(contract, {
    'test/blank.gz': gzipSync(Buffer.concat([blank, Buffer.from(`${record({ id: 1 })}\nbad\n`), blank])),
    'test/members.gz': Buffer.concat([
      ...Array<Buffer>(100_000).fill(gzipSync('\n')),
      gzipSync(record({ id: 2 })),
    ]),
  });
  expect(summary.published).toBe(2);
  expect(quarantine).toMatchObject([{ line: 10_000_002n, raw: 'bad' }]);
});

test('a line that is too long is quarantined, whatever its first bytes are', async () => {
  const text = `${record({ id: 1 })}\n${' '.repeat(17_000_000)}x\n${record({ id: 2 })}\n`;
  const { summary } = await expectSame(contract, { 'test/a.json': text });
  expect(summary).toMatchObject({ rowsRead: 3, reasons: { record_too_large: 1 } });
});

test('limits hold while an archive is unpacked', async () => {
  const lines = gzipSync(`${record({ id: 1 })}\n`.repeat(1000));
  const array = gzipSync(`[${`${record({ id: 1 })},`.repeat(999)}${record({ id: 1 })}]`);
  const { summary } = await onSpark(
    contract,
    { 'test/a.gz': lines, 'test/b.gz': array },
    {},
    { archive: 2000, json: 2000 },
  );
  expect(summary.reasons).toEqual({ archive_too_large: 1, document_too_large: 1 });
});

test('a table of constant partitions, with neither an event time nor a key, gets its rows', async () => {
  const plain = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [{ name: 'id', path: 'id', type: 'bigint' }],
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const { rows } = await expectSame(plain, { 'test/a.json': '{"id":1}\n{"id":2}' });
  expect(rows).toHaveLength(2);
});

test('dates and times before 1582 are published as they are', async () => {
  const old = contractWith('  - { name: born, path: born, type: date }');
  const { summary } = await expectSame(old, {
    'test/a.json': [
      record({ id: 1, at: '0001-01-01T00:00:00Z', born: '0001-01-01' }),
      record({ id: 2, at: '1582-10-04T12:00:00Z', born: '1582-10-10' }),
      record({ id: 3, at: '1899-12-31T23:59:59Z', born: null }),
    ].join('\n'),
  });
  expect(summary.published).toBe(3);
});

test('lines are read once each and keep their numbers, wherever splits fall', async () => {
  // Splits of 64 MiB: lines of many lengths, some bad ones, and one that covers a whole split.
  const texts = Array.from({ length: 900 }, (_, id) =>
    id % 97 === 0 ? `bad ${id}` : record({ id, text: 'y'.repeat((id * 7919) % 300_000) }),
  );
  texts.splice(400, 0, 'z'.repeat(80_000_000));
  // The same line again, in the last split: of equal rows the first line stays.
  texts.push(record({ id: 1, text: 'y'.repeat(7919) }));
  const once = contractWith('  - { name: text, path: text, type: string }', 'dedupe: { key: [id] }');
  const files = { 'test/a.json': `${texts.join('\n')}\n` };
  const [spark, embedded] = [await onSpark(once, files), await transform(once, files)];
  expect(spark.summary).toEqual(embedded.summary);
  expect(spark.summary.duplicates).toBe(1);
  const numbers = ({ rows, quarantine }: EngineResult) => [
    ...rows.map((r) => `${r.id} ${r._line}`).sort(),
    ...quarantine.map((q) => `${q.line} ${q.reason}`),
  ];
  expect(numbers(spark)).toEqual(numbers(embedded));
});

test('reported files give the rows of the embedded engine', async () => {
  // test/unit/rows compares the embedded engine's results with the expected ones.
  const all = [
    ...shapeCases.map((each) => [contractOfShape(each), each.name] as const),
    ...csvCases.map((each) => [contractOfCase(each), each.name] as const),
  ];
  await parallel(all, 4, ([of, name]) => expectSame(of, filesOf(name)));
});

test('the contracts of usual feeds give the same rows on Spark', async () => {
  // All cases take a minute; these differ in how Spark reads a file. Four at a time, as above.
  const chosen = usualFeeds.filter(({ file }) =>
    /^(cloudfront|shopify-graphql|excel-unicode|bank)/.test(file),
  );
  expect(chosen).toHaveLength(4);
  await Promise.all(
    [0, 1, 2, 3].map(async (lane) => {
      for (const { file, contract, sample } of chosen.filter((_feed, i) => i % 4 === lane))
        await expectSame(contract, { [file]: sample });
    }),
  );
});

test('a CSV is read as it is written, whatever stands before its records', async () => {
  const csv = (options: object) =>
    parseContract(
      'test.yml',
      JSON.stringify({
        dataset: 'test',
        source: { prefix: 'test/', formats: ['csv'], csv: options },
        columns: [
          { name: 'id', path: 'id', type: 'bigint' },
          { name: 'text', path: 'text', type: 'string' },
        ],
        drift: 'rescue',
        partitionBy: [{ name: 'source', constant: 'test' }],
      }),
    );
  const long = Array.from({ length: 40_000 }, (_, i) => `name_${i}`);
  const preamble = 'Report "of May\n\n# made by x\nid,text,\n#1,a\n1,b,\nbad\n2,c,x\n\n# "end\n';
  const half = Buffer.from('\uFEFFid,text\n1,\ud83d\n', 'utf16le');
  for (const options of [{}, { quotedNewlines: false }]) {
    const { quarantine } = await expectSame(
      csv({ ...options, skipLines: 1, comment: '#', encoding: 'koi8-r' }),
      {
        'test/a.csv': preamble,
        'test/a.csv.gz': gzipSync(preamble),
        'test/half.csv': half,
        'test/half.csv.gz': gzipSync(half),
        'test/koi8.csv': Uint8Array.from([...Buffer.from('x\nid,text\n1,'), 0xd6, 0x0a]),
      },
    );
    expect(quarantine).toHaveLength(4);
    const { rows } = await expectSame(csv({ ...options, skipLines: 1, comment: '#' }), {
      'test/a.csv': preamble,
      'test/a.csv.gz': gzipSync(preamble),
      'test/bad.csv': Buffer.concat([Buffer.from(preamble), Buffer.from([0xc3, 0x28, 0x0a])]),
      'test/long.csv': `x\nid,${long.join(',')},text\n1,${long.map(() => '').join(',')},a\n`,
    });
    expect(rows).toHaveLength(7);
  }
}, 300_000);

test('the records of a map have their keys', async () => {
  const map = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['json_document'], records: 'a.*' },
      columns: [
        { name: 'id', path: '_key', type: 'string' },
        { name: 'n', path: 'n', type: 'bigint' },
      ],
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const { rows } = await expectSame(map, {
    'test/a.json': '{"a":{"x":{"n":1},"y":5,"z":{}}}',
    'test/b.json': '[]',
  });
  expect(rows).toHaveLength(3);
});

test('changes of rows replace, delete and truncate published rows, and remember deleted keys', async () => {
  const contract = parseContract(
    'changes.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'], change: 'debezium' },
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] },
      ],
      dedupe: { key: ['id'] },
      partitionBy: [
        { name: 'source', constant: 'test' },
        { name: 'day', of: 'at', part: 'day' },
      ],
    }),
  );
  const published = await mkdtemp(join(session.folder, 'published-'));
  const change = (op: string, lsn: number, id?: number, day = 6) => {
    const row = id === undefined ? null : { id, at: `2025-10-0${day}T00:00:00Z` };
    return JSON.stringify({ op, source: { lsn }, after: op === 'd' ? null : row, before: row && { id } });
  };
  const before = [
    change('c', 50, 1),
    change('c', 12, 2),
    change('c', 60, 3, 7),
    change('d', 70, 4),
    change('t', 5),
  ];
  await transform(contract, { 'test/a.json': before.join('\n') }, { keep: published });
  const after = {
    'test/b.json': [
      change('u', 80, 1, 8),
      change('d', 61, 3),
      change('c', 69, 4),
      change('c', 4, 5),
      change('c', 90, 6),
      'null',
      '{"ddl":"x"}',
      change('c', 19, 7),
      change('u', 81),
    ].join('\n'),
    'test/c.json': [change('t', 20), change('u', 79, 1)].join('\n'),
  };
  const whole = (result: EngineResult) => {
    const texts = (items: readonly object[]) =>
      items
        .map((row) => JSON.stringify(row, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v)))
        .sort();
    return [comparable(result), ...[result.replaced, result.tombstones, result.lost].map(texts)];
  };
  const embedded = await transform(contract, after, { published });
  expect(embedded.summary).toMatchObject({
    published: 2,
    deletes: 2,
    duplicates: 4,
    skipped: 2,
    quarantined: 1,
    replacedRows: 1,
    deletedRows: 2,
  });
  expect(embedded.lost).toEqual([
    { winner: 'test/a.json', losers: ['test/b.json'] },
    { winner: 'test/b.json', losers: ['test/a.json', 'test/c.json'] },
    { winner: 'test/c.json', losers: ['test/a.json', 'test/b.json'] },
  ]);
  expect(whole(await onSpark(contract, after, { published }))).toEqual(whole(embedded));
});

test('versions of a key get their place between published ones, and those around a corrected file another validity', async () => {
  const contract = contractWith(
    '  - { name: gone, path: gone, type: boolean, publish: false }',
    `dedupe: { key: [id], scope: table, order: [{ column: at, direction: desc }], deleteWhen: gone }
history: { validFrom: valid_from, validTo: valid_to, current: is_current }`,
  );
  const published = await mkdtemp(join(session.folder, 'published-'));
  const version = (id: number, day: number, gone?: true) =>
    record({ id, at: `2025-10-0${day}T00:00:00.000001Z`, gone });
  const before = {
    'test/a.json': [version(1, 1), version(1, 5), version(2, 2), version(3, 1), version(4, 1)].join('\n'),
    'test/b.json': [version(2, 4), version(3, 3), version(5, 4, true), version(6, 1)].join('\n'),
  };
  await transform(contract, before, { keep: published });
  const after = {
    // A late version, a repeat, a delete, one before a remembered delete; 2, 3 and 6 leave with the file.
    'test/b.json': [version(1, 3), version(1, 5), version(4, 6, true), version(5, 2)].join('\n'),
  };
  const replaces = [{ object: 'test/b.json', version: 'v1' }];
  const embedded = await transform(contract, after, { published, replaces });
  expect(embedded.summary).toMatchObject({ published: 2, duplicates: 1, deletes: 1, changedRows: 4 });
  expect(embedded.changed.map(({ id, valid_to }) => [id, valid_to === null]).sort()).toEqual([
    [1n, false],
    [2n, true],
    [3n, true],
    [4n, false],
  ]);
  // The delete of 5 leaves with its file.
  expect(embedded.rows.map(({ id, is_current }) => [id, is_current]).sort()).toEqual([
    [1n, false],
    [5n, true],
  ]);
  const text = (v: unknown) => JSON.stringify(v, (_, n: unknown) => (typeof n === 'bigint' ? `${n}n` : n));
  const told = (result: EngineResult) => [
    comparable(result),
    ...[result.changed, result.replaced, result.tombstones, result.lost].map((rows) => rows.map(text).sort()),
  ];
  expect(told(await onSpark(contract, after, { published, replaces }))).toEqual(told(embedded));
});

test.each(['table', 'partition'])('the newest snapshot of a %s stays', async (replace) => {
  const contract = parseContract(
    'snapshots.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: ['id', 'n', 'of'].map((name) => ({ name, path: name, type: 'bigint', required: true })),
      load: { replace, by: 'of' },
      partitionBy: [
        { name: 'source', constant: 'test' },
        { name: 'part', of: 'n' },
      ],
    }),
  );
  const published = await mkdtemp(join(session.folder, 'published-'));
  const lines = (...rows: readonly (readonly [id: number, n: number, of: number])[]) =>
    rows.map(([id, n, of]) => JSON.stringify({ id, n, of })).join('\n');
  await transform(contract, { 'test/a.json': lines([1, 1, 5], [1, 1, 5], [2, 2, 5]) }, { keep: published });
  const after = { 'test/b.json': lines([3, 1, 6], [4, 1, 5]), 'test/c.json': lines([5, 1, 4], [6, 3, 1]) };
  const embedded = await transform(contract, after, { published });
  const isWhole = replace === 'table';
  expect(embedded.summary).toMatchObject({
    published: isWhole ? 1 : 2,
    duplicates: isWhole ? 3 : 2,
    replacedRows: isWhole ? 3 : 2,
  });
  expect(embedded.lost).toEqual([{ winner: 'test/b.json', losers: ['test/a.json', 'test/c.json'] }]);
  const spark = await onSpark(contract, after, { published });
  const text = (v: unknown) => JSON.stringify(v, (_, n: unknown) => (typeof n === 'bigint' ? `${n}n` : n));
  const told = (result: EngineResult) => [
    comparable(result),
    result.replaced.map(text).sort(),
    result.lost.map(text),
  ];
  // Spark knows positions in listed objects, as those of an Iceberg table are, and none in the folders of a partition.
  const replaced = isWhole ? embedded.replaced : embedded.replaced.map((row) => ({ ...row, _row: null }));
  expect(told(spark)).toEqual(told({ ...embedded, replaced }));
});

test('keys of objects that were never committed, and of the batch itself, are no duplicates', async () => {
  const published = await mkdtemp(join(session.folder, 'published-'));
  const once = contractWith('', 'dedupe: { key: [id], scope: partition }');
  const later = '2025-10-07T00:00:00Z';
  await transform(
    once,
    { 'test/a.json': [record({ id: 1 }), record({ id: 2 }), record({ id: 3, at: later })].join('\n') },
    { keep: published },
  );
  // DuckDB names its file data_0.parquet, which does not count, like an object of an uncommitted attempt.
  const again = {
    'test/b.json': [record({ id: 1 }), record({ id: 3, at: later }), record({ id: 4 })].join('\n'),
  };
  expect((await onSpark(once, again, { published })).summary).toMatchObject({ published: 1, duplicates: 2 });
  expect((await onSpark(once, again, { published, exclude: ['data_'] })).summary).toMatchObject({
    published: 3,
    duplicates: 0,
  });
  expect(await readFile(join(published, 'source=test/day=06/data_0.parquet'))).toBeDefined();
});
