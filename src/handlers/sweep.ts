import { createExecutionStatus } from '../lib/aws/executions.ts';
import { createSignals } from '../lib/aws/signals.ts';
import { sweep } from '../lib/flow/repair/sweep.ts';
import { connectTables } from './connectTables.ts';
import { eachDataset } from './step.ts';

const flow = connectTables();
const deps = {
  ...flow,
  ...createSignals(flow.config.stateMachineArn),
  executionStatus: createExecutionStatus(),
};

export const handler = eachDataset(deps, 'swept', (dataset, deadline) =>
  sweep({ ...deps, deadline }, dataset),
);
