import { createStarter } from '../lib/aws/executions.ts';
import { mergeFiles } from '../lib/engine/merge.ts';
import { maintain } from '../lib/flow/maintain/maintain.ts';
import { connectTables } from './connectTables.ts';
import { eachDataset } from './step.ts';

const tables = connectTables();
const deps = { ...tables, start: createStarter(tables.config.stateMachineArn) };

export const handler = eachDataset(deps, 'maintained', (dataset, deadline) =>
  maintain({ ...deps, deadline }, mergeFiles, dataset),
);
