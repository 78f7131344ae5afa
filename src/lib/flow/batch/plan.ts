/** The plan of an attempt, and the description of its files and counts for both engines. */
import { randomUUID } from 'node:crypto';
import { address, placeOf } from '../../aws/store.ts';
import { compile } from '../../compiler/compile.ts';
import { needsCatalog } from '../../compiler/resolve.ts';
import { tableOf } from '../../contract/contract.ts';
import type { Contract } from '../../contract/schema.ts';
import type { PublishedObjects } from '../../engine/publishedKeys.ts';
import { ContractOutdated, LookupTooLarge, ReferenceRefused } from '../../errors.ts';
import type { KeyRange } from '../../model/keyRange.ts';
import { type Plan, type ReferenceData, type Summary, summarySchema } from '../../model/plan.ts';
import { type Attempt, rejectsRows } from '../../model/records.ts';
import { loadReferences, noRows } from '../../reference/load.ts';
import type { KeyObject } from '../../table/format.ts';
import { places } from './addresses.ts';
import { type Deps, formatOf } from './deps.ts';
import { tableRows } from './lookups.ts';
import { isOutdated, type Manifest, readContract, readManifest, readPlan, replacesOf } from './manifest.ts';
import type { Profile } from './profileRecord.ts';
import { profileOf, tableOfBatch } from './rawTable.ts';
import type { BatchInput } from './schemas.ts';
import { goldenTable } from './tables.ts';
import { lookingBack } from './tombstones.ts';

/** Each run of the job has its own folder: the job replaces this mark by its own id. */
export const runOfJob = (attempt: string, jobRun: string): string => `${attempt}-${jobRun}`;

type ProfiledFile = Profile['files'][number];

export const inputOf = ({
  object,
  version,
  layout,
  fault,
  header,
  body,
  compression,
  member,
  conversion,
  head,
  groups,
}: ProfiledFile) => ({
  object,
  version,
  layout,
  fault,
  header,
  body,
  compression,
  member,
  conversion,
  head,
  groups,
});

/** The counts of a run. */
export async function readSummary(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  dataset: string,
  batch: string,
  run: string,
): Promise<Summary> {
  return store.readJson(places(config).run(dataset, batch, run).summary, summarySchema);
}

/** The attempt's plan. It is compiled once, with the Catalog's schema of that moment, and stored next to the manifest. */
export async function planBatch(
  deps: Deps,
  attempt: BatchInput,
): Promise<{
  plan: Plan;
  references: ReferenceData[];
  profile: Profile;
  replaces: Manifest['published'];
}> {
  const { config, store } = deps;
  const [contract, manifest] = await Promise.all([readContract(deps, attempt), readManifest(deps, attempt)]);
  const isRejected = rejectsRows(manifest.decision);
  // Files of the package, and tables, have the columns that the contracts of the package name.
  if (contract.enrich.length > 0 && !isRejected && isOutdated(deps.contracts, contract))
    throw new ContractOutdated(
      `${attempt.dataset}: a deployment has changed the contract since the batch was claimed, and perhaps what it looks up; the batch is claimed again`,
      { dataset: attempt.dataset, batch: attempt.batch },
    );
  const profile = await profileOf(deps, contract, manifest, attempt);
  const rawTable = await tableOfBatch(deps, contract, profile);
  const references = await loadReferences(contract, config.datasetsFolder, (lookup, name) =>
    tableRows(deps, attempt, contract, lookup, name).catch((error: unknown) => {
      // Rows that a person has rejected need find nothing.
      if (isRejected && (error instanceof ReferenceRefused || error instanceof LookupTooLarge))
        return noRows(contract)(lookup, name);
      throw error;
    }),
  );
  const published = needsCatalog(contract) ? await publishedColumns(deps, contract) : new Map();
  const described = compile(contract, rawTable, references, { isRejected, published });
  const fieldIds = await formatOf(deps, described).fieldIds(goldenTable(described, config));
  const compiled = lookingBack(fieldIds === undefined ? described : { ...described, fieldIds }, manifest);
  const at = places(config).attempt(attempt.dataset, attempt);
  // An attempt has one plan, although a concurrent call or the next try may find another schema in the Catalog.
  const isFirst = await store.writeOnce(at.plan, JSON.stringify(compiled, null, 1));
  const plan = isFirst ? compiled : await readPlan(deps, attempt);
  return { plan, references, profile, replaces: replacesOf(manifest) };
}

/** Attempts whose objects may still be among the published ones, if the plan reads these. */
export const garbageOf = async ({ ledger }: Pick<Deps, 'ledger'>, plan: Plan): Promise<readonly Attempt[]> =>
  plan.set.dedupe?.published ? ledger.garbage(plan.dataset) : [];

/** The columns of a contract's table, with their types; none if the table does not exist. */
async function publishedColumns(
  { config, catalog }: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
): Promise<ReadonlyMap<string, string>> {
  const location = address({ bucket: config.processedBucket, key: `${tableOf(contract)}/` });
  const table = await catalog.tableAt(location);
  return new Map(table?.columns.map(({ name, type }) => [name, type]));
}

/** All published objects of the plan's dataset, or those that may have such keys. Of an object that does not name them, it is not known whose rows it has. */
export async function allObjectsOf(
  deps: Pick<Deps, 'config' | 'formats'>,
  plan: Plan,
  keys: readonly KeyRange[] = [],
): Promise<(KeyObject & { readonly isShared: boolean })[]> {
  const found = await formatOf(deps, plan).allObjects(goldenTable(plan, deps.config), keys);
  const constants = Object.entries(plan.set.dedupe?.within ?? {}).map(
    ([name, value]) => [plan.partitionKeys.findIndex((key) => key.name === name), value] as const,
  );
  return found.flatMap(({ values, ...object }) =>
    constants.every(([i, value]) => (values[i] ?? value) === value)
      ? [
          {
            ...object,
            values: values.map((value) => value ?? ''),
            isShared: constants.some(([i]) => values[i] === null),
          },
        ]
      : [],
  );
}

/** The published objects of a plan's table, by their addresses. */
export const objectsOf = (
  deps: Pick<Deps, 'config' | 'store' | 'formats'>,
  plan: Plan,
): PublishedObjects => ({
  async find(partitions, keys) {
    const found = await formatOf(deps, plan).objectsIn(goldenTable(plan, deps.config), partitions, keys);
    return found.map(({ address: path, ...object }) => ({ path, ...object }));
  },
  all: async (keys) =>
    (await allObjectsOf(deps, plan, keys)).map(({ address: path, ...object }) => ({ path, ...object })),
  read: (path, start, end) => deps.store.readRange(placeOf(path), start, end),
});

export const newRun = (): string => randomUUID().slice(0, 8);
