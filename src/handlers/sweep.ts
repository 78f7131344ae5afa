import { createExecutionStatus, createSignals } from '../lib/aws/events.ts';
import { type SweepResult, sweep } from '../lib/flow/sweep.ts';
import { connect, logger, wrap } from './step.ts';

const deps = connect();
const { stateMachineArn } = deps.config;
const all = {
  ...deps,
  ...createSignals(stateMachineArn),
  executionStatus: createExecutionStatus(),
};

export const handler = wrap(async (): Promise<SweepResult[]> => {
  const results: SweepResult[] = [];
  const errors: unknown[] = [];
  for (const dataset of deps.contracts.keys())
    try {
      const result = await sweep(all, dataset);
      logger.info('swept', { result });
      results.push(result);
    } catch (error) {
      // The other datasets are swept all the same.
      logger.error(`the sweep of ${dataset} failed`, error as Error);
      errors.push(error);
    }
  if (errors.length > 0) throw errors[0];
  return results;
});
