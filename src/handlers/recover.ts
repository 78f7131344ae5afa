import { createAnnouncer, createStarter } from '../lib/aws/events.ts';
import { executionEnded, recover } from '../lib/flow/recover.ts';
import { connect, logger, wrap } from './step.ts';

const flow = connect();
const deps = { ...flow, start: createStarter(flow.config.stateMachineArn), announce: createAnnouncer() };

export const handler = wrap(async (event: unknown) => {
  const result = await recover(deps, executionEnded.parse(event).detail);
  logger.info('an execution ended', { result });
  return result;
});
