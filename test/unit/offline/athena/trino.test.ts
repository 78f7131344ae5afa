/** What Trino is asked for a statement of Athena, and what becomes of its answers. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { createTrinoEngine } from '../../../../offline/athena/trino.ts';
import {
  createTrinoClient,
  type TrinoResult,
  type TypeSignature,
} from '../../../../offline/athena/trinoClient.ts';
import { connectUpstream } from '../../../../offline/aws.ts';

const nothing: TrinoResult = {
  id: '20261127_000000_00001_abcde',
  columns: [],
  rows: [],
  updateCount: undefined,
  scannedBytes: 0,
  scannedRows: 0,
};
const timestamp = (precision: string): TypeSignature => ({
  rawType: 'timestamp',
  arguments: [{ kind: 'LONG', value: precision }],
});

/** Runs a statement on an engine whose Trino answers every statement with `answer`, over a bucket with these keys. Gives the statements, and the commands to AWS. */
async function run(
  sql: string,
  answer: Partial<TrinoResult> = {},
  parameters: readonly string[] = [],
  keys: readonly string[] = [],
) {
  const [asked, commands]: [string[], string[]] = [[], []];
  const upstream = connectUpstream('http://127.0.0.1:9');
  const note =
    (_: unknown, { commandName }: { readonly commandName?: string }) =>
    async () => {
      commands.push(String(commandName));
      return { response: {}, output: { $metadata: {}, Contents: keys.map((Key) => ({ Key })) } };
    };
  upstream.glue.middlewareStack.add(note, { step: 'initialize', priority: 'high' });
  upstream.s3.middlewareStack.add(note, { step: 'initialize', priority: 'high' });
  const engine = createTrinoEngine(upstream, async () => ({
    run: async (statement) => {
      asked.push(statement);
      return { ...nothing, ...answer };
    },
  }));
  const { signal } = new AbortController();
  const result = await engine.run({ sql, database: 'now', parameters, tables: 's3://b/tables/', signal });
  return { asked, commands, result };
}

test('UNLOAD writes through a table in a database of its own, which is removed afterwards', async () => {
  const { asked, commands } = await run("UNLOAD (SELECT 1.5 AS a) TO 's3://b/u/' WITH (format = 'JSON')");
  expect(asked).toEqual([
    expect.stringMatching(
      /^CREATE TABLE "(unload_\w+)"\."\1" WITH \(format = 'JSON', external_location = 's3:\/\/b\/u\/'\) AS SELECT 1.5e0 AS a$/,
    ),
  ]);
  const changes = commands.filter((name) => !name.startsWith('List'));
  expect(changes).toEqual(['CreateDatabaseCommand', 'DeleteTableCommand', 'DeleteDatabaseCommand']);
});

test('an Iceberg table takes times of microseconds only, also inside of other types', async () => {
  const sql =
    "CREATE TABLE t WITH (table_type = 'ICEBERG', is_external = false, location = 's3://b/t/') AS SELECT a FROM s";
  const inArray: TypeSignature = {
    rawType: 'array',
    arguments: [{ kind: 'TYPE', value: timestamp('3') }],
  };
  for (const typeSignature of [timestamp('3'), inArray])
    await expect(run(sql, { columns: [{ name: 'a', typeSignature }] })).rejects.toThrow(
      'NOT_SUPPORTED: Timestamp precision (3) not supported for Iceberg. Use "timestamp(6)" instead.',
    );
  const { asked } = await run(sql, { columns: [{ name: 'a', typeSignature: timestamp('6') }] });
  expect(asked).toEqual([
    'SELECT * FROM (SELECT a FROM s) LIMIT 0',
    expect.stringContaining('AS SELECT a FROM s'),
  ]);
});

test('OPTIMIZE has no result, and parameters are doubles, too', async () => {
  const columns = [{ name: 'rows', typeSignature: { rawType: 'bigint', arguments: [] } }];
  const { result } = await run('OPTIMIZE t REWRITE DATA USING BIN_PACK', { columns });
  expect(result).toMatchObject({ columns: [], rows: [] });
  const { asked } = await run('SELECT ?', {}, ['1.5']);
  expect(asked).toEqual(["EXECUTE IMMEDIATE 'SELECT ?' USING 1.5e0"]);
});

test('the data manifest of an Iceberg table names the files that the statement wrote, not metadata and not what others wrote', async () => {
  const keys = ['t/data/theirs.parquet', `t/data/${nothing.id}-1.parquet`, 't/metadata/snap-1.avro'];
  const sql = "CREATE TABLE t WITH (table_type = 'ICEBERG', location = 's3://b/t') AS SELECT 1 AS a";
  const { result } = await run(sql, {}, [], keys);
  expect(result.written).toEqual([`s3://b/t/data/${nothing.id}-1.parquet`]);
});

test('a statement waits for the catalogs of the server, which answers before its worker has them', async () => {
  const answers = [
    { error: { message: 'm', errorName: 'NO_NODES_AVAILABLE', errorType: 'INSUFFICIENT_RESOURCES' } },
    { updateCount: 1 },
    { error: { message: 'm', errorName: 'COLUMN_NOT_FOUND', errorType: 'USER_ERROR' } },
  ];
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(await text(request));
    response.end(JSON.stringify({ id: 'q', stats: {}, ...answers.shift() }));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const { run: ask } = createTrinoClient(`http://127.0.0.1:${port}`, 'user');
  try {
    expect(await ask('CREATE TABLE t AS SELECT 1', 'd')).toMatchObject({ updateCount: 1 });
    await expect(ask('SELECT b FROM t', 'd')).rejects.toMatchObject({ code: 'COLUMN_NOT_FOUND' });
  } finally {
    server.close();
  }
  expect(asked).toEqual(['CREATE TABLE t AS SELECT 1', 'CREATE TABLE t AS SELECT 1', 'SELECT b FROM t']);
});
