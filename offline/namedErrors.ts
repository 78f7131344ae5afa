/** serverless-offline passes on only the message of an error, so the name, which Retry and Catch need, is put into the message. */

import { visible } from '../src/lib/visible.ts';

/** The first character of a message that contains an error as JSON. offline/emulator.py unpacks it. */
const mark = '\u0001';

type Handler = (event: never, context: never) => Promise<unknown>;

/** A handler whose errors keep their names on the way to the state machine. */
export const functionNamed =
  <T extends Handler>(handler: T) =>
  async (event: Parameters<T>[0], context: Parameters<T>[1]): Promise<unknown> => {
    try {
      return await handler(event, context);
    } catch (error) {
      const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
      const trace = stack.split('\n');
      // The framework prints it.
      throw new Error(mark + visible(JSON.stringify({ errorType: name, errorMessage: message, trace })));
    }
  };

/** The answer of a function whose code could not be built, with AWS's name for the error. */
export const unloadable = (fault: string): string => {
  const error = {
    errorType: 'Runtime.UserCodeSyntaxError',
    errorMessage: `${fault} (the last edit could not be built; the next one is tried again)`,
    trace: [],
  };
  return JSON.stringify({
    errorMessage: mark + visible(JSON.stringify(error)),
    errorType: 'Error',
    trace: [],
  });
};
