/** EventBridge in memory: a bus that keeps its entries. */
import { PutEventsCommand, type PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import { copied, Operations } from './clients.ts';
import { awsError } from './errors.ts';
import { isHit } from './faults.ts';

const ok = { $metadata: { httpStatusCode: 200 } };

/** https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html: Array Members, maximum number of 10 items. */
const maxEntries = 10;

export class MemoryEvents {
  /** Accepted entries, in order. */
  readonly entries: PutEventsRequestEntry[] = [];

  static readonly operations = new Operations<MemoryEvents>('events').on(
    PutEventsCommand,
    'PutEvents',
    (bus, input, { mask }) => {
      const entries = input.Entries ?? [];
      if (entries.length === 0 || entries.length > maxEntries)
        throw awsError(
          'events',
          'ValidationException',
          `1 validation error detected: Value at 'entries' failed to satisfy constraint: Member must have length less than or equal to ${maxEntries}`,
        );
      let failed = 0;
      const results = entries.map((entry, i) => {
        if (isHit(mask, i, entries.length)) {
          failed++;
          return { ErrorCode: 'InternalFailure', ErrorMessage: 'Internal failure' };
        }
        bus.entries.push(copied(entry));
        return { EventId: `event-${bus.entries.length}` };
      });
      return { ...ok, FailedEntryCount: failed, Entries: results };
    },
  );

  /** Details of the events of a type, parsed. */
  details(type: string): unknown[] {
    return this.entries
      .filter((e) => e.DetailType === type)
      .map((e): unknown => JSON.parse(e.Detail ?? 'null'));
  }
}
