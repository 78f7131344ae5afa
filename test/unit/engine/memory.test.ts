import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { runEmbedded } from '../../../src/lib/engine/embedded.ts';
import { chunksOf } from '../../../src/lib/engine/inputFile.ts';
import { asOutOfMemory } from '../../../src/lib/engine/memory.ts';
import { EngineOutOfMemory } from '../../../src/lib/errors.ts';
import { maxRecordBytes } from '../../../src/lib/model/plan.ts';
import { contractWith, type RunEngine, record, transform } from '../../support/embedded.ts';
import { thoroughTest } from '../../support/thorough.ts';

const contract = contractWith('  - { name: text, path: text, type: string }');

/** A record of exactly this many bytes. */
const recordOf = (bytes: number, fields: object) =>
  record({ ...fields, text: 'x'.repeat(bytes - record({ ...fields, text: '' }).length) });

thoroughTest(
  'a line longer than a record may be is quarantined with its first bytes, and costs no other line',
  async () => {
    const lines = [
      record({ id: 1 }),
      recordOf(maxRecordBytes, { id: 2 }),
      recordOf(maxRecordBytes + 1, { id: 3 }),
      'no JSON',
      recordOf(3 * maxRecordBytes, { id: 5 }),
      record({ id: 6 }),
    ];
    const { rows, quarantine, summary } = await transform(contract, { 'test/a.json': lines.join('\n') });
    expect(rows.map((r) => r.id)).toEqual([1n, 2n, 6n]);
    expect(quarantine.map((q) => [q.line, q.reason])).toEqual([
      [3n, 'record_too_large'],
      [4n, 'invalid_json'],
      [5n, 'record_too_large'],
    ]);
    expect(quarantine[0]?.raw).toBe(lines[2]?.slice(0, 1024));
    expect(summary).toMatchObject({ rowsRead: 6, published: 3, quarantined: 3 });
  },
);

thoroughTest(
  'a record that is too large within an array is quarantined with its first bytes, and costs no other record',
  async () => {
    const records = [record({ id: 1 }), recordOf(maxRecordBytes + 1, { id: 2 }), record({ id: 3 })];
    const { rows, quarantine } = await transform(
      contract,
      { 'test/a.json': `[${records.join(',')}]` },
      { limits: { json: 100_000_000 } },
    );
    expect(rows.map((r) => r.id)).toEqual([1n, 3n]);
    expect(quarantine.map((q) => [q.line, q.reason, String(q.raw)])).toEqual([
      [2n, 'record_too_large', records[1]?.slice(0, 65_536)],
    ]);
  },
);

test('a file of lines is held in no more memory than a record may take, wherever its line ends are', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-lines-'));
  const path = join(folder, 'lines');
  try {
    // Around the limit of 10 bytes, at the start, in the middle and at the end, with and without a line end.
    for (const text of [
      '',
      '\n',
      'a',
      'a\n',
      `${'b'.repeat(10)}\nc`,
      `${'b'.repeat(11)}\nc\n`,
      `a\n${'b'.repeat(35)}`,
    ]) {
      await writeFile(path, text);
      const found: (string | number)[][] = [];
      for await (const { firstLine, isTooLong, text: chunk } of chunksOf(path, 10)) {
        expect(chunk.length).toBeLessThanOrEqual(11);
        if (isTooLong) found.push([firstLine, 'too long']);
        else
          chunk
            .toString()
            .split('\n')
            .forEach((line, i) => {
              if (line !== '') found.push([firstLine + i, line]);
            });
      }
      const expected = text
        .split('\n')
        .flatMap((line, i) => (line === '' ? [] : [[i + 1, line.length > 10 ? 'too long' : line]]));
      expect(found).toEqual(expected);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a contract declares no more columns than the engines hold', () => {
  const columns = (count: number) =>
    Array.from({ length: count }, (_, i) => `  - { name: c${i}, path: c${i}, type: string }`).join('\n');
  expect(contractWith(columns(996)).columns).toHaveLength(998);
  expect(() => contractWith(columns(997))).toThrow(
    'declares 1001 columns, partition keys among them, and may declare 1000',
  );
});

/** The engine of a smaller machine. */
const within =
  (memoryBytes: number): RunEngine =>
  (run) =>
    runEmbedded({ ...run, memoryBytes });

thoroughTest('a batch of thousands of partitions and many columns takes the memory of a few', async () => {
  const days = 400;
  const wide = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [
        { name: 'at', path: 'at', type: 'timestamp', formats: ['epoch_s'] },
        ...Array.from({ length: 40 }, (_, i) => ({ name: `c${i}`, path: `c${i}`, type: 'string' })),
      ],
      partitionBy: ['year', 'month', 'day'].map((part) => ({ name: part, of: 'at', part })),
    }),
  );
  const lines = Array.from({ length: days }, (_, day) => JSON.stringify({ at: day * 86_400, c1: 'x' }));
  const { summary, partitions } = await transform(
    wide,
    { 'test/a.json': lines.join('\n') },
    { engine: within(400_000_000) },
  );
  expect(summary).toMatchObject({ rowsRead: days, published: days });
  expect([summary.partitions.length, new Set(partitions).size]).toEqual([days, days]);
});

thoroughTest('what does not fit into memory is an error by name, with its cause', async () => {
  const lines = Array.from({ length: 300_000 }, (_, id) => record({ id, text: `${id}`.repeat(20) })).join(
    '\n',
  );
  const failure = await transform(contract, { 'test/a.json': lines }, { engine: within(60_000_000) }).catch(
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(EngineOutOfMemory);
  expect(String(failure)).toMatch(/the batch test of test does not fit .*Out of Memory Error: /);
});

test.each([
  ['Out of Memory Error: could not allocate block of size 57.2 MiB', '', true],
  ['IO Error: Could not write file "/tmp/x": No space left on device', '', true],
  ['std::bad_alloc', '', true],
  ['Array buffer allocation failed', '', true],
  ['write', 'ENOSPC', true],
  ['Conversion Error: Out of Memory Error is a text here', '', false],
  ['IO Error: Could not read file', 'ENOENT', false],
])('"%s" %s: out of memory is %s', (message, code, isOne) => {
  const error = Object.assign(new Error(message), { code });
  expect(asOutOfMemory(error, 'it') instanceof EngineOutOfMemory).toBe(isOne);
  if (!isOne) expect(asOutOfMemory(error, 'it')).toBe(error);
});

test.each([
  'Out of Memory Error: failed to allocate data of size 256.0 KiB (34.5 MiB/34.3 MiB used)',
  'Failed to append: failed to allocate data of size 8.0 KiB (34.3 MiB/34.3 MiB used)',
  'Failed to append: could not allocate block of size 1.0 MiB (34.3 MiB/34.3 MiB used)',
])('DuckDB lacks memory: %s', (message) => {
  expect(asOutOfMemory(new Error(message), 'the batch')).toBeInstanceOf(EngineOutOfMemory);
});
