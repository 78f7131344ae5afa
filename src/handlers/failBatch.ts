import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { createAnnouncer, createStarter } from '../lib/aws/events.ts';
import { failInput, failOutput } from '../lib/flow/schemas.ts';
import { failBatch } from '../lib/flow/settle.ts';
import { connect, metrics, step } from './step.ts';

const flow = connect();
const deps = { ...flow, start: createStarter(flow.config.stateMachineArn), announce: createAnnouncer() };

export const handler = step(failInput, failOutput, async (input) => {
  metrics.addMetric('BatchesFailed', MetricUnit.Count, 1);
  return failBatch(deps, input);
});
