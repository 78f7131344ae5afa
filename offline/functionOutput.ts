/** In serverless-offline functions print to the developer's terminal: what others wrote is made visible there. */
import { isMainThread } from 'node:worker_threads';
import { visible } from '../src/lib/visible.ts';

/** Of this thread, which is a function's. In the main thread the framework prints, with colours of its own. */
export function showHiddenOutput(): void {
  if (isMainThread) return;
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream);
    stream.write = ((chunk: string | Uint8Array, ...rest: []) =>
      write(
        visible(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()),
        ...rest,
      )) as typeof write;
  }
}
