/** The Glue job that rewrites objects (glue/sluice/rewriting.py), in the flow in memory. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import { placeOf } from '../../src/lib/aws/store.ts';
import { literal } from '../../src/lib/dialect/duckdbNames.ts';
import { isRewritten, type Rewritten } from '../../src/lib/engine/rewritten.ts';
import { unlessMissing } from '../../src/lib/flow/batch/affected.ts';
import { fetchDeletes } from '../../src/lib/flow/batch/deletes.ts';
import type { Deps } from './flowWorld.ts';

const sqlSchema = z.object({ count: z.string(), rows: z.string(), options: z.string() });
const unitSchema = z.object({
  uri: z.string(),
  to: z.string(),
  origins: z.int(),
  sql: z.int().nullable(),
  deletes: z.string().nullable(),
  isReplaced: z.boolean(),
  isChanged: z.boolean(),
});
const jobSchema = z.object({
  rewritings: z.array(unitSchema),
  origins: z.array(z.array(z.object({ object: z.string(), version: z.string() }))),
  sql: z.array(sqlSchema),
  replaced: z.string(),
  changed: z.string(),
  outcomes: z.string(),
});

/** An object on the disk, with the lists of losing rows. */
export interface LocalObject {
  readonly uri: string;
  readonly from: string;
  readonly to: string;
  readonly origins: readonly { object: string; version: string }[];
  readonly sql: z.output<typeof sqlSchema> | undefined;
  readonly deletes?: string | undefined;
  readonly replaced: readonly string[];
  readonly changed: readonly string[];
}
export type RewriteObject = (object: LocalObject) => Promise<Rewritten>;

/** Carries out a description. */
export async function runRewriting(
  { store }: Deps,
  description: string,
  jobRun: string,
  rewriteObject: RewriteObject,
): Promise<void> {
  const job = await store.readJson(placeOf(description), jobSchema);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-rewriting-'));
  try {
    const listed = async (place: string, name: string) => {
      const { bucket, key: prefix } = placeOf(place);
      const keys = (await store.list(bucket, prefix)).filter(({ key }) => key.endsWith('.parquet'));
      const paths = keys.map((_, i) => join(folder, `${name}-${i}`));
      for (const [i, { key }] of keys.entries()) await store.download({ bucket, key }, paths[i] ?? '');
      return paths;
    };
    const replaced = job.rewritings.some((u) => u.isReplaced) ? await listed(job.replaced, 'replaced') : [];
    const changed = job.rewritings.some((u) => u.isChanged) ? await listed(job.changed, 'changed') : [];
    const outcomes: ((Rewritten & { bytes: number }) | null)[] = [];
    for (const [i, unit] of job.rewritings.entries()) {
      const { uri, to: target, origins, sql, isReplaced, isChanged } = unit;
      const [from, to] = [join(folder, `${i}`), join(folder, `${i}-left`)];
      if (!(await unlessMissing(store.download(placeOf(uri), from))) || sql === null) {
        outcomes.push(null);
        continue;
      }
      const gone = unit.deletes === null ? undefined : { address: unit.deletes };
      const deletes = await fetchDeletes({ store }, gone, `${from}-deletes`);
      const rows = await rewriteObject({
        uri,
        from,
        to,
        origins: job.origins[origins] ?? [],
        sql: job.sql[sql],
        deletes,
        replaced: isReplaced ? replaced : [],
        changed: isChanged ? changed : [],
      });
      const bytes = isRewritten(rows) ? await store.uploadOnce(to, placeOf(target)) : 0;
      outcomes.push({ ...rows, changed: rows.changed ?? 0, bytes });
    }
    await store.writeText(placeOf(job.outcomes.replace('{jobRun}', jobRun)), JSON.stringify(outcomes));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs the SQL of the description, as a task of the job does. */
export async function rewriteBySql({
  uri,
  from,
  to,
  origins,
  sql,
  deletes,
  replaced,
  changed,
}: LocalObject): Promise<Rewritten> {
  const instance = await DuckDBInstance.create(':memory:');
  const db = await instance.connect();
  try {
    await db.run("SET TimeZone = 'UTC'; CREATE TABLE origins (o VARCHAR, v VARCHAR)");
    for (const { object, version } of origins)
      await db.run(`INSERT INTO origins VALUES (${literal(object)}, ${literal(version)})`);
    const hidden = deletes === undefined ? [] : [deletes];
    for (const [name, paths] of Object.entries({ replaced, changes: changed, hidden }))
      if (paths.length > 0)
        await db.run(`CREATE VIEW ${name} AS FROM read_parquet([${paths.map(literal).join(', ')}])`);
    await db.run(
      `SET VARIABLE rewrite_from = ${literal(from)}; SET VARIABLE rewrite_address = ${literal(uri)}`,
    );
    const [counted] = (await db.runAndReadAll(sql?.count ?? '')).getRowObjectsJson();
    const of = (name: string) => Number(counted?.[name]);
    const rows = {
      kept: of('kept'),
      removed: of('removed'),
      replaced: of('replaced'),
      changed: of('changed'),
    };
    if (isRewritten(rows)) await db.run(`COPY (${sql?.rows}) TO ${literal(to)} (${sql?.options})`);
    return rows;
  } finally {
    db.closeSync();
    instance.closeSync();
  }
}
