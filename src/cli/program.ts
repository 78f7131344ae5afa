/** Ends a program: the only place that prints errors and chooses the exit status. */
import { getSystemErrorMessage, types } from 'node:util';
import { SetupError, SluiceError } from '../lib/errors.ts';
import { oneLine } from '../lib/visible.ts';
import { complain } from '../stage/terminal.ts';
import { UsageError } from './usage.ts';

/** The input or contract has faults, or something waits for a person. */
const faulty = 1;
/** Wrong usage or set-up. */
const unusable = 2;
/** A fault of Sluice itself; sysexits.h's EX_SOFTWARE. */
const broken = 70;

export interface Failure {
  readonly status: number;
  readonly message: string;
}

/** An error that only we can fix. */
export const isOurs = ({ status }: Failure): boolean => status === broken;

/** Runs a program and sets its exit status. Any error, even one in a callback, ends it with the message of `failureOf`. */
export async function runProgram(
  main: (args: string[]) => Promise<number>,
  // As SIGPIPE would, which Node turns into an error.
  whenReaderIsGone: () => void = () => process.exit(141),
): Promise<void> {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      whenReaderIsGone();
    });
  const end = (error: unknown): void => {
    const { status, message } = failureOf(error);
    complain(message);
    process.exitCode = status;
  };
  process.on('uncaughtException', (error) => {
    end(error);
    process.exit();
  });
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    end(error);
  }
}

/** The message for a person, with a stack only for faults of Sluice. */
export function failureOf(error: unknown): Failure {
  if (error instanceof SluiceError) return { status: faulty, message: error.message };
  if (error instanceof UsageError || error instanceof SetupError)
    return { status: unusable, message: error.message };
  if (!types.isNativeError(error)) return { status: broken, message: `a fault of Sluice: ${String(error)}` };
  // Of several attempts, such as one for each address of a host, the last one is sufficient.
  if ('errors' in error && Array.isArray(error.errors) && error.errors.length > 0)
    return failureOf(error.errors.at(-1));
  return (
    ofLostAnswer(error) ?? ofSystem(error) ?? ofAws(error) ?? { status: broken, message: ofSluice(error) }
  );
}

/** Whatever answered has ended before its answer did, such as a stage on this machine that was stopped. */
function ofLostAnswer(error: Error): Failure | undefined {
  const { code, $metadata } = fieldsOf(error);
  const isGarbled = error instanceof SyntaxError && $metadata !== undefined;
  if (code !== 'ECONNRESET' && !isGarbled) return undefined;
  // The SDK adds a line about its own fields.
  const [text = ''] = error.message.split('\n', 1);
  return {
    status: unusable,
    message: `AWS, or the stage on this machine, gave no whole answer: ${oneLine(text, 300)}; look whether the stage still runs, and run the command again`,
  };
}

/** Errors of this machine: a file, a folder, a port, a connection. */
function ofSystem(error: Error): Failure | undefined {
  const { errno, code, path, syscall, hostname, address, port } = fieldsOf(error);
  if (code === 'ERR_FS_FILE_TOO_LARGE') return { status: unusable, message: error.message };
  if (typeof errno !== 'number' || typeof code !== 'string' || typeof syscall !== 'string') return undefined;
  const place = path ?? hostname ?? (port === undefined ? address : `${address}:${port}`);
  const what = getSystemErrorMessage(errno) ?? code;
  return { status: unusable, message: `${oneLine(String(place ?? syscall), 300)}: ${what}` };
}

/** AWS errors that mean that others changed the same records. */
const conflicts =
  /^(TransactionCanceled|TransactionConflict|TransactionInProgress|ConditionalCheckFailed)Exception$/;

/** Errors of AWS and of the connection to it. The SDK's errors have no common class that is loaded here anyway. */
function ofAws(error: Error): Failure | undefined {
  const { $metadata, $fault, tryNextLink } = fieldsOf(error);
  const text = error.message || 'without a message';
  if (conflicts.test(error.name))
    return {
      status: faulty,
      message: `somebody else changed the same files or batches at the same time; look at their state, and run the command again (${error.name}: ${text})`,
    };
  if ($fault !== undefined || $metadata !== undefined)
    return { status: unusable, message: `AWS refused: ${error.name}: ${text}` };
  if (tryNextLink !== undefined || /^(CredentialsProvider|TokenProvider|Timeout)Error$/.test(error.name))
    return { status: unusable, message: `AWS cannot be asked: ${text}` };
  return undefined;
}

const ofSluice = (error: Error): string =>
  `this is a fault of Sluice itself; please report it with what you did:\n${error.stack ?? error.message}`;

const fieldsOf = (error: Error): Readonly<Record<string, unknown>> => ({ ...error });
