import { createSignals } from '../lib/aws/signals.ts';
import { executionEnded, recover } from '../lib/flow/repair/recover.ts';
import { connectTables } from './connectTables.ts';
import { logger, wrap } from './step.ts';

const flow = connectTables();
const deps = { ...flow, ...createSignals(flow.config.stateMachineArn) };

export const handler = wrap(async (event: unknown, deadline) => {
  // If its time is up, Lambda calls it again, and it goes on.
  const result = await recover({ ...deps, deadline }, executionEnded.parse(event).detail);
  logger.info('an execution ended', { result });
  return result;
});
