/** The time that a step has left. A step starts no work that its own function could not see the end of. */
import { OutOfTime } from './errors.ts';

/** Kept for what is under way when no further work may start, in milliseconds. */
const reserve = 15_000;

export interface Deadline {
  /** Throws OutOfTime when the time is nearly up. */
  check(): void;
}

/** `remaining`: milliseconds until the function is ended, as Lambda's context tells it. */
export const deadlineAfter = (remaining: () => number): Deadline => ({
  check() {
    const left = remaining();
    if (left < reserve)
      throw new OutOfTime(
        `${Math.max(0, Math.round(left / 1000))} s are left of the function's time, which is too little to go on; a smaller batch takes less`,
      );
  },
});
