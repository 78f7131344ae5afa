/**
 * The gateway in front of ministack. It answers some calls of Glue and Athena from real engines, because ministack only imitates
 * them, and passes all other calls on.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { createProxyServer } from 'httpxy';
import { rejectsBrowser } from '../src/stage/ownMachine.ts';
import { complain } from '../src/stage/terminal.ts';
import { ApiError, type Operation } from './apiError.ts';
import { describeCall } from './calls.ts';
import { bodyOf, type Pass, sendTo } from './exchange.ts';
import { createFaults, faultsPath } from './faults.ts';
import { callsPath, createRecorder, type Recorder } from './recorder.ts';
import { type Strict, strictPath } from './strict/check.ts';

/** Operations by their name in the header, such as `AWSGlue.StartCrawler`. */
export type Operations = Readonly<Record<string, Operation>>;

/** This header marks calls of the gateway itself. Each local AWS has a new random value. */
export const secretHeader = 'x-sluice-secret';

/**
 * Starts the gateway on 127.0.0.1. `upstream` is ministack's address. ministack requires `secret` in each call.
 */
export async function startGateway(options: {
  port: number;
  upstream: string;
  secret: string;
  operations: Operations;
  /** Rejects the requests that AWS would reject. */
  strict?: (recorder: Recorder) => Strict;
}): Promise<{ port: number; close(): Promise<void> }> {
  const secret = { [secretHeader]: options.secret };
  const proxy = createProxyServer({ target: options.upstream, headers: secret });
  // ministack allows every web page to read its answers.
  proxy.on('proxyRes', ({ headers }) => {
    for (const name of Object.keys(headers)) if (name.startsWith('access-control-')) delete headers[name];
  });
  const faults = createFaults();
  const recorder = createRecorder();
  const strict = options.strict?.(recorder);
  /** Throws what reading a request throws when its caller hangs up. */
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    strict?.watches(request, response);
    const target = String(request.headers['x-amz-target'] ?? '');
    // Requests that name their resources in the body are small. Objects are streamed.
    const isSmall = target !== '' || describeCall(request).operation === 'DeleteObjects';
    const body = isSmall || strict?.readsBody(request) ? await bodyOf(request) : undefined;
    if (await strict?.refuses(request, response, body)) return;
    recorder.note(request, isSmall ? (body?.toString('utf8') ?? '') : '');
    const operation = options.operations[target];
    if (operation) return answer(operation, body?.toString('utf8') ?? '', response);
    await proxy
      .web(request, response, body && { buffer: Readable.from([body]) })
      .catch((error: Error) => refuse(response, error));
  };
  const server: Server = createServer((request, response) => {
    const rejection = rejectsBrowser(request.headers);
    if (rejection !== undefined) return reject(request, response, rejection);
    const handle = async () => {
      if (request.url === faultsPath) return faults.control(request, response);
      if (request.url === callsPath) return recorder.control(request, response);
      if (request.url === strictPath) return strict?.control(request, response);
      const watch = () => strict?.watches(request, response);
      if (!(await faults.intercept(request, response, pass, watch))) await serve(request, response);
    };
    void handle().catch((error) => hangUp(request, response, error));
  });
  /** A second way through this gateway that skips the faults, for calls whose callers get another answer. */
  const innerServer = createServer((request, response) => {
    if (request.headers[secretHeader] !== options.secret)
      return reject(request, response, 'this is for the gateway itself');
    void serve(request, response).catch((error) => hangUp(request, response, error));
  });
  await new Promise<void>((resolve) => innerServer.listen(0, '127.0.0.1', resolve));
  const pass: Pass = (asked) =>
    sendTo({ ...asked, headers: { ...asked.headers, ...secret } }, portOf(innerServer, 0));
  // A slow S3 upload must not be cut off.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  return {
    port: portOf(server, options.port),
    close: () =>
      new Promise((resolve) => {
        innerServer.close();
        innerServer.closeAllConnections();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function portOf(server: Server, given: number): number {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : given;
}

function reject(request: IncomingMessage, response: ServerResponse, message: string): void {
  request.resume();
  send(response, 403, { __type: 'AccessDenied', message });
}

async function answer(operation: Operation, body: string, response: ServerResponse): Promise<void> {
  try {
    send(response, 200, await operation(body === '' ? {} : (JSON.parse(body) as Record<string, unknown>)));
  } catch (error) {
    if (error instanceof ApiError)
      send(response, error.status, {
        __type: error.name,
        Message: error.message,
        message: error.message,
        ...error.details,
      });
    else if (error instanceof Error && '$metadata' in error)
      // An SDK error of ministack is passed on unchanged.
      send(response, 400, { __type: error.name, Message: error.message, message: error.message });
    else {
      const message = stackOf(error);
      complain(message);
      send(response, 500, { __type: 'InternalServiceException', Message: message, message });
    }
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify(body));
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

/** A caller that hung up gets no answer. Any other error is a fault of the gateway. */
function hangUp(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (!request.destroyed) complain(stackOf(error));
  response.destroy();
}

function refuse(response: ServerResponse, error: Error): void {
  if (response.headersSent) response.destroy();
  else
    send(response, 503, {
      __type: 'ServiceUnavailable',
      message: `the local AWS does not answer: ${error.message}`,
    });
}
