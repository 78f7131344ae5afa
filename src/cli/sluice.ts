/** The command line: `npm run sluice -- COMMAND …`. One file a command beside this one. */
import { enableCompileCache } from 'node:module';
import { SetupError } from '../../offline/setup/environments.ts';
import { SluiceError } from '../lib/errors.ts';
import { type Command, UsageError } from './usage.ts';

// Each command is loaded when it is asked for, and from the second time on without being compiled again.
enableCompileCache();
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  transform: () => import('./transform.ts'),
  validate: () => import('./validate.ts'),
  explain: () => import('./explain.ts'),
  init: () => import('./init.ts'),
  infer: () => import('./infer.ts'),
  drop: () => import('./drop.ts'),
  status: () => import('./status.ts'),
  files: () => import('./files.ts'),
  batches: () => import('./batches.ts'),
  quarantine: () => import('./quarantine.ts'),
  report: () => import('./report.ts'),
  release: async () => (await import('./decide.ts')).release,
  reject: async () => (await import('./decide.ts')).reject,
  retry: () => import('./retry.ts'),
  replay: () => import('./replay.ts'),
  redrive: () => import('./redrive.ts'),
  reconcile: () => import('./reconcile.ts'),
  watch: () => import('./watch.ts'),
};

const help = `Usage: npm run sluice -- COMMAND [options]

  transform   runs a contract on files, on either engine, without any AWS
  validate    checks contracts, with file, line and column of every fault
  explain     shows what a contract is compiled to
  init        makes a dataset from sample files: drafts its contract, and asks
  infer       drafts a contract from sample files

On a deployed stage, on AWS or local alike:

  drop        uploads files, and follows what becomes of them
  status      how every dataset is doing
  files       the files of a dataset, with their state and counts
  batches     the batches of a dataset
  quarantine  why rows were refused, with some of them
  report      the data-quality report of a batch, as a page
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
  const command = await commands[name]?.();
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
