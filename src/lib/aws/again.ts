/** Repeats calls after conflicts. The SDK repeats calls only after throttling and 5xx. */
import { setTimeout as pause } from 'node:timers/promises';

export interface Patience {
  /** The most calls. */
  readonly attempts?: number;
  /** The longest first pause, in milliseconds; each next one may be twice as long. */
  readonly pause?: number;
}

/**
 * Returns the result of the first call that succeeds. Between calls it waits for a random part of a time that doubles ("full
 * jitter"), so that the callers do not collide again. Throws the error of the last call, and at once every error that
 * `isPassing` does not accept.
 */
export async function again<T>(
  call: () => Promise<T>,
  isPassing: (error: unknown) => boolean,
  { attempts = 8, pause: longest = 100 }: Patience = {},
): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await call();
    } catch (error) {
      if (attempt >= attempts || !isPassing(error)) throw error;
      if (longest > 0) await pause(Math.random() * longest * 2 ** (attempt - 1));
    }
}
