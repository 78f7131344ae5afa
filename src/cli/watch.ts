/** `sluice watch`: a page that shows the executions of a stage as they happen. */
import { print } from '../stage/terminal.ts';
import { startWatchServer } from '../watch/server.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, readPort, UsageError } from './usage.ts';

export const help = `Usage: npm run watch -- [--port N] [options]

Serves a page on 127.0.0.1, for this machine only, until Ctrl-C: executions with every state as it happens, batches with
where their rows went, and tables with their partitions. It reads Step Functions, the ledger, the Data Catalog and the
logs; samples of quarantined rows and counts of partitions are Athena queries. It changes nothing.

  --port N          4700; 0 takes a free one
${stageHelp.replace(/\n.*--json.*/, '')}

Example:
  npm run watch -- --endpoint http://127.0.0.1:4566`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, { ...stageOptions, port: { type: 'string', default: '4700' } });
  const port = readPort(values.port);
  const { stage } = await connect(values);
  const server = await startWatchServer(stage, port).catch((error: unknown) => {
    const isBusy = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    throw isBusy ? new UsageError(`port ${values.port} is in use; choose another one with --port`) : error;
  });
  print(`the stage ${values.stage} at ${server.address} until Ctrl-C`);
  await new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, done);
  });
  await server.close();
  return 0;
}
