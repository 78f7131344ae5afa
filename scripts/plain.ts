/** Runs a script that has no options: `--help` only prints its text, and any other argument is wrong usage. */
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { print } from '../src/stage/terminal.ts';

export async function runPlain(help: string, main: () => Promise<void>): Promise<void> {
  await runProgram(async (args) => {
    const { values, positionals } = readOptions(args, { help: { type: 'boolean', short: 'h' } });
    if (positionals.length > 0) throw new UsageError(`${positionals[0]}: this script takes no arguments`);
    if (values.help) print(help);
    else await main();
    return 0;
  });
}
