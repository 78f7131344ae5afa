/** For servers of other people's code in this process: they answer programs of this machine, and no web page. */
import http, { type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { rejectsBrowser } from '../src/stage/ownMachine.ts';

/** From now on, what CommonJS modules make with `http.createServer`. serverless-offline has no setting for it. */
export function guardServers(): void {
  const create = http.createServer;
  const guardedCreate: typeof http.createServer = (...given: unknown[]): Server => {
    const server: Server = Reflect.apply(create, http, given);
    const emit = server.emit;
    // Before all listeners, whenever they come.
    server.emit = (event: string | symbol, ...args: unknown[]): boolean => {
      const goOn = () => Reflect.apply(emit, server, [event, ...args]);
      if (event !== 'request' && event !== 'upgrade') return goOn();
      const [request, response] = args as [IncomingMessage, ServerResponse];
      const rejection = rejectsBrowser(request.headers);
      if (rejection === undefined) return goOn();
      if (event === 'upgrade') return Boolean(request.socket.destroy());
      request.resume();
      response.writeHead(403, { 'content-type': 'text/plain' }).end(rejection);
      return true;
    };
    return server;
  };
  http.createServer = guardedCreate;
}
