/** Calls again what a service asks to be called again. The SDK does so for throttling and 5xx, not for conflicts. */
import { setTimeout as pause } from 'node:timers/promises';

export interface Patience {
  /** How often it is called at most. */
  readonly attempts?: number;
  /** The longest first pause, in milliseconds; each next one may be twice as long. */
  readonly pause?: number;
}

/**
 * Gives the result of the first call that succeeds. Between calls it waits for a random part of a time that doubles ("full
 * jitter"), so that callers that collided do not collide again. Throws the error of the last call, and every error that
 * `isPassing` does not know, at once.
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
