/** `npm run readers`: Trino reads in a loop beside 50 batches, 20 corrections and compactions of an Iceberg table. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { icebergCatalog } from '../../offline/athena/catalogs.ts';
import { startTrino } from '../../offline/athena/trinoServer.ts';
import { ensureTrino } from '../../offline/setup/environments.ts';
import { watchReaders } from '../support/readersInALoop.ts';
import { stage } from '../support/stage.ts';

const [batches, corrections] = [50, 20];

test(`invariant 12: readers in a loop find committed states only, during ${batches} batches, ${corrections} corrections and compactions`, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-readers-'));
  // Its own client: Athena's results, files in S3, would cost several times as much as the queries.
  const trino = await startTrino(await ensureTrino(console.log), stage.endpoint ?? '', folder);
  try {
    const ask = async (sql: string) =>
      (await trino.client.run(sql, stage.config.database, { catalog: icebergCatalog })).rows[0] ?? [];
    const found = await watchReaders({ batches, corrections, ask });
    console.log(
      `${found.reads} queries, ${found.perSecond.toFixed(1)} per second; ${found.compacted} objects compacted`,
    );
    expect(found.compacted).toBeGreaterThanOrEqual(batches);
    expect(found.reads).toBeGreaterThan(batches + corrections);
  } finally {
    await trino.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}, 3_600_000);
