/** The command line: `npm run sluice -- COMMAND …`. One file a command beside this one. */
import { enableCompileCache } from 'node:module';
import { SetupError, SluiceError } from '../lib/errors.ts';
import { commands, localCommands, stageCommands } from './commands.ts';
import { UsageError } from './usage.ts';

// From the second time on nothing is compiled again.
enableCompileCache();

const lines = (entries: typeof commands): string =>
  Object.entries(entries)
    .map(([name, { does }]) => `  ${name.padEnd(11)} ${does}`)
    .join('\n');

const help = `Usage: npm run sluice -- COMMAND [options]

${lines(localCommands)}

On a deployed stage, on AWS or local alike:

${lines(stageCommands)}

COMMAND --help says more. Exit status: 0 done; 1 the input or contract has faults, or something waits for a person;
2 wrong usage or set-up; 141 nobody reads the output any more. NO_COLOR is respected.`;

async function main([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h') {
    console.log(help);
    return 0;
  }
  const command = await commands[name]?.load();
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

// As a program ends that knows nothing of it: by SIGPIPE.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(141);
});

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
