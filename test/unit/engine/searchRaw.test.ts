/** Records of persons leave raw files. All other bytes of lines and documents stay, and the row part reads the same other rows. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { compile } from '../../../src/lib/compiler/compile.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';
import { personsOfCondition } from '../../../src/lib/contract/persons.ts';
import { eraseInRaw, searchRaw } from '../../../src/lib/engine/searchRaw.ts';
import { mentions } from '../../../src/lib/engine/sought.ts';
import { parquetFiles } from '../../support/parquetFiles.ts';
import { isThorough, thoroughTest } from '../../support/thorough.ts';
import { zip } from '../../support/zip.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-test-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function soughtIn(source: object, more: object = {}, where = 'user_id = 42') {
  const contract = parseContract(
    'feed.yml',
    JSON.stringify({
      dataset: 'feed',
      source: { prefix: 'feed/', ...source },
      columns: [
        { name: 'user_id', path: 'user', type: 'bigint' },
        { name: 'n', path: 'n', type: 'double' },
      ],
      partitionBy: [{ name: 'source', constant: 'feed' }],
      ...more,
    }),
  );
  const plan = compile(contract, null, []);
  const types = new Map(plan.columns.map(({ name, type }) => [name, type]));
  return { contract, plan, references: [], isAlone: true, persons: personsOfCondition(where, types) };
}

async function erased(sought: ReturnType<typeof soughtIn>, bytes: Buffer) {
  const [path, to] = [join(folder, 'in'), join(folder, 'out')];
  writeFileSync(path, bytes);
  const file = { object: 'feed/a', version: 'v', path, size: bytes.length };
  const match = await eraseInRaw(sought, file, to);
  return { match, rest: readFileSync(to) };
}

const csv = 'id;user;email;n\r\n1;42;"a\r\nb";1\r\n2;7;"x ""42"" y";2\r\n\r\n3;042;c;3\r\n4;8;d';
const cases: readonly [
  name: string,
  source: object,
  before: string | Buffer,
  after: string | Buffer,
  records: number,
][] = [
  [
    'lines of JSON, also those that nobody can read',
    { formats: ['ndjson'] },
    '\ufeff{"user":42,"n":1.10}\r\n\n{"user": "7", "n": 42}\n{"user":"42"}\n{broken, 42}\n{broken 420}\n{"user":8}',
    '\ufeff\n{"user": "7", "n": 42}\n{broken 420}\n{"user":8}',
    3,
  ],
  [
    'a CSV that is read as a whole',
    { formats: ['csv'], csv: { delimiter: ';' } },
    csv,
    'id;user;email;n\r\n2;7;"x ""42"" y";2\r\n\r\n4;8;d',
    2,
  ],
];
const more: typeof cases = [
  [
    'an array',
    { formats: ['json_array'] },
    '[ {"user":42}, {"user":7, "n":1e2} ,{"user":42} ]',
    '[ {"user":7, "n":1e2} ]',
    2,
  ],
  ['an array of one', { formats: ['json_array'] }, '[{"user":42}]', '[]', 1],
  [
    'elements below a path',
    { formats: ['json_document'], records: 'data.edges[*].node' },
    '{"data":{"edges":[{"node":{"user":7}},{"x":1},{"node":{"user":42}}]},"user":42}',
    '{"data":{"edges":[{"node":{"user":7}},{"x":1}]},"user":42}',
    1,
  ],
  [
    'entries of a map',
    { formats: ['json_document'], records: 'users.*' },
    '{"users":{"a, }":{"user":42},"b":{"user":7}}}',
    '{"users":{"b":{"user":7}}}',
    1,
  ],
  [
    'objects without line ends',
    { formats: ['json_concatenated'] },
    '{"user":42}{"user":7}\n {"user":42,"x":"}{"}',
    '{"user":7}\n ',
    2,
  ],
  [
    'objects with separators',
    { formats: ['json_concatenated'] },
    '\u001e{"user":42}\n\u001e{"user":7},\n{"user":42,"x":1},x',
    '\u001e\n\u001e{"user":7},\n,x',
    2,
  ],
  [
    'UTF-16',
    { formats: ['csv'], csv: { delimiter: ';' } },
    Buffer.from(`\ufeff${csv}`, 'utf16le'),
    Buffer.from('\ufeffid;user;email;n\r\n2;7;"x ""42"" y";2\r\n\r\n4;8;d', 'utf16le'),
    2,
  ],
  [
    'fields of text',
    {
      formats: ['text'],
      text: {
        fields: [
          { name: 'user', width: 4 },
          { name: 'n', width: 2 },
        ],
      },
    },
    '42  1 \n420 1 \n 42 2 ',
    '420 1 \n',
    2,
  ],
];
test.each(isThorough ? [...cases, ...more] : cases.slice(0, 1))(
  '%s',
  async (_name, source, before, after, records) => {
    const { match, rest } = await erased(soughtIn(source), Buffer.from(before));
    expect(rest.toString('latin1')).toBe(Buffer.from(after).toString('latin1'));
    expect(match.records).toBe(records);
  },
);

thoroughTest(
  'packed files are packed again, Parquet is written anew, and an archive is refused',
  async () => {
    const lines = soughtIn({ formats: ['ndjson'] });
    const [before, after] = [Buffer.from('{"user":42}\n{"user":7}\n'), '{"user":7}\n'];
    expect(gunzipSync((await erased(lines, gzipSync(before))).rest).toString()).toBe(after);
    expect(zstdDecompressSync((await erased(lines, zstdCompressSync(before))).rest).toString()).toBe(after);
    await expect(erased(lines, Buffer.from(zip('a.json', before.toString())))).rejects.toThrow(/zip archive/);
    await expect(
      erased(
        soughtIn(
          { formats: ['ndjson'] },
          { explode: 'items', columns: [{ name: 'user_id', path: 'items.user', type: 'bigint' }] },
        ),
        Buffer.from('{"items":[{"user":42},{"user":7}]}\n'),
      ),
    ).rejects.toThrow(/has rows of these persons and of others/);
    const table = soughtIn(
      { formats: ['parquet'] },
      { columns: [{ name: 'user_id', path: 'id', type: 'bigint' }] },
    );
    const { match, rest } = await erased(table, (await parquetFiles())['test/groups.parquet'] ?? Buffer.of());
    expect(match).toMatchObject({ records: 1, left: 4999 });
    expect(rest.subarray(0, 4).toString()).toBe('PAR1');
  },
);

test('a file without them is not found', async () => {
  const path = join(folder, 'other');
  writeFileSync(path, '{"user":420}\n{"user":7,"email":"42"}\n');
  expect(
    await searchRaw(soughtIn({ formats: ['ndjson'] }), [{ object: 'feed/a', version: 'v', path, size: 38 }]),
  ).toEqual({ matches: [], unsearched: [] });
});

test.each([
  ['id 42, but', '42', true],
  ['id 420', '42', false],
  ['{"m":"ZOE@x.org"}', 'zoe@x.org', true],
  ['{"m":"Zo\\u00eb"}', 'Zoë', true],
])('a text that nobody can read: %s mentions %s: %s', (text, value, is) => {
  const types = new Map([['k', 'string']]);
  expect(mentions({ persons: personsOfCondition(`k = '${value}'`, types) }, text)).toBe(is);
});

test('a file whose bytes nobody can read is named as not searched, and a text is searched', async () => {
  const sought = soughtIn(
    { formats: ['parquet'] },
    { columns: [{ name: 'user_id', path: 'id', type: 'bigint' }] },
  );
  const damaged = await parquetFiles();
  const files = ['own', 'middle', 'cut', 'footer', 'secret', 'text', 'groups'].map((name) => {
    const bytes = damaged[`test/${name}.parquet`] ?? Buffer.of();
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return { object: name, version: 'v', path, size: bytes.length };
  });
  const utf16 = join(folder, 'utf16');
  writeFileSync(utf16, Buffer.from('\ufeff{"id":42}\n', 'utf16le'));
  const { matches, unsearched } = await searchRaw(sought, [
    ...files,
    { object: 'utf16', version: 'v', path: utf16, size: 20 },
  ]);
  expect(matches.map(({ object }) => object).sort()).toEqual(['groups', 'middle']);
  expect(unsearched.map(({ object }) => object).sort()).toEqual(['cut', 'footer', 'own', 'secret', 'utf16']);
});

test('a Parquet file with a row group that nobody can read is not written anew', async () => {
  const sought = soughtIn(
    { formats: ['parquet'] },
    { columns: [{ name: 'user_id', path: 'id', type: 'bigint' }] },
  );
  const bytes = (await parquetFiles())['test/middle.parquet'] ?? Buffer.of();
  await expect(erased(sought, bytes)).rejects.toMatchObject({ name: 'ErasureRefused' });
});
