/** What functions ask of AWS in memory is in their roles: test/support/flowWorld.ts denies all else. A whole run compares all calls of a stage: test/e2e/permissions.test.ts. */
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { World } from '../../support/flowWorld.ts';
import { requestsOf } from '../../support/permissions.ts';
import { allows, lacking } from '../../support/roles.ts';

afterEach(() => {
  jest.restoreAllMocks();
});

test.each([
  ['hive', false],
  ['iceberg', false],
  ['iceberg', true],
] as const)(
  'a correction and newer rows of a table of the format %s (rewritten by Glue: %s)',
  async (format, isRewrittenByGlue) => {
    const world = new World({ format, isDeduped: true, isRewrittenByGlue });
    for (const [key, lines] of [
      ['feed/m', ['1@06', '2@06', '3@06']],
      ['feed/l', ['1@06', '-2@06']],
      ['feed/m', ['2@06', '3@06']],
    ] as const) {
      world.put(key, lines);
      await world.settle();
    }
    await world.cleanUp();
    expect(world.denied).toEqual([]);
  },
);

test.each(['startValidation', 'repairPartitions'])(
  '%s may do what Athena does in its name, also in a bucket that is registered with Lake Formation',
  (name) => {
    const query = { QueryString: 'SELECT count(*) FROM "feed"' };
    const call = { service: 'athena', operation: 'StartQueryExecution' };
    expect(lacking(name, call, query, () => false)).toBeUndefined();
    expect(allows(name, { action: 'lakeformation:GetDataAccess', resource: '*' })).toBe(true);
  },
);

describe('what a role lacks is denied, as AWS would', () => {
  const s3 = (operation: string) => ({ service: 's3', operation });
  const athena = { service: 'athena', operation: 'StartQueryExecution' };
  const raw = { Bucket: 'raw', Key: 'feed/a' };
  const manifest = { Bucket: 'work', Key: 'manifests/a' };
  const isThere = () => false;
  const isGone = () => true;

  test.each([
    ['claimBatch', s3('GetObject'), { ...raw, VersionId: 'v' }, isThere, undefined],
    ['claimBatch', s3('GetObject'), raw, isThere, 's3:GetObject'],
    ['claimBatch', s3('GetObject'), { ...raw, VersionId: 'v' }, isGone, undefined],
    ['loadServing', s3('GetObject'), manifest, isThere, undefined],
    ['loadServing', s3('GetObject'), manifest, isGone, 's3:ListBucket'],
    ['sweep', s3('DeleteObjects'), { Bucket: 'raw', Delete: { Objects: [raw] } }, isThere, 's3:DeleteObject'],
    ['dispatch', { service: 'dynamodb', operation: 'Query' }, { TableName: 'ledger' }, isThere, undefined],
    [
      'dispatch',
      { service: 'dynamodb', operation: 'Query' },
      { TableName: 'ledger', IndexName: 'byOrder' },
      isThere,
      'dynamodb:Query',
    ],
    ['startValidation', athena, { QueryString: 'SELECT' }, isThere, undefined],
    ['checkValidation', athena, { QueryString: 'SELECT' }, isThere, 'athena:StartQueryExecution'],
  ] as const)('%s %j %j', (name, call, input, isMissing, action) => {
    expect(lacking(name, call, input, isMissing)?.action).toBe(action);
  });
});

test.each([
  ['GetObject', '/raw/a/b?versionId=v&x-id=GetObject', '', ['s3:GetObjectVersion raw/a/b']],
  ['HeadObject', '/raw/a/b', '', ['s3:GetObject raw/a/b']],
  ['ListObjectsV2', '/raw?list-type=2', '', ['s3:ListBucket raw']],
  ['ListObjectVersions', '/raw/?versions', '', ['s3:ListBucketVersions raw']],
  ['CopyObject', '/to/k', '/from/k', ['s3:GetObject from/k', 's3:PutObject to/k']],
  [
    'DeleteObjects',
    '/b?delete',
    '<Delete><Key>x</Key><Key>y</Key>',
    ['s3:DeleteObject b/x', 's3:DeleteObject b/y'],
  ],
])('IAM is asked about %s %s on the wire', (operation, path, body, asked) => {
  const call = { function: 'f', service: 's3', operation, about: '', count: 1, example: { path, body } };
  const names = { account: '', region: '', workgroup: '', database: '', workBucket: '', processedBucket: '' };
  const requests = requestsOf(call, names).map(
    (r) => `${r.action} ${r.resource.replace('arn:aws:s3:::', '')}`,
  );
  expect(requests).toEqual(asked);
});
