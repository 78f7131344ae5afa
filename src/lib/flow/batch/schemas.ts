/** Inputs and outputs of the steps: the data that the state machine passes on. */
import * as z from 'zod';
import { engineChoiceSchema } from '../../config.ts';
import { accountingSchema } from '../../model/plan.ts';

/** The part of the input that all steps have. */
export const batchInput = z.object({ dataset: z.string(), batch: z.string(), fence: z.number() });
export type BatchInput = z.output<typeof batchInput>;

export const claimInput = z.object({ dataset: z.string(), fence: z.number(), execution: z.string() });
export const claimOutput = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('claimed'),
    batch: z.string(),
    /** The operator's choice for the dataset, else the stage's; auto: CheckCrawler chooses by size. */
    engine: engineChoiceSchema,
    files: z.number(),
    bytes: z.number(),
    /** Published versions that it replaces. */
    replaces: z.number(),
  }),
  z.object({ outcome: z.literal('idle') }),
]);

/** `crawlStarted`: this batch has started a crawl. Fields that are still missing after it were not learned. */
export const crawlerInput = batchInput.extend({ crawlStarted: z.boolean(), engine: engineChoiceSchema });
export const crawlerOutput = z.object({
  status: z.enum(['ready', 'crawling']),
  crawlStarted: z.boolean(),
  engine: z.enum(['embedded', 'glue']),
});

export const transformOutput = z.object({ run: z.string(), accounting: accountingSchema });

export const jobStarted = z.object({ run: z.string(), jobRun: z.string() });
/** `work`: what the run does. */
export const jobInput = batchInput.extend({
  ...jobStarted.shape,
  work: z.enum(['transform', 'rewriting']).default('transform'),
});
export const jobOutput = z.discriminatedUnion('status', [
  z.object({ status: z.literal('running') }),
  z.object({ status: z.literal('done'), accounting: accountingSchema }),
]);

export const runInput = batchInput.extend({ run: z.string() });
export type RunInput = z.output<typeof runInput>;
const rewritten = z.object({ status: z.literal('done'), objects: z.number(), rows: z.number() });
/** `large`: a function has no time for these objects. */
export const replaceOutput = z.discriminatedUnion('status', [
  rewritten,
  z.object({ status: z.literal('large'), objects: z.number(), bytes: z.number() }),
]);
/** A run of the Glue job that rewrites. */
export const rewritingStarted = jobStarted.pick({ jobRun: true });
/** Of a run of either kind. */
export const checkedOutput = z.union([jobOutput, rewritten]);

/** `broken`: the number of interrupted Athena queries of this run. */
export const validationStart = runInput.extend({ broken: z.int().min(0).default(0) });
export const validationStarted = z.object({ query: z.string() });
export const validationInput = validationStart.extend({ query: z.string() });
/** `again`: Athena interrupted the query, and the same query may succeed. */
export const validationOutput = z.object({ status: z.enum(['running', 'again', 'passed']) });

export const publishOutput = z.object({ objects: z.number(), partitions: z.number() });
export const repairOutput = z.object({ registered: z.number() });

/** `startedAt`: of the execution (ISO 8601). `events`: the approximate number of events in its history. */
export const completeInput = runInput.extend({
  execution: z.string(),
  startedAt: z.string(),
  events: z.number(),
});
/** `fence`: of the next batch, if more files wait. */
export const completeOutput = z.object({ morePending: z.boolean(), fence: z.number() });

export const failInput = z.object({
  dataset: z.string(),
  fence: z.number(),
  /** ARN of the execution that failed. */
  execution: z.string(),
  error: z.object({ Error: z.string().default('Unknown'), Cause: z.string().default('') }),
});
export const failOutput = z.object({ error: z.string(), cause: z.string() });
