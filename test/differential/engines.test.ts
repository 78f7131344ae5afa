/**
 * Both engines give the same rows, the same quarantine and the same counts, on generated contracts and inputs.
 * SLUICE_DIFFERENTIAL_CASES and SLUICE_DIFFERENTIAL_SEED widen the search: npm run differential -- --cases 5000.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ensureSpark } from '../../offline/setup/environments.ts';
import { layOutJob, type SparkSession, startSparkSession } from '../../offline/spark.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import { type EngineResult, transform } from '../support/embedded.ts';

const cases = Number(process.env.SLUICE_DIFFERENTIAL_CASES ?? 200);
const seed = Number(process.env.SLUICE_DIFFERENTIAL_SEED ?? 1);

let folder: string;
let session: SparkSession;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-session-'));
  session = await startSparkSession(await ensureSpark(console.log), folder);
});
afterAll(async () => {
  session?.close();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

const scalar = fc.constantFrom(
  'string',
  'int',
  'bigint',
  'double',
  'decimal(12,3)',
  'boolean',
  'date',
  'json',
);
const columnOf = (name: string) =>
  fc.record({
    name: fc.constant(name),
    path: fc.constantFrom(name, `in.${name}`, `list[0].${name}`),
    type: scalar,
    required: fc.boolean(),
    onError: fc.constantFrom('quarantine', 'null'),
    trim: fc.boolean(),
    nullValues: fc.constantFrom([], ['', 'N/A']),
  });
const arrayOf = (name: string) =>
  fc.record({
    name: fc.constant(name),
    path: fc.constantFrom(`${name}[*]`, `in.${name}[*]`, `list[*].${name}`),
    type: fc
      .constantFrom('string', 'int', 'bigint', 'double', 'boolean', 'date')
      .map((type) => `array<${type}>`),
    required: fc.boolean(),
  });

const contracts = fc
  .record({
    a: columnOf('a'),
    b: columnOf('b'),
    c: arrayOf('c'),
    key: fc.constantFrom(['id'], ['id', 'at']),
    scope: fc.constantFrom('batch', 'file'),
    order: fc.constantFrom([], [{ column: 'a', direction: 'asc' }], [{ column: 'b', direction: 'desc' }]),
    isDeduped: fc.boolean(),
    part: fc.constantFrom('year', 'day', 'hour'),
    derive: fc.constantFrom(
      [],
      [{ name: 'd', type: 'bigint', expression: "id * id - length(concat('x', '桜'))" }],
      [{ name: 'd', type: 'string', expression: "if(hour(at) >= 6, 'day', 'night')" }],
    ),
    filter: fc.constantFrom(undefined, undefined, 'id % 3 != 1'),
    drift: fc.constantFrom('ignore', 'rescue', 'reject'),
  })
  .map(({ a, b, c, key, scope, order, isDeduped, part, drift, derive, filter }) =>
    parseContract(
      'generated.yml',
      // YAML holds JSON.
      JSON.stringify({
        dataset: 'generated',
        source: { prefix: 'x/', formats: ['ndjson', 'json_array'] },
        columns: [
          { name: 'id', path: 'id', type: 'bigint', required: true },
          {
            name: 'at',
            path: 'at',
            type: 'timestamp',
            required: true,
            formats: ['iso8601', 'epoch_s', 'epoch_ms', 'twitter'],
          },
          a,
          b,
          c,
        ],
        drift,
        derive,
        ...(filter ? { filter } : {}),
        ...(isDeduped ? { dedupe: { key, scope, order } } : {}),
        partitionBy: [
          { name: 'source', constant: 'generated' },
          { name: part, of: 'at', part },
        ],
      }),
    ),
  );

const leaf = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom(
    '',
    ' x ',
    'N/A',
    '12',
    '-7',
    '1.5',
    '1e400',
    'true',
    '2025-10-06',
    '2025-02-30',
    '9007199254740993',
  ),
);
const value = fc.oneof(
  { weight: 6, arbitrary: leaf },
  { weight: 1, arbitrary: fc.array(leaf, { maxLength: 3 }) },
);
const fields = fc.record({ a: value, b: value, c: value }, { requiredKeys: [] });
const time = fc.oneof(
  fc.constantFrom(
    '2025-10-06T05:40:00.123456Z',
    '2025-10-06 23:30:00-01:00',
    'Mon Oct 06 07:40:00 +0200 2025',
    1759729200,
    '1759729200123',
    'soon',
  ),
  fc
    .date({ min: new Date('1971-01-01'), max: new Date('2090-01-01'), noInvalidDate: true })
    .map((d) => d.toISOString()),
);
const record = fc
  .record({
    id: fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 6 }) }, { weight: 1, arbitrary: leaf }),
    at: time,
    top: fields,
    in: fields,
    list: fc.array(fields, { maxLength: 2 }),
  })
  .map(({ top, ...rest }) => ({ ...top, ...rest }));
const line = fc.oneof(
  { weight: 10, arbitrary: record.map((r) => JSON.stringify(r)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '',
      ' \t',
      '{"id":1,"at":NaN}',
      '{"id":1,}',
      '[1]',
      'null',
      '{"id":2',
      '{"id":1,"id":2,"at":1759729200}',
      '\u2028',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }).filter((s) => !/[\n\0]/.test(s)) },
);
const bytes = (text: string) => Buffer.from(text, 'utf8');
const lineFile = fc
  .tuple(fc.array(line, { maxLength: 12 }), fc.constantFrom('\n', '\r\n'), fc.boolean(), fc.boolean())
  .map(([lines, end, hasMark, isBroken]) =>
    Buffer.concat([
      bytes(hasMark ? '\uFEFF' : ''),
      bytes(`{}${end}${lines.join(end)}`),
      ...(isBroken ? [bytes(end), Buffer.from([0xc3, 0x28]), bytes(`${end}{"x":1}`)] : []),
    ]),
  );
const arrayFile = fc.array(record, { maxLength: 5 }).map((records) => bytes(JSON.stringify(records)));
const otherFile = fc.constantFrom(
  bytes(''),
  bytes('[{"id":'),
  bytes('\uFEFF[]'),
  Buffer.from([0, 1]),
  Buffer.from([0x1f, 0x8b, 8]),
);
const files = fc
  .array(
    fc.oneof(
      { weight: 4, arbitrary: lineFile },
      { weight: 2, arbitrary: arrayFile },
      { weight: 1, arbitrary: otherFile },
    ),
    { minLength: 1, maxLength: 3 },
  )
  .map((contents) => Object.fromEntries(contents.map((content, i) => [`x/${i}.json`, content])));

/** Rows and quarantine without an order of their own, so that they compare. */
const comparable = ({ summary, rows, quarantine }: EngineResult) => {
  const text = (row: unknown) =>
    JSON.stringify(row, (_, v: unknown) =>
      v === undefined ? null : typeof v === 'bigint' ? `${v}n` : Object.is(v, -0) ? '-0' : v,
    );
  const whole = (row: object) =>
    text(Object.fromEntries(Object.entries(row).map(([k, v]) => [k, v ?? null])));
  return { summary, rows: rows.map(whole).sort(), quarantine: quarantine.map(whole).sort() };
};

test(
  `property: Spark and the embedded engine agree (${cases} cases)`,
  async () => {
    await fc.assert(
      fc.asyncProperty(contracts, files, async (contract, input) => {
        const embedded = await transform(contract, input);
        const spark = await transform(
          contract,
          input,
          async ({ plan, references, inputs, batch, outputDir }, place) =>
            session.run(await layOutJob(join(place, 'job'), plan, references, inputs, { batch, outputDir })),
        );
        expect(comparable(spark)).toEqual(comparable(embedded));
        const { rowsRead, published, quarantined, duplicates } = embedded.summary;
        expect(published + quarantined + duplicates).toBe(rowsRead);
      }),
      { numRuns: cases, seed, endOnFailure: cases > 1000 },
    );
  },
  6 * 3_600_000,
);
