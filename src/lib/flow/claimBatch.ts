/** Takes the files that wait for a dataset into one batch and chooses its engine. */
import type { z } from 'zod';
import type { Config, EngineChoice } from '../config.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { isNewer, type RawFile } from '../ledger/records.ts';
import { parallel } from '../parallel.ts';
import { batchId, type Manifest, nextBatch, places, readManifest, replayOf } from './batch.ts';
import type { Deps } from './deps.ts';
import type { claimInput, claimOutput } from './schemas.ts';

export async function claimBatch(
  { config, store, ledger }: Pick<Deps, 'config' | 'store' | 'ledger'>,
  { dataset, fence, execution }: z.output<typeof claimInput>,
): Promise<z.output<typeof claimOutput>> {
  const lease = await ledger.requireLease(dataset, fence);
  // A claim that died in the middle is taken up where its lease says.
  const begun = lease.batch ? await readManifest({ config, store }, dataset, lease.batch) : null;
  const waiting = begun
    ? begun.files
    : nextBatch(await ledger.nextFiles(dataset, config.batchFiles), {
        files: config.batchFiles,
        bytes: config.batchLimitBytes,
      });
  const { files, replaces } = begun ?? (await replacing(ledger, dataset, waiting));
  if (files.length === 0) {
    if (waiting.length > 0) return claimBatch({ config, store, ledger }, { dataset, fence, execution });
    await ledger.releaseLease(dataset, fence);
    return { outcome: 'idle' };
  }
  const replay = replayOf(files[0]);
  const batch = batchId(files, replay);
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  const engine = chooseEngine(config, await ledger.engineChoice(dataset), bytes);
  const manifest = { dataset, batch, files, replaces };
  await store.writeText(places(config).manifest(dataset, batch), JSON.stringify(manifest));
  await ledger.markLease(dataset, fence, execution, batch);
  await ledger.claim(dataset, fence, { id: batch, files, bytes, engine, execution, replay });
  return { outcome: 'claimed', batch, engine, files: files.length, bytes, replaces: replaces.length };
}

/**
 * Of each object only the latest version counts. Older ones are left out for good, and what is published of an object is
 * replaced by the version in this batch: its own rows when it is replayed, an older version's when it is a correction.
 */
async function replacing(
  ledger: Ledger,
  dataset: string,
  waiting: readonly RawFile[],
): Promise<{ files: RawFile[]; replaces: Manifest['replaces'] }> {
  const times = new Map<string, number>();
  for (const { object } of waiting) times.set(object, (times.get(object) ?? 0) + 1);
  // Most objects have one version, which needs no looking at.
  const hasOthers = (file: RawFile) =>
    file.again || file.group !== undefined || (times.get(file.object) ?? 0) > 1;
  const versions = await parallel(waiting, 16, async (file) =>
    hasOthers(file) ? ledger.versionsOf(dataset, file.object) : [],
  );
  const files: RawFile[] = [];
  const replaces: Manifest['replaces'] = [];
  for (const [i, file] of waiting.entries()) {
    const others = (versions[i] ?? []).filter((v) => v.version !== file.version);
    const newer = others.find((v) => v.state !== 'replaced' && isNewer(v.sequencer, file.sequencer));
    const own = versions[i]?.find((v) => v.version === file.version);
    if (newer && own?.rowsIn === undefined) {
      await ledger.markReplaced(dataset, file, newer.version);
      continue;
    }
    files.push(file);
    for (const { version, rowsIn } of versions[i] ?? [])
      if (rowsIn !== undefined) replaces.push({ object: file.object, version, batch: rowsIn });
  }
  return { files, replaces };
}

/** The operator's choice for the dataset, else the stage's, else by size. */
export function chooseEngine(
  config: Pick<Config, 'engine' | 'embeddedLimitBytes'>,
  chosen: EngineChoice,
  bytes: number,
): 'embedded' | 'glue' {
  const choice = chosen === 'auto' ? config.engine : chosen;
  if (choice !== 'auto') return choice;
  return bytes <= config.embeddedLimitBytes ? 'embedded' : 'glue';
}
