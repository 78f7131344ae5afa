import { gzipSync, zstdCompressSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { contractWith, record, transform } from '../../support/embedded.ts';
import { packed } from '../../support/packed.ts';
import { isThorough, thoroughTest } from '../../support/thorough.ts';

const contract = contractWith('  - { name: text, path: text, type: string }');

test('each malformed line alone is quarantined, with its line number and reason', async () => {
  const bytes = Buffer.concat([
    Buffer.from(`${record({ id: 1 })}\n`),
    Buffer.from('{"id": 2,\n'),
    Buffer.from('\n'),
    Buffer.from([0xff, 0xfe, 0x41, 0x0a]),
    Buffer.from('[1, 2]\r\n'),
    Buffer.from('{"id":3,"at":"2025-10-06T05:40:00Z","x":NaN}\n'),
    Buffer.from('{"id":4,"at":"2025-10-06T05:40:00Z",}\n'),
    Buffer.from(`${record({ id: 5, text: 'NaN, or ",}" in a text is no fault' })}\r\n`),
    Buffer.from(`${record({ id: 6 })} {"id": 7}`),
  ]);
  const { summary, rows, quarantine } = await transform(contract, { 'test/a.json': bytes });
  expect(rows.map((r) => r.id)).toEqual([1n, 5n]);
  expect(quarantine.map((q) => [q.line, q.reason])).toEqual([
    [2n, 'invalid_json'],
    [4n, 'invalid_utf8'],
    [5n, 'not_an_object'],
    [6n, 'invalid_json'],
    [7n, 'invalid_json'],
    [9n, 'invalid_json'],
  ]);
  expect(quarantine[0]).toMatchObject({ object: 'test/a.json', version: 'v1', raw: '{"id": 2,' });
  expect(summary).toMatchObject({ rowsRead: 8, published: 2, quarantined: 6, duplicates: 0 });
});

test('a value that cannot be converted sends its row to quarantine, naming column and value', async () => {
  const typed = contractWith(`  - { name: n, path: user.n, type: int }
  - { name: flag, path: flag, type: boolean }`);
  const { rows, quarantine } = await transform(typed, {
    'test/a.json': [
      record({ id: 1, user: { n: 7 }, flag: true }),
      record({ id: 2, user: { n: 1.5 } }),
      record({ id: 3, user: { n: 2 ** 31 } }),
      record({ id: 4, flag: 'maybe' }),
      record({ id: 5, user: { n: { deep: 1 } } }),
      record({ id: null }),
    ].join('\n'),
  });
  expect(rows).toEqual([expect.objectContaining({ id: 1n, n: 7, flag: true })]);
  expect(quarantine.map((q) => [q.reason, q.column_name, q.value])).toEqual([
    ['bad_type', 'n', '1.5'],
    ['bad_type', 'n', '2147483648'],
    ['bad_type', 'flag', 'maybe'],
    ['bad_type', 'n', '{"deep":1}'],
    ['missing_required', 'id', null],
  ]);
});

test('onError null keeps the row and counts the value', async () => {
  const lenient = contractWith("  - { name: n, path: n, type: int, onError: 'null', range: { min: 0 } }");
  const { summary, rows } = await transform(lenient, {
    'test/a.json': [record({ id: 1, n: 'many' }), record({ id: 2, n: -1 }), record({ id: 3, n: 4 })].join(
      '\n',
    ),
  });
  expect(rows.map((r) => r.n)).toEqual([null, null, 4]);
  expect(summary.nulled).toEqual({ n: 2 });
});

test('texts are trimmed, nulled, mapped and lowered as the contract says', async () => {
  const cleaned = contractWith(`  - name: city
    path: city
    type: string
    trim: true
    nullValues: ['N/A', '']
    map: { London: [ldn, 'london, uk'] }
  - { name: lang, path: lang, type: string, case: lower }`);
  const cities = [' LDN ', 'London, UK', 'Paris', 'N/A', ' ', null];
  const { rows } = await transform(cleaned, {
    'test/a.json': cities.map((city, id) => record({ id, city, lang: 'EN' })).join('\n'),
  });
  expect(rows.map((r) => r.city)).toEqual(['London', 'London', 'Paris', null, null, null]);
  expect(new Set(rows.map((r) => r.lang))).toEqual(new Set(['en']));
});

test('arrays are taken element by element', async () => {
  const tagged = contractWith(`  - { name: tags, path: 'e.tags[*]', type: array<string> }
  - { name: ids, path: 'e.people[*].id', type: array<bigint> }`);
  const { rows, quarantine } = await transform(tagged, {
    'test/a.json': [
      record({ id: 1, e: { tags: ['桜', 'b'], people: [{ id: 7 }, { id: 8 }] } }),
      record({ id: 2, e: { tags: [] } }),
      record({ id: 3, e: { tags: 'no array' } }),
      record({ id: 4, e: { people: [{ id: 'x' }] } }),
    ].join('\n'),
  });
  expect(rows.map((r) => [r.tags, r.ids ?? null])).toEqual([
    [
      ['桜', 'b'],
      [7n, 8n],
    ],
    [[], null],
  ]);
  expect(quarantine.map((q) => q.column_name)).toEqual(['tags', 'ids']);
});

test('ids beyond 2^53, emoji and a byte order mark come through exact', async () => {
  const { rows } = await transform(contract, {
    'test/a.json': `\uFEFF{"id":9007199254740993,"at":"2025-10-06T05:40:00Z","text":"😋✨ 前田 \\ud83d\\ude18"}\n`,
  });
  expect(rows).toEqual([expect.objectContaining({ id: 9007199254740993n, text: '😋✨ 前田 😘' })]);
});

test('a file that is one JSON array gives its elements', async () => {
  const { rows, quarantine } = await transform(contract, {
    'test/a.json': `\n [${record({ id: 1 })},\n ${record({ id: 2 })}, 3]`,
  });
  expect(rows.map((r) => r.id)).toEqual([1n, 2n]);
  expect(quarantine).toEqual([expect.objectContaining({ line: 3n, reason: 'not_an_object', raw: '3' })]);
});

test.each([
  ['a truncated array', Buffer.from(`[${record({})}, {"id":`), 'invalid_document'],
  ['UTF-16', Buffer.from(record({}), 'utf16le'), 'not_text'],
  ['an image', Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 1]), 'not_text'],
  ['a broken archive', Buffer.from([0x1f, 0x8b, 8, 1, 2]), 'broken_archive'],
  ['a truncated archive', gzipSync(record({ text: 'x'.repeat(1000) })).subarray(0, -9), 'broken_archive'],
  ['an archive in an archive', gzipSync(gzipSync(record({}))), 'not_text'],
  // It takes a second, which `npm run check` does not have.
  ...(isThorough
    ? [
        [
          'an archive that unpacks beyond the limit',
          gzipSync(Buffer.alloc(120_000_000, ' ')),
          'archive_too_large',
        ] as const,
      ]
    : []),
  ['an array that unpacks beyond the limit', gzipSync(`[${'1,'.repeat(600_000)}1]`), 'document_too_large'],
])('%s is quarantined whole', async (_, content, reason) => {
  const { summary, quarantine } = await transform(contract, { 'test/bad.json': content });
  expect(summary).toMatchObject({ rowsRead: 1, published: 0, quarantined: 1, reasons: { [reason]: 1 } });
  expect(quarantine).toEqual([expect.objectContaining({ object: 'test/bad.json', line: 1n, reason })]);
});

thoroughTest('documents of any size are read beside lines', async () => {
  const array = (first: number, count: number, text: string) =>
    `[${Array.from({ length: count }, (_, i) => record({ id: first + i, text })).join(',')}]`;
  const { summary, rows } = await transform(contract, {
    'test/a.json': array(0, 10, 'small'),
    'test/b.json': array(100, 200, 'x'.repeat(100_000)),
    'test/c.json': `${record({ id: 1000 })}\n${record({ id: 1001 })}\n`,
    'test/d.json': array(2000, 10, 'small'),
    'test/e.json': '[{"id":',
  });
  expect(summary.files.map((f) => [f.object, f.published, f.quarantined])).toEqual([
    ['test/a.json', 10, 0],
    ['test/b.json', 200, 0],
    ['test/c.json', 2, 0],
    ['test/d.json', 10, 0],
    ['test/e.json', 0, 1],
  ]);
  expect(new Set(rows.map((r) => r.id)).size).toBe(222);
});

test('an empty file has no rows and is accounted for', async () => {
  const { summary } = await transform(contract, { 'test/empty.json': '', 'test/blank.json': '\n\n' });
  expect(summary).toMatchObject({ rowsRead: 0, published: 0, partitions: [] });
  expect(summary.files.map((f) => f.object)).toEqual(['test/empty.json', 'test/blank.json']);
});

test('a contract column may be called like the relations of the compiled SQL', async () => {
  const names = ['file', 'line', 'raw', 'fault', 'text', 'doc', 'object'];
  const awkward = contractWith(names.map((n) => `  - { name: ${n}, path: ${n}, type: string }`).join('\n'));
  const fields = Object.fromEntries(names.map((n) => [n, `the ${n}`]));
  const { rows } = await transform(awkward, { 'test/a.json': record(fields) });
  expect(rows).toEqual([expect.objectContaining(fields)]);
});

test('decimals are exact or refused, never rounded', async () => {
  const priced = contractWith('  - { name: price, path: price, type: "decimal(20,2)" }');
  const values = [1.5, '12345678901234567.89', '1.500', '1.005', 0.1234567890123456, '1e2', -3];
  const { summary, quarantine } = await transform(priced, {
    'test/a.json': values.map((price, id) => record({ id, price })).join('\n'),
  });
  expect(summary.published).toBe(4);
  expect(quarantine.map((q) => q.value)).toEqual(['1.005', '0.1234567890123456', '1e2']);
});

test('a subtree is kept as JSON text', async () => {
  const whole = contractWith('  - { name: user, path: user, type: json }');
  const { rows } = await transform(whole, {
    'test/a.json': [
      record({ id: 1, user: { a: ['桜', 1] } }),
      record({ id: 2, user: 'x' }),
      record({ id: 3, user: null }),
    ].join('\n'),
  });
  expect(rows.map((r) => r.user ?? null)).toEqual(['{"a":["桜",1]}', '"x"', null]);
});

test('fields that no column reads are ignored, rescued or refused, as the contract says', async () => {
  const lines = [record({ id: 1, new: { deep: 9007199254740992 }, other: null }), record({ id: 2 })].join(
    '\n',
  );
  const exact = lines.replace('9007199254740992', '9007199254740993');
  const rescue = await transform(contractWith('', 'drift: rescue'), { 'test/a.json': exact });
  expect(rescue.rows.map((r) => r._rescued ?? null)).toEqual([
    '{"new":{"deep":9007199254740993},"other":null}',
    null,
  ]);
  const reject = await transform(contractWith('', 'drift: reject'), { 'test/a.json': exact });
  expect(reject.rows.map((r) => r.id)).toEqual([2n]);
  expect(reject.quarantine).toEqual([
    expect.objectContaining({
      reason: 'unexpected_field',
      value: '{"new":{"deep":9007199254740993},"other":null}',
    }),
  ]);
  const ignore = await transform(contractWith(''), { 'test/a.json': exact });
  expect(ignore.rows[0]).not.toHaveProperty('_rescued');
});

test.each(['bzip2', 'snappy'])('%s is unpacked: lines and documents alike', async (kind) => {
  const { summary, rows, quarantine } = await transform(contract, {
    'test/lines': packed(`lines.${kind}`),
    'test/array': packed(`array.${kind}`),
    'test/cut': packed(`two.${kind}`).subarray(0, -1),
    'test/empty': packed(`empty.${kind}`),
    'test/again': gzipSync(packed(`lines.${kind}`)),
  });
  expect(rows.map((r) => [r.id, r.text ?? null])).toEqual([
    [1n, '桜'],
    [2n, null],
  ]);
  expect(quarantine.map((q) => [q.object, q.line, q.reason])).toEqual([
    ['test/again', 1n, 'not_text'],
    ['test/cut', 1n, 'broken_archive'],
    ['test/lines', 2n, 'invalid_json'],
  ]);
  expect(summary).toMatchObject({ rowsRead: 5, quarantined: 3 });
});

test.each([
  ['gzip', gzipSync],
  ['zstd', zstdCompressSync],
])('%s is unpacked: lines and documents alike', async (_, pack) => {
  const { summary, rows } = await transform(contract, {
    'test/lines': pack(`${record({ id: 1, text: '桜' })}\n{"id":`),
    'test/array': pack(`[${record({ id: 2 })}]`),
    'test/empty': pack(''),
  });
  expect(rows.map((r) => [r.id, r.text ?? null])).toEqual([
    [1n, '桜'],
    [2n, null],
  ]);
  expect(summary).toMatchObject({ rowsRead: 3, quarantined: 1 });
});

test('texts are normalized, extracted and mapped, or refused with the reason', async () => {
  const strict =
    contractWith(`  - { name: city, path: city, type: string, normalize: true, map: { "S\\u00e3o Paulo": [sp] }, mapDefault: reject }
  - { name: number, path: ref, type: int, extract: 'order-(\\d+)' }
  - { name: kind, path: kind, type: string, map: { a: [b] }, mapDefault: 'null' }`);
  const { rows, quarantine } = await transform(strict, {
    'test/a.json': [
      record({ id: 1, city: 'Sa\u0303o Paulo', ref: 'an order-42', kind: 'z' }),
      record({ id: 2, city: 'SP', kind: 'B' }),
      record({ id: 3, city: 'Rio' }),
      record({ id: 4, ref: 'nothing' }),
    ].join('\n'),
  });
  expect(rows.map((r) => [r.city, r.number ?? null, r.kind ?? null])).toEqual([
    ['São Paulo', 42, null],
    ['São Paulo', null, 'a'],
  ]);
  expect(quarantine.map((q) => [q.reason, q.column_name, q.value])).toEqual([
    ['unmapped', 'city', 'Rio'],
    ['bad_type', 'number', 'nothing'],
  ]);
  expect(() => contractWith("  - { name: n, path: n, type: string, extract: 'a(?=b)(c)' }")).toThrow(
    'extract',
  );
});

test('a row that an enrichment finds nothing for is kept, filled or refused, as the contract says', async () => {
  const enriched = (unmatched: string) =>
    contractWith(
      '  - { name: user, path: user, type: bigint }',
      `enrich:\n  - { kind: lookup, file: reference/user-segments.csv, on: { user: user_id }, columns: { segment: segment }, unmatched: ${unmatched} }`,
    );
  const file = {
    'test/a.json': [record({ id: 1, user: 4000001 }), record({ id: 2, user: 7 }), record({ id: 3 })].join(
      '\n',
    ),
  };
  const segments = async (unmatched: string) => {
    const { rows, quarantine } = await transform(enriched(unmatched), file);
    return {
      rows: [...rows].sort((a, b) => Number(a.id) - Number(b.id)).map((r) => r.segment ?? null),
      quarantine: quarantine.map((q) => [q.reason, q.column_name, q.value]),
    };
  };
  const known = (await segments("'null'")).rows[0];
  expect(known).toEqual(expect.any(String));
  expect(await segments("'null'")).toEqual({ rows: [known, null, null], quarantine: [] });
  expect(await segments('{ default: none }')).toEqual({ rows: [known, 'none', null], quarantine: [] });
  expect(await segments('quarantine')).toEqual({
    rows: [known, null],
    quarantine: [['unmatched', 'segment', '7']],
  });
});

test('an object is no number and no time, whatever a contract takes for no value', async () => {
  const { summary } = await transform(
    contractWith(
      `  - { name: n, path: n, type: int, nullValues: ["{}", "[]"] }
  - { name: seen, path: seen, type: timestamp, formats: [{ pattern: "[%Y]" }] }`,
    ),
    {
      'test/a.json': [
        record({ id: 1, n: {} }),
        record({ id: 2, n: [] }),
        record({ id: 3, seen: [2025] }),
        record({ id: 4, n: '{}', seen: '[2025]' }),
      ].join('\n'),
    },
  );
  expect(summary).toMatchObject({ published: 1, reasons: { bad_type: 3 } });
});
