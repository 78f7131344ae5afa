import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks until `isDone` or for `milliseconds`, whichever is first, and gives the last answer. For the few seconds that a
 * step may wait itself, where that saves transitions of the state machine.
 */
export async function waitFor<T>(
  ask: () => Promise<T>,
  isDone: (answer: T) => boolean,
  milliseconds: number,
): Promise<T> {
  const end = Date.now() + milliseconds;
  for (let interval = 50; ; interval = Math.min(interval * 1.5, 500)) {
    const answer = await ask();
    if (isDone(answer) || Date.now() + interval > end) return answer;
    await pause(interval);
  }
}
