/** Runs last: compares every AWS call of the test run with the role of the function that made it. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CreatePartitionCommand,
  DeletePartitionCommand,
  GetJobCommand,
  GetPartitionsCommand,
} from '@aws-sdk/client-glue';
import {
  GetPolicyCommand,
  GetPolicyVersionCommand,
  GetRolePolicyCommand,
  IAMClient,
  ListAttachedRolePoliciesCommand,
  ListRolePoliciesCommand,
} from '@aws-sdk/client-iam';
import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { callsPath, type RecordedCalls } from '../../offline/recorder.ts';
import { localClient } from '../../src/stage/localEndpoint.ts';
import { root } from '../support/gates.ts';
import { checkModels, strictState } from '../support/models.ts';
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
import { isOnHive, stage } from '../support/stage.ts';

const options = localClient(String(stage.endpoint));
const iam = new IAMClient(options);
const lambda = new LambdaClient(options);
const names: Names = {
  account: '000000000000',
  region: 'us-east-1',
  workgroup: stage.config.workgroup,
  database: stage.config.database,
  workBucket: stage.config.workBucket,
  processedBucket: stage.config.processedBucket,
};

// Work that only happens on a schedule: an extra partition and a missing one.
if (isOnHive) await misplacePartitions();
for (const name of ['sweep', 'reconcile', 'maintain']) await invoke(name);

/** A whole run has a second local AWS. */
const other = process.env.SLUICE_TEST_OTHER_ENDPOINT;
const endpoints = [String(stage.endpoint), ...(other === undefined ? [] : [other])];
const recorded = await Promise.all(
  endpoints.map(
    async (endpoint) => (await (await fetch(`${endpoint}${callsPath}`)).json()) as RecordedCalls[],
  ),
);
// Trino calls S3 for Athena; real Athena uses the caller's permissions differently.
const calls = recorded.flat().filter((call) => !['', 'Trino'].includes(call.function));
const functions = [
  ...Object.keys(
    parse(readFileSync(join(root, 'infra/functions.yml'), 'utf8'), { logLevel: 'silent' }) as object,
  ),
  'loadServing',
  'glueJob',
];
const policies = new Map(
  await Promise.all(functions.map(async (name) => [name, await policiesOf(name)] as const)),
);

test.each(functions)('%s may do what it did, and nothing else that it could name', async (name) => {
  const own = policies.get(name) ?? [];
  const requests = calls.filter((call) => call.function === name).flatMap((call) => requestsOf(call, names));
  const denied: string[] = [];
  for (const request of requests)
    if (!(await isAllowed(request, own, names))) denied.push(`${request.action} ${request.resource}`);
  const unused = grantsOf(own)
    .filter((grant) => !requests.some((request) => uses(request, grant)) && !isExcepted(name, grant))
    .map(({ action, resource }) => `${action} ${resource}`);
  // Only a whole run with both formats uses every grant.
  const usesAll = other !== undefined && isOnHive;
  expect({ denied: [...new Set(denied)], unused: usesAll ? unused : [] }).toEqual({
    denied: [],
    unused: [],
  });
});

test('no function asked for what AWS refuses, but for conflicts, which are tried again', async () => {
  const answers = await Promise.all(
    endpoints.map(async (endpoint) => {
      const { refused } = await strictState(endpoint);
      return refused.filter(({ function: name, code }) => functions.includes(name) && !isConflict(code));
    }),
  );
  expect(answers.flat()).toEqual([]);
});

test('no answer of any local AWS of the run differs from the model of its service', async () => {
  const { wrong, checked } = await checkModels(endpoints, process.env.SLUICE_WRONG_ANSWERS);
  expect(wrong).toEqual([]);
  expect(checked).toBeGreaterThan(0);
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

const isConflict = (code: string): boolean =>
  /^Transaction(Canceled|Conflict|InProgress)Exception$/.test(code);

async function invoke(name: string): Promise<void> {
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({ FunctionName: `${stage.functionPrefix}${name}`, Payload: '{}' }),
  );
  if (FunctionError !== undefined) throw new Error(`${name}: ${Payload?.transformToString()}`);
}

async function misplacePartitions(): Promise<void> {
  const table = { DatabaseName: stage.config.database, TableName: 'social_media' };
  const { Partitions } = await stage.glue.send(new GetPartitionsCommand({ ...table, MaxResults: 1 }));
  const [partition] = Partitions ?? [];
  const descriptor = partition?.StorageDescriptor;
  const location = descriptor?.Location?.replace(/day=\d+/, 'day=99');
  await stage.glue.send(
    new CreatePartitionCommand({
      ...table,
      PartitionInput: {
        Values: [...(partition?.Values?.slice(0, -1) ?? []), '99'],
        StorageDescriptor: { ...descriptor, Location: location },
      },
    }),
  );
  await stage.glue.send(new DeletePartitionCommand({ ...table, PartitionValues: partition?.Values }));
}

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
            new GetFunctionConfigurationCommand({ FunctionName: `${stage.functionPrefix}${name}` }),
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
