/** Whose rows are erased: the keys of persons, as values of the table's columns. */
import { parse } from 'csv-parse/sync';
import { InvalidInput } from '../errors.ts';
import { checkExpression, type Typed } from '../expression/check.ts';
import { type Expression, parseExpression } from '../expression/parse.ts';
import { smallCsv } from '../smallCsv.ts';

export interface Persons {
  /** The columns that name a person. */
  readonly columns: readonly string[];
  /** For each person a condition over these columns. */
  readonly conditions: readonly Typed[];
  /** For each person the values as texts: they are looked for where no column can be read. */
  readonly texts: readonly (readonly string[])[];
}

/** The most persons of one call. */
const mostPersons = 1000;

/**
 * The persons of a condition such as `user_id = 42`, `user_id in (42, 43)` or `tenant = 'a' and email = 'x'`. `columns`: name -> Hive type.
 * Throws InvalidInput, and ExpressionError for a text that is not an expression over the columns.
 */
export function personsOfCondition(where: string, columns: ReadonlyMap<string, string>): Persons {
  const parts = equalities(parseExpression(where));
  if (parts === null)
    throw new InvalidInput(
      "the condition must say which persons are meant, as in user_id = 42, user_id in (42, 43), or tenant = 'a' and email = 'x'; other conditions could match other people",
    );
  requireOnce(parts.map(({ column }) => column));
  const persons = parts.reduce<readonly Readonly<Record<string, Value>>[]>(
    (found, { column, values }) =>
      found.flatMap((person) => values.map((value) => ({ ...person, [column]: value }))),
    [{}],
  );
  return personsOf(persons, columns);
}

/** The persons of a CSV whose header names columns of the table: each record is a person. Throws like `personsOfCondition`. */
export function personsOfFile(text: string, columns: ReadonlyMap<string, string>): Persons {
  const rows = recordsOf(text);
  const [header = [], ...records] = rows;
  if (records.length === 0)
    throw new InvalidInput(
      'the file of keys needs a first line with names of columns, and a line for each person',
    );
  requireOnce(header);
  const unknown = header.find((name) => !columns.has(name));
  if (unknown !== undefined)
    throw new InvalidInput(`the file of keys names the column ${unknown}, which the table does not have`);
  return personsOf(
    records.map((record) =>
      Object.fromEntries(
        header.map((name, i) => [name, typedValue(record[i] ?? '', columns.get(name) ?? '')]),
      ),
    ),
    columns,
  );
}

function recordsOf(text: string): string[][] {
  try {
    return parse(text, smallCsv);
  } catch {
    // The parser's message has a part of the text.
    throw new InvalidInput('the file of keys is not a CSV with as many fields in each line as in the first');
  }
}

/** Of two values for one column, the condition means neither: it may match nobody. */
function requireOnce(columns: readonly string[]): void {
  const twice = columns.find((name, i) => columns.indexOf(name) !== i);
  if (twice !== undefined)
    throw new InvalidInput(`the column ${twice} is given twice; name each column of a person once`);
}

interface Value {
  readonly text: string;
  readonly expression: Expression;
}

const isNumeric = (type: string): boolean => /^(int|bigint|double|decimal)/.test(type);

/** A text of a file, as a literal of a column's type. */
function typedValue(text: string, type: string): Value {
  if (!isNumeric(type))
    return {
      text,
      expression:
        /^(true|false)$/.test(text) && type === 'boolean'
          ? { kind: 'boolean', value: text === 'true' }
          : { kind: 'text', value: text },
    };
  const [, sign, digits] = /^(-?)(\d+(?:\.\d+)?)$/.exec(text.trim()) ?? [];
  if (digits === undefined)
    throw new InvalidInput(`the file of keys has a value for a column of type ${type} that is not a number`);
  const number: Expression = { kind: 'number', value: digits };
  return { text: text.trim(), expression: sign === '' ? number : { kind: 'minus', operand: number, at: 0 } };
}

function personsOf(
  persons: readonly Readonly<Record<string, Value>>[],
  columns: ReadonlyMap<string, string>,
): Persons {
  if (persons.length > mostPersons)
    throw new InvalidInput(`${persons.length} persons are given; one call erases up to ${mostPersons}`);
  const named = Object.keys(persons[0] ?? {});
  if (persons.some((person) => Object.values(person).some(({ text }) => text.trim() === '')))
    throw new InvalidInput('a person has an empty key: every row without this key would be erased');
  return {
    columns: named,
    conditions: persons.map((person) =>
      checkExpression(
        Object.entries(person)
          .map(
            ([name, { expression }]): Expression => ({
              kind: 'binary',
              operator: '=',
              left: { kind: 'column', name, at: 0 },
              right: expression,
              at: 0,
            }),
          )
          .reduce((left, right) => ({ kind: 'binary', operator: 'and', left, right, at: 0 })),
        columns,
      ),
    ),
    texts: persons.map((person) => Object.values(person).map(({ text }) => text)),
  };
}

/** The equalities of a condition, by column; null if it is something else. */
function equalities(e: Expression): { readonly column: string; readonly values: readonly Value[] }[] | null {
  if (e.kind === 'binary' && e.operator === 'and') {
    const [left, right] = [equalities(e.left), equalities(e.right)];
    return left === null || right === null ? null : [...left, ...right];
  }
  if (e.kind === 'binary' && e.operator === '=') {
    const [column, literal] = e.left.kind === 'column' ? [e.left, e.right] : [e.right, e.left];
    const value = literalOf(literal);
    return column.kind === 'column' && value !== null ? [{ column: column.name, values: [value] }] : null;
  }
  if (e.kind === 'in' && !e.negated && e.operand.kind === 'column') {
    const values = e.items.map(literalOf);
    return values.includes(null)
      ? null
      : [{ column: e.operand.name, values: values.filter((value) => value !== null) }];
  }
  return null;
}

function literalOf(e: Expression): Value | null {
  if (e.kind === 'text' || e.kind === 'number') return { text: e.value, expression: e };
  if (e.kind === 'minus' && e.operand.kind === 'number')
    return { text: `-${e.operand.value}`, expression: e };
  return null;
}
