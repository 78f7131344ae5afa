/**
 * Runs a script of this project on a fresh clone: installs the npm packages where they are missing or old, then runs
 * the script on the Node that came with them. Plain JavaScript, for the machine's own Node (20 or newer).
 *
 *   node scripts/bootstrap.mjs scripts/start.ts [arguments]
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [major] = process.versions.node.split('.');
if (Number(major) < 20) {
  console.error(`Sluice needs Node 20 or newer; this is Node ${process.versions.node}`);
  process.exit(2);
}
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const modules = join(root, 'node_modules');
const stamp = join(modules, '.sluice-lock');
const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
  console.error('installing npm packages (once for each package-lock.json)');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  if (status !== 0) {
    console.error(
      `npm ci failed${error ? `: ${error.message}` : ''}; mend that and run the same command again`,
    );
    process.exit(2);
  }
  writeFileSync(stamp, wanted);
}

const [script, ...args] = process.argv.slice(2);
// npm runs scripts in the root folder. Paths are relative to the folder where npm was called.
const takesPaths = ['sluice', 'start'].includes(process.env.npm_lifecycle_event);
const { INIT_CWD: calledFrom, ...environment } = process.env;
const cwd = takesPaths && calledFrom && existsSync(calledFrom) ? calledFrom : process.cwd();
const child = spawn(
  join(modules, '.bin', 'node'),
  ['--disable-warning=ExperimentalWarning', join(root, script), ...args],
  {
    stdio: 'inherit',
    cwd,
    env: { ...environment, PATH: [join(modules, '.bin'), process.env.PATH].join(delimiter) },
  },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
// npm starts scripts in a shell, which dies of a signal and does not hand it on.
if (process.env.npm_lifecycle_event !== undefined) {
  const shell = process.ppid;
  const look = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(look);
    child.kill('SIGTERM');
  }, 1000);
}
child.on('error', (error) => {
  console.error(`cannot start ${script}: ${error.message}`);
  process.exit(2);
});
/** The exit codes after a fault in native code, which JavaScript cannot catch. */
const crashes = ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP'];
child.on('exit', (code, signal) => {
  if (!crashes.includes(signal)) process.exit(signal ? 130 : (code ?? 1));
  console.error(
    `EngineCrashed: ${script} ended with ${signal}, a fault in native code. On a stage the batch moves to Glue, and is split until the file that causes it is alone; here, run it with half of its files at a time`,
  );
  process.exit(1);
});
