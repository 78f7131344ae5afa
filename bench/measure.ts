/** Runs a program to its end and measures its wall time, and the CPU time and peak memory of it and its child processes. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Readable } from 'node:stream';

export interface Measured {
  readonly seconds: number;
  /** Of all cores, in the program and in the system for it: it depends less on other work on the machine. */
  readonly cpuSeconds: number;
  /** The highest sum of resident memory in the process tree, in bytes, sampled twenty times a second. */
  readonly peakBytes: number;
  readonly output: string;
}

/** Throws Error with the program's last output if it fails. */
export async function measure(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Measured> {
  const started = performance.now();
  // The shell tells the time of what it has waited for.
  const timed = ['-c', '"$@"; code=$?; times >&3; exit $code', 'bash', program, ...args];
  const child = spawn('bash', timed, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
    detached: true,
  });
  const end = () => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  };
  process.once('exit', end);
  let output = '';
  let errors = '';
  let times = '';
  const [, , , told] = child.stdio;
  if (told instanceof Readable)
    told.on('data', (chunk: Buffer) => {
      times += chunk.toString();
    });
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000);
  });
  let peakBytes = 0;
  const look = setInterval(() => {
    peakBytes = Math.max(peakBytes, residentBytes(child.pid ?? 0));
  }, 50);
  const code = await new Promise<number | null>((done, fail) => {
    child.on('error', fail);
    child.on('close', done);
  });
  clearInterval(look);
  process.off('exit', end);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${errors}`);
  return { seconds: (performance.now() - started) / 1000, cpuSeconds: secondsOf(times), peakBytes, output };
}

/** The second line of `times`: user and system time of the children, such as `1m2.500s 0m0.250s`. */
const secondsOf = (times: string): number =>
  [...(times.split('\n')[1] ?? '').matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + 60 * Number(minutes) + Number(seconds),
    0,
  );

/** https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function residentBytes(root: number): number {
  const parents = new Map<number, number>();
  const pages = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((n) => /^\d+$/.test(n)))
    try {
      const text = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
      parents.set(Number(name), Number(fields[1]));
      pages.set(Number(name), Number(fields[21]));
    } catch {
      // The process ended between the two reads.
    }
  const isBelow = (pid: number): boolean => {
    for (let at: number | undefined = pid; at !== undefined && at > 1; at = parents.get(at))
      if (at === root) return true;
    return false;
  };
  return [...pages].reduce((sum, [pid, count]) => (isBelow(pid) ? sum + count * 4096 : sum), 0);
}
