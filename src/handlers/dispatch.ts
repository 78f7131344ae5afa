import type { SQSBatchResponse, SQSEvent } from 'aws-lambda';
import { createStarter } from '../lib/aws/executions.ts';
import { createReminder } from '../lib/aws/reminders.ts';
import { createVersions } from '../lib/aws/versions.ts';
import { dispatch } from '../lib/flow/dispatch.ts';
import { connect, logger, wrap } from './step.ts';

const deps = { ...connect(), store: createVersions() };
const start = createStarter(deps.config.stateMachineArn);
const remind = createReminder(deps.config.rawEventsQueue ?? '');

export const handler = wrap(async (event: SQSEvent): Promise<SQSBatchResponse> => {
  const messages = event.Records.map((r) => ({ id: r.messageId, body: r.body }));
  const { failed, ...counts } = await dispatch({ ...deps, start, remind }, messages);
  logger.info('dispatched', { counts });
  for (const { id, error } of failed) logger.error(`message ${id} goes back to the queue`, { error });
  return { batchItemFailures: failed.map(({ id }) => ({ itemIdentifier: id })) };
});
