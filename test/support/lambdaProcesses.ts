/** The processes that run the functions of a local AWS. */
import { readdirSync, readFileSync } from 'node:fs';

/** Ids of the processes that run a function. */
export const lambdaProcesses = (endpoint: string | undefined, name: string): number[] =>
  readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const environment = (textOf(pid, 'environ') ?? '').split('\0');
      return (
        environment.includes(`AWS_LAMBDA_FUNCTION_NAME=sluice-local-${name}`) &&
        environment.includes(`AWS_ENDPOINT_URL=${endpoint}`)
      );
    })
    .map(Number);

/** Seconds of CPU that these processes have used so far. */
export const cpuSeconds = (processes: readonly number[]): number =>
  processes.reduce((sum, pid) => {
    // After the name, which may contain anything: state, …, the 14th and 15th of all fields.
    const fields = (textOf(String(pid), 'stat') ?? '').replace(/^.*\) /s, '').split(' ');
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / ticksPerSecond;
  }, 0);

/** USER_HZ, which is 100 in every Linux that programs see. */
const ticksPerSecond = 100;

/** Undefined if the process has ended, or belongs to another user. */
function textOf(pid: string, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return undefined;
  }
}
