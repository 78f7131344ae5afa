/** The rows of published tables that a batch looks up: read once for an attempt, and kept for all of its tries and both engines. */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { placeOf } from '../../aws/store.ts';
import { heldReferenceBytes } from '../../compiler/compile.ts';
import { tableFormatOf, tableOf } from '../../contract/contract.ts';
import { type TableLookup, tableLookupOf } from '../../contract/lookups.ts';
import type { Contract, Lookup } from '../../contract/schema.ts';
import { LedgerBusy, ObjectMissing, ReferenceRefused } from '../../errors.ts';
import { tryParseJson } from '../../json.ts';
import { lookedUpSchema, type ReferenceData } from '../../model/plan.ts';
import type { Attempt } from '../../model/records.ts';
import { type LookupObject, readTable } from '../../reference/table.ts';
import type { AnyKeyObject, TableFormat, TableShape } from '../../table/format.ts';
import { objectName } from '../../table/objectName.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import { unlessGone } from './manifest.ts';
import { readPublished } from './published.ts';
import { tableOfContract } from './tables.ts';

type TableReference = Omit<ReferenceData, 'name'>;
type LookupDeps = Pick<Deps, 'config' | 'contracts' | 'store' | 'formats' | 'ledger' | 'deadline'>;

/**
 * The rows of a lookup's table, as they are published when the attempt first asks. Throws ReferenceRefused if no dataset fills the table any
 * more, or if it was dropped, LookupTooLarge, and LedgerBusy if the table changes each time that it is read.
 */
export async function tableRows(
  deps: LookupDeps,
  attempt: Attempt & { readonly dataset: string },
  contract: Contract,
  lookup: Lookup & { readonly table: string },
  name: string,
): Promise<TableReference> {
  const { store } = deps;
  const at = places(deps.config).lookup(attempt.dataset, attempt, name);
  const kept = await unlessGone(store.readText(at));
  if (kept !== null) return fromText(kept);
  const filledBy = [...deps.contracts.values()].filter((c) => tableOf(c) === lookup.table);
  const [first] = filledBy;
  if (first === undefined)
    throw new ReferenceRefused(
      `no dataset of the stage fills the table ${lookup.table}, which ${contract.dataset} looks up: deploy its contract, or look up another table`,
      { dataset: contract.dataset, table: lookup.table },
    );
  const found = await readNow(deps, filledBy, first, tableLookupOf(contract, lookup, first));
  // A concurrent call of the attempt may have found another state.
  return (await store.writeOnce(at, toText(found))) ? found : fromText(await store.readText(at));
}

/** The columns and the state, then the rows. */
const headSchema = z.object({ columns: z.record(z.string(), z.string()), table: lookedUpSchema });

const toText = ({ columns, table, ndjson }: TableReference): string =>
  `${JSON.stringify({ columns, table })}\n${ndjson}`;

function fromText(text: string): TableReference {
  const end = text.indexOf('\n');
  return { ...headSchema.parse(tryParseJson(text.slice(0, end))), ndjson: text.slice(end + 1) };
}

/** A table that changes all the time is read so often at most. */
const mostTries = 10;

async function readNow(
  deps: LookupDeps,
  filledBy: readonly Contract[],
  first: Contract,
  lookup: TableLookup,
): Promise<TableReference> {
  const shape = tableOfContract(first, deps.config);
  const format = formatOf(deps, { format: tableFormatOf(first) });
  const ids = await format.fieldIds(shape);
  for (let tries = 0; tries < mostTries; tries++) {
    deps.deadline?.check();
    const state = await stateOf(deps, filledBy, format, shape);
    const all = await format.allObjects(shape);
    if (!isDeepStrictEqual(state, await stateOf(deps, filledBy, format, shape))) continue;
    if (all.length === 0) await requireUnborn(deps, filledBy, format, shape.name);
    const objects = await committedOf(deps, state, all);
    const version =
      state.snapshot ??
      createHash('sha256')
        .update(
          objects
            .map(({ path }) => path)
            .sort()
            .join('\n'),
        )
        .digest('hex')
        .slice(0, 20);
    try {
      const { rows, ...found } = await readTable(objects, lookup, {
        read: (path, start, end) => deps.store.readRange(placeOf(path), start, end),
        ids,
        limit: heldReferenceBytes,
        deadline: deps.deadline,
      });
      return { ...found, table: { table: lookup.table, version, objects: objects.length, rows } };
    } catch (error) {
      // Rows of a Hive table were replaced meanwhile, and are in other objects now.
      if (!(error instanceof ObjectMissing)) throw error;
    }
  }
  throw new LedgerBusy(
    `the table ${lookup.table} changed each of the ${mostTries} times that it was read for a lookup`,
    { table: lookup.table },
  );
}

/** Throws ReferenceRefused for a table that is not there although rows were published to it: its keys would silently find nothing. */
async function requireUnborn(
  { ledger }: Pick<Deps, 'ledger'>,
  filledBy: readonly Contract[],
  format: TableFormat,
  table: string,
): Promise<void> {
  if (await format.isThere(table)) return;
  for (const { dataset } of filledBy)
    if ((await ledger.lastBatches(dataset)).length > 0)
      throw new ReferenceRefused(
        `the table ${table}, which is looked up, does not exist, and ${dataset} has published batches: somebody has dropped the table, or its contract names another one since. Register it again or replay ${dataset}, then retry`,
        { dataset, table },
      );
}

/** What says which objects of a table count. */
interface State {
  /** Of a table whose snapshots name its objects; undefined before its first one. */
  readonly snapshot: string | undefined;
  /** For other tables: what the ledger says of each dataset. */
  readonly datasets: readonly {
    readonly dataset: string;
    readonly fence: number | undefined;
    readonly last: string | undefined;
    readonly open: readonly (Attempt & { readonly isCommitted: boolean })[];
    readonly garbage: readonly Attempt[];
  }[];
}

async function stateOf(
  { ledger }: Pick<Deps, 'ledger'>,
  filledBy: readonly Contract[],
  format: TableFormat,
  shape: TableShape,
): Promise<State> {
  if (format.commitsAtOnce) {
    const { seen } = await format.observe(shape, undefined);
    return { snapshot: seen.snapshot?.id, datasets: [] };
  }
  const datasets = await Promise.all(
    filledBy.map(async ({ dataset }) => {
      const lease = await ledger.lease(dataset);
      const open = await ledger.openBatches(dataset);
      const records = await Promise.all(open.map(({ batch }) => ledger.batch(dataset, batch)));
      return {
        dataset,
        fence: lease?.fence,
        last: (await ledger.lastBatches(dataset)).at(-1)?.batch,
        open: open.map(({ batch, fence }, i) => ({
          batch,
          fence,
          isCommitted: records[i]?.committed === fence,
        })),
        garbage: (await ledger.garbage(dataset)).map(({ batch, fence }) => ({ batch, fence })),
      };
    }),
  );
  return { snapshot: undefined, datasets };
}

/** The objects that the ledger counts in a state. A snapshot names only such objects. */
async function committedOf(
  deps: Pick<Deps, 'config' | 'store'>,
  { datasets }: State,
  all: readonly AnyKeyObject[],
): Promise<LookupObject[]> {
  const objects = all.map(({ address: path, ...object }) => ({ path, ...object }));
  if (datasets.length === 0) return objects;
  const nameOf = ({ batch, fence }: Attempt) => `${batch}-f${fence}`;
  const uncommitted = new Set(
    datasets.flatMap(({ open, garbage }) =>
      [...open.filter(({ isCommitted }) => !isCommitted), ...garbage].map(nameOf),
    ),
  );
  // A committed batch that has not completed: the objects that it has rewritten may still be there.
  const closing = datasets.flatMap(({ dataset, open }) =>
    open.flatMap(({ isCommitted, ...attempt }) => (isCommitted ? [{ dataset, attempt }] : [])),
  );
  const published = await Promise.all(
    closing.map(({ dataset, attempt }) => readPublished(deps, dataset, attempt)),
  );
  const dropped = new Set(
    published.flatMap(({ rewritten }) => rewritten.flatMap((r) => r.dropped.objects.map(({ key }) => key))),
  );
  return objects.filter(({ path }) => {
    const { key } = placeOf(path);
    const name = objectName(key);
    return name !== null && !uncommitted.has(nameOf(name)) && !dropped.has(key);
  });
}
