import { maintain } from '../lib/flow/maintain/maintain.ts';
import { connectTables } from './connectTables.ts';
import { eachDataset } from './step.ts';

const deps = connectTables();

export const handler = eachDataset(deps, 'maintained', (dataset, deadline) =>
  maintain({ ...deps, deadline }, dataset),
);
