/** Knowledge about the raw files of a batch: their profile, and the raw table of the Data Catalog. */
import type { CatalogTable } from '../../aws/catalog.ts';
import { address, type Store } from '../../aws/store.ts';
import { recordType } from '../../catalog/rawSchema.ts';
import type { Config } from '../../config.ts';
import { namesOwnFields } from '../../contract/contract.ts';
import type { Contract } from '../../contract/schema.ts';
import type { StructType } from '../../model/hiveType.ts';
import type { RawTable } from '../../model/rawTable.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import type { Manifest } from './manifest.ts';
import { profileBatch } from './profile.ts';
import { type Profile, profileSchema } from './profileRecord.ts';
import type { BatchInput } from './schemas.ts';

/** The input of a profile. */
export interface ProfileDeps {
  readonly config: Config;
  readonly store: Pick<
    Store,
    'findJson' | 'readJson' | 'readText' | 'readRange' | 'writeText' | 'writeJsonOnce' | 'head'
  >;
}

/** The raw table of a contract for a batch; null if nothing of it can be read. */
export async function tableOfBatch(
  deps: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
  { record }: Profile,
): Promise<RawTable | null> {
  if (record === null) return null;
  return namesOwnFields(contract) ? tableOfHeaders(record) : rawTableOf(deps, contract, record);
}

export const tableOfHeaders = (record: StructType): RawTable => ({ name: 'headers', record });

/** The raw table of a contract for the compiler; null while the Catalog has none. */
export async function rawTableOf(
  deps: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
  seen: StructType,
): Promise<RawTable | null> {
  const table = await deps.catalog.tableAt(rawLocation(deps, contract));
  return table ? { ...toRawTable(table, contract), seen } : null;
}

/** The attempt's profile: made once, then read. */
export async function profileOf(
  { config, store }: ProfileDeps,
  contract: Contract,
  manifest: Manifest,
  attempt: BatchInput,
): Promise<Profile> {
  const at = places(config).attempt(attempt.dataset, attempt).profile;
  const saved = await store.findJson(at, profileSchema);
  if (saved) return saved;
  const profile = await profileBatch(store, config.rawBucket, contract, manifest);
  return store.writeJsonOnce(at, profile, profileSchema);
}

const toRawTable = (table: CatalogTable, contract: Contract): RawTable => ({
  name: table.name,
  record: recordType(table.columns, contract.source.records),
});

export const rawLocation = ({ config }: Pick<Deps, 'config'>, contract: Contract): string =>
  address({ bucket: config.rawBucket, key: contract.source.prefix });

/** The crawler of a dataset: infra/plugins/crawlers.ts makes it. */
export const crawlerOf = ({ crawler }: Pick<Config, 'crawler'>, dataset: string): string =>
  `${crawler}-${dataset}`;
