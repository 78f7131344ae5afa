/** Parquet: rows with their own types are read by the contract's rules; a broken row group costs its rows. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { outcomeOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';
import { parquetContract, parquetFiles } from '../../support/parquetFiles.ts';
import { runs } from '../../support/thorough.ts';

test('values keep what their types say, and row groups are read each by itself', async () => {
  const { rows, quarantine, summary } = await transform(parquetContract, await parquetFiles());
  const typed = rows.filter(({ _object }) => _object === 'test/types.parquet');
  expect(typed).toMatchObject([
    {
      id: 1n,
      at: 1_759_729_200_123_456n,
      nanos: 1_759_729_200_123_456n,
      day: new Date('2025-10-06'),
      price: 1.5,
      price_text: '1.50',
      is_new: true,
      bytes: '/wA=',
      city: 'Ulm',
      skus: ['a', null],
      tags: '{"k":1.5}',
      _rescued: '{"some \'time\'":"01:02:03","Id_1":"x"}',
      _line: 1n,
    },
    { id: 2n, share: 0.1, bytes: 'ä', _line: 2n },
  ]);
  expect(typed[0]?.share ?? null).toBeNull();
  const counts = Object.fromEntries(
    summary.files.map(({ object, rowsRead, quarantined }) => [
      object.slice('test/'.length, -'.parquet'.length),
      [rowsRead, quarantined],
    ]),
  );
  expect(counts).toEqual({
    types: [2, 0],
    groups: [5000, 0],
    middle: [2953, 1],
    none: [0, 0],
    empty: [0, 0],
    own: [1, 1],
    cut: [1, 1],
    footer: [1, 1],
    text: [1, 1],
    mark: [1, 1],
    secret: [1, 1],
  });
  expect(quarantine.map((q) => [q.object, Number(q.line), q.reason])).toContainEqual([
    'test/middle.parquet',
    2049,
    'invalid_document',
  ]);
  expect(summary.reasons).toEqual({ invalid_document: 6, encrypted_archive: 1 });
});

test('a required column that no schema has holds the batch by its name', async () => {
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['parquet'] },
      columns: [{ name: 'other', path: 'other', type: 'string', required: true }],
      partitionBy: [{ name: 'source', constant: 'test' }],
      drift: 'passthrough',
    }),
  );
  const { 'test/types.parquet': types = Buffer.alloc(0) } = await parquetFiles();
  await expect(transform(contract, { 'test/types.parquet': types })).rejects.toThrow(
    'required column "other" (string, from other) is not in the schemas of its files',
  );
});

test('the case z06-parquet: rows with their own types', async () => {
  const contract = parseContract(
    'in.yml',
    JSON.stringify({
      dataset: 'in',
      source: { prefix: 'in/', formats: ['parquet'] },
      columns: ['id', 'name', 'qty'].map((name, i) => ({
        name,
        path: name,
        type: ['bigint', 'string', 'int'][i],
      })),
      partitionBy: [{ name: 'data_source', constant: 'x' }],
    }),
  );
  const result = await transform(contract, {
    'in.parquet': readFileSync(new URL('../../fixtures/cases/z06-parquet/in.parquet', import.meta.url)),
  });
  expect(outcomeOf(contract, result)).toEqual({
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
    ],
    refused: [],
  });
});

test('property: a file that is changed or cut anywhere is read, or refused by a reason', async () => {
  const { 'test/types.parquet': types = Buffer.alloc(0) } = await parquetFiles();
  const files: Record<string, Uint8Array> = {};
  for (let at = 0; at < types.length; at += runs(211, 47)) {
    const changed = Buffer.from(types);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    files[`test/${at}.parquet`] = changed;
  }
  const { summary } = await transform(parquetContract, files);
  expect(summary.files).toHaveLength(Object.keys(files).length);
});
