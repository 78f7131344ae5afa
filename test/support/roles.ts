/** The roles of infra/, as AWS applies them to what the flow calls in memory. Conditions are left to test/e2e/permissions.test.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { testConfig } from './config.ts';
import { root } from './gates.ts';
import { type Names, patternOf, type Request, requestsOfInput } from './permissions.ts';

const names: Names = {
  account: '123456789012',
  region: 'us-east-1',
  workgroup: testConfig.workgroup,
  database: testConfig.database,
  workBucket: testConfig.workBucket,
  processedBucket: testConfig.processedBucket,
};

/** What CloudFormation and Serverless put in place of a name in a template. */
const values: Readonly<Record<string, string>> = {
  'AWS::Partition': 'aws',
  'AWS::Region': names.region,
  'AWS::AccountId': names.account,
  'RawBucket.Arn': `arn:aws:s3:::${testConfig.rawBucket}`,
  'WorkBucket.Arn': `arn:aws:s3:::${names.workBucket}`,
  'ProcessedBucket.Arn': `arn:aws:s3:::${names.processedBucket}`,
  'Ledger.Arn': `arn:aws:dynamodb:${names.region}:${names.account}:table/${testConfig.ledgerTable}`,
  Database: names.database,
  TransformJob: testConfig.glueJob,
  Workgroup: names.workgroup,
  'self:custom.names.crawler': testConfig.crawler,
  'self:custom.names.ingest': testConfig.stateMachineArn.split(':').at(-1) ?? '',
};

const texts = z
  .union([z.string(), z.array(z.unknown())])
  .transform((value) => [value].flat(Infinity).map(String));
const statements = z.array(z.object({ Action: texts, Resource: texts }));
type Statements = z.output<typeof statements>;

const read = (file: string): unknown =>
  parse(readFileSync(join(root, 'infra', file), 'utf8'), { logLevel: 'silent', merge: true });

const { 'x-statements': _, ...ofFunctions } = z
  .record(z.string(), z.unknown())
  .parse(read('permissions.yml'));
const { Resources } = z
  .object({
    Resources: z.object({
      JobRole: z.object({
        Properties: z.object({
          Policies: z.tuple([z.object({ PolicyDocument: z.object({ Statement: statements }) })]),
        }),
      }),
    }),
  })
  .parse(read('catalog.yml'));

/** Action -> the resources on which a role allows it. */
function grantsOf(role: Statements): ReadonlyMap<string, readonly RegExp[]> {
  const grants = new Map<string, RegExp[]>();
  for (const { Action, Resource } of role) {
    const patterns = Resource.map((resource) =>
      patternOf(values[resource] ?? resource.replace(/\$\{([^}]+)\}/g, (_, name) => values[name] ?? '?')),
    );
    for (const action of Action) grants.set(action, [...(grants.get(action) ?? []), ...patterns]);
  }
  return grants;
}

/** Function -> what its role allows. */
const roles = new Map([
  ...Object.entries(ofFunctions).map(([name, own]) => [name, grantsOf(statements.parse(own))] as const),
  ['glueJob', grantsOf(Resources.JobRole.Properties.Policies[0].PolicyDocument.Statement)],
]);

/**
 * What the role of a function lacks for a call; undefined if it allows the call, and for a caller without a role of its own. `isMissing`: the
 * call reads an object that is not there, for which S3 answers 403 to who may not list the bucket.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
 */
export function lacking(
  name: string,
  { service, operation }: { readonly service: string; readonly operation: string },
  input: object,
  isMissing: (bucket: string, key: string) => boolean,
): Request | undefined {
  if (!roles.has(name)) return undefined;
  const asked = requestsOfInput(service, operation, input, names);
  const listing = asked.flatMap(({ action, resource }) => {
    const [, bucket = '', key = ''] = /^arn:aws:s3:::([^/]*)\/(.*)$/s.exec(resource) ?? [];
    return action.startsWith('s3:GetObject') && isMissing(bucket, key)
      ? [{ action: 's3:ListBucket', resource: `arn:aws:s3:::${bucket}` }]
      : [];
  });
  return [...asked, ...listing].find((request) => !allows(name, request));
}

export const allows = (name: string, { action, resource }: Request): boolean =>
  (roles.get(name)?.get(action) ?? []).some((pattern) => pattern.test(resource));
