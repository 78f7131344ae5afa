/** A Spark session for the tests of a file: it starts before them and ends after them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { ensureSpark } from '../../offline/setup/environments.ts';
import { type SparkSession, startSparkSession } from '../../offline/spark.ts';

/** `folder` and `run` exist from the first test on. */
export function sparkSession(): { readonly folder: string; readonly run: SparkSession['run'] } {
  let folder = '';
  let session: SparkSession | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-session-'));
    session = await startSparkSession(await ensureSpark(console.log), folder);
  });
  afterAll(async () => {
    session?.close();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  return {
    get folder() {
      return folder;
    },
    run: (...job) => {
      if (session === undefined) throw new Error('Spark is started before the first test');
      return session.run(...job);
    },
  };
}
