/** Messages that a queue delivers later. */
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';

/** Sends messages to a queue. They arrive after so many seconds, at most 900. */
export const createReminder =
  (queueUrl: string, client: SQSClient = new SQSClient({ maxAttempts: 6 })) =>
  async (message: unknown, seconds: number): Promise<void> => {
    await client.send(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: JSON.stringify(message),
        DelaySeconds: seconds,
      }),
    );
  };
