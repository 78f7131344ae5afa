/** Ports of this machine. */
import { createServer } from 'node:net';
import { SetupError } from '../src/lib/errors.ts';

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address ? address.port : 0;
}

/** Throws SetupError when somebody listens on it; `hint` is what to do about it. */
export async function requireFree(port: number, hint: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((done, fail) => {
    server.once('error', () => fail(new SetupError(`port ${port} is in use; ${hint}`)));
    server.listen(port, '127.0.0.1', done);
  });
  await new Promise((done) => server.close(done));
}
