/** Describes to glue/job.py how published objects are rewritten. Only the ends of the objects are read. */
import { join } from 'node:path';
import { type FileMetaData, parquetMetadataAsync } from 'hyparquet';
import { ObjectMissing } from '../errors.ts';
import { parallel } from '../parallel.ts';
import { inDuckdb } from './instance.ts';
import { fetchColumns } from './publishedKeys.ts';
import { losingIn, type Removed, type RewriteSql, type Rewriting, rewriteSql } from './rewrite.ts';

/** An object that is read by ranges. */
export interface RangedFile {
  readonly bytes: number;
  /** The bytes from `start` to before `end`. */
  read(start: number, end: number): Promise<ArrayBuffer>;
}

export interface Describing {
  readonly objects: readonly (RangedFile &
    Pick<Rewriting, 'columns' | 'replacedAt' | 'changedAt'> & {
      /** Whether it has a delete file. */
      readonly isHidden?: boolean | undefined;
    })[];
  /** The lists of losing rows: see Removed. */
  readonly replaced: readonly RangedFile[];
  readonly changed?:
    | ({ readonly files: readonly RangedFile[] } & Omit<NonNullable<Removed['changed']>, 'files'>)
    | undefined;
  readonly ids?: Removed['ids'];
}

/** How each object is rewritten, as a number in a list of SQL; null for one that is gone. */
export interface Described {
  readonly sql: readonly RewriteSql[];
  readonly of: readonly (number | null)[];
}

/** Objects with equal columns share their SQL. */
export async function describeRewriting({ objects, replaced, changed, ids }: Describing): Promise<Described> {
  const shapes = await parallel(objects, 64, shapeOf);
  return inDuckdb('the ends of published files', async ({ db, scratch }) => {
    const endOf = async ({ bytes, read }: RangedFile, name: string) => {
      const path = join(scratch, `${name}.parquet`);
      await fetchColumns(read, bytes, { columns: [], ids: undefined }, path);
      return path;
    };
    const ends = (files: readonly RangedFile[], name: string) =>
      parallel(files, 16, (file, i) => endOf(file, `${name}-${i}`));
    const losing = await losingIn(db, {
      origins: [],
      replaced: await ends(replaced, 'replaced'),
      ...(changed === undefined
        ? {}
        : { changed: { ...changed, files: await ends(changed.files, 'changed') } }),
      ids,
    });
    const sql: RewriteSql[] = [];
    const known = new Map<string, number>();
    const of: (number | null)[] = [];
    for (const [i, object] of objects.entries()) {
      const { columns, replacedAt, changedAt, isHidden } = object;
      const shape = shapes[i] ?? null;
      const name = JSON.stringify([
        shape,
        columns,
        replacedAt !== undefined,
        changedAt !== undefined,
        isHidden === true,
      ]);
      if (shape !== null && !known.has(name)) {
        known.set(name, sql.length);
        sql.push(await rewriteSql(db, await endOf(object, `object-${i}`), object, losing));
      }
      of.push(shape === null ? null : (known.get(name) ?? null));
    }
    return { sql, of };
  });
}

/** The columns of an object, as a text that is equal for equal columns. Null if it is gone. */
async function shapeOf({ bytes, read }: RangedFile): Promise<string | null> {
  try {
    const slice = (start: number, end: number = bytes) => read(start, end);
    const { schema }: FileMetaData = await parquetMetadataAsync({ byteLength: bytes, slice });
    return JSON.stringify(schema);
  } catch (error) {
    if (error instanceof ObjectMissing) return null;
    throw error;
  }
}
