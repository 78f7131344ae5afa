/** The Lambda functions of a deployed stage. */
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { localClient } from '../src/stage/localEndpoint.ts';

/** The environment that each function was deployed with, by its name. */
export async function functionEnvironments(
  endpoint: string,
  names: readonly string[],
): Promise<Map<string, Record<string, string>>> {
  const lambda = new LambdaClient(localClient(endpoint));
  const all = await Promise.all(
    names.map(async (FunctionName) => {
      const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      return [FunctionName, Environment?.Variables ?? {}] as const;
    }),
  );
  return new Map(all);
}
