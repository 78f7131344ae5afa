import { reconcile } from '../lib/flow/reconcile.ts';
import { connect, logger, wrap } from './step.ts';

const deps = connect();

export const handler = wrap(async () => {
  for (const dataset of deps.contracts.keys())
    logger.info('reconciled', { dataset, result: await reconcile(deps, dataset) });
});
