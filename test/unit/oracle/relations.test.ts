/**
 * Things that must not change published rows: the order of lines, how they are split into files, compressed, ended or
 * formatted, and their neighbours.
 */

import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { columnCases } from '../../oracle/columnCases.ts';
import { Dice } from '../../oracle/dice.ts';
import { type Exact, runExactly } from '../../oracle/engine.ts';
import { shown, type Value } from '../../oracle/value.ts';

type Fields = Readonly<Record<string, string>>;

const dice = new Dice(7);
const cases = Array.from({ length: 14 }, () => dice.pick(columnCases)(dice));
const contract = parseContract(
  'oracle.yml',
  JSON.stringify({
    dataset: 'oracle',
    source: { prefix: 'x/', formats: ['ndjson', 'json_array'] },
    columns: [
      { name: 'id', path: 'id', type: 'bigint', required: true },
      { name: 'k', path: 'k', type: 'int', required: true },
      { name: 'small', path: 'small', type: 'int', range: { max: 8 } },
      ...cases.map(({ column }, i) => ({
        name: `c${i}`,
        path: `c${i}${column.type.startsWith('array<') ? '[*]' : ''}`,
        onError: 'null',
        ...column,
      })),
    ],
    derive: [{ name: 'twice', type: 'bigint', expression: 'k * 2' }],
    dedupe: { key: ['k'], order: [{ column: 'id', direction: 'desc' }] },
    partitionBy: [{ name: 'source', constant: 'x' }],
  }),
);
/** Records as JSON of their fields. Keys repeat, so some are duplicates. */
const records: readonly Fields[] = Array.from({ length: 60 }, (_, id) => ({
  id: String(id),
  k: String(id % 45),
  small: String(id % 10),
  ...Object.fromEntries(
    cases.flatMap(({ json }, i) => {
      const value = json(dice);
      return value === '' ? [] : [[`c${i}`, value]];
    }),
  ),
}));
const broken = ['{"id":1', 'x', '[1]', '{"id":"y"}'];

const written = (fields: Fields): string =>
  `{${Object.entries(fields)
    .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
    .join(',')}}`;
const lines = (of: readonly Fields[]): string[] => [...of.map(written), ...broken];

/** Published rows, and the counts of rejected rows by reason, without their positions. */
const meaning = ({ rows, summary }: Exact) => ({
  rows: rows
    .map((row) =>
      Object.entries(row)
        .filter(([name]) => !/^_(object|version|batch|line)$/.test(name))
        .map(([name, value]: readonly [string, Value]) => `${name}=${shown(value)}`)
        .join(' '),
    )
    .sort(),
  reasons: summary.reasons,
  nulled: summary.nulled,
  duplicates: summary.duplicates,
});
const publish = async (files: Readonly<Record<string, string | Uint8Array>>) =>
  meaning(await runExactly(contract, files));
const plain = publish({ 'x/a': lines(records).join('\n') });

const shuffled = <T>(items: readonly T[]): T[] =>
  items
    .map((item) => ({ item, place: dice.next() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item);
const reordered = (fields: Fields): Fields => Object.fromEntries(shuffled(Object.entries(fields)));
const adorned = (fields: Fields): Fields => ({
  before: '{"id":9,"k":[9]}',
  ...fields,
  C1: '"another case"',
  '': 'null',
  'c1.x': '1e400',
});
const text = lines(records).join('\n');

const changes: readonly (readonly [string, Readonly<Record<string, string | Uint8Array>>])[] = [
  ['shuffled lines', { 'x/a': shuffled(lines(records)).join('\n') }],
  ['many files', Object.fromEntries(lines(records).map((line, i) => [`x/${i}`, line]))],
  [
    'files in another order',
    { 'x/b': lines(records).slice(0, 25).join('\n'), 'x/a': lines(records).slice(25).join('\n') },
  ],
  ['gzip', { 'x/a.gz': gzipSync(text) }],
  ['zstd', { 'x/a': zstdCompressSync(text) }],
  ['CRLF', { 'x/a': text.replaceAll('\n', '\r\n') }],
  ['a byte order mark', { 'x/a': `\ufeff${text}` }],
  ['a line end at the end, and blank lines', { 'x/a': `\n \t\n${text.replaceAll('\n', '\n\n')}\n\r\n` }],
  ['white space around lines', { 'x/a': text.replaceAll('\n', ' \r\n\t ') }],
  ['reordered keys', { 'x/a': lines(records.map(reordered)).join('\n') }],
  ['unrelated fields', { 'x/a': lines(records.map(adorned)).join('\n') }],
  [
    'second keys',
    {
      'x/a': [...records.map((r) => `${written(r).slice(0, -1)},"id":"second","k":7}`), ...broken].join('\n'),
    },
  ],
];

test('there are rows, duplicates and refused rows to compare', async () => {
  const { rows, duplicates, reasons } = await plain;
  expect(rows.length).toBeGreaterThan(30);
  expect(duplicates).toBeGreaterThan(5);
  expect(Object.keys(reasons).sort()).toEqual(['bad_type', 'invalid_json', 'not_an_object', 'out_of_range']);
});

test.each(changes)('%s: the same rows are published', async (_, files) => {
  expect(await publish(files)).toEqual(await plain);
});

test('an array of the same records publishes the same rows', async () => {
  const [all, good] = await Promise.all([
    publish({ 'x/a': `[${records.map(written).join(',\n')}]` }),
    publish({ 'x/a': records.map(written).join('\n') }),
  ]);
  expect(all).toEqual(good);
});

test('no row changes the value of another row, whatever stands in it', async () => {
  const halves = [records.filter((_, i) => i % 2 === 0), records.filter((_, i) => i % 2 === 1)];
  // Repeated keys would be duplicates of rows in other halves.
  const own = halves.map((half) => half.map((fields) => ({ ...fields, k: fields.id ?? '' })));
  const whole = await publish({ 'x/a': lines(own.flat()).join('\n') });
  const parts = await Promise.all(own.map((half) => publish({ 'x/a': lines(half).join('\n') })));
  expect(parts.flatMap(({ rows }) => rows).sort()).toEqual(whole.rows);
});

test('a CSV says the same with quotes around every field, in another order of its fields, and with CRLF', async () => {
  const csv = parseContract(
    'oracle.yml',
    JSON.stringify({
      dataset: 'oracle',
      source: { prefix: 'x/', formats: ['csv'], csv: { nullText: 'none' } },
      columns: [
        { name: 'id', path: 'id', type: 'bigint' },
        { name: 's', path: 's', type: 'string' },
        { name: 'd', path: 'd', type: 'decimal(20,3)', onError: 'null' },
      ],
      partitionBy: [{ name: 'source', constant: 'x' }],
    }),
  );
  const table = Array.from({ length: 60 }, (_, id) => [
    String(id),
    dice.pick(['a', ' b ', '', 'two\nlines', 'a,b', 'a"b', '"', '桜', "it's"]),
    dice.pick(['1.5', '-0.001', 'x', '']),
  ]);
  const usual = (field = '') => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field);
  const quoted = (field = '') => `"${field.replaceAll('"', '""')}"`;
  const file = (write: (field?: string) => string, order: readonly number[], end: string) =>
    [['id', 's', 'd'], ...table].map((row) => order.map((i) => write(row[i])).join(',')).join(end);
  const said = async (content: string) => meaning(await runExactly(csv, { 'x/a': content })).rows;
  const inOrder = await said(file(usual, [0, 1, 2], '\n'));
  expect(inOrder).toHaveLength(60);
  expect(await said(file(quoted, [0, 1, 2], '\n'))).toEqual(inOrder);
  expect(await said(file(usual, [2, 0, 1], '\n'))).toEqual(inOrder);
  expect(await said(file(quoted, [1, 2, 0], '\r\n'))).toEqual(inOrder);
});
