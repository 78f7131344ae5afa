/** A stage on a local AWS of its own, for one measurement. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { deploy } from '../offline/deploy.ts';
import { type LocalAwsOptions, startLocalAws } from '../offline/localAws.ts';
import type { TableFormatName } from '../src/lib/model/plan.ts';
import { connectStage, type Stage } from '../src/stage/connect.ts';

/** Starts the local AWS, deploys to it, measures, and ends it. */
export async function onLocalStage<T>(
  report: (message: string) => void,
  {
    athena = 'duckdb',
    format,
    checkout,
  }: {
    readonly athena?: LocalAwsOptions['athena'];
    readonly format?: TableFormatName;
    /** A copy of the project with other datasets, which is deployed in its place. */
    readonly checkout?: string;
  },
  work: (stage: Stage, endpoint: string) => Promise<T>,
): Promise<T> {
  const aws = await startLocalAws({ port: 0, athena, report });
  try {
    // The example consumer is not part of what is measured.
    const params = { serving: 'off', ...(format === undefined ? {} : { tableFormat: format }) };
    const { deploy, connectStage } = checkout === undefined ? own : await load(checkout);
    await deploy({ endpoint: aws.endpoint, params, report });
    return await work(await connectStage(aws.endpoint), aws.endpoint);
  } finally {
    await aws.close();
  }
}

const own = { deploy, connectStage };

/** The same of another checkout, whose datasets they read. */
async function load(checkout: string): Promise<typeof own> {
  const module = (path: string) => import(pathToFileURL(join(checkout, path)).href);
  const { deploy } = (await module('offline/deploy.ts')) as typeof import('../offline/deploy.ts');
  const stages = (await module('src/stage/connect.ts')) as typeof import('../src/stage/connect.ts');
  return { deploy, connectStage: stages.connectStage };
}
