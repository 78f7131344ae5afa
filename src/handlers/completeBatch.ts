import { MetricUnit } from '@aws-lambda-powertools/metrics';
import { createAnnouncer } from '../lib/aws/events.ts';
import { completeOutput, runInput } from '../lib/flow/schemas.ts';
import { completeBatch } from '../lib/flow/settle.ts';
import { connect, metrics, step } from './step.ts';

const deps = connect();
const announce = createAnnouncer();

export const handler = step(runInput, completeOutput, async (input) => {
  metrics.addMetric('BatchesPublished', MetricUnit.Count, 1);
  return completeBatch(deps, announce, input);
});
