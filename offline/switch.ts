/** The gateway's own addresses. GET reads their state; each switch defines how to change it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { bodyOf } from './exchange.ts';

/** `changes` has a function for each method. Throws the error of reading the request if the caller hangs up. */
export async function answerSwitch(
  request: IncomingMessage,
  response: ServerResponse,
  changes: Readonly<Record<string, (body: Buffer) => Promise<void>>>,
  state: () => unknown,
): Promise<void> {
  const answer = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const method = String(request.method);
  const body = await bodyOf(request);
  const change = method === 'GET' ? async () => {} : changes[method];
  if (!change) return answer(405, { error: `${method} is not GET or ${Object.keys(changes).join(' or ')}` });
  // A web page cannot send JSON to another site without a preflight request.
  if (body.length > 0 && request.headers['content-type'] !== 'application/json')
    return answer(415, { error: 'the content type has to be application/json' });
  try {
    await change(body);
  } catch (error) {
    return answer(400, { error: error instanceof Error ? error.message : String(error) });
  }
  answer(200, state());
}
