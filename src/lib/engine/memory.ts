/** What does not fit into the embedded engine, by name: DuckDB and Node say it in several ways. */
import * as z from 'zod';
import { EngineOutOfMemory } from '../errors.ts';

/**
 * EngineOutOfMemory for a failure that says that memory or disk is full, of DuckDB's or Node's own; any other failure as
 * it is. `what` was worked on.
 */
export function asOutOfMemory(error: unknown, what: string): unknown {
  const { message = '', code = '' } = failure.safeParse(error).data ?? {};
  if (!outOfMemoryMessage.test(message) && !outOfMemoryCodes.includes(code)) return error;
  return new EngineOutOfMemory(
    `${what} does not fit into the embedded engine's memory or disk (${message.split('\n')[0]}); give it more memory, make its files smaller, or run it on Glue`,
    { cause: error },
  );
}

/** DuckDB's kinds of errors stand before their messages, but for its appender's; the others are C++'s and V8's own. */
const outOfMemoryMessage =
  /^Out of Memory Error|^Failed to append: (?:failed to|could not) allocate|^\w+ Error:.*No space left on device|^std::bad_alloc|^Array buffer allocation failed/s;
const outOfMemoryCodes = ['ENOSPC', 'ENOMEM', 'ERR_STRING_TOO_LONG', 'ERR_MEMORY_ALLOCATION_FAILED'];

/** As natively thrown: of whatever realm. */
const failure = z.object({ message: z.string(), code: z.string().optional() });
