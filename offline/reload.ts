/**
 * What happens to invocations while `sls offline` takes up an edit. serverless-esbuild removes the old code before it has built the
 * new, and serverless-offline ends its workers in the middle of an invocation, which then never answers. So an edit waits for the
 * invocations that run, and new ones wait for the edit.
 */
import * as z from 'zod';

export class Reload {
  #running = 0;
  #isIdle = Promise.withResolvers<void>();
  /** Of edits that are not taken up yet; the last one opens the gate. */
  #edits = 0;
  #gate = Promise.withResolvers<void>();
  #fault: string | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Before an invocation. Gives what is wrong with the code as it is; undefined: the function may run, and `leave` follows.
   * Nobody waits for the answer to an event: its invocation waits for code that can be built.
   */
  async enter(isEvent: boolean): Promise<string | undefined> {
    while (this.#edits > 0 || (isEvent && this.#fault !== undefined)) await this.#gate.promise;
    if (this.#fault === undefined) this.#running++;
    return this.#fault;
  }

  /** After an invocation that was let in. */
  leave(): void {
    if (--this.#running > 0) return;
    this.#isIdle.resolve();
    this.#isIdle = Promise.withResolvers();
  }

  /**
   * Takes up an edit between invocations, one edit at a time. Gives whether the code runs again after builds that failed, and
   * throws what `build` throws.
   */
  async edit(build: () => Promise<void>): Promise<boolean> {
    this.#edits++;
    const taken = this.#last.then(async () => {
      if (this.#running > 0) await this.#isIdle.promise;
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
