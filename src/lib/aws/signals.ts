/** What a step that ends a batch sends: an execution for the files that wait, and an event for other systems. */
import { createAnnouncer } from './events.ts';
import { createStarter } from './executions.ts';

/** Both, for one state machine. */
export const createSignals = (stateMachineArn: string) => ({
  start: createStarter(stateMachineArn),
  announce: createAnnouncer(),
});
