/** Glue's crawlers. */
import {
  ConcurrentModificationException,
  CrawlerRunningException,
  GetCrawlerCommand,
  type GlueClient,
  OperationTimeoutException,
  StartCrawlerCommand,
} from '@aws-sdk/client-glue';
import { again, type Patience } from './again.ts';

export interface CrawlerState {
  /** READY, RUNNING or STOPPING. */
  readonly state: string;
  /** How the last crawl ended: SUCCEEDED, CANCELLED, FAILED, or undefined before the first. */
  readonly last: string | undefined;
  readonly message: string | undefined;
  /** ARN of the queue that names the objects for a crawler in event mode. */
  readonly queue: string | undefined;
}

/** The crawlers of a stage. */
export const crawlersOf = (client: GlueClient, patience: Patience) => ({
  async crawlerState(crawler: string): Promise<CrawlerState> {
    const { Crawler } = await client.send(new GetCrawlerCommand({ Name: crawler }));
    return {
      state: Crawler?.State ?? 'READY',
      last: Crawler?.LastCrawl?.Status,
      message: Crawler?.LastCrawl?.ErrorMessage,
      queue: Crawler?.Targets?.S3Targets?.[0]?.EventQueueArn,
    };
  },

  /** False if the crawler is already running. */
  async startCrawler(crawler: string): Promise<boolean> {
    try {
      await again(() => client.send(new StartCrawlerCommand({ Name: crawler })), isPassing, patience);
      return true;
    } catch (error) {
      if (error instanceof CrawlerRunningException) return false;
      throw error;
    }
  },
});

/** Another caller changes the same crawler, or Glue was slow: the same call may succeed a moment later. */
export const isPassing = (error: unknown): boolean =>
  error instanceof ConcurrentModificationException || error instanceof OperationTimeoutException;
