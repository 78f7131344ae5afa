/** Knowledge about the raw files of a batch: their profile, and the raw table of the Data Catalog. */
import type { CatalogTable } from '../../aws/catalog.ts';
import { address, type Store } from '../../aws/store.ts';
import { recordType } from '../../catalog/rawSchema.ts';
import type { Config } from '../../config.ts';
import { namesOwnFields } from '../../contract/contract.ts';
import type { Contract } from '../../contract/schema.ts';
import type { StructType } from '../../model/hiveType.ts';
import type { RawTable } from '../../model/rawTable.ts';
import { chunksOf } from '../../parallel.ts';
import { places } from './addresses.ts';
import type { Deps } from './deps.ts';
import type { Manifest } from './manifest.ts';
import { partOf, profileOfParts, sampleOf } from './profile.ts';
import { type Profile, type ProfilePart, partSchema, profileSchema, profileText } from './profileRecord.ts';
import type { BatchInput } from './schemas.ts';

/** The input of a profile. */
export interface ProfileDeps extends Pick<Deps, 'deadline'> {
  readonly config: Config;
  readonly store: Pick<
    Store,
    'findJson' | 'readJson' | 'readText' | 'readRange' | 'writeText' | 'writeOnce' | 'head'
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

/** About what a step looks at in some seconds. */
const filesPerPart = 1000;

/**
 * The attempt's profile: made once, then read. That of a large batch is made in parts, and the next call goes on behind those that are made.
 * Throws OutOfTime.
 */
export async function profileOf(
  deps: ProfileDeps,
  contract: Contract,
  manifest: Manifest,
  attempt: BatchInput,
  perPart: number = filesPerPart,
): Promise<Profile> {
  const { config, store, deadline } = deps;
  const at = places(config);
  const whole = at.attempt(attempt.dataset, attempt).profile;
  const saved = await store.findJson(whole, profileSchema);
  if (saved) return saved;
  const options = { documentBytes: sampleOf(manifest.files), deadline };
  const chunks = chunksOf(manifest.files, perPart);
  const parts: ProfilePart[] = [];
  for (const [number, files] of chunks.entries()) {
    const place = at.profilePart(attempt.dataset, attempt, number);
    const made = chunks.length === 1 ? undefined : await store.findJson(place, partSchema);
    const part = made ?? (await partOf(store, config.rawBucket, contract, files, options));
    if (made === undefined && chunks.length > 1) await store.writeText(place, profileText(part));
    parts.push(part);
  }
  const profile = profileOfParts(parts);
  const isFirst = await store.writeOnce(whole, profileText(profile));
  return isFirst ? profile : store.readJson(whole, profileSchema);
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
