/** The functions of the expression language with their types. Each dialect has their SQL. */

/** Types of expressions. An integer is a number, too. */
export type ValueType = 'text' | 'integer' | 'number' | 'boolean' | 'timestamp' | 'date' | 'null';

interface Signature {
  /** One entry for each argument. The last one can be repeated if it has `rest`. */
  readonly args: readonly (ValueType | 'any')[];
  readonly rest?: boolean;
  /** `same`: the type that the `any` arguments have in common; `first`: that of the first argument. */
  readonly gives: ValueType | 'same' | 'first';
}

export const functions = {
  lower: { args: ['text'], gives: 'text' },
  upper: { args: ['text'], gives: 'text' },
  trim: { args: ['text'], gives: 'text' },
  length: { args: ['text'], gives: 'integer' },
  concat: { args: ['text', 'text'], rest: true, gives: 'text' },
  starts_with: { args: ['text', 'text'], gives: 'boolean' },
  contains: { args: ['text', 'text'], gives: 'boolean' },
  substring: { args: ['text', 'integer', 'integer'], gives: 'text' },
  abs: { args: ['number'], gives: 'first' },
  floor: { args: ['number'], gives: 'integer' },
  year: { args: ['timestamp'], gives: 'integer' },
  month: { args: ['timestamp'], gives: 'integer' },
  day: { args: ['timestamp'], gives: 'integer' },
  hour: { args: ['timestamp'], gives: 'integer' },
  to_date: { args: ['timestamp'], gives: 'date' },
  if: { args: ['boolean', 'any', 'any'], gives: 'same' },
  coalesce: { args: ['any', 'any'], rest: true, gives: 'same' },
} as const satisfies Record<string, Signature>;

export type FunctionName = keyof typeof functions;

export const signatureOf = (name: string): Signature | undefined =>
  Object.hasOwn(functions, name) ? functions[name as FunctionName] : undefined;
