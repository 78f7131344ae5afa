/** Serves the watch page on 127.0.0.1: its own files, questions about a stage, and a live feed. It changes nothing. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { build } from 'esbuild';
import * as z from 'zod';
import { SluiceError } from '../lib/errors.ts';
import { depsOf, type Stage } from '../stage/connect.ts';
import { lossNow, lossText } from '../stage/drift.ts';
import { listExecutions } from '../stage/executions.ts';
import { rejectsOtherSites } from '../stage/ownMachine.ts';
import {
  executionDetail,
  executionGraph,
  qualityPage,
  quarantineSamples,
  tableDetail,
  visitData,
  visitLogs,
} from './collect.ts';
import type { Live } from './model.ts';

export interface WatchServer {
  readonly address: string;
  close(): Promise<void>;
}

const folder = join(import.meta.dirname, 'page');

/** The page loads nothing from other sites, and cannot be embedded. Charts and graph set inline styles. */
const headers = {
  'content-security-policy': "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-store',
};

/** A report is a stored page with values of the data: it may not run scripts. */
const reportHeaders = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
};

/** Starts it; port 0 takes a free one. Throws Error with the code EADDRINUSE. */
export async function startWatchServer(stage: Stage, port: number): Promise<WatchServer> {
  const assets = await buildPage();
  const server = createServer((request, response) => {
    void serve(stage, assets, request, response).catch((error: unknown) => {
      const isAsked = error instanceof SluiceError || error instanceof z.ZodError;
      const message = error instanceof Error ? error.message : String(error);
      if (response.headersSent) response.destroy();
      else send(response, isAsked ? 400 : 502, { error: message });
    });
  });
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(port, '127.0.0.1', done);
  });
  const bound = server.address();
  return {
    address: `http://127.0.0.1:${typeof bound === 'object' && bound ? bound.port : port}/`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

type Assets = ReadonlyMap<string, { readonly type: string; readonly body: Uint8Array }>;

/** The page's script and style, each in one file. */
async function buildPage(): Promise<Assets> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'main.tsx'), join(folder, 'style.css'), join(folder, 'index.html')],
    bundle: true,
    minify: true,
    write: false,
    outdir: folder,
    format: 'esm',
    target: 'es2022',
    loader: { '.html': 'copy' },
    jsx: 'automatic',
    jsxImportSource: 'preact',
    define: { 'process.env.NODE_ENV': '"production"' },
  });
  const types: Readonly<Record<string, string>> = {
    html: 'text/html',
    js: 'text/javascript',
    css: 'text/css',
  };
  return new Map(
    outputFiles.map(({ path, contents }) => {
      const name = path.slice(folder.length);
      const type = types[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream';
      return [name === '/index.html' ? '/' : name, { type: `${type}; charset=utf-8`, body: contents }];
    }),
  );
}

async function serve(
  stage: Stage,
  assets: Assets,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  // A request costs AWS calls, and its answer contains data: other sites may not call.
  const rejection = rejectsOtherSites(request.headers);
  if (rejection !== undefined) return send(response, 403, { error: rejection });
  if (request.method !== 'GET') return send(response, 405, { error: 'nothing is changed here' });
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
  const asset = assets.get(pathname);
  if (asset) {
    response.writeHead(200, { ...headers, 'content-type': asset.type });
    response.end(asset.body);
    return;
  }
  const given = Object.fromEntries(searchParams);
  if (pathname === '/report') {
    const { dataset, batch } = z.object({ dataset: name, batch: name }).parse(given);
    const page = await qualityPage(stage, dataset, batch);
    response.writeHead(200, { ...headers, ...reportHeaders, 'content-type': 'text/html; charset=utf-8' });
    response.end(page);
    return;
  }
  if (pathname === '/api/live') return follow(stage, given.execution, response);
  const answer = await questions[pathname]?.(stage, given);
  if (answer === undefined) send(response, 404, { error: `there is no ${pathname}` });
  else send(response, 200, answer);
}

const name = z.string().regex(/^\w+$/);
const arn = z.string().startsWith('arn:');
const questions: Readonly<Record<string, (stage: Stage, given: unknown) => Promise<unknown>>> = {
  '/api/datasets': async ({ contracts }) => [...contracts.keys()],
  '/api/graph': (stage, given) => executionGraph(stage, z.object({ arn }).parse(given).arn),
  '/api/visit': (stage, given) => {
    const { arn: execution, index } = z.object({ arn, index: z.coerce.number().int() }).parse(given);
    return visitData(stage, execution, index);
  },
  '/api/logs': (stage, given) => {
    const time = z.coerce.number().int();
    const { state, from, to } = z
      .object({ state: z.string().regex(/^\w+$/), from: time, to: time.optional() })
      .parse(given);
    // Without an end the visit goes on.
    return visitLogs(stage, state, from, to ?? Date.now());
  },
  '/api/quarantine': (stage, given) => {
    const { dataset, batch } = z.object({ dataset: z.string(), batch: z.string() }).parse(given);
    return quarantineSamples(stage, dataset, batch);
  },
  '/api/table': async (stage, given) => {
    const { dataset } = z.object({ dataset: z.string() }).parse(given);
    const [detail, { lost, unseen }] = await Promise.all([
      tableDetail(stage, dataset),
      lossNow(depsOf(stage), dataset),
    ]);
    // What is missing now, before what was.
    return { ...detail, drift: (lost && lossText(lost)) ?? unseen ?? detail.drift };
  },
};

/** Server-sent events with changes as soon as they are found. https://html.spec.whatwg.org/multipage/server-sent-events.html */
async function follow(stage: Stage, wanted: string | undefined, response: ServerResponse): Promise<void> {
  response.writeHead(200, { ...headers, 'content-type': 'text/event-stream' });
  // AWS limits calls per second; the local AWS does not.
  const interval = stage.endpoint === undefined ? 800 : 250;
  let last = '';
  while (!response.closed) {
    const message = await lookAt(stage, wanted).then(
      (live) => `data: ${JSON.stringify(live)}\n\n`,
      (error: unknown) =>
        `event: trouble\ndata: ${JSON.stringify(error instanceof Error ? error.message : error)}\n\n`,
    );
    if (message !== last) response.write(message);
    last = message;
    await pause(interval);
  }
}

/** By default the newest execution is shown. */
async function lookAt(stage: Stage, wanted: string | undefined): Promise<Live> {
  const executions = await listExecutions(stage);
  const chosen = wanted === undefined ? executions[0] : executions.find((e) => e.name === wanted);
  return {
    stage: stage.name,
    executions,
    execution: chosen ? await executionDetail(stage, chosen) : null,
  };
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { ...headers, 'content-type': 'application/json; charset=utf-8' });
  response.end(JSON.stringify(body));
}
