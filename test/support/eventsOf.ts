/** Receives the events of a stage as a consumer does, through its own queue. */
import {
  DeleteRuleCommand,
  PutRuleCommand,
  PutTargetsCommand,
  RemoveTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
} from '@aws-sdk/client-sqs';
import { waitFor } from '../../src/lib/waitFor.ts';
import { stage } from './stage.ts';

export interface Heard {
  /** An upper bound of the event's bytes as EventBridge counts them. */
  readonly bytes: number;
  readonly source: string;
  readonly detail: unknown;
}

/** Starts to listen. `next` returns the first event whose detail fits, and throws if none arrives within a minute. */
export async function listen(
  detailType: string,
  source = 'sluice',
): Promise<{
  next(fits: (detail: unknown) => boolean): Promise<Heard>;
  close(): Promise<void>;
}> {
  const name = `heard-${Date.now()}`;
  const { QueueUrl } = await stage.sqs.send(new CreateQueueCommand({ QueueName: name }));
  const { Attributes } = await stage.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const EventPattern = JSON.stringify({ source: [source], 'detail-type': [detailType] });
  await stage.events.send(new PutRuleCommand({ Name: name, EventPattern }));
  const Targets = [{ Id: 'queue', Arn: String(Attributes?.QueueArn) }];
  await stage.events.send(new PutTargetsCommand({ Rule: name, Targets }));
  const heard: Heard[] = [];
  const receive = async () => {
    const { Messages } = await stage.sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }),
    );
    for (const { Body = '', ReceiptHandle } of Messages ?? []) {
      heard.push({ bytes: Buffer.byteLength(Body), ...(JSON.parse(Body) as Omit<Heard, 'bytes'>) });
      await stage.sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    }
  };
  return {
    async next(fits) {
      const found = () => heard.find(({ detail }) => fits(detail));
      await waitFor(receive, () => found() !== undefined, 60_000);
      const event = found();
      if (!event)
        throw new Error(`of ${heard.length} events ${detailType} none is the one that was waited for`);
      return event;
    },
    async close() {
      await stage.events.send(new RemoveTargetsCommand({ Rule: name, Ids: ['queue'] }));
      await stage.events.send(new DeleteRuleCommand({ Name: name }));
      await stage.sqs.send(new DeleteQueueCommand({ QueueUrl }));
    },
  };
}
