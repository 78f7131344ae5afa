import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { readBuilt, writeBuilt } from '../../src/lib/contract/built.ts';
import { datasetOfKey } from '../../src/lib/contract/contract.ts';
import { loadContracts, parseContract } from '../../src/lib/contract/load.ts';
import { contractVersion } from '../../src/lib/contract/version.ts';
import { ContractError } from '../../src/lib/errors.ts';
import { loadLookup } from '../../src/lib/reference/lookup.ts';
import { readRows } from '../../src/lib/reference/rows.ts';
import { datasetsFolder } from '../support/embedded.ts';

const problemsOf = (text: string) => {
  try {
    parseContract('datasets/x.yml', text);
  } catch (error) {
    if (error instanceof ContractError) return error.message.split('\n');
    throw error;
  }
  return [];
};
const social = readFileSync(join(datasetsFolder, 'social_media.yml'), 'utf8');

test('the contracts of the project are valid, whatever datasets are added to it', () => {
  expect([...loadContracts(datasetsFolder).keys()]).toEqual(
    expect.arrayContaining(['social_media', 'tweets']),
  );
});

test('a function has the contracts that its package was built from, whole and in order', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-built-'));
  try {
    const contracts = loadContracts(datasetsFolder);
    writeBuilt(contracts, folder);
    const built = readBuilt(folder);
    expect([...built]).toEqual([...contracts]);
    expect([...built.values()].map(contractVersion)).toEqual([...contracts.values()].map(contractVersion));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('an object belongs to the dataset whose prefix it stands under', () => {
  const contracts = loadContracts(datasetsFolder);
  expect(datasetOfKey(contracts, 'social-media-feed/2025/a.json')?.dataset).toBe('social_media');
  expect(datasetOfKey(contracts, 'social-media-feed-1.json')).toBeUndefined();
});

test('a fault names file, line, column, path and what to do', () => {
  expect(problemsOf(social.replace('type: bigint, required: true', 'type: bigit, required: true'))).toEqual([
    'datasets/x.yml:10:33 columns.0.type: must be string, int, bigint, double, decimal(p,s), boolean, date, timestamp, json or array<one of string, int, bigint, double, boolean, date>',
  ]);
  expect(problemsOf(social.replace('key: [id]', 'key: [idd]'))).toEqual([
    expect.stringContaining('dedupe.key.0: there is no column "idd"'),
  ]);
  expect(problemsOf(social.replace('  formats: [ndjson, json_array]', '  format: ndjson'))).toEqual([
    expect.stringContaining('source.formats'),
    expect.stringContaining('source: Unrecognized key: "format"'),
  ]);
  expect(problemsOf('dataset: [')[0]).toMatch(/^datasets\/x\.yml:1:\d+ /);
});

test.each([
  [
    'two columns of one name',
    'name: text, path: text',
    'name: id, path: text',
    'the column "id" is there already',
  ],
  ['a partition by a text', 'of: created_at, part: year', 'of: text, part: year', 'it must be timestamp'],
  ['a synonym given twice', '"ldn", "londres"', '"londres", "londres"', 'gives the synonym "londres" twice'],
  ['SQL in a path', 'path: text,', 'path: "a\'; DROP TABLE x",', 'must be keys apart by dots'],
])('%s is refused', (_, from, to, message) => {
  const changed = social.replace(from, to);
  expect(changed).not.toBe(social);
  expect(problemsOf(changed).join('\n')).toContain(message);
});

test('a lookup whose key stands twice is refused, naming the rows', async () => {
  const load = async (text: string, value = 'v') =>
    loadLookup('f.csv', await readRows('f.csv', Buffer.from(text)), { id: 'bigint' }, [value]);
  await expect(load('id,v\n1,a\n2,b\n1,c\n')).rejects.toThrow(
    'f.csv, rows 1 and 3: the key ["1"] stands twice',
  );
  await expect(load('id,v\nx,a\n')).rejects.toThrow('id "x" is not a bigint');
  await expect(load('id,v\n1,a\n', 'w')).rejects.toThrow('has no column w');
});
