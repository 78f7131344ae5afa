/** The remaining time of a step. A step starts no work that its function could not finish. */
import { OutOfTime, WorkLeft } from './errors.ts';

/** The time for work in progress, in milliseconds. No further work starts in it. */
const reserve = 15_000;

export interface Deadline {
  /** Throws OutOfTime if the time is nearly over, or too short for work that takes `work` milliseconds. */
  check(work?: number): void;
}

/** Whether there is time for work of so many milliseconds. */
export function isTimeFor(deadline: Deadline | undefined, work = 0): boolean {
  try {
    deadline?.check(work);
    return true;
  } catch (error) {
    if (error instanceof OutOfTime) return false;
    throw error;
  }
}

/** For a step whose next call goes on where this one has stopped. Throws WorkLeft in place of OutOfTime. */
export async function inParts<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof OutOfTime) throw new WorkLeft(error.message, { cause: error });
    throw error;
  }
}

/** `remaining`: milliseconds until the function ends, from Lambda's context. */
export const deadlineAfter = (remaining: () => number): Deadline => ({
  check(work = 0) {
    const left = remaining();
    if (left < reserve + work)
      throw new OutOfTime(
        `${Math.max(0, Math.round(left / 1000))} s are left of the function's time, which is too little to go on; a smaller batch takes less`,
      );
  },
});
