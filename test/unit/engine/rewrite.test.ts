import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { rewriteWithout } from '../../../src/lib/engine/rewrite.ts';
import { readParquet } from '../../support/embedded.ts';

test('rows of replaced files, and rows that newer ones replace, leave an object; rows without a key stay', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-rewrite-test-'));
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    const at = (name: string) => join(folder, `${name}.parquet`);
    const write = (name: string, columns: string, values: string) =>
      db.run(`COPY (SELECT * FROM (VALUES ${values}) t(${columns})) TO '${at(name)}' (FORMAT parquet)`);
    const columns = { object: '_object', version: '_version' };
    await write(
      'a',
      'id, word, _object, _version',
      "(1, 'x', 'a', 'v'), (1, 'y', 'b', 'v'), (2, 'x', 'b', 'v'), (NULL, 'x', 'b', 'v')",
    );
    await write('old', '_object, _version', "('a', 'v'), ('b', 'v')");
    await write('other', 'id, word, _object, _version', "(1, 'y', 'b', 'v')");
    await write(
      'keys',
      '_path, id, word',
      "('s3://p/a', 1::BIGINT, 'y'), ('s3://p/a', 1, 'x'), ('s3://p/z', 2, 'x')",
    );
    const counts = await rewriteWithout(
      [
        { from: at('a'), to: at('a-left'), columns, replacedAt: 's3://p/a' },
        { from: at('old'), to: at('old-left'), columns },
        // Another object may have an equal key, and keeps it.
        { from: at('other'), to: at('other-left'), columns },
      ],
      { origins: [{ object: 'a', version: 'v' }], replaced: [at('keys')] },
    );
    expect(counts).toEqual([
      { kept: 2, removed: 2, replaced: 1 },
      { kept: 1, removed: 1, replaced: 0 },
      { kept: 1, removed: 0, replaced: 0 },
    ]);
    expect((await readParquet(at('a-left'))).map((row) => row.id ?? null)).toEqual([2, null]);
    // Versions: one of them twice, one that leaves, and an object that is older than the history.
    await write(
      'versions',
      'id, n, until, is_current, _object, _version',
      "(1, 1, 2, false, 'b', 'v'), (2, 1, NULL, true, 'b', 'v'), (2, 1, NULL, true, 'b', 'v'), (3, 1, NULL, true, 'a', 'v')",
    );
    await write(
      'changes',
      '_path, id, n, until',
      "('s3://p/v', 1, 1, NULL), ('s3://p/v', 2, 1, 5), ('s3://p/v', 2, 1, 5), ('s3://p/o', 7, 1, 9), ('s3://p/x', 1, 1, 8)",
    );
    await write('before', 'id, n, _object, _version', "(7, 1, 'b', 'v'), (8, 1, 'b', 'v')");
    const changed = { files: [at('changes')], validTo: 'until', current: 'is_current' };
    expect(
      await rewriteWithout(
        [
          { from: at('versions'), to: at('versions-left'), columns, changedAt: 's3://p/v' },
          { from: at('before'), to: at('before-left'), columns, changedAt: 's3://p/o' },
        ],
        { origins: [{ object: 'a', version: 'v' }], replaced: [], changed },
      ),
    ).toEqual([
      { kept: 3, removed: 1, replaced: 0, changed: 3 },
      { kept: 2, removed: 0, replaced: 0, changed: 1 },
    ]);
    const shown = async (name: string) =>
      (await readParquet(at(name))).map(({ id, until, is_current: is }) => [id, until ?? null, is ?? null]);
    expect(await shown('versions-left')).toEqual([
      [1, null, true],
      [2, 5, false],
      [2, 5, false],
    ]);
    expect(await shown('before-left')).toEqual([
      [7, 9, false],
      [8, null, null],
    ]);
  } finally {
    db.closeSync();
    await rm(folder, { recursive: true });
  }
});
