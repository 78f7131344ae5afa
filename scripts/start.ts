/**
 * `npm start`: the whole pipeline on this machine. Starts the local AWS, deploys, drops files, follows the executions
 * state by state, and shows what came of it.
 */
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { deploy } from '../offline/deploy.ts';
import { athenaEngines, startLocalAws } from '../offline/localAws.ts';
import { ensureSpark } from '../offline/setup/environments.ts';
import { progressOn } from '../src/cli/progress.ts';
import { engineChoiceSchema } from '../src/lib/config.ts';
import { tableOf } from '../src/lib/contract/contract.ts';
import { loadContracts } from '../src/lib/contract/load.ts';
import { ContractError, SetupError } from '../src/lib/errors.ts';
import { contractOf } from '../src/lib/flow/deps.ts';
import { connectStage, type Drop } from '../src/stage/connect.ts';
import { followFiles } from '../src/stage/follow.ts';
import { exportLine } from '../src/stage/localEndpoint.ts';
import { startWatchServer } from '../src/watch/server.ts';
import { describeRun, type RunReport } from './report.ts';

const help = `Usage: npm start -- [options] [FILE…]

Starts the local AWS, deploys Sluice with "sls deploy --stage local", drops files into the raw bucket, follows the
executions, and shows accounting, partitions, expectations and rows. Without FILE it drops the two samples.

  --dataset NAME      the dataset that FILE… belong to (a contract in datasets/)
  --engine ENGINE     auto (by size, the default), embedded (DuckDB) or glue (Spark)
  --athena ENGINE     what answers Athena's queries: duckdb (the default) or trino, the engine that Athena is built on
  --keep              leave the local AWS up until Ctrl-C, and print its endpoint
  --port N            the local AWS's port; 0, the default, takes a free one
  --json FILE         write everything that is shown to FILE, as JSON
  -h, --help          this text

Exit status: 0 all batches published; 1 a batch failed or was held; 2 it could not be set up; 130 interrupted.`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dataset: { type: 'string' },
      engine: { type: 'string', default: 'auto' },
      athena: { type: 'string', default: 'duckdb' },
      keep: { type: 'boolean', default: false },
      port: { type: 'string', default: '0' },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  if (!engineChoiceSchema.safeParse(values.engine).success)
    throw new SetupError(`--engine ${values.engine}: it is one of ${engineChoiceSchema.options.join(', ')}`);
  const athena = athenaEngines.find((engine) => engine === values.athena);
  if (!athena) throw new SetupError(`--athena ${values.athena}: it is one of ${athenaEngines.join(', ')}`);
  if (!/^\d{1,5}$/.test(values.port)) throw new SetupError(`--port ${values.port}: it is a number`);
  if (positionals.length > 0 !== (values.dataset !== undefined))
    throw new SetupError('FILE… and --dataset NAME go together');

  const drops = dropsOf(values.dataset, positionals);
  const report = (message: string) => console.log(styleText('dim', `  ${message}`));
  const started = Date.now();
  const lap = (what: string) =>
    console.log(
      `${styleText('bold', what)} ${styleText('dim', `${((Date.now() - started) / 1000).toFixed(1)} s`)}`,
    );

  const interrupted = new Promise<number>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done(130));
    // Whoever read the output is gone (npm start | head).
    process.stdout.on('error', () => done(130));
  });
  if (values.engine === 'glue') await ensureSpark(report);
  const aws = await startLocalAws({ port: Number(values.port), athena, report });
  try {
    lap(`local AWS at ${aws.endpoint}`);
    const work = async (): Promise<number> => {
      await deploy({ endpoint: aws.endpoint, params: { engine: values.engine }, report });
      lap('deployed stage local');
      const stage = await connectStage(aws.endpoint);
      const run = await followFiles(stage, drops, progressOn(process.stdout));
      const result = await describeRun(stage, run, console.log);
      if (values.json) await writeFile(values.json, `${JSON.stringify(result, null, 2)}\n`);
      lap(summaryOf(result));
      if (values.keep) {
        const watch = await startWatchServer(stage, 0);
        console.log(`\nThe local AWS stays up until Ctrl-C. To use it:\n  ${exportLine(aws.endpoint)}`);
        console.log(`Watch it: ${watch.address}`);
        const dataset = String(drops[0]?.dataset);
        const table = tableOf(contractOf(stage, dataset));
        console.log(
          `Drop a file, and ask Athena:\n  npm run sluice -- drop --endpoint ${aws.endpoint} --dataset ${dataset} FILE\n  npm run sluice -- query --endpoint ${aws.endpoint} 'SELECT * FROM ${table} LIMIT 10'`,
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

/** The files to drop: the user's own, or the samples. Throws SetupError for an unknown dataset or a missing file. */
function dropsOf(dataset: string | undefined, files: readonly string[]): Drop[] {
  const datasets = resolve(import.meta.dirname, '../datasets');
  const contracts = loadContracts(datasets);
  const wanted =
    dataset === undefined
      ? [
          { dataset: 'social_media', path: `${datasets}/samples/social-media-feed-1665034800.json` },
          { dataset: 'tweets', path: `${datasets}/samples/twitter.json` },
        ]
      : files.map((path) => ({ dataset, path }));
  return wanted.map(({ dataset: name, path }) => {
    const contract = contracts.get(name);
    if (!contract)
      throw new SetupError(
        `--dataset ${name}: there is none; the datasets are ${[...contracts.keys()].join(', ')}`,
      );
    if (!existsSync(path)) throw new SetupError(`${path}: there is no such file`);
    return { dataset: name, path, key: `${contract.source.prefix}${basename(path)}` };
  });
}

function summaryOf(result: RunReport): string {
  const failed = result.batches.filter((b) => b.state !== 'published').length;
  return failed === 0
    ? `\n${result.batches.length === 1 ? 'the batch is' : `all ${result.batches.length} batches are`} published; first upload to last answer ${result.seconds.toFixed(1)} s; in all`
    : `\n${failed} of ${result.batches.length} batches not published; in all`;
}

try {
  process.exitCode = await main();
} catch (error) {
  const isExpected =
    error instanceof SetupError ||
    error instanceof ContractError ||
    (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) ||
    (error instanceof Error && 'code' in error && error.code === 'ENOENT');
  console.error(isExpected ? (error as Error).message : error);
  process.exitCode = 2;
}
// Idle keep-alive connections of the SDK clients are no reason to stay.
process.exit();
