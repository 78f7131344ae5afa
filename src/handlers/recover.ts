import { createStarter } from '../lib/aws/events.ts';
import { executionEnded, recover } from '../lib/flow/recover.ts';
import { connect, logger, wrap } from './step.ts';

const deps = connect();
const start = createStarter(deps.config.stateMachineArn);

export const handler = wrap(async (event: unknown) => {
  const result = await recover(deps, start, executionEnded.parse(event).detail);
  logger.info('an execution ended', { result });
  return result;
});
