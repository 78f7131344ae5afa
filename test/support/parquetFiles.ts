/** Parquet files, whole and broken ones, and a contract for them. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { parseContract } from '../../src/lib/contract/load.ts';

export const parquetContract = parseContract(
  'test.yml',
  `
dataset: test
source: { prefix: test/, formats: [parquet] }
columns:
  - { name: id, path: id, type: bigint, required: true }
  - { name: at, path: at, type: timestamp, formats: [iso8601], onError: "null" }
  - { name: nanos, path: nanos, type: timestamp, formats: [iso8601] }
  - { name: day, path: day, type: date }
  - { name: price, path: price, type: "decimal(12,2)" }
  - { name: price_text, path: price, type: string }
  - { name: share, path: share, type: double }
  - { name: is_new, path: is_new, type: boolean }
  - { name: bytes, path: bytes, type: string }
  - { name: city, path: address."the city", type: string }
  - { name: skus, path: "items[*].sku", type: array<string> }
  - { name: tags, path: tags, type: json }
  - { name: huge, path: huge, type: "decimal(38,0)" }
drift: rescue
partitionBy: [{ name: source, constant: test }]
`,
);

const row = (id: string) => `SELECT ${id}::BIGINT AS id, TIMESTAMPTZ '2025-10-06 05:40:00.123456+00' AS at,
  TIMESTAMP_NS '2025-10-06 05:40:00.123456789' AS nanos, DATE '2025-10-06' AS day, 1.50::DECIMAL(12,2) AS price,
  CASE WHEN ${id} % 2 = 0 THEN 0.1 ELSE 'NaN'::DOUBLE END AS share, true AS is_new,
  CASE WHEN ${id} % 2 = 0 THEN encode('ä') ELSE '\\xFF\\x00'::BLOB END AS bytes, {'the city': 'Ulm', zip: NULL} AS address,
  [{sku: 'a', n: 1}, {sku: NULL, n: 2}] AS items, MAP {'k': 1.5} AS tags, 18446744073709551615::UBIGINT AS huge,
  TIME '01:02:03' AS "some 'time'", 'x' AS "Id"`;

/** Names and bytes. */
export async function parquetFiles(): Promise<Record<string, Buffer>> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-parquet-'));
  const db = await (await DuckDBInstance.create()).connect();
  try {
    const made = async (sql: string, options = ''): Promise<Buffer> => {
      const path = join(folder, 'a.parquet');
      await db.run(`COPY (${sql}) TO '${path}' (FORMAT parquet${options})`);
      return readFile(path);
    };
    const types = await made(`${row('1')} UNION ALL ${row('2')}`);
    const groups = await made(
      "SELECT range AS id, 'text ' || range AS bytes, NULL::INTEGER AS gone FROM range(5000)",
      ', ROW_GROUP_SIZE 2048, COMPRESSION uncompressed',
    );
    const middle = Buffer.from(groups);
    // In the text of a row of the second group: its page then ends within another text.
    const at = middle.indexOf('text 3000');
    middle.writeUInt32LE(0x7fffffff, at - 4);
    const footer = Buffer.from(types);
    footer.writeUInt32LE(0x7fffffff, footer.length - 8);
    return {
      'test/types.parquet': types,
      'test/groups.parquet': groups,
      'test/middle.parquet': middle,
      'test/none.parquet': await made('SELECT 1 AS id WHERE false'),
      'test/empty.parquet': Buffer.alloc(0),
      'test/own.parquet': await made('SELECT 1 AS id, 2 AS file_row_number'),
      'test/cut.parquet': types.subarray(0, -1),
      'test/footer.parquet': footer,
      'test/text.parquet': Buffer.from('{"id":1}\n'),
      'test/mark.parquet': Buffer.from('PAR1PAR1PAR1'),
      'test/secret.parquet': Buffer.concat([Buffer.from('PARE'), types.subarray(4, -4), Buffer.from('PARE')]),
    };
  } finally {
    db.closeSync();
    await rm(folder, { recursive: true });
  }
}
