/**
 * Keeps edits and invocations of `sls offline` apart. serverless-esbuild removes the old code before it has built the new code, and
 * serverless-offline ends workers during an invocation, which then never answers. So an edit waits until no invocation runs, and new
 * invocations wait for the edit.
 */
import * as z from 'zod';

export class Reload {
  /** The names of the functions that run. */
  readonly #running: string[] = [];
  readonly #report: (message: string) => void;
  readonly #patience: number;
  #isIdle = Promise.withResolvers<void>();
  /** The number of edits that wait or are being built. The gate opens when there are none. */
  #edits = 0;
  #gate = Promise.withResolvers<void>();
  #fault: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** `report` tells a person what an edit waits for, if it takes longer than `patience` milliseconds. */
  constructor(report: (message: string) => void = () => {}, patience = 3000) {
    this.#report = report;
    this.#patience = patience;
  }

  /**
   * Called before an invocation. Gives the fault of the current code, or undefined if the function may run; then `leave` must follow.
   * Nobody waits for the answer to an event, so its invocation waits until the code can be built.
   */
  async enter(isEvent: boolean, name = 'a function'): Promise<string | undefined> {
    while (this.#edits > 0 || (isEvent && this.#fault !== undefined)) await this.#gate.promise;
    if (this.#fault === undefined) this.#running.push(name);
    return this.#fault;
  }

  /** Called after an invocation that `enter` has let in. */
  leave(name = 'a function'): void {
    const place = this.#running.indexOf(name);
    if (place >= 0) this.#running.splice(place, 1);
    if (this.#running.length > 0) return;
    this.#isIdle.resolve();
    this.#isIdle = Promise.withResolvers();
  }

  async #untilIdle(): Promise<void> {
    if (this.#running.length === 0) return;
    const notice = setTimeout(
      () =>
        this.#report(
          `the edit, and every new invocation, waits for ${[...new Set(this.#running)].join(', ')} to end`,
        ),
      this.#patience,
    ).unref();
    await this.#isIdle.promise;
    clearTimeout(notice);
  }

  /**
   * Builds an edit while no invocation runs, one edit at a time. Gives true if the build before had failed. Throws what `build`
   * throws.
   */
  async edit(build: () => Promise<void>): Promise<boolean> {
    this.#edits++;
    const taken = this.#last.then(async () => {
      await this.#untilIdle();
      const wasBroken = this.#fault !== undefined;
      try {
        await build();
        this.#fault = undefined;
        return wasBroken;
      } catch (error) {
        this.#fault = faultOf(error);
        throw error;
      } finally {
        this.#edits--;
        this.#gate.resolve();
        this.#gate = Promise.withResolvers();
      }
    });
    this.#last = taken.catch(() => undefined);
    return taken;
  }
}

/** The first fault that esbuild found, with its place. https://esbuild.github.io/api/#build-failures */
function faultOf(error: unknown): string {
  const first = buildFailure.safeParse(error).data?.errors[0];
  if (!first) return error instanceof Error ? error.message : String(error);
  const { location, text } = first;
  return location ? `${location.file}:${location.line}:${location.column + 1}: ${text}` : text;
}

const buildFailure = z.object({
  errors: z.array(
    z.object({
      text: z.string(),
      location: z.object({ file: z.string(), line: z.number(), column: z.number() }).nullish(),
    }),
  ),
});
