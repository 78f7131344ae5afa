import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { fieldIdsOf, fieldIdsOption } from '../../../src/lib/engine/fieldIds.ts';
import { rewriteWithout } from '../../../src/lib/engine/rewrite.ts';

test('a file has the ids that it was written with, and what is left of it has the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-ids-'));
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    const write = async (name: string, rows: string, option = '') => {
      const path = join(folder, `${name}.parquet`);
      await db.run(`COPY (${rows}) TO '${path}' (FORMAT parquet${option})`);
      return path;
    };
    const rows = `SELECT unnest([1, 2]) AS id, ['t'] AS "two words", unnest(['a', 'b']) AS o, 'v' AS v`;
    const ids = { id: { id: 4 }, 'two words': { id: 9, element: 11 }, o: { id: 1 }, v: { id: 2 } };
    const from = await write('ids', rows, fieldIdsOption(ids));
    expect(await fieldIdsOf(db, from)).toEqual(ids);
    const to = join(folder, 'left.parquet');
    const columns = { object: 'o', version: 'v' };
    expect(
      await rewriteWithout([{ from, to, columns }], {
        origins: [{ object: 'a', version: 'v' }],
        replaced: [],
      }),
    ).toEqual([{ kept: 1, removed: 1, replaced: 0 }]);
    expect(await fieldIdsOf(db, to)).toEqual(ids);
    // Readers expect ids for all columns or for none.
    for (const option of [
      '',
      fieldIdsOption({ id: { id: 4 } }),
      fieldIdsOption({ ...ids, 'two words': { id: 9 } }),
    ])
      expect(await fieldIdsOf(db, await write('some', rows, option))).toBeUndefined();
    expect(await fieldIdsOf(db, await write('struct', "SELECT {'a': 1} AS s"))).toBeUndefined();
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true });
  }
});
