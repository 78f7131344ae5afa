/** Glue crawlers that really crawl: they list the targets, infer schemas, and write tables and partitions. */
import { GetCrawlerCommand, GetCrawlersCommand } from '@aws-sdk/client-glue';
import { z } from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import type { Upstream } from '../aws.ts';
import { crawl } from './crawl.ts';

interface Run {
  state: 'RUNNING' | 'STOPPING' | 'READY';
  startedAt: number;
  last?: { Status: 'SUCCEEDED' | 'CANCELLED' | 'FAILED'; StartTime: number; ErrorMessage?: string };
}

const named = z.object({ Name: z.string() });

/** The operations on crawlers. Definitions are ministack's; state and last crawl are this module's. */
export function crawlerOperations(upstream: Upstream): Record<string, Operation> {
  const runs = new Map<string, Run>();

  const definition = async (name: string) => {
    const { Crawler } = await upstream.glue.send(new GetCrawlerCommand({ Name: name }));
    if (!Crawler)
      throw new ApiError('EntityNotFoundException', `Crawler entry with name ${name} does not exist`);
    return Crawler;
  };

  const withState = (crawler: object & { Name?: string | undefined }) => {
    const run = runs.get(crawler.Name ?? '');
    return {
      ...toWire(crawler),
      State: run?.state ?? 'READY',
      CrawlElapsedTime: run?.state === 'RUNNING' ? Date.now() - run.startedAt : 0,
      LastCrawl: run?.last,
    };
  };

  return {
    'AWSGlue.StartCrawler': async (request) => {
      const { Name } = named.parse(request);
      const crawler = await definition(Name);
      const before = runs.get(Name);
      if (before && before.state !== 'READY')
        throw new ApiError('CrawlerRunningException', `Crawler with name ${Name} has already started`);
      const run: Run = { ...before, state: 'RUNNING', startedAt: Date.now() };
      runs.set(Name, run);
      const StartTime = run.startedAt / 1000;
      void crawl(upstream, crawler)
        .then(() => {
          run.last = { Status: run.state === 'STOPPING' ? 'CANCELLED' : 'SUCCEEDED', StartTime };
        })
        .catch((error: Error) => {
          run.last = { Status: 'FAILED', StartTime, ErrorMessage: error.message };
        })
        .finally(() => {
          run.state = 'READY';
        });
      return {};
    },
    'AWSGlue.StopCrawler': async (request) => {
      const { Name } = named.parse(request);
      await definition(Name);
      const run = runs.get(Name);
      if (run?.state !== 'RUNNING')
        throw new ApiError('CrawlerNotRunningException', `Crawler with name ${Name} isn't running`);
      run.state = 'STOPPING';
      return {};
    },
    'AWSGlue.GetCrawler': async (request) => ({
      Crawler: withState(await definition(named.parse(request).Name)),
    }),
    'AWSGlue.GetCrawlers': async () => {
      const { Crawlers } = await upstream.glue.send(new GetCrawlersCommand({}));
      return { Crawlers: (Crawlers ?? []).map(withState) };
    },
  };
}

/** Dates of an SDK answer back to the protocol's seconds. */
function toWire(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value), (_, v: unknown) =>
    typeof v === 'string' && /^\d{4}-\d\d-\d\dT.*Z$/.test(v) ? Date.parse(v) / 1000 : v,
  ) as Record<string, unknown>;
}
