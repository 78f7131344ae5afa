/** Counts the AWS calls that pass the gateway, by caller and resource: GET and DELETE /_sluice/calls. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Call, describeCall, type Wire } from './calls.ts';
import { answerSwitch } from './switch.ts';

export const callsPath = '/_sluice/calls';

/** Calls that need the same permission. */
export interface RecordedCalls extends Omit<Call, 'path'> {
  /** The bucket and the first part of the key for an object, else the names in the request. */
  readonly about: string;
  readonly count: number;
  /** An example: its address, and its body or copy source. */
  readonly example: { readonly path: string; readonly body: string };
}

export interface Recorder {
  /** Answers requests to the recorder's own address. */
  control(request: IncomingMessage, response: ServerResponse): Promise<void>;
  note(request: Wire, body: string): void;
}

export function createRecorder(): Recorder {
  const calls = new Map<string, RecordedCalls>();
  return {
    async control(request, response) {
      await answerSwitch(request, response, { DELETE: async () => calls.clear() }, () => [...calls.values()]);
    },
    note(request, content) {
      const { path, ...call } = describeCall(request);
      const body = content || decodeURIComponent(String(request.headers['x-amz-copy-source'] ?? ''));
      const about = call.service === 's3' ? objectOf(path, body) : namesIn(body);
      const key = [call.function, call.service, call.operation, about].join(' ');
      const known = calls.get(key) ?? { ...call, about, count: 0, example: { path, body } };
      calls.set(key, { ...known, count: known.count + 1 });
    },
  };
}

function objectOf(path: string, body: string): string {
  const part = (place: string) =>
    (place.split('?')[0] ?? '').split('/').filter(Boolean).slice(0, 2).join('/');
  // DeleteObjects names its keys in the body. For a copy the source is recorded as the body.
  if (body.startsWith('<')) return `${part(path)}/${/<Key>([^</]*)/.exec(body)?.[1] ?? ''}`;
  return body === '' ? part(path) : `${part(body)} -> ${part(path)}`;
}

/** The names of resources anywhere in a request of a JSON service, without data. */
function namesIn(body: string): string {
  if (!body.startsWith('{')) return '';
  const found = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      if (typeof inner === 'string' && isName.test(key)) found.add(`${key}=${inner}`);
      else if (/^(Put|Update|Delete|ConditionCheck)$/.test(key)) found.add(key);
      if (key === 'RequestItems' && typeof inner === 'object' && inner)
        for (const name of Object.keys(inner)) found.add(`TableName=${name}`);
      look(inner);
    }
  };
  look(JSON.parse(body));
  return [...found].sort().join(' ');
}

const isName =
  /^(TableName|DatabaseName|WorkGroup|JobName|Name|CrawlerName|EventBusName|TopicArn|stateMachineArn)$/;
