/**
 * Looks at a batch's files, and makes sure that the Data Catalog knows the fields that its contract can use, before anything reads
 * them. What the files hold, unpacked, chooses the engine.
 */
import type { z } from 'zod';
import type { CatalogTable } from '../aws/catalog.ts';
import type { CrawlQueue } from '../aws/crawlQueue.ts';
import { address, type Store } from '../aws/store.ts';
import type { StructType } from '../catalog/hiveType.ts';
import { type MissingField, recordType, requireReadable } from '../catalog/rawSchema.ts';
import { usableMissing } from '../catalog/usable.ts';
import type { RawTable } from '../compiler/compile.ts';
import type { Config } from '../config.ts';
import { namesOwnFields } from '../contract/contract.ts';
import type { Contract } from '../contract/schema.ts';
import { chooseEngine } from '../engine/size.ts';
import { CrawlerFailed, SchemaMismatch } from '../errors.ts';
import { waitFor } from '../waitFor.ts';
import { type Manifest, type Profile, places, profileSchema, readContract, readManifest } from './batch.ts';
import type { Deps } from './deps.ts';
import { profileBatch } from './profile.ts';
import type { BatchInput, crawlerInput, crawlerOutput } from './schemas.ts';
import { readUnlearned, unlearnedAt } from './unlearned.ts';

/** What a profile is made from. */
interface ProfileDeps {
  readonly config: Config;
  readonly store: Pick<
    Store,
    'findJson' | 'readJson' | 'readText' | 'readRange' | 'writeText' | 'writeOnce' | 'head'
  >;
}

export interface CrawlerDeps extends ProfileDeps, Pick<Deps, 'catalog'> {
  readonly crawlQueue: CrawlQueue;
}

/** The crawler of a dataset: infra/plugins/crawlers.ts makes it. */
export const crawlerOf = ({ crawler }: Pick<Config, 'crawler'>, dataset: string): string =>
  `${crawler}-${dataset}`;

/**
 * Ready when the Catalog has every field of the batch that the contract can use, or when a crawl has shown what there is. A
 * crawl covers the objects of the batch alone, and no field is the reason for a second one.
 * Throws SchemaMismatch (refuses the batch) when a required column is unknown or of a type that cannot be read;
 * CrawlerFailed when the crawler says so.
 */
export async function checkCrawler(
  deps: CrawlerDeps,
  input: z.output<typeof crawlerInput>,
): Promise<z.output<typeof crawlerOutput>> {
  const { config, catalog, store } = deps;
  const [contract, manifest] = await Promise.all([readContract(deps, input), readManifest(deps, input)]);
  const crawler = crawlerOf(config, contract.dataset);
  const profile = await profileOf(deps, contract, manifest, input);
  const seen = profile.record;
  const engine = chooseEngine(input.engine, profile.files, config.embeddedLimitBytes);
  const isDone = (crawlStarted: boolean) => ({ status: 'ready' as const, crawlStarted, engine });
  // Nothing in the batch can be parsed: there is nothing to know, and every row will be quarantined.
  if (seen === null) return isDone(input.crawlStarted);
  // Every row of a rejected batch is refused: nothing of it has to be readable.
  if (manifest.decision === 'reject') return isDone(input.crawlStarted);
  // Of a CSV's header a crawler makes guesses from the values below it.
  if (namesOwnFields(contract)) {
    requireReadable(contract, tableOfHeaders(seen));
    return isDone(input.crawlStarted);
  }

  const now = new Date();
  const unlearned = await readUnlearned(deps, contract, now);
  /** What a crawl could still bring; null while the Catalog has no table. */
  const missing = (table: RawTable | null): readonly MissingField[] | null =>
    table && usableMissing(contract, table.record, seen).filter((field) => !unlearned.has(field));
  const table = await rawTableOf(deps, contract, seen);
  if (table && missing(table)?.length === 0) {
    requireReadable(contract, table);
    return isDone(input.crawlStarted);
  }

  const waitForCrawl = async () => {
    const state = await waitFor(
      () => catalog.crawlerState(crawler),
      ({ state }) => state === 'READY',
      3000,
    );
    return state.state === 'READY' ? state : null;
  };
  let { crawlStarted } = input;
  if (!crawlStarted) {
    const { state, queue } = await catalog.crawlerState(crawler);
    // Somebody else's crawl may have begun before our files came: look again when it is over, then start our own.
    if (state !== 'READY') return { status: 'crawling', crawlStarted, engine };
    if (queue !== undefined) await deps.crawlQueue.tell(queue, config.rawBucket, profile.files);
    crawlStarted = await catalog.startCrawler(crawler);
  }
  const ended = await waitForCrawl();
  if (ended === null || !crawlStarted) return { status: 'crawling', crawlStarted, engine };
  if (ended.last === 'FAILED')
    throw new CrawlerFailed(`the crawler ${crawler} failed: ${ended.message ?? 'no message'}`);
  const found = await rawTableOf(deps, contract, seen);
  if (!found)
    throw new SchemaMismatch(
      `${contract.dataset}: the crawler ${crawler} made no table for ${rawLocation(deps, contract)}`,
    );
  // A batch that is refused may be retried after the Catalog or Glue was mended: nothing is noted against it.
  requireReadable(contract, found);
  const left = missing(found) ?? [];
  // A crawl that has not read the objects of the batch says nothing about their fields.
  const isTold =
    ended.queue === undefined || left.length === 0 || (await deps.crawlQueue.isRead(ended.queue));
  if (left.length > 0 && isTold)
    await store.writeText(unlearnedAt(config, contract.dataset), unlearned.with(left, now));
  return isDone(crawlStarted);
}

/** The raw table of a contract for a batch; null where nothing of it can be read. */
export async function tableOfBatch(
  deps: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
  { record }: Profile,
): Promise<RawTable | null> {
  if (record === null) return null;
  return namesOwnFields(contract) ? tableOfHeaders(record) : rawTableOf(deps, contract, record);
}

const tableOfHeaders = (record: StructType): RawTable => ({ name: 'headers', record });

/** The raw table of a contract as the compiler takes it; null while the Catalog has none. */
async function rawTableOf(
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
  const isFirst = await store.writeOnce(at, JSON.stringify(profile));
  return isFirst ? profile : store.readJson(at, profileSchema);
}

const toRawTable = (table: CatalogTable, contract: Contract): RawTable => ({
  name: table.name,
  record: recordType(table.columns, contract.source.records),
});

const rawLocation = ({ config }: Pick<Deps, 'config'>, contract: Contract): string =>
  address({ bucket: config.rawBucket, key: contract.source.prefix });
