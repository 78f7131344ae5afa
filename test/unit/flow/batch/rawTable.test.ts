import { expect, test } from '@jest/globals';
import { createStore } from '../../../../src/lib/aws/store.ts';
import { parseContract } from '../../../../src/lib/contract/load.ts';
import { profileOf } from '../../../../src/lib/flow/batch/rawTable.ts';
import { testConfig } from '../../../support/config.ts';
import { createMemoryAws } from '../../../support/memory/index.ts';

const contractOf = (csv: object) =>
  parseContract(
    'sales.yml',
    JSON.stringify({
      dataset: 'sales',
      source: { prefix: 'sales/', formats: ['csv'], csv },
      columns: [
        { name: 'id', path: 'id', type: 'string' },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] },
      ],
      partitionBy: [{ name: 'day', of: 'at', part: 'day' }],
    }),
  );

test('after the delimiter was corrected in the contract, a retry looks at the same files anew', async () => {
  const aws = createMemoryAws();
  const store = createStore(aws.actor('checkCrawler').s3, { pause: 0 });
  const { id } = aws.s3.seed('raw', 'sales/a.csv', 'id;at\n1;2026-01-01T00:00:00Z\n');
  const file = { object: 'sales/a.csv', version: id, size: 33, sequencer: '1', etag: '', sk: 'PENDING#1' };
  const profileWith = async (fence: number, delimiter: string) => {
    const attempt = { dataset: 'sales', batch: 'b', fence };
    const manifest = { dataset: 'sales', batch: 'b', files: [file], published: [], decision: null };
    return profileOf({ config: testConfig, store }, contractOf({ delimiter }), manifest, attempt);
  };
  const wrong = await profileWith(1, ',');
  expect(wrong.files[0]).toMatchObject({ fault: 'unknown_header' });
  const right = await profileWith(2, ';');
  expect(right.files[0]).toMatchObject({ fault: null, header: ['id', 'at'] });
  // A repeated step of one attempt keeps its profile.
  expect((await profileWith(1, ';')).files[0]).toMatchObject({ fault: 'unknown_header' });
});
