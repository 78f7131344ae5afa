/** DuckDB in the flow in memory: batches are transformed and merged as on a stage. */
import { parquetMetadata } from 'hyparquet';
import { hideRows } from '../../src/lib/engine/deletes.ts';
import { runEmbedded } from '../../src/lib/engine/embedded.ts';
import { rewriteWithout } from '../../src/lib/engine/rewrite.ts';
import { describeRewriting } from '../../src/lib/engine/rewriteJob.ts';
import { transformEmbedded } from '../../src/lib/flow/steps/transformEmbedded.ts';
import { rewrittenRows } from '../../src/lib/model/plan.ts';
import type { FlowEngine } from './flowWorld.ts';
import { rewriteBySql } from './rewritingJob.ts';

export const realEngine: FlowEngine = {
  async transform(deps, step) {
    const { run, accounting } = await transformEmbedded(deps, runEmbedded, step);
    return { run, replaced: rewrittenRows(accounting) };
  },
  replace: { rewrite: rewriteWithout, hide: hideRows },
  describe: describeRewriting,
  rewriteObject: rewriteBySql,
  countRows: (bytes) => Number(parquetMetadata(new Uint8Array(bytes).buffer).num_rows),
};
