/** Explains the faults that the schema finds in a contract. */
import type { z } from 'zod';

/** A fault at a place in the document. */
export interface Fault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** The faults of a value. For a choice between forms, only the intended form is reported. */
export function faultsOf(issues: readonly z.core.$ZodIssue[], value: unknown): Fault[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part));
    const given = valueAt(value, path);
    if (issue.code !== 'invalid_union' || issue.errors.length === 0)
      return [{ path, message: messageOf(issue, given) }];
    return ofUnion(issue.errors, given).map((fault) => ({ ...fault, path: [...path, ...fault.path] }));
  });
}

/**
 * A value fits none of several forms. The intended form has the same kind (an object, not a text) and the fewest unknown keys.
 */
function ofUnion(forms: readonly (readonly z.core.$ZodIssue[])[], given: unknown): Fault[] {
  const isOtherKind = (issues: readonly z.core.$ZodIssue[]) =>
    issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0);
  const meant = forms.filter((issues) => !isOtherKind(issues));
  const judged = (meant.length > 0 ? meant : forms).map((issues) => ({
    faults: faultsOf(issues, given),
    doubts: issues.filter(({ code }) => code === 'unrecognized_keys').length * 100 + issues.length,
  }));
  const least = Math.min(...judged.map(({ doubts }) => doubts));
  const best = judged.filter(({ doubts }) => doubts === least);
  const [only] = best;
  if (only !== undefined && best.length === 1) return only.faults;
  const messages = best.map(({ faults }) =>
    faults
      .map(({ path, message }) => (path.length > 0 ? `${path.join('.')} ${message}` : message))
      .join(', '),
  );
  return [{ path: [], message: [...new Set(messages)].join('; or ') }];
}

function messageOf(issue: z.core.$ZodIssue, given: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return given === undefined
        ? 'is missing'
        : `must be ${nameOf(issue.expected)}, and is ${kindOf(given)}`;
    case 'invalid_value':
      return given === undefined
        ? 'is missing'
        : `must be ${choice(issue.values.map(String))}, and is ${shown(given)}${hint(issue, given)}`;
    case 'unrecognized_keys':
      return `does not know ${issue.keys.map((key) => `"${key}"`).join(', ')}`;
    case 'invalid_union': {
      const options = 'options' in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
      if (given === undefined) return 'is missing';
      return options.length > 0 ? `must be ${choice(options)}, and is ${shown(given)}` : issue.message;
    }
    default:
      return issue.message;
  }
}

const choice = (values: readonly string[]): string =>
  values.length < 2 ? values.join('') : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;

const names: Readonly<Record<string, string>> = {
  object: 'an object',
  record: 'an object',
  array: 'a list',
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
};
const nameOf = (type: string): string => names[type] ?? type;

function kindOf(value: unknown): string {
  if (value === null) return 'empty';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : shown(value);
}

/** A value on one line, for a message. */
const shown = (value: unknown): string =>
  typeof value === 'string'
    ? JSON.stringify(value.slice(0, 60))
    : typeof value === 'object'
      ? kindOf(value)
      : String(value);

function valueAt(value: unknown, path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? Object.getOwnPropertyDescriptor(at, key)?.value : undefined,
    value,
  );
}

/** What to write in place of a value that people expect to be known. */
function hint({ path, values }: z.core.$ZodIssueInvalidValue, given: unknown): string {
  if (path.join('.') === 'dedupe.scope' && given === 'published')
    return ': write "partition", and note that the first row in `order` stays, also if another one is published already';
  return values.includes('iso8601') && typeof given === 'string' && given.includes('%')
    ? `: write { pattern: ${JSON.stringify(given)} }`
    : '';
}
