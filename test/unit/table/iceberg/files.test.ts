import { expect, test } from '@jest/globals';
import { refOf } from '../../../../src/lib/table/iceberg/files.ts';

test.each([
  ['s3://b/k', { bucket: 'b', key: 'k' }],
  ['s3a://b/a/b c.parquet', { bucket: 'b', key: 'a/b c.parquet' }],
  ['s3n://b/k\nl', { bucket: 'b', key: 'k\nl' }],
])('%j is an object', (path, ref) => {
  expect(refOf(path)).toEqual(ref);
});

test.each(['s3://b', 's3://b/', 's3x://b/k', 'hdfs://b/k', 'xs3://b/k', '/b/k', ''])(
  '%j is refused by name',
  (path) => {
    expect(() => refOf(path)).toThrow(`the table names the file ${path}, which is not in S3`);
  },
);
