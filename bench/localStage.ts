/** A stage on a local AWS of its own, for one measurement. */
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
  }: { readonly athena?: LocalAwsOptions['athena']; readonly format?: TableFormatName },
  work: (stage: Stage, endpoint: string) => Promise<T>,
): Promise<T> {
  const aws = await startLocalAws({ port: 0, athena, report });
  try {
    // The example consumer is not part of what is measured.
    const params = { serving: 'off', ...(format === undefined ? {} : { tableFormat: format }) };
    await deploy({ endpoint: aws.endpoint, params, report });
    return await work(await connectStage(aws.endpoint), aws.endpoint);
  } finally {
    await aws.close();
  }
}
