/** What `npm test` and `npm run judges` share: Jest and other programs of this project, and signals that end a run. */
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');

/** Whether the output is shown as it runs. A lane in the background has a lower priority. */
export type Manner = 'shown' | 'shown after' | 'in the background';

/** Gives the exit status. */
export const jest = (
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  how: Manner = 'shown',
): Promise<number> =>
  run(
    'node',
    [
      '--disable-warning=ExperimentalWarning',
      '--experimental-vm-modules',
      // Tests make much garbage: a larger young generation (MiB) saves a tenth of their CPU.
      '--max-semi-space-size=64',
      'node_modules/jest/bin/jest.js',
      ...args,
    ],
    environment,
    how,
  );

/** Runs a program of node_modules/.bin. Gives its exit status. */
export function run(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  how: Manner = 'shown',
): Promise<number> {
  const output = how === 'shown' ? 'inherit' : 'pipe';
  return new Promise((done, fail) => {
    const said: Buffer[] = [];
    const child = spawn(resolve(root, 'node_modules/.bin', program), args, {
      cwd: root,
      stdio: ['ignore', output, output],
      env: { ...process.env, ...environment },
    });
    if (how === 'in the background' && child.pid !== undefined)
      setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
    const kill = () => child.kill();
    process.once('exit', kill);
    child.on('error', fail);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => said.push(chunk));
    child.on('close', (code) => {
      process.off('exit', kill);
      process.stdout.write(Buffer.concat(said));
      done(code ?? 1);
    });
  });
}

/** Jest's arguments for some projects and test files. */
export const selected = (projects: readonly string[], patterns: readonly string[]): string[] => [
  // One file at a time, because the end-to-end tests share the datasets' leases.
  '--runInBand',
  '--selectProjects',
  ...projects,
  ...(patterns.length > 0 ? ['--testPathPatterns', ...patterns] : []),
];

/** The exit status of a program that a person or the system has ended, which is due when that happens. */
export const untilInterrupted = (): Promise<number> =>
  new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => done(130));
  });
