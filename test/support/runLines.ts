/** Runs a program to its end, and hands over its output line by line meanwhile. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { localEnvironment } from '../../src/stage/localEndpoint.ts';

export interface Ended {
  readonly code: number;
  /** Standard output, then standard error. */
  readonly output: string;
}

/** The program gets this process's environment, the local AWS's credentials, and `environment`. */
export function runLines(
  program: string,
  args: readonly string[],
  { cwd, environment }: { cwd?: string; environment: Readonly<Record<string, string>> },
  line: (text: string) => void = () => {},
): Promise<Ended> {
  const child = spawn(program, args, {
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...localEnvironment, ...environment },
  });
  const kill = () => child.kill();
  process.once('exit', kill);
  const said: string[] = [];
  const complaints: string[] = [];
  createInterface({ input: child.stdout }).on('line', (text) => {
    said.push(`${text}\n`);
    line(text);
  });
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk.toString()));
  return new Promise((done, fail) => {
    child.once('error', fail);
    child.once('close', (code) => {
      process.off('exit', kill);
      done({ code: code ?? 1, output: [...said, ...complaints].join('') });
    });
  });
}
