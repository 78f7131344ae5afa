import { expect, test } from '@jest/globals';
import { createAnnouncer } from '../../../src/lib/aws/events.ts';
import { MessagesRefused, SluiceError } from '../../../src/lib/errors.ts';
import { createMemoryAws, faultAt } from '../../support/memory/index.ts';

const patience = { pause: 0, attempts: 3 };

test('an event that the bus does not take at once is put again', async () => {
  const aws = createMemoryAws();
  aws.plan = faultAt({ mode: 'partial' }, { operation: 'PutEvents', nth: 1 });
  await createAnnouncer(aws.actor('a').events, patience)('BatchPublished', { batch: 'b' });
  expect(aws.bus.details('BatchPublished')).toEqual([{ batch: 'b' }]);
  expect(aws.calls('events.PutEvents')).toBe(2);
});

test.each([
  ['ThrottlingException', 3, MessagesRefused],
  ['InternalFailure', 3, MessagesRefused],
  ['MalformedDetail', 1, SluiceError],
])('one that it refuses with %s is put %i times', async (ErrorCode, times, type) => {
  let calls = 0;
  const send = async () => {
    calls++;
    return { FailedEntryCount: 1, Entries: [{ ErrorCode, ErrorMessage: 'no' }] };
  };
  const client = Object.assign(createMemoryAws().actor('a').events, { send });
  const error: unknown = await createAnnouncer(client, patience)('BatchPublished', {}).catch((e) => e);
  expect(error).toMatchObject({ name: new type('').name, message: expect.stringContaining(ErrorCode) });
  expect(calls).toBe(times);
});
