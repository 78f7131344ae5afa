/**
 * The ledger: one DynamoDB table that knows every file, every batch, and who holds a dataset's lease. One partition a
 * dataset. Every transition is a conditional write, so a step that runs twice changes nothing the second time.
 *
 *   FILE#<object>#<version>     state: pending | claimed | published | held | failed | replaced; `rowsIn` is the batch
 *                               that its published rows stand under, while they do
 *   PENDING#<object>#<version>  the queue: this or the next is present exactly while the file is pending
 *   RETRY#<group>#<object>#…    the queue of files that are a batch of their own, since one of them broke a batch
 *   OBJECT#<object>             the latest version that was noted, the ETag of its bytes, and the latest sequencer seen
 *   SAME#<object>#<version>     a version that brought the bytes which were the latest already, and which version did so first
 *   BATCH#<batch>               state: running | published | held | failed
 *   LEASE                       fence (a number that only grows), execution and batch while held
 *   SETTINGS                    the engine that an operator chose for the dataset
 *   SWEEP                       how far the raw bucket was compared with the ledger
 *   RECENT                      rows of the last published batches, and how many failed since
 */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { GetCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import { type EngineChoice, engineChoiceSchema } from '../config.ts';
import { batchesOf } from './batches.ts';
import { filesOf } from './files.ts';
import { leasesOf } from './leases.ts';
import { now } from './records.ts';
import { openTable, type Table } from './table.ts';

export type Ledger = ReturnType<typeof createLedger>;

/** The ledger of a stage. `name` is its table's. */
export function createLedger(name: string, client: DynamoDBClient = new DynamoDBClient({ maxAttempts: 8 })) {
  const table = openTable(name, client);
  return { ...leasesOf(table), ...filesOf(table), ...batchesOf(table), ...settingsOf(table) };
}

/** What an operator chose, and how far the second net has come. */
function settingsOf({ name: table, db, at }: Table) {
  return {
    /** When the raw bucket was last compared with the ledger, and the key to go on behind; no key when it was done. */
    async lastSweep(dataset: string): Promise<{ at: string; key?: string } | undefined> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, 'SWEEP'), ConsistentRead: true }));
      return Item as { at: string; key?: string } | undefined;
    },

    async noteSwept(dataset: string, key: string | undefined): Promise<void> {
      const Item = { pk: dataset, sk: 'SWEEP', at: now(), ...(key === undefined ? {} : { key }) };
      await db.send(new PutCommand({ TableName: table, Item }));
    },

    /** The engine an operator chose for a dataset; auto leaves it to the stage. */
    async engineChoice(dataset: string): Promise<EngineChoice> {
      const { Item } = await db.send(new GetCommand({ ...at(dataset, 'SETTINGS'), ConsistentRead: true }));
      return engineChoiceSchema.catch('auto').parse(Item?.engine);
    },

    /** Chooses the engine of a dataset's next batches. */
    async chooseEngine(dataset: string, engine: EngineChoice): Promise<void> {
      await db.send(
        new UpdateCommand({
          ...at(dataset, 'SETTINGS'),
          UpdateExpression: 'SET engine = :engine',
          ExpressionAttributeValues: { ':engine': engine },
        }),
      );
    },
  };
}
