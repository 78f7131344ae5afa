/** The command line: `npm run sluice -- COMMAND …`. Each command has its own file in this folder. */
import { readFileSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { join } from 'node:path';
import * as z from 'zod';
import { complain, print } from '../stage/terminal.ts';
import { commands, localCommands, stageCommands } from './commands.ts';
import { runProgram } from './program.ts';
import { suggestion } from './usage.ts';

// The second run uses compiled code from the cache.
enableCompileCache();

const lines = (entries: typeof commands): string =>
  Object.entries(entries)
    .map(([name, { does }]) => `  ${name.padEnd(11)} ${does}`)
    .join('\n');

const help = `Usage: npm run sluice -- COMMAND [options]

On this machine, without AWS:

${lines(localCommands)}

On a deployed stage, on AWS or local:

${lines(stageCommands)}

COMMAND --help and help COMMAND show the options of a command; --version shows the version.
Exit status: 0 done; 1 the input or contract has faults, or something waits for a person; 2 wrong usage or set-up;
70 a fault of Sluice itself; 141 the reader of the output has gone. Set NO_COLOR to turn colours off.`;

const packageSchema = z.object({ version: z.string() });
const version = (): string =>
  packageSchema.parse(JSON.parse(readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')))
    .version;

async function main([name = '--help', ...args]: string[]): Promise<number> {
  if (name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) {
    print(help);
    return 0;
  }
  if (name === '--version' || name === 'version') {
    print(version());
    return 0;
  }
  if (name === 'help') return main([args[0] ?? '', '--help']);
  const command = Object.hasOwn(commands, name) ? await commands[name]?.load() : undefined;
  if (!command) {
    const near = suggestion(name, Object.keys(commands));
    complain(`there is no command "${name}"${near === '' ? '; --help lists them all' : near}`);
    return 2;
  }
  if (args.includes('--help') || args.includes('-h')) {
    print(command.help);
    return 0;
  }
  return command.run(args);
}

await runProgram(main);
