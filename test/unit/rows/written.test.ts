/** Values as people, spreadsheets and other programs write them. */
import { expect, test } from '@jest/globals';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { filesOf, outcomeOf } from '../../support/cases.ts';
import { transform } from '../../support/embedded.ts';

/** Each column with its texts, all in one run: the value, or `refused`. */
async function readAll(columns: readonly (readonly [column: object, values: readonly unknown[]])[]) {
  const contract = parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'x/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'int' },
        ...columns.map(([column], i) => ({ name: `c${i}`, path: `c${i}`, onError: 'null', ...column })),
      ],
      partitionBy: [{ name: 'source', constant: 'test' }],
    }),
  );
  const most = Math.max(...columns.map(([, values]) => values.length));
  const lines = Array.from({ length: most }, (_, id) =>
    JSON.stringify({ id, ...Object.fromEntries(columns.map(([, values], i) => [`c${i}`, values[id]])) }),
  );
  const { rows, summary } = await transform(contract, { 'x/a.json': lines.join('\n') });
  const byId = rows.toSorted((a, b) => Number(a.id) - Number(b.id));
  return columns.map(([, values], i) => {
    const read = values.map((_, id) => byId[id]?.[`c${i}`] ?? null);
    const plain = (v: unknown) => {
      if (typeof v === 'bigint' && v > 10n ** 14n) return plain(new Date(Number(v / 1000n)));
      if (typeof v === 'bigint') return Number(v);
      return v instanceof Date ? v.toISOString().replace('T00:00:00.000Z', '') : v;
    };
    const shown = read.map(plain);
    return [shown, summary.nulled[`c${i}`] ?? 0];
  });
}

test('numbers are read as they are written in Europe, with thousands, percent, currencies and in accounts', async () => {
  const european = { type: 'decimal(12,2)', number: { decimal: ',', group: '.' } };
  const dollars = {
    type: 'decimal(12,2)',
    number: { group: ',', currency: ['$', 'US$', 'Rs.'], accounting: true },
  };
  const found = await readAll([
    [european, ['1.234,56', '987,10', '12.000,00', '-1.000', ',5', '5,', '+7', 1.5, 1234]],
    [european, ['1.23', '1.2345', '1,234,5', '12.34.567', '1234.567', '', '1.234,567', '1e3', '{"a":1}']],
    [
      dollars,
      [
        '$1,234.56',
        '$ 99.00',
        '(45.00)',
        '($45.00)',
        '$(45)',
        '45.00-',
        '-$5',
        '$-5',
        '5 US$',
        'Rs. 1,23,456',
      ],
    ],
    [dollars, ['€5', '$5$', '(-45)', '((45))', '$', '()', '5 $ 5', '(5', '$5%', '--5']],
    [{ type: 'double', number: { percent: 'points' } }, ['12.5%', '-3%', '0%', '7', '5 %']],
    [
      { type: 'double', number: { percent: 'ratio' } },
      ['12.5%', '-3%', '0%', '0.07', '150.125%', '.5%', '-0.25 %'],
    ],
    [
      { type: 'bigint', number: { group: ' ' } },
      ['1 234 567', '1\u00a0234', '1\u202f234', '12 34', '1234', '1 234.5'],
    ],
    [{ type: 'int', number: { group: "'" } }, ["1'234", '1\u2019234', "1'23"]],
    [{ type: 'double', number: {} }, ['\u22125', '+.5', '5.', '1e5']],
  ]);
  expect(found).toEqual([
    [[1234.56, 987.1, 12000, -1000, 0.5, 5, 7, 1.5, 1234], 0],
    [[null, null, null, null, null, null, null, null, null], 9],
    [[1234.56, 99, -45, -45, -45, -45, -5, -5, 5, 123456], 0],
    [Array(10).fill(null), 10],
    [[12.5, -3, 0, 7, 5], 0],
    [[0.125, -0.03, 0, 0.07, 1.50125, 0.005, -0.0025], 0],
    [[1234567, 1234, 1234, null, 1234, null], 2],
    [[1234, 1234, null], 1],
    [[-5, 0.5, 5, null], 1],
  ]);
});

test('numbers have a sign, and need no digit on one side of their point', async () => {
  const found = await readAll([
    [{ type: 'int' }, ['+5', '-0', '5.', '.5', '+', '--5']],
    [{ type: 'double' }, ['+5', '5.', '.5', '-.5e1', '+5.e2', '.', 'e5', '+', 'NaN', 'Infinity']],
    [{ type: 'decimal(4,2)' }, ['+5', '5.', '.5', '-.25', '.', '.125']],
    [{ type: 'decimal(4,0)' }, ['+5', '5.', '.0', '5.00', '.5']],
  ]);
  expect(found).toEqual([
    [[5, 0, null, null, null, null], 4],
    [[5, 5, 0.5, -5, 500, null, null, null, null, null], 5],
    [[5, 5, 0.5, -0.25, null, null], 2],
    [[5, 5, 0, 5, null], 1],
  ]);
});

test('true and false have synonyms, whatever their case', async () => {
  const map = { true: ['t', 'yes', 'y', '1', 'on'], false: ['f', 'no', 'n', '0', 'off'] };
  const values = [
    true,
    false,
    'TRUE',
    'T',
    'yes',
    'Y',
    'N',
    '0',
    '1',
    1,
    0,
    ' true ',
    'on',
    'maybe',
    '',
    null,
    {},
  ];
  expect(
    await readAll([
      [{ type: 'boolean', trim: true, map }, values],
      [{ type: 'boolean', map, mapDefault: 'null' }, ['?']],
    ]),
  ).toEqual([
    [
      [
        true,
        false,
        true,
        true,
        true,
        true,
        false,
        false,
        true,
        true,
        false,
        true,
        true,
        null,
        null,
        null,
        null,
      ],
      3,
    ],
    [[null], 0],
  ]);
});

test('dates and times have several formats, and numbers of spreadsheets', async () => {
  const zero = { nullValues: ['0000-00-00', '0'] };
  expect(
    await readAll([
      [
        { type: 'date', formats: [{ pattern: '%-d.%-m.%Y' }, 'iso8601_date', 'excel', 'rfc2822'], ...zero },
        [
          '06.10.2025',
          '7.1.2025',
          '2025-10-06',
          '0000-00-00',
          45000,
          '45000.75',
          'Mon, 06 Oct 2025 23:40:00 -0500',
          'Tue, 06 Oct 2025 23:40:00 -0500',
          '31.2.2025',
          '60',
          '1',
          '59',
          '61',
          '2958465',
          '2958466',
        ],
      ],
      [
        { type: 'timestamp', formats: ['excel', 'epoch_ms'] },
        [
          '45000.333333333336',
          45000.5,
          '45000.9999999999',
          '1714557600000.0',
          '1714557600000.25',
          1714557600000.5,
          '45000,5',
          '2958465.9999999999',
          '1e4',
        ],
      ],
      [{ type: 'timestamp', formats: ['excel'], zone: 'Europe/Berlin' }, [45000.5]],
      [
        { type: 'timestamp', formats: [{ pattern: '%Y-%m-%d %H:%M%z' }] },
        ['2025-01-02 03:04Z', '2025-01-02 03:04+0100'],
      ],
      [{ type: 'date', formats: [{ pattern: '[%Y]' }] }, ['[2025]', [2025]]],
    ]),
  ).toEqual([
    [
      [
        '2025-10-06',
        '2025-01-07',
        '2025-10-06',
        null,
        '2023-03-15',
        '2023-03-15',
        '2025-10-07',
        null,
        null,
        null,
        '1900-01-01',
        '1900-02-28',
        '1900-03-01',
        '9999-12-31',
        null,
      ],
      4,
    ],
    [
      [
        '2023-03-15T08:00:00.000Z',
        '2023-03-15T12:00:00.000Z',
        '2023-03-16',
        '2024-05-01T10:00:00.000Z',
        '2024-05-01T10:00:00.000Z',
        '2024-05-01T10:00:00.000Z',
        null,
        null,
        null,
      ],
      3,
    ],
    [['2023-03-15T11:00:00.000Z'], 0],
    [['2025-01-02T03:04:00.000Z', '2025-01-02T02:04:00.000Z'], 0],
    [['2025-01-01', null], 1],
  ]);
});

test.each(['ndjson', 'json_array', 'json_document', 'json_concatenated'])(
  'NaN and Infinity are null by rule in %s, and no JSON without it',
  async (format) => {
    const contract = (json: object) =>
      parseContract(
        'test.yml',
        JSON.stringify({
          dataset: 'test',
          source: {
            prefix: 'x/',
            formats: [format],
            ...(format === 'json_document' ? { records: 'r' } : {}),
            json,
          },
          columns: [
            { name: 's', path: 's', type: 'string' },
            { name: 'v', path: 'v', type: 'json' },
          ],
          partitionBy: [{ name: 'source', constant: 'test' }],
        }),
      );
    const records = [
      '{"s":"NaN, \\"-Infinity","v":[NaN,-Infinity, Infinity,-1,"NaN"]}',
      '{"s":"b","v":-Infinity}',
    ];
    const file = {
      ndjson: records.join('\n'),
      json_concatenated: records.join(''),
      json_array: `[${records}]`,
      json_document: `{"n":NaN,"r":[${records}]}`,
    }[format];
    const { rows } = await transform(contract({ nonFinite: 'null' }), { 'x/a': file ?? '' });
    expect(rows.map(({ s, v }) => [s, v ?? null])).toEqual([
      ['NaN, "-Infinity', '[null,null,null,-1,"NaN"]'],
      ['b', null],
    ]);
    const { rows: none, quarantine } = await transform(contract({}), { 'x/a': file ?? '' });
    expect(none).toEqual([]);
    expect(quarantine[0]?.reason).toMatch(/^invalid_(json|document)$/);
  },
);

test('a line that is no JSON says what is wrong with it', async () => {
  const source = { prefix: 'in/', formats: ['ndjson'] };
  const contract = (json: object) =>
    parseContract(
      'in.yml',
      JSON.stringify({
        dataset: 'in',
        source: { ...source, json },
        columns: [
          { name: 'id', path: 'id', type: 'bigint' },
          { name: 'v', path: 'v', type: 'double', nullValues: ['NaN'] },
        ],
        partitionBy: [{ name: 'data_source', constant: 'x' }],
      }),
    );
  const files = filesOf('n04-nan');
  const strict = await transform(contract({}), files);
  expect(strict.quarantine.map(({ line, value }) => [Number(line), value])).toEqual([
    [1, expect.stringContaining('NaN and Infinity')],
    [3, expect.stringContaining('NaN and Infinity')],
    [4, expect.stringContaining('Python')],
    [6, 'a comma behind the object'],
    [7, 'a comma before a closing bracket'],
    [8, 'single quotes: JSON has double ones'],
  ]);
  const lenient = await transform(contract({ nonFinite: 'null' }), files);
  expect(outcomeOf(contract({}), lenient).rows).toEqual([
    [1, null],
    [2, 1.5],
    [3, null],
    [5, null],
  ]);
  expect(lenient.quarantine.map(({ line }) => Number(line))).toEqual([4, 6, 7, 8]);
});
