/** Avro object container files: records with their own types are read by the contract's rules. */
import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { avroContract, avroFiles, refusedOfAvro } from '../../support/avroFiles.ts';
import { outcomeOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

test('values keep what their types say; a file that is damaged, or says what cannot be, is refused as a whole', async () => {
  const { rows, quarantine, summary } = await transform(avroContract, avroFiles);
  const first = rows.find((row) => row._object === 'test/whole.avro' && row.id === 1n);
  expect(first).toMatchObject({
    at: 1_759_729_200_123_457n,
    day: new Date('2025-10-06'),
    price: -1.5,
    share: 0.1,
    kind: 'OLD',
    skus: ['a"\u0001ä\u2028', null],
    _line: 1n,
  });
  expect(JSON.parse(String(first?._rescued))).toEqual({
    small: 0.10000000149011612,
    tags: { 'k "1"': -1 },
    raw: '/wA=',
    hash: 'ok',
    clock: '12:30:00.001',
    local: '1969-12-31T23:59:59.999',
    next: null,
  });
  expect(summary.reasons).toEqual(refusedOfAvro);
  expect(quarantine.filter(({ reason }) => reason === 'broken_archive').map(({ object }) => object)).toEqual(
    ['bomb', 'cut', 'deep', 'fewer', 'inflate', 'more', 'nulls', 'schema', 'sync', 'unknown', 'void'].map(
      (name) => `test/${name}.avro`,
    ),
  );
  expect(summary.published).toBe(2 + 11 + 3 * 2);
});

test('the case z11-avro, whose last byte is missing, is refused by name', async () => {
  const contract = parseContract(
    'in.yml',
    JSON.stringify({
      dataset: 'in',
      source: { prefix: 'in/', formats: ['avro'] },
      columns: [{ name: 'id', path: 'id', type: 'bigint' }],
      partitionBy: [{ name: 'data_source', constant: 'x' }],
    }),
  );
  const file = readFileSync(new URL('../../fixtures/cases/z11-avro/in.avro', import.meta.url));
  const outcome = outcomeOf(contract, await transform(contract, { 'in.avro': file }));
  expect(outcome).toEqual({ rows: [], refused: [[1, 'broken_archive']] });
});

test('property: a file that is changed anywhere is read, or refused by a reason', async () => {
  const { 'test/whole.avro': whole = Buffer.alloc(0) } = avroFiles;
  const files: Record<string, Uint8Array> = {};
  for (let at = 0; at < whole.length; at += 31) {
    const changed = Buffer.from(whole);
    changed[at] = (changed[at] ?? 0) ^ 0x55;
    files[`test/${at}.avro`] = changed;
  }
  const { summary } = await transform(avroContract, files);
  expect(summary.files).toHaveLength(Object.keys(files).length);
});
