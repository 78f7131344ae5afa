/** serverless-offline tells of an error its message only: the name that Retry and Catch match on goes inside it. */

import { visible } from '../src/lib/visible.ts';

/** Begins a message that is an error as JSON; offline/emulator.py takes it apart. */
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

/** What a function answers whose code could not be built, as AWS names it. */
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
