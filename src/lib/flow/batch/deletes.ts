/** The delete files of the table's objects, for whoever reads objects: see docs/decisions/position-deletes.md. */
import { type ObjectRef, placeOf, type Store } from '../../aws/store.ts';
import type { Plan } from '../../model/plan.ts';
import type { Deletes, TableFormat } from '../../table/format.ts';
import { type Deps, formatOf } from './deps.ts';
import { placedIn } from './tableCommit.ts';

/** How many rows the objects of the table among some have, and which of them have left, by their addresses. */
export const deletesOf = (
  deps: Pick<Deps, 'config' | 'formats'>,
  plan: Plan,
  objects: readonly { readonly ref: ObjectRef }[],
): ReturnType<TableFormat['deletesOf']> =>
  formatOf(deps, plan).deletesOf(
    { name: plan.table },
    objects.flatMap(({ ref: { bucket, key } }) =>
      bucket === deps.config.processedBucket ? [placedIn(deps.config, plan.table, key)] : [],
    ),
  );

/** Downloads an object's delete file, if it has one. Gives its path. */
export async function fetchDeletes(
  { store }: { readonly store: Pick<Store, 'download'> },
  deletes: Pick<Deletes, 'address'> | undefined,
  path: string,
): Promise<string | undefined> {
  if (deletes === undefined) return undefined;
  await store.download(placeOf(deletes.address), path);
  return path;
}
