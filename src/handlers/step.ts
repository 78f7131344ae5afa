/** The common part of all steps: parsed input and output, the batch id in every log line, metrics, traces. */

import { Logger } from '@aws-lambda-powertools/logger';
import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import { Metrics } from '@aws-lambda-powertools/metrics';
import { Tracer } from '@aws-lambda-powertools/tracer';
import { captureLambdaHandler } from '@aws-lambda-powertools/tracer/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import * as z from 'zod';
import { asUnavailable } from '../lib/aws/unavailable.ts';
import { readConfig } from '../lib/config.ts';
import { readBuilt } from '../lib/contract/built.ts';
import { type Deadline, deadlineAfter } from '../lib/deadline.ts';
import { InvalidInput } from '../lib/errors.ts';
import type { Deps } from '../lib/flow/batch/deps.ts';
import { type Measure, type MetricName, metricUnits } from '../lib/flow/batch/measure.ts';
import { inTurn } from '../lib/flow/repair/inTurn.ts';
import { createLedger } from '../lib/ledger/ledger.ts';
import { shortened } from '../lib/shortened.ts';

export const logger = new Logger({ serviceName: 'sluice' });
const tracer = new Tracer({ serviceName: 'sluice' });

/** The dependencies of every function, from its environment. Called once per module. */
export function connect(): Pick<Deps, 'config' | 'contracts' | 'ledger' | 'measure'> {
  const config = readConfig();
  const measure = measureAs(config.stage);
  return {
    config,
    contracts: readBuilt(config.datasetsFolder),
    ledger: createLedger(config.ledgerTable, undefined, {
      onUnreadable: (item) => {
        logger.warn('an item of the ledger cannot be read, and is skipped', { item });
        measure(item.dataset, { RecordsUnreadable: 1 });
      },
    }),
    measure,
  };
}

/** Writes metrics in the embedded metric format, for each dataset and for the stage as a whole. */
const measureAs =
  (stage: string): Measure =>
  (dataset, values) => {
    const metrics = new Metrics({ namespace: 'Sluice', serviceName: 'sluice', defaultDimensions: { stage } });
    metrics.addDimensions({}).addDimensions({ dataset });
    for (const name of Object.keys(values) as MetricName[])
      metrics.addMetric(name, metricUnits[name], values[name] ?? 0);
    metrics.publishStoredMetrics();
  };

/**
 * A Lambda handler around one function of `src/lib`. Throws InvalidInput, which names the field, for an event that does not fit
 * `input`. Errors of the function reach the state machine under their own names,
 * and those for which nothing but AWS or the network is the cause under one name.
 */
export function step<I extends z.ZodType, O extends z.ZodType>(
  input: I,
  output: O,
  run: (input: z.output<I>, deadline: Deadline) => Promise<z.output<O>>,
) {
  return wrap(async (event: unknown, deadline) => {
    const parsed = input.safeParse(event);
    if (!parsed.success) throw new InvalidInput(z.prettifyError(parsed.error));
    logger.appendKeys(batchKeys(parsed.data));
    const result = output.parse(
      await run(parsed.data, deadline).catch((error: unknown) => {
        throw asUnavailable(error);
      }),
    );
    logger.info('step done', { result });
    return result;
  });
}

/** The middleware and the function's time alone, for a handler that no state calls. */
export const wrap = <E, R>(handler: (event: E, deadline: Deadline) => Promise<R>) =>
  middy<E, R>()
    .use(injectLambdaContext(logger, { resetKeys: true }))
    .use(captureLambdaHandler(tracer, { captureResponse: false }))
    .use({
      onError: ({ error }) => {
        logger.error('step failed', shortened(error) as Error);
      },
    })
    .handler((event: E, context: Context) =>
      handler(
        event,
        deadlineAfter(() => context.getRemainingTimeInMillis()),
      ),
    );

/** A scheduled function for all datasets. Throws the first error after all datasets had their turn, or the time was up. */
export const eachDataset = <R>(
  deps: Deps,
  what: string,
  run: (dataset: string, deadline: Deadline) => Promise<R>,
) =>
  wrap(async (_: unknown, deadline) => {
    const turns = await inTurn(deps, what, (dataset) => run(dataset, deadline), deadline);
    for (const { dataset, result } of turns.results) logger.info(what, { dataset, result });
    for (const { dataset, error } of turns.failures)
      logger.error(`${what}: failed`, { dataset, error: error as Error });
    if (turns.left.length > 0) logger.info(`${what}: the time was up`, { left: turns.left });
    const [failure] = turns.failures;
    if (failure) throw failure.error;
    return turns.results.map(({ result }) => result);
  });

function batchKeys(input: unknown): Record<string, string> {
  const known = z.object({ dataset: z.string(), batch: z.string().nullish() }).safeParse(input);
  if (!known.success) return {};
  return { dataset: known.data.dataset, ...(known.data.batch ? { batch: known.data.batch } : {}) };
}
