/** The command line: `npm run sluice -- COMMAND …`. One file a command beside this one. */
import { SetupError } from '../../offline/setup/environments.ts';
import { SluiceError } from '../lib/errors.ts';
import * as batches from './batches.ts';
import { reject, release } from './decide.ts';
import * as explain from './explain.ts';
import * as files from './files.ts';
import * as infer from './infer.ts';
import * as reconcile from './reconcile.ts';
import * as redrive from './redrive.ts';
import * as replay from './replay.ts';
import * as retry from './retry.ts';
import * as status from './status.ts';
import * as transform from './transform.ts';
import { type Command, UsageError } from './usage.ts';
import * as validate from './validate.ts';
import * as watch from './watch.ts';

const commands: Readonly<Record<string, Command>> = {
  transform,
  validate,
  explain,
  infer,
  status,
  files,
  batches,
  release,
  reject,
  retry,
  replay,
  redrive,
  reconcile,
  watch,
};

const help = `Usage: npm run sluice -- COMMAND [options]

  transform   runs a contract on files, on either engine, without any AWS
  validate    checks contracts, with file, line and column of every fault
  explain     shows what a contract is compiled to
  infer       drafts a contract from sample files

On a deployed stage, on AWS or local alike:

  status      how every dataset is doing
  files       the files of a dataset, with their state and counts
  batches     the batches of a dataset
  release     publishes a held batch although expectations failed
  reject      moves the rows of a held batch to quarantine
  retry       tries held and failed files again
  replay      processes published files again
  redrive     brings notifications back that could not be understood
  reconcile   partitions of the Data Catalog as the objects in S3 say
  watch       a page that shows executions as they happen: npm run watch

COMMAND --help says more. Exit status: 0 done; 1 the input or contract has faults; 2 wrong usage or set-up.`;

async function main([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h') {
    console.log(help);
    return 0;
  }
  const command = commands[name];
  if (!command) {
    console.error(`there is no command "${name}"\n\n${help}`);
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) {
    console.log(command.help);
    return 0;
  }
  return command.run(args);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
  if (error instanceof SluiceError) {
    console.error(error.message);
    process.exitCode = 1;
  } else if (error instanceof UsageError || error instanceof SetupError || isMissing) {
    console.error((error as Error).message);
    process.exitCode = 2;
  } else throw error;
}
