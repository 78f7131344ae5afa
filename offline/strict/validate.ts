/** Checks a request's input against its shape, and describes errors in AWS's words. */
import type { Model, Shape } from './model.ts';

/** A value does not have the type of its shape. The message names both. */
export class WrongType extends Error {
  override readonly name = 'WrongType';
  /** As in Violation; empty for the body itself. */
  readonly path: string;
  constructor(message: string, path = '') {
    super(message);
    this.path = path;
  }
}

/** What is wrong with one member. */
export interface Violation {
  /** In AWS's notation: requestItems, entries.2.member.source. */
  readonly path: string;
  readonly value: unknown;
  /** Such as "Member must have length less than or equal to 10". */
  readonly constraint: string;
  readonly kind: 'required' | 'length' | 'range' | 'pattern' | 'enum';
}

type Add = (violation: Violation) => void;

/** All violations of the model. Unknown members are ignored, as on AWS. Throws WrongType. */
export function validate(model: Model, shape: string, input: unknown): Violation[] {
  const found: Violation[] = [];
  check(model, shapeOf(model, shape), input, '', (violation) => found.push(violation));
  return found;
}

/** https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html shows the form. */
export function wording(violations: readonly Violation[]): string {
  const count = violations.length;
  const each = violations.map(({ path, value, constraint }) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const shown = value === undefined ? 'null' : `'${text.length > 500 ? `${text.slice(0, 500)}…` : text}'`;
    return `Value ${shown} at '${path}' failed to satisfy constraint: ${constraint}`;
  });
  return `${count} validation error${count === 1 ? '' : 's'} detected: ${each.join('; ')}`;
}

export function shapeOf(model: Model, name: string): Shape {
  const shape = model.shapes[name];
  if (!shape) throw new Error(`the service model has no shape ${name}`);
  return shape;
}

function check(model: Model, shape: Shape, value: unknown, path: string, add: Add): void {
  if (shape.document) return;
  switch (shape.type) {
    case 'structure': {
      if (!isObject(value)) throw wrong(value, 'Structure', path);
      for (const name of shape.required ?? [])
        if (isAbsent(value[name]))
          add({
            path: below(path, name),
            value: undefined,
            constraint: 'Member must not be null',
            kind: 'required',
          });
      for (const [name, inner] of Object.entries(value)) {
        const member = shape.members && Object.hasOwn(shape.members, name) ? shape.members[name] : undefined;
        if (member && !isAbsent(inner))
          check(model, shapeOf(model, member.shape), inner, below(path, name), add);
      }
      return;
    }
    case 'list': {
      if (!Array.isArray(value)) throw wrong(value, 'List', path);
      length(shape, value.length, value, path, add);
      if (!shape.member) return;
      const member = shapeOf(model, shape.member.shape);
      for (const [i, inner] of value.entries())
        element(model, member, inner, { owner: path, path: `${path}.${i + 1}.member`, who: 'Member' }, add);
      return;
    }
    case 'map': {
      if (!isObject(value)) throw wrong(value, 'Map', path);
      const entries = Object.entries(value);
      length(shape, entries.length, value, path, add);
      const key = shape.key && shapeOf(model, shape.key.shape);
      const inside = shape.value && shapeOf(model, shape.value.shape);
      for (const [name, inner] of entries) {
        if (key) element(model, key, name, { owner: path, path, who: 'Map keys' }, add);
        if (inside)
          element(
            model,
            inside,
            inner,
            { owner: path, path: `${path}.${name}.member`, who: 'Map value' },
            add,
          );
      }
      return;
    }
    case 'boolean':
      if (typeof value !== 'boolean') throw wrong(value, 'Boolean', path);
      return;
    case 'integer':
    case 'long':
      if (typeof value !== 'number' || !Number.isInteger(value))
        throw wrong(value, shape.type === 'long' ? 'Long' : 'Integer', path);
      range(shape, value, path, add);
      return;
    case 'float':
    case 'double':
      if (typeof value !== 'number' && !['NaN', 'Infinity', '-Infinity'].includes(String(value)))
        throw wrong(value, 'Double', path);
      range(shape, Number(value), path, add);
      return;
    case 'timestamp':
      if (typeof value !== 'number' && typeof value !== 'string') throw wrong(value, 'Date', path);
      return;
    case 'blob':
      if (typeof value !== 'string') throw wrong(value, 'ByteBuffer', path);
      if (shape.min !== undefined || shape.max !== undefined)
        length(shape, Buffer.byteLength(value, 'base64'), value, path, add);
      return;
    default:
      if (typeof value !== 'string') throw wrong(value, 'String', path);
      text(shape, value, path, add);
  }
}

/** For a plain value AWS names the list or map that contains it. A structure has its own path. */
function element(model: Model, shape: Shape, value: unknown, place: Place, add: Add): void {
  const { owner, path, who } = place;
  if (isAbsent(value))
    add({ path: owner, value: undefined, constraint: `${who} must not be null`, kind: 'required' });
  else if (shape.type === 'structure') check(model, shape, value, path, add);
  else
    check(model, shape, value, path, (violation) =>
      add(
        violation.path === path
          ? {
              ...violation,
              path: owner,
              constraint: `${who} must satisfy constraint: [${violation.constraint}]`,
            }
          : violation,
      ),
    );
}

interface Place {
  readonly owner: string;
  readonly path: string;
  readonly who: 'Member' | 'Map keys' | 'Map value';
}

function length({ min, max }: Shape, size: number, value: unknown, path: string, add: Add): void {
  const fault = (than: string) =>
    add({ path, value, constraint: `Member must have length ${than}`, kind: 'length' });
  if (max !== undefined && size > max) fault(`less than or equal to ${max}`);
  if (min !== undefined && size < min) fault(`greater than or equal to ${min}`);
}

function range({ min, max }: Shape, value: number, path: string, add: Add): void {
  const fault = (than: string) =>
    add({ path, value, constraint: `Member must have value ${than}`, kind: 'range' });
  if (max !== undefined && value > max) fault(`less than or equal to ${max}`);
  if (min !== undefined && value < min) fault(`greater than or equal to ${min}`);
}

function text(shape: Shape, value: string, path: string, add: Add): void {
  length(shape, value.length, value, path, add);
  if (shape.pattern !== undefined && !patternOf(shape.pattern).test(value))
    add({
      path,
      value,
      constraint: `Member must satisfy regular expression pattern: ${shape.pattern}`,
      kind: 'pattern',
    });
  if (shape.enum && !shape.enum.includes(value))
    add({
      path,
      value,
      constraint: `Member must satisfy enum value set: [${shape.enum.join(', ')}]`,
      kind: 'enum',
    });
}

const patterns = new Map<string, RegExp>();

/** The patterns of the models are Java's. They must match the whole value. */
function patternOf(pattern: string): RegExp {
  const known = patterns.get(pattern);
  if (known) return known;
  const source = `^(?:${pattern.replaceAll('\\p{Print}', '[ -~]')})$`;
  let compiled: RegExp;
  try {
    compiled = new RegExp(source, 'u');
  } catch {
    // Java allows unnecessary escapes. JavaScript allows them only without the flag.
    compiled = new RegExp(source);
  }
  patterns.set(pattern, compiled);
  return compiled;
}

const isAbsent = (value: unknown): value is null | undefined => value === null || value === undefined;

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The path of a member. */
export const below = (path: string, name: string): string => {
  const member = name.charAt(0).toLowerCase() + name.slice(1);
  return path === '' ? member : `${path}.${member}`;
};

function wrong(value: unknown, type: string, path: string): WrongType {
  const kind = Array.isArray(value)
    ? 'START_ARRAY'
    : typeof value === 'object'
      ? 'START_OBJECT'
      : typeof value === 'number'
        ? Number.isInteger(value)
          ? 'NUMBER_VALUE'
          : 'DECIMAL_VALUE'
        : `${typeof value}_VALUE`.toUpperCase();
  return new WrongType(`${kind} cannot be converted to ${type}`, path);
}
