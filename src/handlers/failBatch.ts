import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { createStarter } from '../lib/aws/events.ts';
import { failInput, failOutput } from '../lib/flow/schemas.ts';
import { failBatch } from '../lib/flow/settle.ts';
import { connect, metrics, step } from './step.ts';

const deps = connect();
const start = createStarter(deps.config.stateMachineArn);

export const handler = step(failInput, failOutput, async (input) => {
  metrics.addMetric('BatchesFailed', MetricUnit.Count, 1);
  return failBatch(deps, start, input);
});
