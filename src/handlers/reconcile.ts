import { reconcile } from '../lib/flow/reconcile.ts';
import { connect, eachDataset, wrap } from './step.ts';

const deps = connect();

export const handler = wrap(() => eachDataset(deps, 'reconciled', (dataset) => reconcile(deps, dataset)));
