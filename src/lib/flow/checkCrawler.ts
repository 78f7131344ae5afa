/** Makes sure that the Data Catalog knows this batch's fields before anything reads them. */
import type { z } from 'zod';
import type { CatalogTable } from '../aws/catalog.ts';
import { address } from '../aws/store.ts';
import type { StructType } from '../catalog/hiveType.ts';
import { missingFields, recordType, requireReadable } from '../catalog/rawSchema.ts';
import type { RawTable } from '../compiler/compile.ts';
import type { Contract } from '../contract/schema.ts';
import { CrawlerFailed, SchemaMismatch } from '../errors.ts';
import { waitFor } from '../waitFor.ts';
import { type Profile, places, profileSchema, readManifest } from './batch.ts';
import { contractOf, type Deps } from './deps.ts';
import { profileBatch } from './profile.ts';
import type { crawlerInput, crawlerOutput } from './schemas.ts';

type CrawlerDeps = Pick<Deps, 'config' | 'contracts' | 'store' | 'catalog' | 'ledger'>;

/**
 * Ready when the Catalog has every field of the batch, or when a crawl of our own has shown what there is.
 * Throws SchemaMismatch (refuses the batch) when a required column is unknown or of a type that cannot be read;
 * CrawlerFailed when the crawler says so.
 */
export async function checkCrawler(
  deps: CrawlerDeps,
  input: z.output<typeof crawlerInput>,
): Promise<z.output<typeof crawlerOutput>> {
  const { config, catalog, ledger } = deps;
  const contract = contractOf(deps, input.dataset);
  const profile = await profileOf(deps, contract, input.batch);
  const seen = profile.record;
  const isDone = (crawlStarted: boolean) => ({ status: 'ready' as const, crawlStarted });
  // Nothing in the batch can be parsed: there is nothing to know, and every row will be quarantined.
  if (seen === null) return isDone(input.crawlStarted);
  // Every row of a rejected batch is refused: nothing of it has to be readable.
  if ((await ledger.batch(input.dataset, input.batch))?.decision?.kind === 'reject')
    return isDone(input.crawlStarted);
  // A CSV names its fields itself; what a crawler makes of a header is a guess from the values below it.
  if (isCsv(contract)) {
    requireReadable(contract, tableOfHeaders(seen));
    return isDone(input.crawlStarted);
  }

  if (await isKnown(deps, contract, seen)) return isDone(input.crawlStarted);
  const waitForCrawl = async () => {
    const state = await waitFor(
      () => catalog.crawlerState(config.crawler),
      (crawler) => crawler.state === 'READY',
      3000,
    );
    return state.state === 'READY' ? state : null;
  };
  let { crawlStarted } = input;
  if (!crawlStarted) crawlStarted = await catalog.startCrawler(config.crawler);
  const ended = await waitForCrawl();
  // Somebody else's crawl may have listed the bucket before our files came: look again, then start our own.
  if (ended === null || !crawlStarted) return { status: 'crawling', crawlStarted };
  if (ended.last === 'FAILED')
    throw new CrawlerFailed(`the crawler ${config.crawler} failed: ${ended.message ?? 'no message'}`);
  if (!(await isKnown(deps, contract, seen))) {
    const table = await rawTableOf(deps, contract);
    if (!table)
      throw new SchemaMismatch(
        `${contract.dataset}: the crawler ${config.crawler} made no table for ${rawLocation(deps, contract)}`,
      );
    requireReadable(contract, table);
  }
  return isDone(crawlStarted);
}

/** The raw table of a contract for a batch; null where nothing of it can be read. */
export async function tableOfBatch(
  deps: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
  { record }: Profile,
): Promise<RawTable | null> {
  if (record === null) return null;
  return isCsv(contract) ? tableOfHeaders(record) : rawTableOf(deps, contract);
}

const isCsv = (contract: Contract): boolean => contract.source.formats.includes('csv');
const tableOfHeaders = (record: StructType): RawTable => ({ name: 'headers', record });

/** The raw table of a contract as the compiler takes it; null while the Catalog has none. */
async function rawTableOf(
  deps: Pick<Deps, 'config' | 'catalog'>,
  contract: Contract,
): Promise<RawTable | null> {
  const table = await deps.catalog.tableAt(rawLocation(deps, contract));
  return table ? toRawTable(table, contract) : null;
}

/** The batch's profile: made once, then read. */
export async function profileOf(
  { config, store }: Pick<Deps, 'config' | 'store'>,
  contract: Contract,
  batch: string,
): Promise<Profile> {
  const at = places(config).profile(contract.dataset, batch);
  const saved = await store.findJson(at, profileSchema);
  if (saved) return saved;
  const manifest = await readManifest({ config, store }, contract.dataset, batch);
  const profile = await profileBatch(store, config.rawBucket, contract, manifest);
  await store.writeText(at, JSON.stringify(profile));
  return profile;
}

async function isKnown(deps: CrawlerDeps, contract: Contract, seen: StructType): Promise<boolean> {
  const table = await rawTableOf(deps, contract);
  if (!table || missingFields(table.record, seen).length > 0) return false;
  requireReadable(contract, table);
  return true;
}

const toRawTable = (table: CatalogTable, contract: Contract): RawTable => ({
  name: table.name,
  record: recordType(table.columns, contract.source.records),
});

const rawLocation = ({ config }: Pick<Deps, 'config'>, contract: Contract): string =>
  address({ bucket: config.rawBucket, key: contract.source.prefix });
