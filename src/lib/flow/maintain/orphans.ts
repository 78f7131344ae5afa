/** Objects below a table that no readable state names. */
import { objectName } from '../../table/objectName.ts';
import { judgeOf, namelessOf } from '../repair/judge.ts';
import type { MaintainDeps, Maintaining } from './work.ts';

/** An orphan stays so long after its last change, in milliseconds: a commit of another writer may name it yet. */
const orphansAfter = 86_400_000;

/** The number of orphans that are judged and removed together. */
const atOnce = 1000;

/**
 * Removes orphans: metadata of old states, objects that only those named, and leftovers of other writers. An object of a batch goes only
 * if the ledger does not count it. Gives their number.
 */
export async function removeOrphans(
  deps: MaintainDeps,
  { shape, format, sharing, isDryRun }: Maintaining,
): Promise<number> {
  const { config, store, deadline } = deps;
  const orphans = await namelessOf(deps, format, shape.name, sharing, Date.now() - orphansAfter);
  if (orphans === null) return 0;
  const judge = judgeOf(deps, sharing, ({ objects }) => objects.map((o) => o.key));
  const keys = [...orphans];
  let removed = 0;
  for (let i = 0; i < keys.length; i += atOnce) {
    deadline?.check();
    const some = keys.slice(i, i + atOnce);
    const own = some.filter((key) => objectName(key) !== null);
    const verdicts = await judge(own.map((key) => ({ key, modified: 0 })));
    const kept = new Set(own.filter((_, n) => verdicts[n] !== 'garbage'));
    const gone = some.filter((key) => !kept.has(key));
    if (!isDryRun) await store.delete(config.processedBucket, gone);
    removed += gone.length;
  }
  return removed;
}
