import { reconcile } from '../lib/flow/repair/reconcile.ts';
import { connect, eachDataset } from './step.ts';

const deps = connect();

export const handler = eachDataset(deps, 'reconciled', (dataset, deadline) =>
  reconcile({ ...deps, deadline }, dataset),
);
