import { reconcile } from '../lib/flow/repair/reconcile.ts';
import { connectTables } from './connectTables.ts';
import { eachDataset } from './step.ts';

const deps = connectTables();

export const handler = eachDataset(deps, 'reconciled', (dataset, deadline) =>
  reconcile({ ...deps, deadline }, dataset, { goesOn: true }),
);
