/** Recognizes that a batch does not fit into the embedded engine. DuckDB and Node report it in several ways. */
import * as z from 'zod';
import { EngineOutOfMemory } from '../errors.ts';

/**
 * Gives EngineOutOfMemory for an error of DuckDB or Node that memory or disk is full, and any other error unchanged. `what` names the
 * input.
 */
export function asOutOfMemory(error: unknown, what: string): unknown {
  if (!isOutOfMemory(error)) return error;
  const { message = '' } = failure.safeParse(error).data ?? {};
  return new EngineOutOfMemory(
    `${what} does not fit into the embedded engine's memory or disk (${message.split('\n')[0]}); give it more memory, make its files smaller, or run it on Glue`,
    { cause: error },
  );
}

export function isOutOfMemory(error: unknown): boolean {
  const { message = '', code = '' } = failure.safeParse(error).data ?? {};
  return outOfMemoryMessage.test(message) || outOfMemoryCodes.includes(code);
}

/** DuckDB's messages begin with the kind of the error, except those of its appender. The others come from C++ and V8. */
const outOfMemoryMessage =
  /^Out of Memory Error|^Failed to append: (?:failed to|could not) allocate|^\w+ Error:.*No space left on device|^std::bad_alloc|^Array buffer allocation failed/s;
const outOfMemoryCodes = ['ENOSPC', 'ENOMEM', 'ERR_STRING_TOO_LONG', 'ERR_MEMORY_ALLOCATION_FAILED'];

/** An error of any realm, as native code throws it. */
const failure = z.object({ message: z.string(), code: z.string().optional() });
