/** Where a run of an attempt stages its rows: in the work bucket, from where Publish copies them, or at their final place. */
import { createHash } from 'node:crypto';
import type { ObjectRef } from '../../aws/store.ts';
import type { Plan } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { ownFolder, rewrittenFolder, withinAttempt } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';

export interface Staged {
  /** The folder of the rows of the batch. */
  readonly data: ObjectRef;
  /** The remaining rows of an object of another batch. Whoever rewrites it in this run gives them this name. */
  rewritten(rowsOf: string, object: ObjectRef): ObjectRef;
  /** The delete file of an object of the table, where it stays. Only a format that has them asks for its place. */
  deletes(rowsOf: string, object: ObjectRef): ObjectRef;
}

export function stagedBy(
  deps: Pick<Deps, 'config' | 'formats'>,
  plan: Plan,
  attempt: Attempt,
  run: string,
): Staged {
  const at = places(deps.config).run(plan.dataset, attempt.batch, run);
  const bucket = deps.config.processedBucket;
  const root = `${plan.table}/`;
  const inPlace = (rowsOf: string, object: ObjectRef, end: string) => {
    const path = withinAttempt(object.key.slice(root.length));
    const folder = path.slice(0, path.lastIndexOf('/') + 1);
    return {
      bucket,
      key: `${root}${rewrittenFolder(attempt, rowsOf, run)}${folder}${nameOf(object)}${end}`,
    };
  };
  const deletes = (rowsOf: string, object: ObjectRef) => inPlace(rowsOf, object, '-deletes.parquet');
  const inWork = {
    data: at.data,
    rewritten: (_: string, object: ObjectRef) => at.rewritten(nameOf(object)),
    deletes,
  };
  if (!formatOf(deps, plan).isInPlace) return inWork;
  return {
    data: { bucket, key: `${root}${ownFolder(attempt, run)}` },
    deletes,
    rewritten(rowsOf, object) {
      // The quarantine is not an Iceberg table, and an earlier table of the dataset may be none.
      if (object.bucket !== bucket || !object.key.startsWith(root)) return at.rewritten(nameOf(object));
      return inPlace(rowsOf, object, '.parquet');
    },
  };
}

/** A short name that no other object has. */
const nameOf = ({ key }: ObjectRef): string => createHash('sha256').update(key).digest('hex').slice(0, 20);

/** All objects that the runs of an attempt have staged at their final place, named by a commit or not. */
export async function stagedInPlace(
  { config, store, formats }: Pick<Deps, 'config' | 'store' | 'formats'>,
  plan: Plan,
  prefix: string,
): Promise<string[]> {
  if (!formatOf({ formats }, plan).isInPlace) return [];
  const found = await store.list(config.processedBucket, `${plan.table}/${prefix}`);
  return found.map(({ key }) => key);
}
