/** Guards the servers that other packages start in this process: they answer programs of this machine only, and no request during an edit. */
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { rejectsBrowser } from '../src/stage/ownMachine.ts';
import { unloadable } from './namedErrors.ts';
import type { Reload } from './reload.ts';

/**
 * Guards every server that a CommonJS module creates with `http.createServer` from now on, because serverless-offline has no setting
 * for it. `isEvent` tells from the path whether an invocation is for an event. `onListening` is called when such a server listens.
 */
export function guardServers(
  reload: Reload,
  isEvent: (path: string) => boolean,
  onListening: () => void,
): void {
  const create = http.createServer;
  const guardedCreate: typeof http.createServer = (...given: unknown[]): Server => {
    const server: Server = Reflect.apply(create, http, given);
    const emit = server.emit;
    server.once('listening', onListening);
    // This runs before all listeners, even those that are added later.
    server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      const goOn = () => Reflect.apply(emit, server, [event, ...args]);
      if (event !== 'request' && event !== 'upgrade') return goOn();
      const [request, response] = args as [IncomingMessage, ServerResponse];
      const rejection = rejectsBrowser(request.headers);
      if (rejection === undefined) {
        if (event === 'request')
          void admit(reload, request.url ?? '', isEvent(request.url ?? ''), response, goOn);
        else goOn();
        return true;
      }
      if (event === 'upgrade') return Boolean(request.socket.destroy());
      request.resume();
      response.writeHead(403, { 'content-type': 'text/plain' }).end(rejection);
      return true;
    };
    return server;
  };
  http.createServer = guardedCreate;
}

async function admit(
  reload: Reload,
  path: string,
  isEvent: boolean,
  response: ServerResponse,
  goOn: () => void,
): Promise<void> {
  // As in /2015-03-31/functions/NAME/invocations.
  const name = /\/functions\/([^/]+)/.exec(path)?.[1];
  const fault = await reload.enter(isEvent, name);
  if (fault !== undefined) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(unloadable(fault));
    return;
  }
  // This event also comes if the caller has hung up.
  response.once('close', () => reload.leave(name));
  goOn();
}
