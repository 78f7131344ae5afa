/** A Glue client that answers from functions of the test, by command name. */
import { GlueClient, type GlueServiceException } from '@aws-sdk/client-glue';

export interface GlueCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/** `answer` answers each call; what it throws, the call throws. */
export function fakeGlue(answer: (call: GlueCall, before: number) => unknown) {
  const calls: GlueCall[] = [];
  const client = Object.assign(new GlueClient({ region: 'us-east-1' }), {
    send: async (command: { constructor: { name: string }; input: Record<string, unknown> }) => {
      const call = { name: command.constructor.name.replace(/Command$/, ''), input: command.input };
      const before = calls.filter((c) => c.name === call.name).length;
      calls.push(call);
      return answer(call, before) ?? {};
    },
  });
  return { client, calls };
}

type Options = { message: string; $metadata: Record<string, never> };

/** An error as Glue gives it. */
export const glueError = (Type: new (options: Options) => GlueServiceException): GlueServiceException =>
  new Type({ message: 'so says Glue', $metadata: {} });
