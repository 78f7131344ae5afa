/** The local Athena without a JVM. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { createDuckDbEngine } from '../../../../offline/athena/duckdb.ts';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import { defaultPartition } from '../../../../src/lib/catalog/partitionPath.ts';
import { literal } from '../../../../src/lib/dialect/duckdbNames.ts';
import { inDuckdb } from '../../../../src/lib/engine/instance.ts';
import { createMemoryAws } from '../../../support/memory/index.ts';

test('"table$partitions" has the partitions of a table as rows, and the default one has no value', async () => {
  const { glue, s3 } = createMemoryAws().actor('athena');
  const catalog = createCatalog('sluice', glue);
  const table = {
    name: 't',
    location: 's3://processed/t/',
    columns: [{ name: 'id', type: 'bigint' }],
    partitionKeys: [{ name: 'day', type: 'string' }],
  };
  await catalog.ensureTable(table);
  await catalog.ensureTable({
    ...table,
    name: 'plain',
    location: 's3://processed/plain/',
    partitionKeys: [],
  });
  await catalog.addPartitions(
    table,
    ["0'6", '07', defaultPartition].map((day) => ({
      values: [day],
      location: `s3://processed/t/day=${day}/`,
    })),
  );
  const engine = await createDuckDbEngine({ glue, s3 }, tmpdir());
  const ask = (sql: string) =>
    engine.run({ sql, database: 'sluice', parameters: [], tables: '', signal: new AbortController().signal });
  const last = 'SELECT "day", count(*) OVER () AS n FROM "t$partitions" ORDER BY "day" DESC LIMIT';
  expect((await ask(`${last} 2`)).rows).toEqual([
    ['07', '3'],
    ["0'6", '3'],
  ]);
  expect((await ask(`${last} 3`)).rows.at(-1)).toEqual([null, '3']);
  for (const sql of ['SELECT * FROM "plain$partitions"', 'SELECT * FROM "none$partitions"'])
    await expect(ask(sql)).rejects.toThrow(`$partitions"' does not exist`);
});

test('a condition on a column that is called filename is not one on the files', async () => {
  const aws = createMemoryAws();
  const { glue, s3 } = aws.actor('athena');
  await createCatalog('sluice', glue).ensureTable({
    name: 'named',
    location: 's3://processed/named/',
    columns: [{ name: 'filename', type: 'string' }],
    partitionKeys: [],
  });
  const folder = await mkdtemp(join(tmpdir(), 'sluice-athena-'));
  try {
    const path = join(folder, 'object');
    await inDuckdb('a test', ({ db }) =>
      db.run(`COPY (SELECT unnest(['a', 'b']) AS filename) TO ${literal(path)} (FORMAT parquet)`),
    );
    aws.s3.seed('processed', 'named/0.parquet', await readFile(path));
    const engine = await createDuckDbEngine({ glue, s3 }, folder);
    const signal = new AbortController().signal;
    const sql = "SELECT filename FROM named WHERE filename = 'a'";
    const { rows } = await engine.run({ sql, database: 'sluice', parameters: [], tables: '', signal });
    expect(rows).toEqual([['a']]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
