/** Readers that query a table in a loop beside its writers: they may find committed states only. */
import { setTimeout as pause } from 'node:timers/promises';

interface Readers {
  /** Reads the table's state. */
  readonly look: () => Promise<string>;
  /** Number of readers, each of which starts its next look when the one before is over. */
  readonly loops?: number;
  /** Milliseconds between two looks of a reader, at least. */
  readonly every?: number;
}

/** The states that a table passes through, as a reader's query shows them. */
export class WatchedStates {
  private readonly states: string[];
  /** Index of the last state that is certainly committed. */
  private settled = 0;
  private isOver = false;
  /** What was settled when each of the looks began that run now. */
  private readonly running = new Set<{ readonly from: number }>();
  /** Looks of all readers. */
  reads = 0;

  constructor(first: string) {
    this.states = [first];
  }

  /** Reads in a loop while `work` runs. Throws Error as soon as a reader finds anything but a committed state. */
  async during<T>({ look, loops = 1, every = 200 }: Readers, work: () => Promise<T>): Promise<T> {
    const end = () => {
      this.isOver = true;
    };
    const readers = Array.from({ length: loops }, () => this.watch(look, every).finally(end));
    const [result] = await Promise.all([work().finally(end), ...readers]);
    return result;
  }

  /** Runs `work`, whose one commit leads to `state`. Does nothing once a reader has failed. */
  async commit(state: string, work: () => Promise<unknown>): Promise<void> {
    if (this.isOver) return;
    this.states.push(state);
    await work();
    this.settled = this.states.length - 1;
  }

  /**
   * A look must find the state that was committed when it began, or a newer one. An engine may ask the catalog once for queries that run
   * at once, so an answer may be as old as the oldest look beside it.
   */
  private async watch(look: () => Promise<string>, every: number): Promise<void> {
    while (!this.isOver) {
      const next = pause(every);
      const own = { from: this.settled };
      const from = Math.min(own.from, ...[...this.running].map((other) => other.from));
      this.running.add(own);
      const seen = await look();
      this.running.delete(own);
      const possible = this.states.slice(from);
      if (!possible.includes(seen))
        throw new Error(`a reader found ${seen}; the table was ${possible.join(', then ')} while it looked`);
      this.reads++;
      await next;
    }
  }
}
