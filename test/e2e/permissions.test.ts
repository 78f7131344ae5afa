/** Runs last: every AWS call of the test run against the role of the function that made it. */

import { GetJobCommand } from '@aws-sdk/client-glue';
import {
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
} from '@aws-sdk/client-iam';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { expect, test } from '@jest/globals';
import { localClient } from '../../offline/aws.ts';
import { callsPath, type RecordedCalls } from '../../offline/recorder.ts';
import { exceptions } from '../support/permissionExceptions.ts';
import {
  type Grant,
  grantsOf,
  isAllowed,
  type Names,
  type Policy,
  requestsOf,
  uses,
} from '../support/permissions.ts';
import { stage } from '../support/stage.ts';

const options = localClient(String(stage.endpoint));
const iam = new IAMClient(options);
const lambda = new LambdaClient(options);
const names: Names = {
  account: '000000000000',
  region: 'us-east-1',
  workgroup: stage.config.workgroup,
  database: stage.config.database,
  workBucket: stage.config.workBucket,
};

const calls = ((await (await fetch(`${stage.endpoint}${callsPath}`)).json()) as RecordedCalls[]).filter(
  (call) => call.function !== '',
);
const functions = [...new Set(calls.map((call) => call.function))].sort();
const policies = new Map(
  await Promise.all(functions.map(async (name) => [name, await policiesOf(name)] as const)),
);

test.each(functions)('%s may do what it did, and nothing else that it could name', async (name) => {
  const own = policies.get(name) ?? [];
  const requests = calls.filter((call) => call.function === name).flatMap((call) => requestsOf(call, names));
  const denied: string[] = [];
  for (const request of requests)
    if (!(await isAllowed(request, own, names))) denied.push(`${request.action} ${request.resource}`);
  expect([...new Set(denied)]).toEqual([]);
  // Only a whole run has used everything.
  if (process.env.SLUICE_TEST_WHOLE !== '1') return;
  const unused = grantsOf(own).filter(
    (grant) => !requests.some((request) => uses(request, grant)) && !isExcepted(name, grant),
  );
  expect(unused.map(({ action, resource }) => `${action} ${resource}`)).toEqual([]);
});

test('no role has a wildcard where a resource can be named', () => {
  const wide = [...policies].flatMap(([name, own]) =>
    grantsOf(own)
      .filter(
        ({ action, resource }) =>
          action.includes('*') || (resource === '*' && !isExcepted(name, { action, resource })),
      )
      .map(({ action, resource }) => `${name}: ${action} ${resource}`),
  );
  expect(wide).toEqual([]);
});

const isExcepted = (name: string, { action, resource }: Grant): boolean =>
  exceptions.some(
    (e) =>
      (e.of === 'all' || e.of.includes(name)) && e.actions.includes(action) && resource.includes(e.resource),
  );

async function policiesOf(name: string): Promise<Policy[]> {
  const arn =
    name === 'glueJob'
      ? (await stage.glue.send(new GetJobCommand({ JobName: stage.config.job }))).Job?.Role
      : (
          await lambda.send(
            new GetFunctionConfigurationCommand({ FunctionName: `${stage.functionPrefix}local-${name}` }),
          )
        ).Role;
  const RoleName = String(arn).split('/').at(-1);
  const inline = (await iam.send(new ListRolePoliciesCommand({ RoleName }))).PolicyNames ?? [];
  const attached = (await iam.send(new ListAttachedRolePoliciesCommand({ RoleName }))).AttachedPolicies ?? [];
  const own = await Promise.all(
    inline.map(
      async (PolicyName) =>
        (await iam.send(new GetRolePolicyCommand({ RoleName, PolicyName }))).PolicyDocument,
    ),
  );
  const shared = await Promise.all(
    attached.map(async ({ PolicyArn }) => {
      const { Policy } = await iam.send(new GetPolicyCommand({ PolicyArn }));
      const version = { PolicyArn, VersionId: Policy?.DefaultVersionId };
      return (await iam.send(new GetPolicyVersionCommand(version))).PolicyVersion?.Document;
    }),
  );
  return [...own, ...shared].map((document) => JSON.parse(decodeURIComponent(String(document))) as Policy);
}
