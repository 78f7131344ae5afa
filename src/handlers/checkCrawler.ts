import { createCrawlQueue } from '../lib/aws/crawlQueue.ts';
import { crawlerInput, crawlerOutput } from '../lib/flow/batch/schemas.ts';
import { checkCrawler } from '../lib/flow/steps/checkCrawler.ts';
import { connect, step } from './step.ts';

const deps = { ...connect(), crawlQueue: createCrawlQueue() };

export const handler = step(crawlerInput, crawlerOutput, (input) => checkCrawler(deps, input));
