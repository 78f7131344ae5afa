/** `sluice watch`: shows the executions of a stage live on a page. */
import { print } from '../stage/terminal.ts';
import { startWatchServer } from '../watch/server.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, readPort, UsageError } from './usage.ts';

export const help = `Usage: npm run watch -- [--port N] [options]

Serves a read-only page on 127.0.0.1, for this machine only, until Ctrl-C: executions with every state as it happens,
batches with their accounting, and tables with their partitions. It reads Step Functions, the ledger, the Data Catalog and
the logs. Samples of quarantined rows and counts of partitions are Athena queries.

  --port N          default 4700; 0 selects a free port
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
