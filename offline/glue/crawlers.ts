/** Glue crawlers: they list their targets, infer schemas, and write tables and partitions. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import type { Upstream } from '../aws.ts';
import { type CrawlerDefinition, crawl } from './crawl.ts';

interface Run {
  state: 'RUNNING' | 'STOPPING' | 'READY';
  startedAt: number;
  last?: LastCrawl;
  /** Whether a crawl has succeeded before: the first crawl lists everything. */
  hasCrawled?: boolean;
}

/** https://docs.aws.amazon.com/glue/latest/webapi/API_LastCrawlInfo.html */
interface LastCrawl {
  readonly Status: 'SUCCEEDED' | 'CANCELLED' | 'FAILED';
  readonly StartTime: number;
  readonly ErrorMessage?: string;
  readonly LogGroup: string;
  readonly LogStream: string;
  readonly MessagePrefix: string;
}

const named = z.object({ Name: z.string() });
const definitionSchema: z.ZodType<CrawlerDefinition> = z.looseObject({
  Name: z.string(),
  DatabaseName: z.string().optional(),
  TablePrefix: z.string().optional(),
  Configuration: z.string().optional(),
  Targets: z.looseObject({
    S3Targets: z.array(z.looseObject({ Path: z.string(), EventQueueArn: z.string().optional() })).default([]),
  }),
  RecrawlPolicy: z.looseObject({ RecrawlBehavior: z.string().optional() }).optional(),
  SchemaChangePolicy: z
    .looseObject({ UpdateBehavior: z.string().optional(), DeleteBehavior: z.string().optional() })
    .optional(),
});
const getAnswer = z.object({ Crawler: definitionSchema });
const listAnswer = z.looseObject({ Crawlers: z.array(definitionSchema).default([]) });

/** The operations on crawlers. ministack keeps the definitions, this module keeps the states and the last crawls. */
export function crawlerOperations(upstream: Upstream): Record<string, Operation> {
  const runs = new Map<string, Run>();

  const definition = async (name: string): Promise<CrawlerDefinition> => {
    const { Crawler } = getAnswer.parse(await upstream.call('AWSGlue.GetCrawler', { Name: name }));
    return Crawler;
  };

  const withState = (crawler: CrawlerDefinition) => {
    const run = runs.get(crawler.Name);
    return {
      ...crawler,
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
      const about = {
        StartTime: run.startedAt / 1000,
        LogGroup: '/aws-glue/crawlers',
        LogStream: Name,
        MessagePrefix: randomUUID(),
      };
      void crawl(upstream, crawler, { isFirst: before?.hasCrawled !== true })
        .then(() => {
          if (run.state !== 'STOPPING') run.hasCrawled = true;
          run.last = { Status: run.state === 'STOPPING' ? 'CANCELLED' : 'SUCCEEDED', ...about };
        })
        .catch((error: Error) => {
          run.last = { Status: 'FAILED', ...about, ErrorMessage: error.message };
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
    'AWSGlue.GetCrawlers': async (request) => {
      const answer = listAnswer.parse(await upstream.call('AWSGlue.GetCrawlers', request));
      return { ...answer, Crawlers: answer.Crawlers.map(withState) };
    },
  };
}
