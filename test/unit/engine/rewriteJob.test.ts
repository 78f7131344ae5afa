/** The SQL with which the Glue job rewrites objects counts and keeps the same rows as the embedded engine. */
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { rewriteWithout } from '../../../src/lib/engine/rewrite.ts';
import { describeRewriting, type RangedFile } from '../../../src/lib/engine/rewriteJob.ts';
import { ObjectMissing } from '../../../src/lib/errors.ts';
import { readParquet } from '../../support/embedded.ts';
import { rewriteBySql } from '../../support/rewritingJob.ts';

const columns = { object: '_object', version: '_version' };

test('objects are described from their ends; equal columns share their SQL, and an object that is gone has none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-rewrite-job-'));
  const db = await (await DuckDBInstance.create(':memory:')).connect();
  try {
    const at = (name: string) => join(folder, `${name}.parquet`);
    const write = (name: string, names: string, values: string, options = '') =>
      db.run(
        `COPY (SELECT * FROM (VALUES ${values}) t(${names})) TO '${at(name)}' (FORMAT parquet${options})`,
      );
    const ids = ', FIELD_IDS {id: 1, n: 2, until: 3, is_current: 4, _object: 5, _version: 6}';
    const names = 'id, n, until, is_current, _object, _version';
    await write(
      'a',
      names,
      "(3, 1, NULL::BIGINT, true, 'b', 'v'), (1, 1, 2, false, 'b', 'v'), (2, 1, NULL, true, 'b', 'v'), (9, 1, NULL, true, 'a', 'v')",
      ids,
    );
    await write('b', names, "(1, 1, NULL::BIGINT, true, 'b', 'v'), (5, 1, NULL, true, 'b', 'v')", ids);
    // It is older than the history, and called its key by another name.
    await write('old', 'former, n, _object, _version', "(7, 1, 'b', 'v'), (8, 1, 'b', 'v')");
    await write('replaced', '_path, id, n', "('s3://p/b', 5, 1), ('s3://p/x', 1, 1)");
    await write(
      'changes',
      '_path, id, n, until',
      "('s3://p/a', 2, 1, 6::BIGINT), ('s3://p/a', 1, 1, NULL), ('s3://p/old', 7, 1, 9)",
    );
    const fieldIds = {
      id: { id: 1, names: ['id', 'former'] },
      ...Object.fromEntries(['n', 'until', 'is_current'].map((name, i) => [name, { id: i + 2 }])),
    };
    let read = 0;
    const ranged = async (name: string): Promise<RangedFile> => ({
      bytes: (await stat(at(name))).size,
      read: async (start, end) => {
        read += end - start;
        const part = (await readFile(at(name))).subarray(start, end);
        return part.buffer.slice(part.byteOffset, part.byteOffset + part.length) as ArrayBuffer;
      },
    });
    const gone: RangedFile = {
      bytes: 100,
      read: () => Promise.reject(new ObjectMissing('s3://p/gone is gone')),
    };
    const history = { validTo: 'until', current: 'is_current' };
    const replacedAt = 's3://p/b';
    const { sql, of } = await describeRewriting({
      objects: [
        { ...(await ranged('a')), columns, changedAt: 's3://p/a' },
        { ...(await ranged('b')), columns, replacedAt },
        { ...gone, columns, replacedAt: 's3://p/gone' },
        { ...(await ranged('old')), columns, changedAt: 's3://p/old' },
        { ...(await ranged('b')), columns, replacedAt: 's3://p/c' },
      ],
      replaced: [await ranged('replaced')],
      changed: { files: [await ranged('changes')], ...history },
      ids: fieldIds,
    });
    expect(of).toEqual([0, 1, null, 2, 1]);
    expect(read).toBeGreaterThan(0);
    const origins = [{ object: 'a', version: 'v' }];
    for (const [name, n, place] of [
      ['a', 0, { changedAt: 's3://p/a' }],
      ['b', 1, { replacedAt }],
      ['old', 2, { changedAt: 's3://p/old' }],
    ] as const) {
      const [embedded] = await rewriteWithout(
        [{ from: at(name), to: at(`${name}-embedded`), columns, ...place }],
        {
          origins,
          replaced: [at('replaced')],
          changed: { files: [at('changes')], ...history },
          ids: fieldIds,
        },
      );
      const job = await rewriteBySql({
        uri: `s3://p/${name}`,
        from: at(name),
        to: at(`${name}-job`),
        origins,
        sql: sql[n],
        replaced: [at('replaced')],
        changed: [at('changes')],
      });
      expect(job).toEqual({ changed: 0, ...embedded });
      const rows = await readParquet(at(`${name}-job`));
      expect(rows).toEqual(await readParquet(at(`${name}-embedded`)));
      expect(rows.length).toBeGreaterThan(0);
      const fields = async (path: string) =>
        (
          await db.runAndReadAll(
            `SELECT name, type, converted_type, field_id::INTEGER AS id FROM parquet_schema('${path}')`,
          )
        ).getRowObjectsJson();
      expect(await fields(at(`${name}-job`))).toEqual(await fields(at(`${name}-embedded`)));
    }
  } finally {
    db.closeSync();
    await rm(folder, { recursive: true });
  }
});
