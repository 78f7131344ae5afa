/** Reads operation and input from a request, in the protocol of the service's model. */
import { parseXML } from '@aws-sdk/xml-builder';
import type { Wire } from '../calls.ts';
import type { Member, Model, Shape } from './model.ts';
import { isObject, shapeOf, WrongType } from './validate.ts';

export interface Read {
  readonly operation: string;
  /** The shape of the input; absent for an operation without one. */
  readonly shape?: string | undefined;
  readonly input: Readonly<Record<string, unknown>>;
}

/** The operation of a REST request, with the values in its address. */
interface Route {
  readonly operation: string;
  readonly method: string;
  readonly path: RegExp;
  /** Fixed parts of the query, such as list-type=2 or versions. */
  readonly fixed: readonly (readonly [string, string])[];
  readonly shape: Shape | undefined;
}

const routesOfModel = new WeakMap<Model, readonly Route[]>();

function routesOf(model: Model): readonly Route[] {
  const known = routesOfModel.get(model);
  if (known) return known;
  // A deprecated operation has the address of its successor.
  const current = Object.entries(model.operations).filter(([, { deprecated }]) => !deprecated);
  const routes = current.map(([operation, { http, input }]): Route => {
    const [path = '', query = ''] = http.requestUri.split('?');
    const source = path
      .split(/(\{[^}]+\})/)
      .map((part) =>
        part.startsWith('{')
          ? `(?<${part.slice(1, -1).replace('+', '')}>${part.endsWith('+}') ? '.+' : '[^/]+'})`
          : RegExp.escape(part),
      )
      .join('');
    return {
      operation,
      method: http.method,
      path: new RegExp(`^${source}/?$`, 's'),
      fixed: [...new URLSearchParams(query)],
      shape: input && shapeOf(model, input.shape),
    };
  });
  routesOfModel.set(model, routes);
  return routes;
}

/**
 * Finds the operation of a REST request. If its address matches several operations, it is the one with the most matching parts. An
 * operation does not match if a required part of the query or a header is missing.
 */
export function route(model: Model, wire: Wire) {
  const { method, headers } = wire;
  // URL is not used here, because it would resolve dots in a key.
  const [pathname = '/', query = ''] = pathStyle(wire).split(/\?(.*)/s);
  const searchParams = new URLSearchParams(query);
  let best: { route: Route; groups: Record<string, string>; rank: number } | undefined;
  for (const candidate of routesOf(model)) {
    if (candidate.method !== method) continue;
    const groups = candidate.path.exec(pathname);
    if (!groups) continue;
    const { fixed, shape } = candidate;
    if (!fixed.every(([name, value]) => searchParams.get(name) === value)) continue;
    const required = (shape?.required ?? [])
      .map((name) => shape?.members?.[name])
      .filter((member) => member?.location === 'querystring' || member?.location === 'header');
    const isThere = ({ location, locationName = '' }: Member) =>
      location === 'header'
        ? headers[locationName.toLowerCase()] !== undefined
        : searchParams.has(locationName);
    if (!required.every((member) => member && isThere(member))) continue;
    const rank = fixed.length + required.length;
    if (!best || rank > best.rank) best = { route: candidate, groups: groups.groups ?? {}, rank };
  }
  return best && { ...best, searchParams };
}

/** S3's other style has the bucket before the host name: http://BUCKET.localhost/key. */
function pathStyle({ url = '/', headers }: Wire): string {
  const bucket = /^(.+)\.localhost(?::\d+)?$/i.exec(headers.host ?? '')?.[1];
  return bucket === undefined ? url : `/${bucket}${url}`;
}

/** Whether the body contains the operation's input. The content of an object is none: it is streamed. */
export function hasDocument(model: Model, wire: Wire): boolean {
  if (model.metadata.protocol !== 'rest-xml') return true;
  const shape = route(model, wire)?.route.shape;
  const payload = shape?.payload === undefined ? undefined : shape.members?.[shape.payload];
  return payload !== undefined && shapeOf(model, payload.shape).type === 'structure';
}

/** Undefined for a request that the model has no operation for. Throws WrongType. */
export function readRequest(model: Model, wire: Wire, body: Buffer): Read | undefined {
  switch (model.metadata.protocol) {
    case 'json':
      return readJson(model, wire, body);
    case 'query':
      return readQuery(model, body);
    default:
      return readRest(model, wire, body);
  }
}

function readJson(model: Model, { headers }: Wire, body: Buffer): Read | undefined {
  const [prefix, operation = ''] = String(headers['x-amz-target'] ?? '').split('.');
  if (prefix !== model.metadata.targetPrefix || !Object.hasOwn(model.operations, operation)) return undefined;
  return { operation, shape: model.operations[operation]?.input?.shape, input: parseJson(body) };
}

export function parseJson(body: Buffer): Record<string, unknown> {
  if (body.length === 0) return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new WrongType(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(parsed)) throw new WrongType('the body must be a JSON object');
  return parsed;
}

function readQuery(model: Model, body: Buffer): Read | undefined {
  const params = new URLSearchParams(body.toString('utf8'));
  const operation = params.get('Action') ?? '';
  if (!Object.hasOwn(model.operations, operation)) return undefined;
  // Tags.member.1.Key=v becomes { Tags: { member: { 1: { Key: v } } } }.
  const tree: Tree = new Map();
  for (const [name, value] of params) {
    const parts = name.split('.');
    const last = parts.pop() ?? '';
    let node = tree;
    for (const part of parts) {
      const next = node.get(part);
      const inner: Tree = next instanceof Map ? next : new Map();
      node.set(part, inner);
      node = inner;
    }
    node.set(last, value);
  }
  const shape = model.operations[operation]?.input?.shape;
  const input = shape === undefined ? {} : fromTree(model, shapeOf(model, shape), tree);
  return { operation, shape, input: isObject(input) ? input : {} };
}

/** Texts, nested as in XML and forms. */
export type Tree = Map<string, Tree | string | (Tree | string)[]>;
export type Node = Tree | string | (Tree | string)[];

function readRest(model: Model, wire: Wire, body: Buffer): Read | undefined {
  const found = route(model, wire);
  if (!found) return undefined;
  const { operation, shape } = found.route;
  const name = model.operations[operation]?.input?.shape;
  if (!shape) return { operation, input: {} };
  const input: Record<string, unknown> = {};
  for (const [member, { location, locationName = member, shape: of }] of Object.entries(
    shape.members ?? {},
  )) {
    const type = shapeOf(model, of);
    if (location === 'headers') {
      const named = Object.entries(wire.headers).filter(([header]) => header.startsWith(locationName));
      if (named.length > 0)
        input[member] = Object.fromEntries(
          named.map(([header, value]) => [header.slice(locationName.length), String(value)]),
        );
      continue;
    }
    const text =
      location === 'uri'
        ? found.groups[member] === undefined
          ? undefined
          : decodeURIComponent(found.groups[member])
        : location === 'querystring'
          ? textOf(type, found.searchParams, locationName)
          : location === 'header'
            ? headerOf(wire, locationName)
            : undefined;
    if (text !== undefined) input[member] = typeof text === 'string' ? fromText(type, text) : text;
  }
  const { payload } = shape;
  if (payload !== undefined) {
    const member = shape.members?.[payload];
    const type = member && shapeOf(model, member.shape);
    if (type?.type === 'structure' && body.length > 0)
      input[payload] =
        model.metadata.protocol === 'rest-json'
          ? parseJson(body)
          : fromTree(model, type, rootOf(body, member?.locationName ?? payload));
  } else if (model.metadata.protocol === 'rest-json') Object.assign(input, parseJson(body));
  return { operation, shape: name, input };
}

function textOf(type: Shape, query: URLSearchParams, name: string): string | string[] | undefined {
  if (!query.has(name)) return undefined;
  return type.type === 'list' ? query.getAll(name) : (query.get(name) ?? undefined);
}

const headerOf = ({ headers }: Wire, name: string): string | undefined => {
  const value = headers[name.toLowerCase()];
  if (value === undefined) return undefined;
  // AWS's own SDK for C++ writes it in lower case, and with it pyarrow.
  return name === 'x-amz-checksum-mode' ? String(value).toUpperCase() : String(value);
};

export function rootOf(body: Buffer, name: string): Node {
  let parsed: unknown;
  try {
    parsed = parseXML(body.toString('utf8'));
  } catch (error) {
    throw new WrongType(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(parsed) || !Object.hasOwn(parsed, name)) throw new WrongType(`the body must be one ${name}`);
  return nodeOf(parsed[name]);
}

/** Turns the parser's objects into a tree in which keys of a request cannot reach a prototype. */
export function nodeOf(value: unknown): Tree | string {
  if (!isObject(value)) return value === undefined || value === null ? '' : String(value);
  return new Map(
    Object.entries(value).map(([name, inner]): [string, Node] => [
      name,
      Array.isArray(inner) ? inner.map(nodeOf) : nodeOf(inner),
    ]),
  );
}

/** Converts texts to the types of the shape. A text that does not fit stays unchanged, and the check reports it. */
export function fromTree(model: Model, shape: Shape, node: Node | undefined): unknown {
  const first = Array.isArray(node) ? node[0] : node;
  switch (shape.type) {
    case 'structure': {
      const fields = first instanceof Map ? first : new Map<string, Node>();
      const made: Record<string, unknown> = {};
      for (const [name, member] of Object.entries(shape.members ?? {})) {
        if (member.location !== undefined) continue;
        const inner = shapeOf(model, member.shape);
        const place =
          member.locationName ?? (inner.flattened ? inner.member?.locationName : undefined) ?? name;
        const found = fields.get(place);
        if (found !== undefined) made[name] = fromTree(model, inner, found);
      }
      return made;
    }
    case 'list': {
      const member = shape.member && shapeOf(model, shape.member.shape);
      if (!member) return [];
      return elementsOf(shape, node).map((inner) => fromTree(model, member, inner));
    }
    case 'map':
      return {};
    default:
      return fromText(shape, typeof first === 'string' ? first : '');
  }
}

function elementsOf(shape: Shape, node: Node | undefined): Node[] {
  if (Array.isArray(node)) return node;
  if (node === undefined) return [];
  // An empty element of a flattened list is an element without members.
  if (shape.flattened) return [node];
  if (!(node instanceof Map)) return [];
  const inner = node.get(shape.member?.locationName ?? 'member');
  if (Array.isArray(inner)) return inner;
  // In a form, elements are numbered: member.1, member.2.
  if (inner instanceof Map && [...inner.keys()].every((key) => /^\d+$/.test(key)))
    return [...inner.entries()].sort(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
  return inner === undefined ? [] : [inner];
}

export function fromText(shape: Shape, text: string): unknown {
  switch (shape.type) {
    case 'integer':
    case 'long':
    case 'float':
    case 'double':
      return text.trim() === '' || Number.isNaN(Number(text)) ? text : Number(text);
    case 'boolean':
      return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : text;
    case 'list':
      return text.split(',').map((part) => part.trim());
    default:
      return text;
  }
}
