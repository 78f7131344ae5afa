/** Complete requests and answers, for code that changes them between caller and service. */
import {
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The connection breaks in the middle of the body. */
  readonly isCut?: boolean;
}

/** Sends a request and gives the answer. */
export type Pass = (asked: Asked) => Promise<Answered>;

/** Throws what reading throws when the caller hangs up. */
export async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export const readRequest = async (request: IncomingMessage): Promise<Asked> => ({
  method: String(request.method),
  path: String(request.url),
  headers: request.headers,
  body: await bodyOf(request),
});

/** Sends a request to a port of this machine. Throws what the connection throws. */
export const sendTo = ({ method, path, headers, body }: Asked, port: number): Promise<Answered> =>
  new Promise((done, fail) => {
    const length = { 'content-length': String(body.length) };
    const asked = httpRequest(
      { host: '127.0.0.1', port, method, path, headers: { ...endToEnd(headers), ...length } },
      (answer) => {
        bodyOf(answer).then(
          (answered) =>
            done({ status: answer.statusCode ?? 500, headers: endToEnd(answer.headers), body: answered }),
          fail,
        );
      },
    );
    asked.on('error', fail);
    asked.end(body);
  });

export function sendBack(response: ServerResponse, { status, headers, body, isCut }: Answered): void {
  const hasBody = body.length > 0;
  response.writeHead(status, hasBody ? { ...headers, 'content-length': String(body.length) } : headers);
  if (!isCut) return void response.end(body);
  response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy());
}

/** Removes headers that concern one connection only. https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1 */
const endToEnd = ({
  connection: _connection,
  'keep-alive': _keepAlive,
  'transfer-encoding': _encoding,
  expect: _expect,
  ...headers
}: IncomingHttpHeaders): IncomingHttpHeaders => headers;
