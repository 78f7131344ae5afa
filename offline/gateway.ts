/**
 * The gateway before ministack: it answers the calls of Glue and Athena that ministack only plays, from real engines,
 * and passes everything else through.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { Readable } from 'node:stream';
import { createProxyServer } from 'httpxy';
import { ApiError, type Operation } from './apiError.ts';
import { describeCall } from './calls.ts';
import { answerFault, createFaults, faultsPath } from './faults.ts';
import { callsPath, createRecorder } from './recorder.ts';

/** Operations by the header that names them, such as `AWSGlue.StartCrawler`. */
export type Operations = Readonly<Record<string, Operation>>;

/** Starts the gateway on 127.0.0.1. `upstream` is ministack's address. */
export async function startGateway(options: {
  port: number;
  upstream: string;
  operations: Operations;
}): Promise<{ port: number; close(): Promise<void> }> {
  const proxy = createProxyServer({ target: options.upstream });
  const faults = createFaults();
  const recorder = createRecorder();
  /** Throws what reading a request throws when its caller hangs up. */
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const target = String(request.headers['x-amz-target'] ?? '');
    // What names its resources in the body is small; objects pass as they come.
    const isSmall = target !== '' || describeCall(request).operation === 'DeleteObjects';
    const body = isSmall ? await bodyOf(request) : undefined;
    recorder.note(request, body?.toString('utf8') ?? '');
    const operation = options.operations[target];
    if (operation) return answer(operation, body?.toString('utf8') ?? '', response);
    await proxy
      .web(request, response, body && { buffer: Readable.from([body]) })
      .catch((error: Error) => refuse(response, error));
  };
  const server: Server = createServer((request, response) => {
    if (request.url === faultsPath) return void faults.control(request, response);
    if (request.url === callsPath) return recorder.control(request, response);
    void faults
      .intercept(request)
      .then((fault) => {
        if (!fault) return serve(request, response);
        if (fault.mode === 'lost') return loseAnswer(request, response);
        request.resume();
        return answerFault(request, response, fault);
      })
      .catch((error) => hangUp(request, response, error));
  });
  /** The call has its effect, by a second way through this gateway, and its caller never hears of it. */
  const loseAnswer = (request: IncomingMessage, response: ServerResponse) => {
    const again = httpRequest(
      {
        host: '127.0.0.1',
        port: inner.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
      },
      (done) => {
        done.resume();
        done.on('end', () => answerFault(request, response, { mode: 'lost' }));
      },
    );
    again.on('error', () => answerFault(request, response, { mode: 'lost' }));
    request.pipe(again);
  };
  const innerServer = createServer(
    (request, response) => void serve(request, response).catch((error) => hangUp(request, response, error)),
  );
  await new Promise<void>((resolve) => innerServer.listen(0, '127.0.0.1', resolve));
  const innerAddress = innerServer.address();
  const inner = { port: typeof innerAddress === 'object' && innerAddress ? innerAddress.port : 0 };
  // S3 uploads of a slow client are no reason to hang up.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address ? address.port : options.port,
    close: () =>
      new Promise((resolve) => {
        innerServer.close();
        innerServer.closeAllConnections();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
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
      // An SDK error from upstream goes on as what it is.
      send(response, 400, { __type: error.name, Message: error.message, message: error.message });
    else {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      console.error(message);
      send(response, 500, { __type: 'InternalServiceException', Message: message, message });
    }
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' });
  response.end(JSON.stringify(body));
}

/** A caller that hung up is told nothing; any other error is the gateway's own. */
function hangUp(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (!request.destroyed) console.error(error);
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
