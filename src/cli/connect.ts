/** Shared by all commands on a deployed stage. */
import { contractOf } from '../lib/flow/batch/deps.ts';
import type { OperatorDeps } from '../lib/flow/operate/again.ts';
import { connectStage, depsOf, type Stage } from '../stage/connect.ts';
import { UsageError } from './usage.ts';

export const stageOptions = {
  stage: { type: 'string', default: process.env.SLUICE_STAGE ?? 'local' },
  region: { type: 'string' },
  profile: { type: 'string' },
  endpoint: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

export const stageHelp = `  --stage NAME      the deployed stage (local, or $SLUICE_STAGE)
  --region NAME     where it is deployed, such as eu-west-1 (or $AWS_REGION, or as the profile says)
  --profile NAME    the profile in ~/.aws with the credentials (or $AWS_PROFILE)
  --endpoint URL    where the local AWS listens, as npm start -- --keep prints it (or $AWS_ENDPOINT_URL)
  --json            for scripts: npm run -s sluice -- …`;

/** The stage that the options name. Throws SetupError if it cannot be reached, UsageError for a missing endpoint. */
export async function connect(values: {
  stage: string;
  region?: string | undefined;
  profile?: string | undefined;
  endpoint?: string | undefined;
}): Promise<{ stage: Stage; deps: OperatorDeps }> {
  const endpoint = values.endpoint ?? process.env.AWS_ENDPOINT_URL;
  if (values.stage === 'local' && endpoint === undefined)
    throw new UsageError('--endpoint is needed for the local stage; npm start -- --keep prints it');
  if (values.endpoint !== undefined && values.profile !== undefined)
    throw new UsageError('--profile is for AWS, --endpoint for the local one; give one of them');
  const stage = await connectStage(endpoint, values.stage, values);
  return { stage, deps: depsOf(stage) };
}

/** The datasets of a command: the named one, or all. Throws InvalidInput if the named one does not exist. */
export function datasetsOf(deps: Pick<OperatorDeps, 'contracts'>, named: string | undefined): string[] {
  return named === undefined ? [...deps.contracts.keys()] : [contractOf(deps, named).dataset];
}
