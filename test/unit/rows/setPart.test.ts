import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { generateFeed } from '../../../scripts/generate-feed.ts';
import { loadContracts, parseContract } from '../../../src/lib/contract/load.ts';
import { runEmbedded } from '../../../src/lib/engine/embedded.ts';
import { contractWith, datasetsFolder, record, transform } from '../../support/embedded.ts';
import { runs, thoroughTest } from '../../support/thorough.ts';

const referenceFolder = join(import.meta.dirname, '../../fixtures/reference');
const contract = contractWith(
  '  - { name: score, path: score, type: int }\n  - { name: text, path: text, type: string }',
  'dedupe: { key: [id], order: [{ column: score, direction: desc }] }',
);

test('of an equal key the first in order stays; ties go by object, then by what the text is, not where', async () => {
  const tied = ['z', 'y', 'x'].map((text) => record({ id: 2, text }));
  const winner = async (lines: readonly string[]) =>
    (await transform(contract, { 'test/a.json': lines.join('\n') })).rows[0]?.text;
  const stays = await winner(tied);
  expect(await winner([...tied].reverse())).toBe(stays);
  const same = await transform(contract, { 'test/a.json': `\n${`${tied[0]}\n`.repeat(3)}` });
  expect(same.rows.map((r) => r._line)).toEqual([2n]);
  const { summary, rows } = await transform(contract, {
    'test/b.json': [
      record({ id: 1, score: 1 }),
      record({ id: 1, score: 9, text: 'best' }),
      record({ id: 1 }),
      record({ id: 2, text: 'b' }),
    ].join('\n'),
    'test/a.json': tied.join('\n'),
  });
  expect(rows.map((r) => [r.id, r.text, r._object])).toEqual([
    [1n, 'best', 'test/b.json'],
    [2n, stays, 'test/a.json'],
  ]);
  expect(summary.files.map((f) => [f.object, f.rowsRead, f.published, f.duplicates])).toEqual([
    ['test/b.json', 4, 1, 3],
    ['test/a.json', 3, 1, 2],
  ]);
});

test('a table without partitions has its objects in one folder, and a key is compared with all of its rows', async () => {
  const whole = contractWith(
    '  - { name: score, path: score, type: int }',
    'dedupe: { key: [id], order: [{ column: score, direction: desc }], scope: partition }',
  );
  const flat = { ...whole, partitionBy: [] };
  const keep = mkdtempSync(join(tmpdir(), 'sluice-flat-'));
  try {
    const first = await transform(
      flat,
      { 'test/a': `${record({ id: 1, score: 1 })}\n${record({ id: 2, score: 9 })}` },
      { keep },
    );
    expect([first.partitions, first.summary.partitions]).toEqual([[''], [{ values: [], rows: 2 }]]);
    const next = {
      'test/b': `${record({ id: 1, score: 2, created_at: '2020-01-01T00:00:00Z' })}\n${record({ id: 2, score: 3 })}`,
    };
    const { summary, replaced } = await transform(flat, next, { published: keep });
    expect(summary).toMatchObject({ published: 1, duplicates: 1, replacedRows: 1 });
    expect(replaced).toEqual([{ _path: expect.stringMatching(/^[^/]+\.parquet$/), id: 1n, _row: 0n }]);
    const none = await transform(flat, { 'test/c': 'x' });
    expect([none.summary.partitions, none.rows]).toEqual([[], []]);
  } finally {
    rmSync(keep, { recursive: true });
  }
});

test('a derived column is a key; a row without a value in it is quarantined', async () => {
  const changes = contractWith(
    `  - { name: after, path: after.id, type: bigint, publish: false }
  - { name: before, path: before.id, type: bigint, publish: false }
derive: [{ name: row, type: bigint, expression: 'coalesce(after, before)' }]`,
    'dedupe: { key: [row] }',
  );
  const lines = [{ after: { id: 7 } }, { before: { id: 7 } }, { after: {} }, { before: { id: 8 } }];
  const { summary, rows, quarantine } = await transform(changes, {
    'test/a.json': lines.map((line) => record(line)).join('\n'),
  });
  expect(rows.map((r) => r.row)).toEqual([7n, 8n]);
  expect(summary).toMatchObject({ published: 2, duplicates: 1, reasons: { missing_required: 1 } });
  expect(quarantine.map((q) => [q.line, q.column_name])).toEqual([[3n, 'row']]);
});

test('a history keeps each version, valid until the next one or a delete; a repeat is a duplicate', async () => {
  const versions = contractWith(
    '  - { name: gone, path: gone, type: boolean, publish: false }',
    `dedupe: { key: [id], scope: table, order: [{ column: at, direction: desc }], deleteWhen: gone }
history: { validFrom: at, validTo: until, current: is_current }`,
  );
  const version = (id: number, day: number, gone?: true) =>
    record({ id, at: `2025-10-0${day}T00:00:00Z`, gone });
  const { summary, rows } = await transform(versions, {
    'test/a.json': [version(1, 6), version(1, 2), version(2, 3), version(1, 6)].join('\n'),
    'test/b.json': [version(1, 4), version(2, 5, true), version(2, 9), version(3, 1, true)].join('\n'),
  });
  expect(summary).toMatchObject({ published: 5, duplicates: 1, deletes: 2, replacedRows: 0, changedRows: 0 });
  const day = (time: unknown) =>
    typeof time === 'bigint' ? new Date(Number(time / 1000n)).getUTCDate() : null;
  expect(rows.map((r) => [r.id, day(r.at), day(r.until), r.is_current])).toEqual(
    expect.arrayContaining([
      [1n, 2, 4, false],
      [1n, 4, 6, false],
      [1n, 6, null, true],
      [2n, 3, 5, false],
      [2n, 9, null, true],
    ]),
  );
});

test('duplicates may be looked for in each file alone', async () => {
  const perFile = contractWith('', 'dedupe: { key: [id], scope: file }');
  const { summary } = await transform(perFile, {
    'test/a.json': [record({ id: 1 }), record({ id: 1 })].join('\n'),
    'test/b.json': record({ id: 1 }),
  });
  expect(summary).toMatchObject({ published: 2, duplicates: 1 });
});

test("rows without event time stand in Hive's default partition", async () => {
  const optional = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [{ name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] }],
      partitionBy: [{ name: 'year', of: 'at', part: 'year' }],
    }),
  );
  const { partitions, summary } = await transform(optional, {
    'test/a.json': '{"at":"2025-10-06T05:40:00Z"}\n{"at":null}',
  });
  expect(partitions).toEqual(['year=2025', 'year=__HIVE_DEFAULT_PARTITION__']);
  expect(summary.partitions.map((p) => p.values)).toEqual([['2025'], ['__HIVE_DEFAULT_PARTITION__']]);
});

test('rows go to the partition of their event time in UTC', async () => {
  const { partitions, summary } = await transform(contract, {
    'test/a.json': [
      record({ id: 1, at: '2025-10-06T23:30:00-01:00' }),
      record({ id: 2, at: '2025-10-06T23:30:00Z' }),
    ].join('\n'),
  });
  expect(partitions).toEqual(['source=test/day=06', 'source=test/day=07']);
  expect(summary.partitions).toEqual([
    { values: ['test', '06'], rows: 1 },
    { values: ['test', '07'], rows: 1 },
  ]);
});

test('property: rows read = published + quarantined + duplicates, whatever the lines', async () => {
  const line = fc.oneof(
    fc
      .record({
        id: fc.integer({ min: 0, max: 5 }),
        score: fc.oneof(fc.integer(), fc.string(), fc.constant(null)),
      })
      .map(record),
    fc.json(),
    fc.string({ unit: 'binary' }).filter((s) => !s.includes('\n') && !s.includes('\0') && !/^\s*\[/.test(s)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 30 }), async (lines) => {
      const text = `{}\n${lines.join('\n')}`;
      const { summary, rows, quarantine } = await transform(contract, { 'test/a.json': text });
      const records = text.split('\n').filter((l) => l.replace(/^[ \t\r]+|[ \t\r]+$/g, '') !== '');
      expect(summary.rowsRead).toBe(records.length);
      expect(summary.published + summary.quarantined + summary.duplicates).toBe(summary.rowsRead);
      expect([rows.length, quarantine.length]).toEqual([summary.published, summary.quarantined]);
      expect(new Set(rows.map((r) => r.id)).size).toBe(rows.length);
    }),
    { numRuns: runs(3, 60), seed: 11 },
  );
});

test('a generated feed comes out as its generator says', async () => {
  const social = loadContracts(datasetsFolder).get('social_media');
  if (!social) throw new Error('social_media is gone');
  const feed = generateFeed({ rows: runs(1000, 3000), seed: 3, dirt: 0.2 });
  const lines: string[] = [];
  let next = feed.next();
  for (; !next.done; next = feed.next()) lines.push(next.value);
  const { rows: rowsRead, ...counts } = next.value;
  const { summary } = await transform(social, { 'social-media-feed/feed.json': lines.join('\n') });
  expect(summary).toMatchObject({ rowsRead, ...counts });
});

thoroughTest(
  'a lookup that is too large for the executors gives the same rows, joined in the set part',
  async () => {
    const lookup = (unmatched: string) =>
      contractWith(
        '  - { name: k, path: k, type: bigint }',
        `enrich:\n  - { kind: lookup, file: names.csv, on: { k: id }, columns: { name: name }, unmatched: ${unmatched} }`,
      );
    const lines = { 'test/a.json': [0, 2, 4, 9, null].map((k, id) => record({ id, k })).join('\n') };
    for (const unmatched of ["'null'", '{ default: none }', 'quarantine']) {
      const [held, joined] = await Promise.all(
        [1_000_000, 0].map((heldReferenceBytes) =>
          transform(lookup(unmatched), lines, { references: referenceFolder, heldReferenceBytes }),
        ),
      );
      expect(joined).toEqual(held);
      expect(joined?.summary.quarantined).toBe(unmatched === 'quarantine' ? 1 : 0);
    }
  },
);

test('a key that stands in its partition already is a duplicate; in another partition it is none', async () => {
  const published = join(mkdtempSync(join(tmpdir(), 'sluice-published-')), 'data');
  const once = contractWith('', 'dedupe: { key: [id], scope: partition }');
  const later = '2025-10-07T00:00:00Z';
  try {
    await transform(
      once,
      { 'test/a.json': [record({ id: 1 }), record({ id: 2 })].join('\n') },
      { keep: published },
    );
    const { rows, summary } = await transform(
      once,
      {
        'test/b.json': [
          record({ id: 2 }),
          record({ id: 2, at: later }),
          record({ id: 3 }),
          record({ id: 3 }),
        ].join('\n'),
      },
      { published },
    );
    expect(rows.map((r) => r.id).sort()).toEqual([2n, 3n]);
    expect(summary).toMatchObject({ rowsRead: 4, published: 2, duplicates: 2 });
  } finally {
    rmSync(join(published, '..'), { recursive: true });
  }
});

thoroughTest(
  'a portion of lines that fails, fails the run, though it is over before the next one is read',
  async () => {
    const lines = Array.from({ length: 200_000 }, (_, id) => `{"id":${id}}`).join('\n');
    const run = transform(
      contract,
      { 'test/a.json': lines, 'test/b.json': record({ id: 1, text: 'x'.repeat(60_000_000) }) },
      {
        engine: ({ plan, ...others }) => {
          const isFaulty = "_object = 'test/a.json' AND _line = 1";
          const records = `FROM (${plan.row.records}) WHERE CASE WHEN ${isFaulty} THEN error('broken line ' || _line) ELSE true END`;
          return runEmbedded({ ...others, plan: { ...plan, row: { ...plan.row, records } } });
        },
      },
    );
    await expect(run).rejects.toThrow('broken line 1');
  },
);

thoroughTest(
  'a record longer than what is read at once is one record, and the lines after it keep their numbers',
  async () => {
    const long = 'x'.repeat(3_000_000);
    const { rows, quarantine } = await transform(contract, {
      'test/a.json': [
        record({ id: 1 }),
        record({ id: 2, text: long }),
        '',
        'no JSON',
        record({ id: 3 }),
      ].join('\n'),
    });
    expect(rows.map((r) => [r.id, String(r.text ?? '').length])).toEqual([
      [1n, 0],
      [2n, long.length],
      [3n, 0],
    ]);
    expect(quarantine.map((r) => [r.line, r.raw])).toEqual([[4n, 'no JSON']]);
  },
);
