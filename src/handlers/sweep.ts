import { createExecutionStatus, createSignals } from '../lib/aws/events.ts';
import { sweep } from '../lib/flow/repair/sweep.ts';
import { connect, eachDataset } from './step.ts';

const flow = connect();
const deps = {
  ...flow,
  ...createSignals(flow.config.stateMachineArn),
  executionStatus: createExecutionStatus(),
};

export const handler = eachDataset(deps, 'swept', (dataset, deadline) =>
  sweep({ ...deps, deadline }, dataset),
);
