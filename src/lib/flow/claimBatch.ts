/** Takes the files that wait for a dataset into one batch and chooses its engine. */
import type { z } from 'zod';
import type { Config } from '../config.ts';
import { batchId, manifestSchema, nextBatch, places } from './batch.ts';
import type { Deps } from './deps.ts';
import type { claimInput, claimOutput } from './schemas.ts';

export async function claimBatch(
  { config, store, ledger }: Pick<Deps, 'config' | 'store' | 'ledger'>,
  { dataset, fence, execution }: z.output<typeof claimInput>,
): Promise<z.output<typeof claimOutput>> {
  const lease = await ledger.requireLease(dataset, fence);
  // A claim that died in the middle is taken up where its lease says.
  const files = lease.batch
    ? (await store.readJson(places(config).manifest(dataset, lease.batch), manifestSchema)).files
    : nextBatch(await ledger.nextFiles(dataset, config.batchFiles), {
        files: config.batchFiles,
        bytes: config.batchLimitBytes,
      });
  if (files.length === 0) {
    await ledger.releaseLease(dataset, fence);
    return { outcome: 'idle' };
  }
  const batch = batchId(files);
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const engine = chooseEngine(config, await ledger.forcedEngine(dataset), bytes);
  await store.writeText(places(config).manifest(dataset, batch), JSON.stringify({ dataset, batch, files }));
  await ledger.markLease(dataset, fence, execution, batch);
  await ledger.claim(dataset, fence, { id: batch, files, bytes, engine, execution });
  return { outcome: 'claimed', batch, engine, files: files.length, bytes };
}

/** The operator's choice for the dataset, else the stage's, else by size. */
export function chooseEngine(
  config: Pick<Config, 'engine' | 'embeddedLimitBytes'>,
  forced: string | undefined,
  bytes: number,
): 'embedded' | 'glue' {
  const choice = forced === 'embedded' || forced === 'glue' ? forced : config.engine;
  if (choice !== 'auto') return choice;
  return bytes <= config.embeddedLimitBytes ? 'embedded' : 'glue';
}
