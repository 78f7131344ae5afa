/** Small files in the shape of those that people had trouble with, and what an engine makes of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { EngineResult } from './embedded.ts';

const folder = resolve(import.meta.dirname, '../fixtures/cases');

/** The files of a case beside its contract, by name. */
export const filesOf = (name: string): Record<string, Buffer> =>
  Object.fromEntries(
    readdirSync(join(folder, name))
      .filter((file) => !file.endsWith('.yml'))
      .map((file) => [file, readFileSync(join(folder, name, file))]),
  );

/** A case of a CSV: its contract with these options, and the columns of each row; of a refused row its line and reason. */
export interface CsvCase {
  readonly name: string;
  readonly csv?: object;
  /** In place of the contract's own, or where the case has none: name, path and type, in one. */
  readonly columns?: Readonly<Record<string, string>>;
  readonly rows: readonly (readonly unknown[])[];
  readonly refused?: readonly (readonly [line: number, reason: string])[];
}

export function contractOf({ name, csv = {}, columns }: CsvCase): Contract {
  const own = readdirSync(join(folder, name)).includes('contract.yml')
    ? (parse(readFileSync(join(folder, name, 'contract.yml'), 'utf8')) as Contract)
    : undefined;
  const base = {
    dataset: 'in',
    source: { prefix: 'in/', formats: ['csv'] as string[], csv: {} },
    partitionBy: [{ name: 'data_source', constant: 'x' }],
    ...own,
  };
  const merged = {
    ...base,
    source: base.source.formats.includes('csv')
      ? { ...base.source, csv: { ...base.source.csv, ...csv } }
      : { prefix: base.source.prefix, formats: base.source.formats },
    ...(columns === undefined
      ? {}
      : { columns: Object.entries(columns).map(([path, type], i) => ({ name: `c${i}`, path, type })) }),
  };
  return parseContract(`${name}.yml`, JSON.stringify(merged));
}

/** What came out of a case, as it is written in one. */
export const outcomeOf = (
  contract: Contract,
  { rows, quarantine }: Pick<EngineResult, 'rows' | 'quarantine'>,
) => ({
  rows: rows
    .map((row) => contract.columns.map(({ name }) => plain(row[name])))
    .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
  refused: quarantine.map((q) => [Number(q.line), q.reason]),
});

const plain = (value: unknown): unknown => {
  if (typeof value === 'bigint') return Number(value);
  return value instanceof Date ? value.toISOString().slice(0, 10) : (value ?? null);
};

/** Rows in the order of their texts. */
export const csvCases: readonly CsvCase[] = [
  {
    name: 'c01-backslash',
    csv: { escape: '\\' },
    rows: [
      [1, 'TV 50" wide', 199],
      [2, 'Lamp, small', 12.5],
      [3, 'plain', 3],
    ],
  },
  {
    name: 'c04-latin1',
    csv: { encoding: 'windows-1252' },
    columns: { id: 'bigint', city: 'string', note: 'string' },
    rows: [
      [1, 'Köln', 'café'],
      [2, 'Ulm', 'ok'],
      [3, 'Zürich', '€ 20'],
    ],
  },
  {
    name: 'c04-latin1',
    columns: { id: 'bigint', city: 'string', note: 'string' },
    rows: [[2, 'Ulm', 'ok']],
    refused: [
      [2, 'invalid_utf8'],
      [4, 'invalid_utf8'],
    ],
  },
  {
    name: 'c05-utf16',
    columns: { id: 'bigint', city: 'string', qty: 'int' },
    rows: [
      [1, 'Köln', 5],
      [2, 'Ulm', 6],
    ],
  },
  {
    name: 'c07-cr',
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
      [3, 'ghi', 7],
    ],
  },
  {
    name: 'c08-multidelim',
    rows: [
      [1, 'a|b'],
      [2, 'c'],
    ],
  },
  {
    name: 'c09-trailing-delim',
    rows: [
      [1, 'abc', 5],
      [2, 'def', 6],
    ],
  },
  {
    name: 'c11-comment',
    csv: { comment: '#' },
    rows: [
      ['2024-05-01', '10:00:01', 'FRA50-C1', 1045],
      ['2024-05-01', '10:00:02', 'FRA50-C1', 2045],
    ],
  },
  {
    name: 'c12-dup-header',
    columns: { order_id: 'bigint', name: 'string', name_2: 'string' },
    rows: [
      [1, 'Ann', 'Widget'],
      [2, 'Bob', 'Gadget'],
    ],
  },
  {
    name: 'c13-ragged',
    columns: { name: 'string', group: 'string', score: 'int' },
    rows: [
      ['North', 'A', 5],
      ['West', 'B', 7],
    ],
    refused: [
      [3, 'invalid_csv'],
      [5, 'invalid_csv'],
      [6, 'invalid_csv'],
    ],
  },
  {
    name: 'c13-ragged',
    csv: { shortRows: 'pad' },
    columns: { name: 'string', group: 'string', score: 'int' },
    rows: [
      ['East', 'A', null],
      ['North', 'A', 5],
      ['South', null, null],
      ['West', 'B', 7],
    ],
    refused: [[6, 'invalid_csv']],
  },
  {
    name: 'c15-footer-total',
    csv: { skipLines: 2, skipFooter: 1 },
    rows: [
      ['North', 5],
      ['South', 6],
    ],
  },
  {
    name: 'c20-alb',
    csv: { escape: '\\' },
    columns: { type: 'string', request: 'string', agent: 'string' },
    rows: [
      ['h2', 'GET http://www.example.com:80/a b HTTP/1.1', 'curl/7.46.0'],
      ['http', 'GET http://www.example.com:80/ HTTP/1.1', 'Moz "x" y'],
    ],
  },
  {
    name: 'c27-pandas-index',
    rows: [
      [7, 'abc'],
      [8, 'def'],
    ],
  },
  {
    name: 'q01-tsv-quotes',
    csv: { quote: 'none' },
    rows: [
      ['tt1', '"Rome" by night', 1950],
      ['tt2', '"Giliap', 1975],
      ['tt3', 'Say "Yes"', 1960],
      ['tt4', 'Foo"', 1980],
      ['tt5', 'plain', null],
    ],
  },
  {
    name: 'q02-space-quote',
    csv: { trimFields: true },
    columns: { id: 'bigint', name: 'string', qty: 'int' },
    rows: [
      [1, 'Smith, J', 5],
      [2, 'Doe, A', 6],
    ],
  },
  {
    name: 'q05-quote-merge',
    csv: { quote: 'none' },
    rows: [
      ['tt1', 'plain'],
      ['tt2', '"Heat'],
      ['tt3', 'Cold"'],
      ['tt4', 'x'],
    ],
  },
];
