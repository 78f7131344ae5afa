/** Checks each answer against the service's model, and lists what differs: see docs/offline.md. */
import { appendFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Call, describeCall } from '../calls.ts';
import { commonErrors, s3Errors } from './errorNames.ts';
import type { Model, Models, Shape } from './model.ts';
import { type Answer, isContent, operationOf, readAnswer, type Told } from './output.ts';
import { below, isObject, shapeOf, validate, WrongType } from './validate.ts';

/** An answer that its service's model does not allow, by service and operation. */
export interface WrongAnswer extends Pick<Call, 'service' | 'operation'> {
  /** What differs: the member and its constraint, or the error's name. */
  readonly what: string;
  /** The beginning of the first such answer. */
  readonly example: string;
  readonly count: number;
}

/** Calls whose answers cannot be checked: no model is read for the service, or its model does not have the operation. */
export interface Unchecked extends Pick<Call, 'service' | 'operation'> {
  readonly count: number;
}

export interface Answers {
  /** Checks the answer as soon as it is complete. An interrupted answer is not checked. */
  watch(request: IncomingMessage, response: ServerResponse): void;
  /** Says which operation a watched request is of. A form names it in its body only. */
  isOf(request: IncomingMessage, operation: string): void;
  wrong(): readonly WrongAnswer[];
  unchecked(): readonly Unchecked[];
  /** The number of answers that were checked. */
  checked(): number;
}

/** `log` is a file that gets a line for each kind of wrong answer at once, so that it outlives the local AWS. */
export function createAnswers(models: Models, log?: string): Answers {
  const wrong = new Map<string, WrongAnswer>();
  const unchecked = new Map<string, Unchecked>();
  const operations = new WeakMap<IncomingMessage, string>();
  let checked = 0;
  const pass = ({ service, operation }: Pick<Call, 'service' | 'operation'>) => {
    const key = `${service} ${operation}`;
    unchecked.set(key, { service, operation, count: (unchecked.get(key)?.count ?? 0) + 1 });
  };
  const note = (service: string, operation: string, what: string, body: Buffer) => {
    const key = [service, operation, what].join(' ');
    const known = wrong.get(key);
    const example = known?.example ?? body.toString('utf8', 0, 500);
    const told = { service, operation, what, example, count: (known?.count ?? 0) + 1 };
    wrong.set(key, told);
    if (log !== undefined && known === undefined) appendFileSync(log, `${JSON.stringify(told)}\n`);
  };
  return {
    watch(request, response) {
      const call = describeCall(request);
      const { service } = call;
      const model = models(service);
      if (!model) return pass(call);
      const told = recorded(response, () => {
        const operation = operationOf(model, request, () => '');
        return response.statusCode < 300 && operation !== undefined && isContent(model, operation);
      });
      response.once('finish', () => {
        const answer = told();
        const operation =
          operations.get(request) ?? operationOf(model, request, () => answer.body.toString('utf8'));
        if (operation === undefined) return pass(call);
        checked++;
        for (const what of faultsOf(model, service, operation, answer))
          if (!answeredByAws.some((own) => own.operation === operation && what.startsWith(own.what)))
            note(service, operation, what, answer.body);
      });
    },
    isOf: (request, operation) => {
      if (operation !== '') operations.set(request, operation);
    },
    wrong: () => [...wrong.values()],
    unchecked: () => [...unchecked.values()],
    checked: () => checked,
  };
}

/** AWS itself answers so, and its model says otherwise. */
const answeredByAws: readonly Pick<WrongAnswer, 'operation' | 'what'>[] = [
  // "If there are no unprocessed keys remaining, the response contains an empty UnprocessedKeys map."
  // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html#API_BatchGetItem_ResponseSyntax
  { operation: 'BatchGetItem', what: 'unprocessedKeys: Member must have length greater' },
  // https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html#API_BatchWriteItem_ResponseSyntax
  { operation: 'BatchWriteItem', what: 'unprocessedItems: Member must have length greater' },
  // Clients read the list of a workgroup without queries.
  { operation: 'ListQueryExecutions', what: 'queryExecutionIds: Member must have length greater' },
  // The first event of a stack that a change set makes has the status of the stack.
  // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
  { operation: 'DescribeStackEvents', what: 'stackEvents.n.member.resourceStatus: Member must satisfy enum' },
];

/** Keeps what is written to a response: its headers, and its body unless that is content. */
function recorded(response: ServerResponse, isSkipped: () => boolean): () => Answer {
  const chunks: Buffer[] = [];
  const headers: Record<string, string> = {};
  let skips: boolean | undefined;
  const keep = (chunk: unknown) => {
    skips ??= isSkipped();
    if (skips) return;
    if (typeof chunk === 'string' || chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const write = response.write.bind(response) as (...args: unknown[]) => boolean;
  const end = response.end.bind(response) as (...args: unknown[]) => ServerResponse;
  const writeHead = response.writeHead.bind(response) as (...args: unknown[]) => ServerResponse;
  response.write = (...args: unknown[]) => {
    keep(args[0]);
    return write(...args);
  };
  response.end = (...args: unknown[]) => {
    keep(args[0]);
    return end(...args);
  };
  // Headers that are given here are not among the response's own.
  response.writeHead = (...args: unknown[]) => {
    const given = args.at(-1);
    if (isObject(given))
      for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = String(value);
    return writeHead(...args);
  };
  return () => {
    for (const [name, value] of Object.entries(response.getHeaders())) headers[name] = String(value);
    return { status: response.statusCode, headers, body: Buffer.concat(chunks) };
  };
}

/** What differs from the model, one line each. */
export function faultsOf(model: Model, service: string, operation: string, answer: Answer): string[] {
  try {
    const told = readAnswer(model, operation, answer);
    return told.kind === 'error'
      ? errorFaults(model, service, operation, told, answer.status)
      : outputFaults(model, told);
  } catch (error) {
    if (!(error instanceof WrongType)) throw error;
    return [at(error.path, error.message)];
  }
}

function outputFaults(model: Model, { shape, output }: Extract<Told, { kind: 'output' }>): string[] {
  if (shape === undefined) return [];
  return [
    ...validate(model, shape, output).map(({ path, constraint, value }) =>
      at(path, value === undefined ? constraint : `${constraint} (${shown(value)})`),
    ),
    ...beyond(model, shapeOf(model, shape), output, ''),
  ];
}

/** What a request may have and an answer may not: members that the model does not have, and timestamps in another form. */
function beyond(model: Model, shape: Shape, value: unknown, path: string): string[] {
  if (shape.document) return [];
  const { members = {}, member, value: inMap } = shape;
  if (shape.type === 'structure' && isObject(value))
    return Object.entries(value).flatMap(([name, inner]) => {
      const known = Object.hasOwn(members, name) ? members[name] : undefined;
      if (!known) return [at(below(path, name), 'the model does not have this member')];
      // AWS leaves out what has no value.
      if (inner === null) return [at(below(path, name), 'null')];
      return beyond(model, shapeOf(model, known.shape), inner, below(path, name));
    });
  if (shape.type === 'list' && Array.isArray(value) && member) {
    const inner = shapeOf(model, member.shape);
    return value.flatMap((item) => beyond(model, inner, item, `${path}.1.member`));
  }
  if (shape.type === 'map' && isObject(value) && inMap) {
    const inner = shapeOf(model, inMap.shape);
    return Object.values(value).flatMap((item) => beyond(model, inner, item, `${path}.key.member`));
  }
  const { protocol } = model.metadata;
  const isNumber = (protocol === 'json' || protocol === 'rest-json') && shape.timestampFormat === undefined;
  if (shape.type === 'timestamp' && isNumber && typeof value !== 'number')
    return [at(path, 'a timestamp is a number of seconds')];
  return [];
}

function errorFaults(
  model: Model,
  service: string,
  operation: string,
  { name, body }: Extract<Told, { kind: 'error' }>,
  status: number,
): string[] {
  // HEAD and "not modified" have no body.
  if (name === undefined)
    return isObject(body) && Object.keys(body).length > 0 ? ['an error without a name'] : [];
  const own = (model.operations[operation]?.errors ?? []).map(({ shape }) => shape);
  const shape = own.find((of) => of === name || model.shapes[of]?.error?.code === name);
  const common = service === 's3' ? s3Errors[name] : commonErrors[name];
  if (shape === undefined && common === undefined) return [`${name} is not an error of this operation`];
  const { fault, error } = (shape === undefined ? undefined : model.shapes[shape]) ?? {};
  const expected = error?.httpStatusCode ?? common ?? (fault ? 500 : 400);
  // S3 reports errors that come late in an answer that has begun as a success.
  if (status !== expected && !(service === 's3' && status === 200))
    return [`${name} has the status ${status} and not ${expected}`];
  return shape === undefined ? [] : detailFaults(model, shape, body);
}

/** The members of an error other than its message, whose case differs between services. */
function detailFaults(model: Model, shape: string, body: unknown): string[] {
  if (model.metadata.protocol !== 'json' && model.metadata.protocol !== 'rest-json') return [];
  const {
    __type: _,
    code: _code,
    message,
    Message = message,
    Type: _kind,
    ...details
  } = isObject(body) ? body : {};
  const known = shapeOf(model, shape).members ?? {};
  const text = known.message ? 'message' : 'Message';
  const told = { ...details, ...(Message === undefined ? {} : { [text]: Message }) };
  return validate(model, shape, told).map(({ path, constraint }) => at(path, constraint));
}

/** Members of a list's elements are one fault. */
const at = (path: string, constraint: string): string =>
  `${path.replaceAll(/\.\d+(?=\.|$)/g, '.n') || 'the body'}: ${constraint}`;

function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
