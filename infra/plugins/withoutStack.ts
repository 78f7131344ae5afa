/** Errors of plugins as the framework's own, which it prints without a stack. */
import { failureOf, isOurs } from '../../src/cli/program.ts';
import { visible } from '../../src/lib/visible.ts';

/** The framework's class of errors that a person can mend. */
type FrameworkError = new (message: string) => Error;

/** Runs a hook. Throws what a person can mend as `FrameworkError`, and our own faults as they are. */
export async function withoutStack<T>(FrameworkError: FrameworkError, hook: () => Promise<T>): Promise<T> {
  try {
    return await hook();
  } catch (error) {
    const failure = failureOf(error);
    throw isOurs(failure) ? error : new FrameworkError(visible(failure.message));
  }
}
