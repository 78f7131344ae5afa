import { createCrawlQueue } from '../lib/aws/crawlQueue.ts';
import { crawlerInput, crawlerOutput } from '../lib/flow/batch/schemas.ts';
import { checkCrawler } from '../lib/flow/steps/checkCrawler.ts';
import { connectTables } from './connectTables.ts';
import { step } from './step.ts';

const deps = { ...connectTables(), crawlQueue: createCrawlQueue() };

export const handler = step(crawlerInput, crawlerOutput, (input, deadline) =>
  checkCrawler({ ...deps, deadline }, input),
);
