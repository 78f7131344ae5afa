/** Reads an answer in the protocol of its service's model. */
import { parseXML } from '@aws-sdk/xml-builder';
import type { Wire } from '../calls.ts';
import { fromText, fromTree, type Node, nodeOf, parseJson, route } from './input.ts';
import type { Model, Shape } from './model.ts';
import { isObject, shapeOf, WrongType } from './validate.ts';

/** A complete answer. The names of its headers are in lower case. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What a service answered. */
export type Told =
  | { readonly kind: 'output'; readonly shape: string | undefined; readonly output: unknown }
  /** `name` is undefined if the answer has no body, as of HEAD, or does not name its error. */
  | { readonly kind: 'error'; readonly name: string | undefined; readonly body: unknown };

/**
 * The operation of a request. A form names it in its body, which is not read here: the answer of a success names it, too. Undefined for
 * a request that the model has no operation for.
 */
export function operationOf(model: Model, wire: Wire, body: () => string): string | undefined {
  switch (model.metadata.protocol) {
    case 'json': {
      const [prefix, operation = ''] = String(wire.headers['x-amz-target'] ?? '').split('.');
      return prefix === model.metadata.targetPrefix && Object.hasOwn(model.operations, operation)
        ? operation
        : undefined;
    }
    case 'query': {
      const [, operation] = /<(\w+)Response[\s>]/.exec(body()) ?? [];
      return operation !== undefined && Object.hasOwn(model.operations, operation) ? operation : undefined;
    }
    default:
      return route(model, wire)?.route.operation;
  }
}

/** Whether the body of a success is content, such as an object's, and not a document. */
export function isContent(model: Model, operation: string): boolean {
  const output = model.operations[operation]?.output?.shape;
  if (output === undefined) return false;
  const { payload, members } = shapeOf(model, output);
  const member = payload === undefined ? undefined : members?.[payload];
  return member !== undefined && ['blob', 'string'].includes(shapeOf(model, member.shape).type);
}

/** Throws WrongType for a body that does not follow the protocol. */
export function readAnswer(model: Model, operation: string, answer: Answer): Told {
  const { protocol } = model.metadata;
  const isXml = protocol === 'rest-xml' || protocol === 'query';
  const isBare = answer.status < 300 && isContent(model, operation);
  const document = isXml && !isBare ? xmlOf(answer.body) : undefined;
  // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html: a 200 may contain an error.
  const error = document?.get('Error') ?? mapOf(document?.get('ErrorResponse'))?.get('Error');
  if (answer.status >= 300 || error !== undefined) return isXml ? readXmlError(error) : readJsonError(answer);
  const output = model.operations[operation]?.output;
  if (output === undefined) return { kind: 'output', shape: undefined, output: {} };
  const shape = shapeOf(model, output.shape);
  if (protocol === 'json') return { kind: 'output', shape: output.shape, output: parseJson(answer.body) };
  const read = protocol === 'query' ? {} : headersOf(model, shape, answer);
  const { payload } = shape;
  const member = payload === undefined ? undefined : shape.members?.[payload];
  if (payload !== undefined && member !== undefined) {
    const inner = shapeOf(model, member.shape);
    if (inner.type === 'structure' && answer.body.length > 0)
      read[payload] = isXml
        ? fromTree(model, inner, onlyChild(document))
        : (parseJson(answer.body) as unknown);
  } else if (!isXml) Object.assign(read, parseJson(answer.body));
  else if (hasDocument(shape)) {
    const root = onlyChild(document);
    const found = output.resultWrapper === undefined ? root : mapOf(root)?.get(output.resultWrapper);
    if (found === undefined) throw new WrongType(`the answer has no ${output.resultWrapper ?? 'document'}`);
    Object.assign(read, fromTree(model, shape, found));
  }
  return { kind: 'output', shape: output.shape, output: read };
}

const hasDocument = ({ members }: Shape): boolean =>
  Object.values(members ?? {}).some(({ location }) => location === undefined);

function headersOf(model: Model, shape: Shape, { status, headers }: Answer): Record<string, unknown> {
  const read: Record<string, unknown> = {};
  for (const [name, { location, locationName = name, shape: of }] of Object.entries(shape.members ?? {})) {
    const place = locationName.toLowerCase();
    if (location === 'statusCode') read[name] = status;
    if (location === 'header' && headers[place] !== undefined)
      read[name] = fromText(shapeOf(model, of), headers[place]);
    if (location === 'headers')
      read[name] = Object.fromEntries(
        Object.entries(headers).flatMap(([header, value]) =>
          header.startsWith(place) ? [[header.slice(place.length), value]] : [],
        ),
      );
  }
  return read;
}

function readJsonError({ headers, body }: Answer): Told {
  const document = parseJson(body);
  const { __type: inBody, code = inBody } = document;
  const named = headers['x-amzn-errortype'] ?? (typeof code === 'string' ? code : undefined);
  // https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html#operation-error-serialization
  const name = named?.split(':')[0]?.split('#').at(-1);
  return { kind: 'error', name, body: document };
}

function readXmlError(error: Node | undefined): Told {
  const fields = mapOf(error);
  const code = fields?.get('Code');
  return {
    kind: 'error',
    name: typeof code === 'string' ? code : undefined,
    body: fields === undefined ? {} : Object.fromEntries(fields),
  };
}

const mapOf = (node: Node | undefined): ReadonlyMap<string, Node> | undefined =>
  node instanceof Map ? node : undefined;

/** The content of the one element at the root. */
function onlyChild(document: ReadonlyMap<string, Node> | undefined): Node | undefined {
  return [...(document ?? [])].find(([name]) => !name.startsWith('?'))?.[1];
}

function xmlOf(body: Buffer): ReadonlyMap<string, Node> | undefined {
  if (body.length === 0) return undefined;
  let parsed: unknown;
  try {
    parsed = parseXML(body.toString('utf8'));
  } catch (error) {
    throw new WrongType(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(parsed)) throw new WrongType('the body must be one XML element');
  return mapOf(nodeOf(parsed));
}
