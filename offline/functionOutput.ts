/** In serverless-offline, functions print to the developer's terminal: one line for a person, with control characters escaped. */
import { isMainThread } from 'node:worker_threads';
import * as z from 'zod';
import { visible } from '../src/lib/visible.ts';

/** Of this thread, which runs a function. The main thread prints the framework's output, which has colours. */
export function showHiddenOutput(): void {
  if (isMainThread) return;
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write.bind(stream);
    stream.write = ((chunk: string | Uint8Array, ...rest: []) => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      return write(
        visible(text.replace(/^({.*})(\n?)/gm, (_, json: string, end: string) => inWords(json, end))),
        ...rest,
      );
    }) as typeof write;
  }
}

/** The fields that the logger of `src/handlers/step.ts` adds to a line's own fields. */
const logLine = z.looseObject({
  level: z.string(),
  message: z.string(),
  timestamp: z.string(),
  function_name: z.string(),
});
const ofEveryLine =
  /^(level|message|timestamp|service|cold_start|sampling_rate|xray_trace_id|error|function_.*)$/;

/** A line of the log: time, function, message, and fields of the batch. Metrics are only for CloudWatch. */
function inWords(line: string, end: string): string {
  const json = parsed(line);
  if (typeof json === 'object' && json !== null && '_aws' in json) return '';
  const { data } = logLine.safeParse(json);
  if (!data) return line + end;
  const { level, message, timestamp, function_name, error } = data;
  const told = Object.entries(data).flatMap(([key, value]) =>
    ofEveryLine.test(key) ? [] : [`${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`],
  );
  const { name, message: cause } =
    z.looseObject({ name: z.string(), message: z.string() }).safeParse(error).data ?? {};
  return [
    timestamp.slice(11, 19),
    function_name.split('-').at(-1),
    ...(level === 'INFO' ? [] : [level]),
    message,
    ...(name === undefined ? [] : [`${name}: ${cause}`]),
    ...told,
  ]
    .join(' ')
    .concat(end);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
