/** Time that passes only when something happens. */
export class Clock {
  private time: number;
  /** Set by a scheduler: it decides when a sleeper wakes. */
  onSleep: ((until: number) => Promise<void>) | undefined;

  /** Milliseconds since 1970. */
  constructor(start = Date.UTC(2026, 0, 5)) {
    this.time = start;
  }

  readonly now = (): number => this.time;

  /** As the ledger writes times. */
  readonly iso = (): string => new Date(this.time).toISOString();

  advance(ms: number): void {
    this.time += ms;
  }

  advanceTo(time: number): void {
    this.time = Math.max(this.time, time);
  }

  /** Waits without waiting: at once, or when a scheduler says so. */
  readonly sleep = async (ms: number): Promise<void> => {
    const until = this.time + ms;
    await this.onSleep?.(until);
    this.advanceTo(until);
  };
}
