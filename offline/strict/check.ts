/** Refuses, with AWS's own error, what AWS would refuse: see docs/offline.md. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { GetObjectTaggingCommand, HeadObjectCommand } from '@aws-sdk/client-s3';
import * as z from 'zod';
import type { Upstream } from '../aws.ts';
import { type Call, describeCall } from '../calls.ts';
import type { Recorder } from '../recorder.ts';
import { answerSwitch } from '../switch.ts';
import { createAnswers } from './answers.ts';
import { checkSource, copiesTags, type Source, sourceOf } from './copies.ts';
import { hasDocument, type Read, readRequest } from './input.ts';
import type { Model, Models } from './model.ts';
import { checkQuotas, copySourceBytes } from './quotas.ts';
import { errorNames, Refusal, sendRefusal } from './refusal.ts';
import { createTransactions, type KeysOf } from './transactions.ts';
import { type Violation, validate, WrongType, wording } from './validate.ts';

/** For tests: GET lists the rejected requests and the wrong answers; PUT sets a smaller limit for CopyObject, so that no test needs an object of 5 GB. */
export const strictPath = '/_sluice/strict';
const settingsSchema = z.strictObject({ copySourceBytes: z.int().positive().default(copySourceBytes) });

/** Rejected requests by caller. */
export interface Refused extends Omit<Call, 'path'> {
  readonly code: string;
  /** The message of the first one. */
  readonly message: string;
  readonly count: number;
}

export interface Strict {
  /** Answers requests to the check's own address: settings, rejected requests, wrong answers. */
  control(request: IncomingMessage, response: ServerResponse): Promise<void>;
  /** Checks the answer to a request when it is complete. */
  watches(request: IncomingMessage, response: ServerResponse): void;
  /** Whether the check needs the body. Other bodies are streamed. */
  readsBody(request: IncomingMessage): boolean;
  /** Answers a request that AWS would reject and gives true. Gives false for any other request. */
  refuses(request: IncomingMessage, response: ServerResponse, body: Buffer | undefined): Promise<boolean>;
}

/** `log`: see createAnswers. */
export function createStrict(models: Models, upstream: Upstream, recorder: Recorder, log?: string): Strict {
  let settings = settingsSchema.parse({});
  const answers = createAnswers(models, log);
  const refused = new Map<string, Refused>();
  const note = (request: IncomingMessage, { code, message }: Refusal) => {
    const { path: _, ...call } = describeCall(request);
    const key = [...Object.values(call), code].join(' ');
    const known = refused.get(key);
    refused.set(key, { ...call, code, message: known?.message ?? message, count: (known?.count ?? 0) + 1 });
  };
  const transactions = createTransactions(keysOfTables(upstream));
  /** Throws Refusal. Gives a function that must be called when the answer has been sent. */
  const check = async (request: IncomingMessage, service: string, model: Model, body: Buffer) => {
    const read = readInput(model, service, request, body);
    const { operation, input } = read;
    answers.isOf(request, operation);
    const violations = read.shape === undefined ? [] : validateInput(model, service, read.shape, input, body);
    if (violations.length > 0) throw asRefusal(service, violations);
    const refusal = checkQuotas(service, operation, input, request.headers);
    if (refusal) throw refusal;
    if (operation === 'CopyObject' || (operation === 'UploadPartCopy' && input.CopySourceRange === undefined))
      await checkCopy(request, operation, input);
    return service === 'dynamodb' ? await transactions.begin(operation, input) : undefined;
  };
  const checkCopy = async (request: IncomingMessage, operation: string, input: Read['input']) => {
    const header = String(request.headers['x-amz-copy-source'] ?? '');
    const source = readSource(header);
    const bytes = await found(async () => {
      const { ContentLength } = await upstream.s3.send(new HeadObjectCommand(source));
      return ContentLength;
    });
    const refusal = checkSource(bytes ?? 0, settings.copySourceBytes);
    if (refusal) throw refusal;
    if (bytes === undefined || operation !== 'CopyObject' || !copiesTags(input)) return;
    const tags = await found(async () => {
      const { TagSet } = await upstream.s3.send(new GetObjectTaggingCommand(source));
      return TagSet;
    });
    if (!tags?.length) return;
    // Whether the role may copy tags is checked by the test of permissions.
    const { headers } = request;
    const asCall = { ...headers, 'x-amz-copy-source': undefined };
    const [place, version = ''] = header.replace(/^\//, '').split('?');
    recorder.note({ method: 'GET', url: `/${place}?tagging&${version}`, headers: asCall }, '');
    recorder.note({ method: 'PUT', url: `${request.url?.split('?')[0]}?tagging`, headers: asCall }, '');
  };
  const set = async (body: Buffer) => {
    settings = settingsSchema.parse(JSON.parse(body.toString('utf8')));
  };
  return {
    control: (request, response) =>
      answerSwitch(request, response, { PUT: set }, () => ({
        ...settings,
        refused: [...refused.values()],
        wrong: answers.wrong(),
        unchecked: answers.unchecked(),
        checked: answers.checked(),
      })),
    watches: answers.watch,
    readsBody(request) {
      const model = models(describeCall(request).service);
      return model !== undefined && hasDocument(model, request);
    },
    async refuses(request, response, body = Buffer.alloc(0)) {
      const { service } = describeCall(request);
      const model = models(service);
      if (!model) return false;
      try {
        const end = await check(request, service, model, body);
        if (end) response.once('close', end);
        return false;
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        note(request, error);
        sendRefusal(request, response, model, service, error);
        return true;
      }
    },
  };
}

function readInput(model: Model, service: string, request: IncomingMessage, body: Buffer): Read {
  try {
    const read = readRequest(model, request, body);
    if (read) return read;
  } catch (error) {
    if (error instanceof URIError) throw new Refusal('InvalidURI', "Couldn't parse the specified URI.");
    throw serialization(service, error, body);
  }
  // A REST path that the model does not have goes to ministack; an unknown operation name is an error.
  if (model.metadata.protocol === 'json' && request.headers['x-amz-target'] !== undefined)
    throw new Refusal('UnknownOperationException', '');
  return { operation: '', input: {} };
}

function validateInput(
  model: Model,
  service: string,
  shape: string,
  input: unknown,
  body: Buffer,
): Violation[] {
  try {
    return validate(model, shape, input);
  } catch (error) {
    throw serialization(service, error, body);
  }
}

function serialization(service: string, error: unknown, body: Buffer): unknown {
  // The stack limits the depth of an input.
  if (error instanceof RangeError)
    return new Refusal('SerializationException', 'the input is nested too deeply');
  if (!(error instanceof WrongType)) return error;
  // S3's other arguments are in the address and the headers.
  if (service === 's3' && body.length === 0) return new Refusal('InvalidArgument', error.message);
  return new Refusal(errorNames[service]?.serialization ?? 'SerializationException', error.message);
}

function asRefusal(service: string, violations: readonly Violation[]): Refusal {
  const [first] = violations;
  const missing = violations.find(({ kind }) => kind === 'required');
  // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
  if (service === 'sqs' && missing)
    return new Refusal(
      'MissingParameter',
      `The request must contain the parameter ${capital(missing.path)}.`,
    );
  // A member that S3 misses belongs to the body; the address contains the others.
  if (service === 's3' && missing)
    return new Refusal(
      'MalformedXML',
      'The XML you provided was not well-formed or did not validate against our published schema',
    );
  if (service === 's3' && first)
    return new Refusal('InvalidArgument', `${first.constraint}: ${first.path}`, {
      ArgumentName: first.path,
      ArgumentValue: first.value,
    });
  return new Refusal(errorNames[service]?.constraint ?? 'ValidationException', wording(violations));
}

const capital = (path: string): string => path.charAt(0).toUpperCase() + path.slice(1);

function readSource(header: string): Source {
  try {
    return sourceOf(header);
  } catch {
    throw new Refusal('InvalidArgument', 'Invalid copy source encoding.');
  }
}

/** Undefined if the object does not exist: the service reports that itself. */
async function found<T>(look: () => Promise<T>): Promise<T | undefined> {
  try {
    return await look();
  } catch {
    return undefined;
  }
}

const tableSchema = z.object({
  Table: z.object({ KeySchema: z.array(z.object({ AttributeName: z.string() })) }),
});

/** Key attributes by table. They never change, so they are read once. */
function keysOfTables(upstream: Upstream): KeysOf {
  const known = new Map<string, readonly string[]>();
  return async (table) => {
    const asked = known.get(table);
    if (asked) return asked;
    const answer = await found(() => upstream.call('DynamoDB_20120810.DescribeTable', { TableName: table }));
    if (answer === undefined) return undefined;
    const keys = tableSchema.parse(answer).Table.KeySchema.map(({ AttributeName }) => AttributeName);
    known.set(table, keys);
    return keys;
  };
}
