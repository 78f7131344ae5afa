/**
 * `npm start`: runs the whole pipeline on this machine. It starts the local AWS, deploys, drops files, follows the executions
 * state by state, and shows the result.
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { deploy } from '../offline/deploy.ts';
import { athenaEngines, startLocalAws } from '../offline/localAws.ts';
import { ensureSpark } from '../offline/setup/environments.ts';
import { dropsOf, requireFiles } from '../src/cli/paths.ts';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, readPort } from '../src/cli/usage.ts';
import { engineChoiceSchema } from '../src/lib/config.ts';
import { tableOf } from '../src/lib/contract/contract.ts';
import { loadContracts } from '../src/lib/contract/load.ts';
import { identifier } from '../src/lib/dialect/athenaNames.ts';
import { SetupError } from '../src/lib/errors.ts';
import { contractOf } from '../src/lib/flow/batch/deps.ts';
import { tableFormats } from '../src/lib/model/plan.ts';
import { connectStage, type Drop } from '../src/stage/connect.ts';
import { followFiles } from '../src/stage/follow.ts';
import { exportLine } from '../src/stage/localEndpoint.ts';
import { print, progressOn, styled } from '../src/stage/terminal.ts';
import { startWatchServer } from '../src/watch/server.ts';
import { describeRun, type RunReport } from './report.ts';

const help = `Usage: npm start -- [options] [FILE…]

Starts the local AWS, deploys Sluice with "sls deploy --stage local", drops files into the raw bucket, follows the
executions, and shows accounting, partitions, expectations and rows. Without FILE it drops the two samples.

  --dataset NAME      the dataset that FILE… belong to (a contract in datasets/)
  --engine ENGINE     auto (by size, the default), embedded (DuckDB) or glue (Spark)
  --format FORMAT     of the tables: hive (the default) or iceberg, where each batch is one commit
  --athena ENGINE     what answers Athena's queries: duckdb (the default) or trino, the engine that Athena is built on
  --keep              leave the local AWS up until Ctrl-C, and print its endpoint
  --port N            the local AWS's port; 0, the default, takes a free one
  --json FILE         write everything that is shown to FILE, as JSON
  -h, --help          this text

Exit status: 0 all batches published; 1 a batch failed or was held; 2 it could not be set up; 130 interrupted.`;

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    dataset: { type: 'string' },
    engine: { type: 'string', default: 'auto' },
    format: { type: 'string', default: 'hive' },
    athena: { type: 'string', default: 'duckdb' },
    keep: { type: 'boolean', default: false },
    port: { type: 'string', default: '0' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  if (!engineChoiceSchema.safeParse(values.engine).success)
    throw new SetupError(
      `--engine ${values.engine}: must be one of ${engineChoiceSchema.options.join(', ')}`,
    );
  const athena = athenaEngines.find((engine) => engine === values.athena);
  if (!athena) throw new SetupError(`--athena ${values.athena}: must be one of ${athenaEngines.join(', ')}`);
  const format = tableFormats.find((name) => name === values.format);
  if (!format) throw new SetupError(`--format ${values.format}: must be one of ${tableFormats.join(', ')}`);
  const port = readPort(values.port);
  if (positionals.length > 0 !== (values.dataset !== undefined))
    throw new SetupError('FILE… and --dataset NAME go together');

  const drops = await filesToDrop(values.dataset, positionals);
  const report = (message: string) => print(styled('dim', `  ${message}`));
  const started = Date.now();
  const lap = (what: string) =>
    print(styled('bold', what), styled('dim', ` ${((Date.now() - started) / 1000).toFixed(1)} s`));

  const interrupted = new Promise<number>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done(130));
    // The reader of the output has ended (npm start | head).
    process.stdout.on('error', () => done(130));
  });
  if (values.engine === 'glue') await ensureSpark(report);
  const aws = await startLocalAws({ port, athena, report });
  try {
    lap(`local AWS at ${aws.endpoint}`);
    const work = async (): Promise<number> => {
      const params = { engine: values.engine, tableFormat: format };
      await deploy({ endpoint: aws.endpoint, params, report });
      lap('deployed stage local');
      const stage = await connectStage(aws.endpoint);
      const run = await followFiles(stage, drops, progressOn(process.stdout));
      const result = await describeRun(stage, run, print);
      if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
      lap(summaryOf(result));
      if (values.keep) {
        const watch = await startWatchServer(stage, 0);
        print(`\nThe local AWS stays up until Ctrl-C. To use it:\n  ${exportLine(aws.endpoint)}`);
        print(`Watch it: ${watch.address}`);
        const dataset = String(drops[0]?.dataset);
        const table = tableOf(contractOf(stage, dataset));
        print(
          `Drop a file, and ask Athena:\n  npm run sluice -- drop --endpoint ${aws.endpoint} --dataset ${dataset} FILE\n  npm run sluice -- query --endpoint ${aws.endpoint} 'SELECT * FROM ${identifier(table)} LIMIT 10'`,
        );
        return Promise.race([interrupted, aws.ended.then(() => 2)]);
      }
      return result.batches.every((b) => b.state === 'published') ? 0 : 1;
    };
    const ended = aws.ended.then((reason) => {
      throw new SetupError(`the local AWS ended: ${reason}`);
    });
    return await Promise.race([work(), interrupted, ended]);
  } finally {
    await aws.close();
  }
}

/** The files to drop: the user's own, or the samples. Throws SetupError or UsageError for a file that cannot be dropped. */
async function filesToDrop(dataset: string | undefined, files: readonly string[]): Promise<Drop[]> {
  const datasets = resolve(import.meta.dirname, '../datasets');
  const contracts = loadContracts(datasets);
  const wanted: readonly [dataset: string, paths: readonly string[]][] =
    dataset === undefined
      ? [
          ['social_media', [`${datasets}/samples/social-media-feed-1665034800.json`]],
          ['tweets', [`${datasets}/samples/twitter.json`]],
        ]
      : [[dataset, files]];
  await requireFiles(wanted.flatMap(([, paths]) => paths));
  return wanted.flatMap(([name, paths]) => {
    const contract = contracts.get(name);
    if (!contract)
      throw new SetupError(
        `--dataset ${name}: there is none; the datasets are ${[...contracts.keys()].join(', ')}`,
      );
    return dropsOf(contract, paths, false);
  });
}

function summaryOf(result: RunReport): string {
  const failed = result.batches.filter((b) => b.state !== 'published').length;
  return failed === 0
    ? `\n${result.batches.length === 1 ? 'the batch is' : `all ${result.batches.length} batches are`} published; first upload to last answer ${result.seconds.toFixed(1)} s; in all`
    : `\n${failed} of ${result.batches.length} batches not published; in all`;
}

await runProgram(main, () => {});
// The SDK clients' idle connections would keep the process alive.
process.exit();
