/**
 * Invariants 8 and 9: no value, key or field name causes an unnamed error, and a non-empty file has rows or rows in
 * quarantine. Contracts of every drift mode run on files that an adversary, or a broken export, would send.
 */
import { gzipSync } from 'node:zlib';
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { formatPath } from '../../../src/lib/contract/path.ts';
import { SluiceError } from '../../../src/lib/errors.ts';
import { transform } from '../../support/embedded.ts';
import { runs, thoroughTest } from '../../support/thorough.ts';

/** Words with a meaning in SQL, JavaScript, or a step of the compiled SQL. */
const columnNames = [
  ...[
    'order',
    'from',
    'to',
    'select',
    'group',
    'null',
    'true',
    'all',
    'year',
    'date',
    'timestamp',
    'interval',
  ],
  ...[
    'constructor',
    'prototype',
    'valueof',
    'quarantine',
    'object',
    'version',
    'file',
    'line',
    'raw',
    'fault',
  ],
  ...[
    'files',
    'placed',
    'records',
    'lines',
    'documents',
    'ranked',
    'repeated',
    'row_part',
    'joined',
    'value',
  ],
  ...['r', 'x', 'm', 'n', 'p', 'g', 'f', 'l', 't', 'part', 'text', 'key', 'struct', 'rowid', 'header', 'e'],
] as const;
const fieldNames = [
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'id',
    'ID',
    'id ',
    ' id',
    'a.b',
    'a-b',
    'br[*]',
  ],
  ...[
    '*',
    '$',
    '?',
    '"q"',
    "it's",
    'back\\slash',
    'x:y',
    'x,y',
    'x<y>',
    'x(y',
    '',
    ' ',
    '\u0000',
    '\n',
    '桜',
    '\ud800',
  ],
  ...[
    'n'.repeat(80),
    'day',
    'source',
    '_batch',
    '_rescued',
    '_object',
    '__doc',
    '__line',
    'array',
    'files',
    'r',
  ],
];
const fieldName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...fieldNames, ...columnNames) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
);
const scalar = fc.oneof(
  fc.constantFrom(
    ...[
      '',
      ' ',
      'true',
      '1',
      '-0',
      '1e400',
      '9'.repeat(40),
      '2025-10-06',
      '2025-10-06T05:40:00Z',
      '0000-00-00',
    ],
    ...[
      '9999-12-31T23:59:59-14:00',
      '-99999999999',
      '{',
      '[',
      '"',
      "'",
      '\\',
      '\u0000',
      '\u2028',
      '\ud83d',
      'ﬀ',
      'İ',
    ],
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.oneof(fc.integer(), fc.double(), fc.constantFrom(2 ** 53, 1e308, -0, 99_999_999_999, 1_759_729_200_000)),
  fc.constantFrom(true, false, null),
);
const value = fc.letrec<{ any: unknown }>((tie) => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    { weight: 4, arbitrary: scalar },
    fc.array(tie('any'), { maxLength: 3 }),
    fc.array(fc.tuple(fieldName, tie('any')), { maxLength: 4 }).map((fields) => Object.fromEntries(fields)),
  ),
})).any;
const recordOf = fc
  .array(fc.tuple(fieldName, value), { maxLength: 8 })
  .map((fields) => Object.fromEntries(fields));

const types = ['string', 'int', 'bigint', 'double', 'decimal(12,2)', 'boolean', 'date', 'timestamp', 'json'];
const path = fc
  .array(fieldName, { minLength: 1, maxLength: 2 })
  .map((keys) => formatPath(keys.map((key) => ({ kind: 'key' as const, key }))))
  .filter((written) => written !== null && !written.includes('__proto__:'));
const column = fc
  .record({
    path,
    type: fc.constantFrom(...types, 'array<string>', 'array<int>', 'array<date>'),
    required: fc.boolean(),
    onError: fc.constantFrom('quarantine', 'null'),
    trim: fc.boolean(),
  })
  .map(({ path: at, type, ...more }) => ({
    ...more,
    type,
    path: type.startsWith('array') ? `${at}[*]` : at,
    ...(type === 'timestamp' ? { formats: ['iso8601', 'epoch_s', 'epoch_ms', { pattern: '%d/%m/%Y' }] } : {}),
  }));
const formats = [['ndjson', 'json_array'], ['json_concatenated'], ['json_document'], ['csv']] as const;

const contract = fc
  .record({
    formats: fc.constantFrom(...formats),
    drift: fc.constantFrom('ignore', 'rescue', 'passthrough', 'reject'),
    names: fc.uniqueArray(fc.constantFrom(...columnNames), { minLength: 5, maxLength: 5 }),
    columns: fc.array(column, { minLength: 1, maxLength: 3 }),
    explode: fc.option(path, { nil: undefined, freq: 5 }),
    flatten: fc.option(path, { nil: undefined, freq: 3 }),
    hasKey: fc.boolean(),
    constant: fc.oneof(
      fc.constantFrom('.', '..', '/', 'a=b', '%', '%zz', '\u0085', '\n', ' ', "'", '"', '桜'),
      fc.string({ minLength: 1, maxLength: 8 }),
    ),
    quotedNewlines: fc.boolean(),
    headerShare: fc.constantFrom(0, 0.5),
  })
  .map(({ names, columns, hasKey, constant, explode, flatten, ...c }) => {
    const isCsv = c.formats[0] === 'csv';
    const [key = '', derived = '', , ...others] = names;
    const named = columns.map((one, i) => ({ ...one, name: others[i] ?? `c${i}` }));
    return {
      dataset: 'order',
      source: {
        prefix: 'x/',
        formats: c.formats,
        ...(isCsv ? { csv: { quotedNewlines: c.quotedNewlines, headerShare: c.headerShare } } : {}),
        ...(c.formats[0] === 'json_document' ? { records: 'constructor' } : {}),
      },
      drift: c.drift,
      columns: [
        { name: key, path: 'id', type: 'string', required: hasKey },
        ...named.filter(({ path: at }) => !isCsv || !/[.[]/.test(at ?? '')),
      ],
      derive: [{ name: derived, type: 'string', expression: `upper(concat(${key}, 'ß'))` }],
      filter: `length(coalesce(${key}, '')) < 30`,
      ...(hasKey ? { dedupe: { key: [key] } } : {}),
      ...(isCsv || explode === undefined ? {} : { explode }),
      ...(isCsv || flatten === undefined ? {} : { flatten: [{ path: flatten, prefix: 'of_' }] }),
      partitionBy: [{ name: names[2], constant }],
    };
  });

const lineEnd = fc.constantFrom('\n', '\r\n', '\r', '\n\n\r\n');
const json = fc.record({
  records: fc.array(recordOf, { maxLength: 4 }),
  end: lineEnd,
  cut: fc.option(fc.nat(60), { nil: 0, freq: 3 }),
});
const csvField = fc.oneof(
  fieldName,
  scalar.map(String),
  fc.constantFrom('"', '""', '"a\rb"', '"a\nb"', 'a"b'),
);
const csvLines = fc.record({
  lines: fc.array(fc.array(csvField, { minLength: 1, maxLength: 3 }), { maxLength: 5 }),
  mark: fc.constantFrom(',', ',', ';', '\t'),
  end: lineEnd,
});
const file = fc
  .record({
    json,
    csv: csvLines,
    bytes: fc.uint8Array({ maxLength: 40 }),
    kind: fc.constantFrom('json', 'json', 'csv', 'bytes', 'both'),
    isPacked: fc.boolean(),
  })
  .map(({ json: j, csv: c, bytes, kind, isPacked }) => ({
    isPacked,
    contentFor(format: string): Buffer {
      const texts = j.records.map((record) => JSON.stringify(record));
      const whole =
        format === 'json_document'
          ? `{"constructor":[${texts.join(',')}]}`
          : format === 'json_concatenated'
            ? texts.join('')
            : texts.join(j.end);
      const cut = j.cut === 0 ? whole : whole.slice(0, -j.cut);
      const table = [['id', 'r', 'order'], ...c.lines].map((line) => line.join(c.mark)).join(c.end);
      const isJson = kind === 'json' && format !== 'csv';
      const parts =
        kind === 'bytes' ? [bytes] : kind === 'both' ? [cut, bytes, table] : [isJson ? cut : table];
      return Buffer.concat(parts.map((part) => Buffer.from(part)));
    },
  }));

thoroughTest(
  'property: no name and no value causes an error without a name, and what a file holds is accounted for',
  async () => {
    let ended = 0;
    await fc.assert(
      fc.asyncProperty(contract, fc.array(file, { minLength: 1, maxLength: 3 }), async (draft, files) => {
        const format = draft.source.formats[0];
        const contents = files.map((f) => f.contentFor(format));
        try {
          const parsed = parseContract('x.yml', JSON.stringify(draft));
          const { summary } = await transform(
            parsed,
            Object.fromEntries(
              contents.map((bytes, i) => [`x/${i}`, files[i]?.isPacked ? gzipSync(bytes) : bytes]),
            ),
          );
          contents.forEach((bytes, i) => {
            if (holdsRecords(bytes, format)) expect(summary.files[i]?.rowsRead).toBeGreaterThan(0);
          });
          ended++;
        } catch (error) {
          if (!(error instanceof SluiceError)) throw error;
        }
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
      { numRuns: runs(15, 120) },
    );
    // Most contracts are valid; otherwise little would be tested.
    expect(ended).toBeGreaterThan(runs(3, 60));
  },
  60_000,
);

/** Whether a file has more than white space, a CSV header, or an empty array. */
function holdsRecords(bytes: Buffer, format: string): boolean {
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '');
  const rest = format === 'csv' ? text.replace(/^(?:"[^"]*"|[^"\r\n])*/, '') : text;
  return /[^ \t\r\n]/.test(rest) && !/^\s*(\[\s*\]|\{"constructor":\[\s*\]\})\s*$/.test(rest);
}
