import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { partitionKeysOf, tableFormatOf, tableOf } from '../../../src/lib/contract/contract.ts';
import { conflictOf, loadContracts, parseContract } from '../../../src/lib/contract/load.ts';
import { ContractError } from '../../../src/lib/errors.ts';
import { datasetsFolder } from '../../support/embedded.ts';

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

test('a fault names file, line, column, path and what to do', () => {
  expect(problemsOf(social.replace('type: bigint, required: true', 'type: bigit, required: true'))).toEqual([
    'datasets/x.yml:10:33 columns.0.type: must be string, int, bigint, double, decimal(p,s), boolean, date, timestamp, json or array<one of string, int, bigint, double, boolean, date>',
  ]);
  expect(problemsOf(social.replace('key: [id]', 'key: [idd]'))).toEqual([
    expect.stringContaining('dedupe.key.0: there is no column "idd"'),
  ]);
  expect(problemsOf(social.replace('  formats: [ndjson, json_array]', '  format: ndjson'))).toEqual([
    expect.stringContaining('source.formats'),
    expect.stringContaining('source: does not know "format"'),
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

const small = (more: object = {}) =>
  JSON.stringify({
    dataset: 'order',
    source: { prefix: 'x/', formats: ['csv'] },
    columns: [
      { name: 'from', path: 'from', type: 'string' },
      { name: 'to', path: '"to.whom"', type: 'string' },
    ],
    partitionBy: [{ name: 'source', constant: 'x' }],
    ...more,
  });

test('only a column of an Iceberg table is renamed or dropped, to one name and from one', () => {
  const text = { path: 'a', type: 'string' };
  const of = (columns: object[], more: object = {}) =>
    problemsOf(
      small({
        source: { prefix: 'x/', formats: ['ndjson'] },
        table: { format: 'iceberg' },
        columns: columns.map((column) => ({ ...text, ...column })),
        ...more,
      }),
    ).map((problem) => problem.replace(/^[^ ]* /, ''));
  const renamed = [{ name: 'a', was: ['b', 'c'], description: 'One line.' }, { name: 'b' }];
  expect(of(renamed, { dropped: ['d'] })).toEqual([]);
  expect(of(renamed, { table: { format: 'hive' }, dropped: ['d'] })).toEqual([
    expect.stringMatching(/^columns.0.was: renames a column by its id, which only/),
    expect.stringMatching(/^dropped: drops a column by its id/),
  ]);
  expect(of([{ name: 'a', was: 'a' }])).toEqual(["columns.0.was: is the column's own name"]);
  expect(of([{ name: 'a', was: 'source' }])).toEqual([
    'columns.0.was: names "source", which is a partition key',
  ]);
  expect(
    of([
      { name: 'a', was: 'c' },
      { name: 'b', was: 'c' },
    ]),
  ).toEqual(['columns.1.was: names "c" twice: only one column can have been it']);
  expect(
    of([
      { name: 'a', was: 'b' },
      { name: 'b', was: 'a' },
    ])[0],
  ).toMatch(/goes in a circle/);
  expect(of([{ name: 'a', was: 'b', publish: false }, { name: 'b' }])[0]).toMatch(
    /this one is not published/,
  );
  expect(of(renamed, { dropped: ['a', 'c'] })).toEqual([
    'dropped.0: the contract has the column "a"',
    'dropped.1: the column "c" is renamed by was',
  ]);
  expect(of([{ name: 'a', description: 'two\nlines' }])[0]).toMatch(/must be one line/);
});

test('partitions by transforms are those of an Iceberg table, of types that have them', () => {
  const columns = [
    { name: 'id', path: 'id', type: 'bigint' },
    { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] },
    { name: 'on', path: 'on', type: 'date', publish: false },
  ];
  const of = (partitionBy: unknown[], more: object = {}) =>
    problemsOf(
      small({
        source: { prefix: 'x/', formats: ['ndjson'] },
        table: { format: 'iceberg' },
        columns,
        partitionBy,
        ...more,
      }),
    ).map((problem) => problem.replace(/^[^ ]* /, ''));
  const good = ['day(at)', 'bucket(16, id)', 'truncate(4,id)'];
  expect(of([{ name: 'source', constant: 'x' }, ...good])).toEqual([]);
  const contract = parseContract(
    'x.yml',
    small({ columns, table: { format: 'iceberg' }, partitionBy: good }),
  );
  expect(partitionKeysOf(contract)).toEqual([
    { name: 'at_day', type: 'string', of: 'at', transform: 'day' },
    { name: 'id_bucket_16', type: 'string', of: 'id', transform: 'bucket[16]' },
    { name: 'id_truncate_4', type: 'string', of: 'id', transform: 'truncate[4]' },
  ]);
  expect(of(good, { table: 'y' })[0]).toBe(
    'partitionBy.0: is a transform, which only table: { format: iceberg } has',
  );
  expect(of(['day(id)'])[0]).toMatch(/the column "id" is bigint, it must be timestamp or date/);
  expect(of(['day(no)'])[0]).toBe('partitionBy.0: there is no column "no"');
  expect(of(['day(on)'])[0]).toBe('partitionBy.0: the column "on" must be published');
  expect(of(['month(at)', 'day(at)'])[0]).toMatch(/makes a partition by time already/);
  expect(of(['bucket(0, id)'])[0]).toMatch(/must be a transform such as day\(created_at\)/);
  expect(of(['bucket(4, id)', 'bucket(4, id)'])[0]).toMatch(/the column "id_bucket_4" is there already/);
});

test("words of SQL are names as any others; the names of Sluice's own tables are refused", () => {
  expect(problemsOf(small())).toEqual([]);
  for (const dataset of ['quarantine', 'raw_posts', 'staging_order'])
    expect(problemsOf(small({ dataset }))).toEqual([
      expect.stringContaining(`dataset: the table "${dataset}" may be one of Sluice's own`),
    ]);
  expect(problemsOf(small({ dataset: 'quarantine', table: 'refusals' }))).toEqual([]);
  expect(
    problemsOf(small({ dataset: 'quarantine', table: { name: 'refusals', format: 'iceberg' } })),
  ).toEqual([]);
  expect(problemsOf(small({ table: { name: 'raw_x' } }))).toEqual([
    expect.stringContaining(`table: the table "raw_x" may be one of Sluice's own`),
  ]);
});

test('what a contract reads of a CSV must be able to be in it', () => {
  const csv = (header: string[]) => ({ source: { prefix: 'x/', formats: ['csv'], csv: { header } } });
  expect(problemsOf(small(csv(['to.whom', 'from'])))).toEqual([]);
  expect(problemsOf(small(csv(['to', 'from'])))).toEqual([
    expect.stringContaining('columns.1.path: source.csv.header has no field "to.whom"'),
  ]);
  expect(problemsOf(small({ columns: [{ name: 'a', path: 'a.b', type: 'string' }] }))).toEqual([
    expect.stringContaining('columns.0.path: a field of a CSV holds no others'),
  ]);
});

test.each([
  ['aliases that unfold without end', bomb(), '2:8 an alias cannot be used: Excessive alias count'],
  ['an alias of nothing', 'a: 1\nb: *c\n', '2:4 an alias cannot be used: Unresolved alias'],
  ['YAML without end', `a: ${'['.repeat(20_000)}`, 'is nested too deeply'],
  ['a key __proto__', 'dataset: x\nmap: { __proto__: [a] }', '2:8 no key may be called __proto__'],
  ['a NUL character', 'dataset: "a\\0b"', '1:10 a text may not hold a NUL character'],
  ['half a character', 'dataset: "\\uD800"', '1:10 a text may not hold a NUL character'],
  [
    'a constant longer than the name of a folder',
    small({ partitionBy: [{ name: 's', constant: '桜'.repeat(29) }] }),
    'is too long for the name of a folder',
  ],
  [
    'a path through *',
    small({ columns: [{ name: 'a', path: '"*"', type: 'string' }] }),
    'must be keys apart by dots',
  ],
  ...[
    Array(300).fill('1').join(' + '),
    `${'upper('.repeat(12)}from${')'.repeat(12)}`,
    `${'(1 / '.repeat(12)}2${')'.repeat(12)}`,
    `substring('a', ${"length(substring('a', ".repeat(12)}1${', 1))'.repeat(12)}, 1)`,
  ].map((expression) => [
    `the expression ${expression.slice(0, 20)}… without end`,
    small({ derive: [{ name: 'z', type: expression.includes('from') ? 'string' : 'double', expression }] }),
    expression.startsWith('1 +') ? 'is longer than 500 words' : 'are nested too deeply',
  ]),
  ...['(a{1001})', '([])', '([^])', '(\\u0041)', '(\\cA)'].map((extract) => [
    `the expression ${extract}, which RE2 does not have,`,
    small({ columns: [{ name: 'a', path: 'a', type: 'string', extract }] }),
    'is no regular expression with one group',
  ]),
])('%s is refused, with its place', (_, text = '', message = '') => {
  expect(problemsOf(text)[0]).toContain(message);
});

/** Nine levels of nine. */
function bomb(): string {
  const nine = (item: string) => `[${Array.from({ length: 9 }, () => item).join(', ')}]`;
  return `a: &a ${nine('x')}\nb: &b ${nine('*a')}\nc: &c ${nine('*b')}\nd: ${nine('*c')}\n`;
}

const withMore = (more: string) =>
  `dataset: x\nsource: { prefix: x/, formats: [ndjson] }\ncolumns:\n  - { name: id, path: id, type: string }\n${more}`;

test.each([
  [
    'partitionBy: [{ name: y, of: id, part: yeer }]',
    'partitionBy.0.part: must be year, month, day or hour, and is "yeer"',
  ],
  ['partitionBy: [{ name: y, constant: 5 }]', 'partitionBy.0.constant: must be a text, and is 5'],
  [
    'partitionBy: [{ name: y, constant: x }]\nexpectations: [{ check: uniq, columns: [id] }]',
    'expectations.0.check: must be not_null, unique, range,',
  ],
  [
    'partitionBy: [{ name: y, constant: x }]\nenrich: [{ kind: lookup, file: a.csv, on: { id: a }, columns: { b: c }, unmatched: nul }]',
    'enrich.0.unmatched: must be null or quarantine, and is "nul"',
  ],
  [
    '  - { name: day, path: d, type: date, formats: ["%d/%m/%Y"] }\npartitionBy: []',
    'excel, and is "%d/%m/%Y": write { pattern: "%d/%m/%Y" }',
  ],
])('of a choice between forms the one that was meant is judged: %s', (more, message) => {
  expect(problemsOf(withMore(more)).join('\n')).toContain(message);
});

test('a missing key is missing, and a value of another kind is named', () => {
  expect(
    problemsOf('dataset: x\nsource: [1]\ncolumns: {}\n').map((line) => line.replace(/^\S+ /, '')),
  ).toEqual([
    'source: must be an object, and is a list',
    'columns: must be a list, and is an object',
    'partitionBy: is missing',
  ]);
});

test.each(['columns: &a [*a]', 'a: &a { b: [*a] }'])('an alias without end is one line: %s', (text) => {
  expect(problemsOf(`dataset: x\n${text}\n`)).toEqual([
    expect.stringMatching(/^datasets\/x.yml:2:\d+ the alias \*a refers to itself$/),
  ]);
});

test('contracts of one table must agree, and be kept apart by a constant', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-agree-'));
  const write = (dataset: string, type: string, constant: string) =>
    writeFileSync(
      join(folder, `${dataset}.yml`),
      JSON.stringify({
        dataset,
        table: 'posts',
        source: { prefix: `${dataset}/`, formats: ['ndjson'] },
        columns: [{ name: 'id', path: 'id', type }],
        partitionBy: [{ name: 'data_source', constant }],
      }),
    );
  try {
    write('a', 'bigint', 'a');
    write('b', 'bigint', 'b');
    expect([...loadContracts(folder).keys()]).toEqual(['a', 'b']);
    write('b', 'string', 'b');
    expect(() => loadContracts(folder)).toThrow('the column "id" is bigint in a and string in b');
    write('b', 'bigint', 'a');
    expect(() => loadContracts(folder)).toThrow('no constant in partitionBy keeps the rows of a and b apart');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a table says its format, and contracts of one table agree on it', () => {
  const named = (dataset: string, table: unknown) =>
    parseContract(
      `${dataset}.yml`,
      small({ dataset, source: { prefix: `${dataset}/`, formats: ['ndjson'] }, table }),
    );
  const formats = [undefined, 'sales', {}, { name: 'sales', format: 'iceberg' }].map((table) => {
    const contract = named('x', table);
    return `${tableOf(contract)} ${tableFormatOf(contract)}`;
  });
  expect(formats).toEqual(['x hive', 'sales hive', 'x hive', 'sales iceberg']);
  expect(conflictOf(named('x', 'sales'), named('y', { name: 'sales', format: 'iceberg' }))).toMatch(
    /its format is hive in x and iceberg in y/,
  );
  expect(problemsOf(small({ table: { format: 'delta' } }))).toEqual([
    expect.stringContaining('table.format: must be hive or iceberg, and is "delta"'),
  ]);
});

test('snapshots go without a key, and are told apart by a required, published column', () => {
  const contract = (load: object, more: object = {}) =>
    JSON.stringify({
      dataset: 'x',
      source: { prefix: 'x/', formats: ['ndjson'] },
      columns: [
        { name: 'day', path: 'day', type: 'date', formats: ['iso8601_date'], required: true },
        { name: 'loose', path: 'loose', type: 'int' },
        { name: 'hidden', path: 'hidden', type: 'int', required: true, publish: false },
        { name: 'share', path: 'share', type: 'double', required: true },
      ],
      partitionBy: [],
      load,
      ...more,
    });
  const at = (by: string, more: object = {}) =>
    problemsOf(contract({ replace: 'table', by }, more)).map((p) => p.split('load')[1]);
  expect(at('day')).toEqual([]);
  expect(at('loose')).toEqual(['.by: the column "loose" must be required']);
  expect(at('hidden')).toEqual(['.by: the column "hidden" must be published']);
  expect(at('share')).toEqual([expect.stringContaining('it must be string or int or bigint or date')]);
  expect(at('none')).toEqual([expect.stringContaining('there is no column "none"')]);
  expect(at('hidden', { dedupe: { key: ['day'] } })).toEqual([
    expect.stringContaining(': goes without dedupe'),
    '.by: the column "hidden" must be published',
  ]);
  // The partition key takes the place of the column.
  expect(at('day', { partitionBy: [{ name: 'day', of: 'day' }] })).toEqual([
    '.by: the column "day" must be published',
  ]);
});
