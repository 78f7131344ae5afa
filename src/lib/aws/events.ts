/** Events for other systems, on EventBridge's default bus. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { MessagesRefused, SluiceError } from '../errors.ts';
import { again, type Patience } from './again.ts';

/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEventsResultEntry.html */
const passingCodes = ['InternalFailure', 'ThrottlingException'];

/**
 * Puts an event of the source `sluice` on the default bus. A call answers 200 and lists the events that it has not taken. Throws MessagesRefused
 * if the bus is too busy for it at every try, and SluiceError if it rejects the event.
 */
export function createAnnouncer(
  client: EventBridgeClient = new EventBridgeClient({ maxAttempts: 6 }),
  patience: Patience = {},
) {
  return async (detailType: string, detail: unknown): Promise<void> => {
    const put = async () => {
      const { Entries } = await client.send(
        new PutEventsCommand({
          Entries: [{ Source: 'sluice', DetailType: detailType, Detail: JSON.stringify(detail) }],
        }),
      );
      const refused = Entries?.find((entry) => entry.ErrorCode);
      if (refused === undefined) return;
      const { ErrorCode = '', ErrorMessage } = refused;
      const Refused = passingCodes.includes(ErrorCode) ? MessagesRefused : SluiceError;
      throw new Refused(`EventBridge refused ${detailType}: ${ErrorCode} ${ErrorMessage}`);
    };
    await again(put, (error) => error instanceof MessagesRefused, patience);
  };
}
