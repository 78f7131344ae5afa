/** `sluice redrive`: sends messages of the dead-letter queue again. */
import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import { counted } from '../lib/counted.ts';
import { visibleLine } from '../lib/visible.ts';
import type { Stage } from '../stage/connect.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions } from './usage.ts';

export const help = `Usage: npm run sluice -- redrive [options]

Sends the messages of the dead-letter queue again. First correct their cause, for example a missing contract.

  --show            only shows the messages
${stageHelp}

Example:
  npm run sluice -- redrive --show`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, { ...stageOptions, show: { type: 'boolean', default: false } });
  const { stage } = await connect(values);
  const bodies = await redrive(stage, values.show);
  if (values.json) printJson({ messages: bodies.length, bodies }, 2);
  else {
    for (const body of bodies) print(visibleLine(body));
    print(
      `${counted(bodies.length, 'message')} ${values.show ? 'in the dead-letter queue' : 'sent back to the queue'}`,
    );
  }
  return 0;
}

/** Each message is sent before it is deleted. A message in both queues is only a duplicate event. */
async function redrive({ sqs, config }: Pick<Stage, 'sqs' | 'config'>, isShown: boolean): Promise<string[]> {
  const bodies = new Map<string, string>();
  for (;;) {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl: config.deadLettersUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: isShown ? 5 : 60,
        // A short poll asks only some of the queue's servers and may miss messages.
        WaitTimeSeconds: 2,
      }),
    );
    const fresh = Messages.filter((m) => !bodies.has(m.MessageId ?? ''));
    if (fresh.length === 0) return [...bodies.values()];
    for (const { MessageId = '', Body = '', ReceiptHandle } of fresh) {
      bodies.set(MessageId, Body);
      if (isShown) continue;
      await sqs.send(new SendMessageCommand({ QueueUrl: config.queueUrl, MessageBody: Body }));
      await sqs.send(new DeleteMessageCommand({ QueueUrl: config.deadLettersUrl, ReceiptHandle }));
    }
  }
}
