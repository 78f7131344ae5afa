/** A clock that advances only when something happens. */
export class Clock {
  private time: number;
  /** Set by a scheduler, which decides when a sleeper wakes. */
  onSleep: ((until: number) => Promise<void>) | undefined;

  /** Milliseconds since 1970. */
  constructor(start = Date.UTC(2026, 0, 5)) {
    this.time = start;
  }

  readonly now = (): number => this.time;

  /** In the ledger's notation. */
  readonly iso = (): string => new Date(this.time).toISOString();

  advance(ms: number): void {
    this.time += ms;
  }

  advanceTo(time: number): void {
    this.time = Math.max(this.time, time);
  }

  /** Sleeps without waiting: returns at once, or when a scheduler decides. */
  readonly sleep = async (ms: number): Promise<void> => {
    const until = this.time + ms;
    await this.onSleep?.(until);
    this.advanceTo(until);
  };
}
