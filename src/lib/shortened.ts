/** Shortens errors: an error of more than 256 KiB ends an execution, past every Catch. */

/** The limit of a message, in characters; the stack repeats it. */
const longest = 10_000;

/** The same error, with a message of bounded length. */
export function shortened<E>(error: E): E {
  if (!(error instanceof Error) || error.message.length <= longest) return error;
  const { message, stack } = error;
  error.message = `${message.slice(0, longest).toWellFormed()}… (${message.length} characters)`;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message).slice(0, 2 * longest);
  return error;
}
