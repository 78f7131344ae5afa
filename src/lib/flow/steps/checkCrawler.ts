/**
 * Profiles a batch's files, and makes sure that the Data Catalog knows the fields that the contract can use. The unpacked size
 * of the files selects the engine.
 */
import type { z } from 'zod';
import type { CrawlQueue } from '../../aws/crawlQueue.ts';
import { type MissingField, requireReadable } from '../../catalog/rawSchema.ts';
import { usableMissing } from '../../catalog/usable.ts';
import { namesOwnFields } from '../../contract/contract.ts';
import { inParts } from '../../deadline.ts';
import { chooseEngine } from '../../engine/size.ts';
import { CrawlerFailed, SchemaMismatch } from '../../errors.ts';
import type { RawTable } from '../../model/rawTable.ts';
import { rejectsRows } from '../../model/records.ts';
import { waitFor } from '../../waitFor.ts';
import type { Deps } from '../batch/deps.ts';
import { readContract, readManifest } from '../batch/manifest.ts';
import {
  crawlerOf,
  type ProfileDeps,
  profileOf,
  rawLocation,
  rawTableOf,
  tableOfHeaders,
} from '../batch/rawTable.ts';
import type { crawlerInput, crawlerOutput } from '../batch/schemas.ts';
import { readUnlearned, unlearnedAt } from '../batch/unlearned.ts';

export interface CrawlerDeps extends ProfileDeps, Pick<Deps, 'catalog'> {
  readonly crawlQueue: CrawlQueue;
}

/**
 * Ready when the Catalog has every field of the batch that the contract can use, or when a crawl has read the batch. A crawl
 * covers only the objects of the batch, and no field causes a second crawl. Throws SchemaMismatch, which holds the batch, if a
 * required column is missing or has a type that cannot be read; CrawlerFailed if the crawl failed; WorkLeft.
 */
export async function checkCrawler(
  deps: CrawlerDeps,
  input: z.output<typeof crawlerInput>,
): Promise<z.output<typeof crawlerOutput>> {
  const { config, catalog, store } = deps;
  const [contract, manifest] = await Promise.all([readContract(deps, input), readManifest(deps, input)]);
  const crawler = crawlerOf(config, contract.dataset);
  const profile = await inParts(profileOf(deps, contract, manifest, input));
  const seen = profile.record;
  const objects = manifest.files.length;
  const engine = chooseEngine(input.engine, profile.files, config.embeddedLimitBytes, objects);
  const isDone = (crawlStarted: boolean) => ({ status: 'ready' as const, crawlStarted, engine });
  // Nothing in the batch can be parsed: it has no fields, and every row will be quarantined.
  if (seen === null) return isDone(input.crawlStarted);
  const subject = { dataset: input.dataset, batch: input.batch };
  // Every row of a rejected batch goes to quarantine, so its columns need not be readable.
  if (rejectsRows(manifest.decision)) return isDone(input.crawlStarted);
  // A crawler guesses the header of a CSV from the values below it, so the file's own header is used.
  if (namesOwnFields(contract)) {
    requireReadable(contract, tableOfHeaders(seen));
    return isDone(input.crawlStarted);
  }

  const now = new Date();
  const unlearned = await readUnlearned(deps, contract, now);
  /** The fields that a crawl could still add; null while the Catalog has no table. */
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
    // Another crawl may have begun before these files arrived: wait until it ends, then start a new one.
    if (state !== 'READY') return { status: 'crawling', crawlStarted, engine };
    // The files of an archive are one object.
    const crawled = [
      ...new Map(profile.files.map((file) => [`${file.version}/${file.object}`, file])).values(),
    ];
    if (queue !== undefined) await deps.crawlQueue.tell(queue, config.rawBucket, crawled);
    crawlStarted = await catalog.startCrawler(crawler);
  }
  const ended = await waitForCrawl();
  if (ended === null || !crawlStarted) return { status: 'crawling', crawlStarted, engine };
  if (ended.last === 'FAILED')
    throw new CrawlerFailed(`the crawler ${crawler} failed: ${ended.message ?? 'no message'}`, subject);
  const found = await rawTableOf(deps, contract, seen);
  if (!found)
    throw new SchemaMismatch(
      `${contract.dataset}: the crawler ${crawler} made no table for ${rawLocation(deps, contract)}`,
      subject,
    );
  // If the batch is held, a person may correct the Catalog and retry it, so nothing is noted here.
  requireReadable(contract, found);
  const left = missing(found) ?? [];
  // A crawl that has not read the objects of the batch says nothing about their fields.
  const isTold = async () => ended.queue === undefined || deps.crawlQueue.isRead(ended.queue);
  if (left.length > 0 && (await isTold()))
    await store.writeText(unlearnedAt(config, contract.dataset), unlearned.with(left, now));
  return isDone(crawlStarted);
}
