import { S3ServiceException } from '@aws-sdk/client-s3';
import { expect, jest, test } from '@jest/globals';
import * as z from 'zod';
import { logger, step } from '../../../src/handlers/step.ts';

test('a step that AWS fails ends under the name that the state machine retries', async () => {
  jest.spyOn(logger, 'error').mockReturnValue();
  const handler = step(z.object({}), z.object({}), async () => {
    throw new S3ServiceException({ name: 'Unknown', $fault: 'server', $metadata: { httpStatusCode: 503 } });
  });
  const context = { getRemainingTimeInMillis: () => 1000 } as Parameters<typeof handler>[1];
  await expect(handler({}, context)).rejects.toMatchObject({ name: 'AwsUnavailable' });
});
