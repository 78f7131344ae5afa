/** The local Athena without a JVM. */
import { tmpdir } from 'node:os';
import { expect, test } from '@jest/globals';
import { createDuckDbEngine } from '../../../../offline/athena/duckdb.ts';
import { createCatalog } from '../../../../src/lib/aws/catalog.ts';
import { defaultPartition } from '../../../../src/lib/catalog/partitionPath.ts';
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
    await expect(ask(sql)).rejects.toThrow("$partitions' does not exist");
});
