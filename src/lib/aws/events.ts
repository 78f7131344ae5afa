/** Events for other systems, on EventBridge's default bus. */
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { SluiceError } from '../errors.ts';

/** Puts an event of the source `sluice` on the default bus. Throws SluiceError if the bus rejects it. */
export function createAnnouncer(client: EventBridgeClient = new EventBridgeClient({ maxAttempts: 6 })) {
  return async (detailType: string, detail: unknown): Promise<void> => {
    const { Entries } = await client.send(
      new PutEventsCommand({
        Entries: [{ Source: 'sluice', DetailType: detailType, Detail: JSON.stringify(detail) }],
      }),
    );
    const refused = Entries?.find((entry) => entry.ErrorCode);
    if (refused)
      throw new SluiceError(
        `EventBridge refused ${detailType}: ${refused.ErrorCode} ${refused.ErrorMessage}`,
      );
  };
}
