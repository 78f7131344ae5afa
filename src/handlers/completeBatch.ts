import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { createAnnouncer } from '../lib/aws/events.ts';
import { completeBatch } from '../lib/flow/complete.ts';
import { completeOutput, runInput } from '../lib/flow/schemas.ts';
import { connect, metrics, step } from './step.ts';

const deps = { ...connect(), announce: createAnnouncer() };

export const handler = step(runInput, completeOutput, async (input) => {
  metrics.addMetric('BatchesPublished', MetricUnit.Count, 1);
  return completeBatch(deps, input);
});
