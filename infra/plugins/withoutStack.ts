/** Turns errors of plugins into the framework's own errors, which it prints without a stack. */
import { failureOf, isOurs } from '../../src/cli/program.ts';
import { visible } from '../../src/lib/visible.ts';

/** The framework's class of errors that a person can fix. */
type FrameworkError = new (message: string) => Error;

/** Runs a hook. Throws `FrameworkError` for an error that a person can fix, and any other error unchanged. */
export async function withoutStack<T>(FrameworkError: FrameworkError, hook: () => Promise<T>): Promise<T> {
  try {
    return await hook();
  } catch (error) {
    const failure = failureOf(error);
    throw isOurs(failure) ? error : new FrameworkError(visible(failure.message));
  }
}
