/** Generated expressions over rows at the limits of every type: each expression of each row is a case. */
import { parseContract } from '../../src/lib/contract/load.ts';
import type { RunEngine } from '../support/embedded.ts';
import { readColumn } from './column.ts';
import { Dice } from './dice.ts';
import type { Difference } from './difference.ts';
import { runExactly } from './engine.ts';
import { evaluate, inColumn, parse } from './expression.ts';
import { readJson } from './json.ts';
import { shown, type Value } from './value.ts';

type Type = 'text' | 'integer' | 'number' | 'boolean' | 'timestamp' | 'date';

/** Columns for expressions, with values at every limit. */
const columns = [
  { name: 'i', type: 'int', values: ['2147483647', '-2147483648', '0', '1', '-1', '7', '3'] },
  {
    name: 'b',
    type: 'bigint',
    values: [
      ...['9223372036854775807', '-9223372036854775808', '9007199254740993', '-9007199254740993'],
      ...['0', '1', '-1', '2', '4611686018427387904', '3037000500'],
    ],
  },
  {
    name: 'd',
    type: 'double',
    values: [
      ...[
        '1.7976931348623157e308',
        '-1.7976931348623157e308',
        '5e-324',
        '0',
        '"-0"',
        '1',
        '-1',
        '0.5',
        '-2.5',
      ],
      ...[
        '9007199254740992',
        '9223372036854775808',
        '1e38',
        '1.7e38',
        '1e300',
        '0.1',
        '-0.1',
        '2147483647.5',
      ],
    ],
  },
  {
    name: 'x',
    type: 'decimal(38,10)',
    values: [
      '"9999999999999999999999999999.9999999999"',
      '"0.0000000001"',
      '"-1.5"',
      '"0"',
      '"12345678901234567.89"',
    ],
  },
  { name: 'y', type: 'decimal(9,2)', values: ['"1.25"', '"-9999999.99"', '"0.00"'] },
  {
    name: 's',
    type: 'string',
    values: [
      '""',
      '" "',
      '"a"',
      '"A b "',
      '"it\'s"',
      '"桜🦆é"',
      '"\\ta\\r\\n"',
      '"\\\\%_"',
      '"1"',
      '"ß"',
      JSON.stringify('x'.repeat(50)),
    ],
  },
  { name: 't', type: 'string', values: ['"a"', '"桜"', '"x"', '""', '"\'"'] },
  { name: 'o', type: 'boolean', values: ['true', 'false'] },
  {
    name: 'at',
    type: 'timestamp',
    values: [
      '"0001-01-01T00:00:00Z"',
      '"9999-12-31T23:59:59.999999Z"',
      '"1969-12-31T23:59:59.999999Z"',
      '"1970-01-01T00:00:00Z"',
      '"2024-02-29T12:30:00Z"',
      '"1582-10-10T01:00:00Z"',
    ],
  },
  { name: 'day', type: 'date', values: ['"0001-01-01"', '"9999-12-31"', '"1970-01-01"', '"2024-02-29"'] },
];
const typeOf = {
  int: 'integer',
  bigint: 'integer',
  double: 'number',
  string: 'text',
  boolean: 'boolean',
  timestamp: 'timestamp',
  date: 'date',
} as const;
const namesOf = (type: Type): string[] =>
  columns
    .filter((c) => (c.type.startsWith('decimal') ? 'number' : typeOf[c.type as keyof typeof typeOf]) === type)
    .map((c) => c.name);

const wholes = [
  ...[
    '0',
    '1',
    '2',
    '3',
    '10',
    '2147483647',
    '2147483648',
    '9223372036854775807',
    '9223372036854775808',
    '9007199254740993',
  ],
  ...['99999999999999999999', '123456789012345678901234567890'],
];
const fractions = [
  '0.0',
  '0.5',
  '1.5',
  '2.0',
  '9007199254740992.0',
  '0.000000000000000000001',
  '170141183460469231731687303715884105728.0',
];
const literals = ["''", "'a'", "'it''s'", "' x\t'", "'桜'", "'A'", "'\\'"];

/** An expression of a type, as text. */
function anyExpression(dice: Dice, type: Type, depth: number): string {
  const of = (t: Type) => anyExpression(dice, t, depth - 1);
  const any = (): Type => dice.pick(['text', 'integer', 'number', 'boolean', 'timestamp', 'date']);
  const leaf = (): string => {
    if (dice.isOne(12)) return 'null';
    if (dice.isOne(2)) return dice.pick(namesOf(type));
    switch (type) {
      case 'integer':
        return dice.pick(wholes);
      case 'number':
        return dice.pick(fractions);
      case 'text':
        return dice.pick(literals);
      case 'boolean':
        return dice.pick(['true', 'false']);
      default:
        return dice.pick(namesOf(type));
    }
  };
  if (depth <= 0 || dice.isOne(8)) return leaf();
  if (dice.isOne(7)) return `coalesce(${of(type)}, ${dice.isOne(3) ? `${of(type)}, ` : ''}${of(type)})`;
  if (dice.isOne(7)) return `if(${of('boolean')}, ${of(type)}, ${of(type)})`;
  const some = (): Type => dice.pick(['integer', 'number']);
  switch (type) {
    case 'integer':
      return dice.oneOf(
        () => `(${of('integer')} ${dice.pick(['+', '-', '*', '%'])} ${of('integer')})`,
        () => `(-${of('integer')})`,
        () => `abs(${of('integer')})`,
        () => `floor(${of(some())})`,
        () => `length(${of('text')})`,
        () => `${dice.pick(['year', 'month', 'day', 'hour'])}(${of('timestamp')})`,
      );
    case 'number':
      return dice.oneOf(
        () => `(${of('number')} ${dice.pick(['+', '-', '*', '/', '%'])} ${of(some())})`,
        () => `(${of(some())} / ${of(some())})`,
        () => `(-${of('number')})`,
        () => `abs(${of('number')})`,
      );
    case 'text':
      return dice.oneOf(
        () => `${dice.pick(['lower', 'upper', 'trim'])}(${of('text')})`,
        () => `concat(${of('text')}, ${of('text')})`,
        () => `substring(${of('text')}, ${of('integer')}, ${of('integer')})`,
        () => `substring(${of('text')}, ${dice.from(-2, 4)}, ${dice.from(0, 4)})`,
      );
    case 'boolean':
      return dice.oneOf(
        () => `(${of('boolean')} ${dice.pick(['and', 'or'])} ${of('boolean')})`,
        () => `(not ${of('boolean')})`,
        () => {
          const t = any();
          return `(${of(t)} ${dice.pick(['=', '!=', '<', '<=', '>', '>='])} ${of(t)})`;
        },
        () => `(${of('number')} ${dice.pick(['=', '<', '>='])} ${of('integer')})`,
        () => `(${of(any())} is ${dice.pick(['', 'not '])}null)`,
        () => {
          const t = any();
          return `(${of(t)} ${dice.pick(['', 'not '])}in (${of(t)}, ${of(t)}))`;
        },
        () => `${dice.pick(['starts_with', 'contains'])}(${of('text')}, ${of('text')})`,
      );
    case 'date':
      return dice.isOne(2) ? `to_date(${of('timestamp')})` : leaf();
    default:
      return leaf();
  }
}

const hiveTypes: Readonly<Record<Type, readonly string[]>> = {
  text: ['string'],
  integer: ['int', 'bigint', 'double'],
  number: ['double'],
  boolean: ['boolean'],
  timestamp: ['timestamp'],
  date: ['date'],
};

export interface Derived {
  readonly type: string;
  readonly expression: string;
}

function generateDerived(dice: Dice, count: number, depth: number): Derived[] {
  const types = Object.keys(hiveTypes) as Type[];
  return Array.from({ length: count }, () => {
    const type = dice.pick(types);
    return { type: dice.pick(hiveTypes[type]), expression: anyExpression(dice, type, depth) };
  });
}

function generateRows(dice: Dice, count: number): string[] {
  return Array.from(
    { length: count },
    (_, id) =>
      `{${[`"id":${id}`, ...columns.flatMap((c) => (dice.isOne(10) ? [] : [`"${c.name}":${dice.pick(c.values)}`]))].join(',')}}`,
  );
}

/** Runs expressions on rows. Returns where the engine and the interpreter differ. */
export async function compareExpressions(
  derived: readonly Derived[],
  lines: readonly string[],
  engine?: RunEngine,
): Promise<Difference[]> {
  try {
    return await compareAtOnce(derived, lines, engine);
  } catch (error) {
    // Which of them fails the run?
    if (derived.length === 1)
      return [{ about: derived[0], given: lines.join('\n'), interpreter: 'a value', engine: String(error) }];
    const half = Math.ceil(derived.length / 2);
    const halves = [derived.slice(0, half), derived.slice(half)];
    const found: Difference[] = [];
    for (const some of halves) found.push(...(await compareExpressions(some, lines, engine)));
    return found;
  }
}

async function compareAtOnce(
  derived: readonly Derived[],
  lines: readonly string[],
  engine?: RunEngine,
): Promise<Difference[]> {
  const contract = parseContract(
    'oracle.yml',
    JSON.stringify({
      dataset: 'oracle',
      source: { prefix: 'x/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        ...columns.map(({ name, type }) => ({
          ...{ name, path: name, type },
          ...(type === 'timestamp' ? { formats: ['iso8601'] } : {}),
        })),
      ],
      derive: derived.map((d, i) => ({ name: `e${i}`, ...d })),
      partitionBy: [{ name: 'source', constant: 'x' }],
    }),
  );
  const { rows } = await runExactly(
    contract,
    { 'x/a.json': lines.join('\n') },
    engine === undefined ? {} : { engine },
  );
  const byId = new Map(rows.map((row) => [Number(row.id), row]));
  const types = new Map(contract.columns.map((c) => [c.name, c.type]));
  const trees = derived.map(({ expression }) => parse(expression));
  return lines.flatMap((line, id) => {
    const document = readJson(line);
    if (document === undefined) throw new TypeError(`the generator makes no JSON: ${line}`);
    const values = new Map<string, Value>(
      contract.columns.map((column) => [column.name, readColumn(column, document).value]),
    );
    const row = byId.get(id);
    return derived.flatMap((d, i) => {
      const tree = trees[i];
      if (!tree) return [];
      const expected = shown(inColumn(evaluate(tree, values, types), d.type));
      const found = row === undefined ? 'no row' : shown(row[`e${i}`] ?? null);
      return expected === found ? [] : [{ about: d, given: line, interpreter: expected, engine: found }];
    });
  });
}

export async function compareGenerated(
  seed: number,
  shape: { expressions: number; rows: number },
  engine?: RunEngine,
): Promise<{ cases: number; differences: Difference[] }> {
  const dice = new Dice(seed);
  const derived = generateDerived(dice, shape.expressions, dice.from(1, 4));
  const lines = generateRows(dice, shape.rows);
  return {
    cases: shape.expressions * shape.rows,
    differences: await compareExpressions(derived, lines, engine),
  };
}

const limits: Readonly<Record<Exclude<Type, 'number'> | 'fraction', readonly string[]>> = {
  integer: ['i', 'b', '0', '9223372036854775808', '123456789012345678901234567890', 'null'],
  fraction: ['d', 'x', '0.5', '170141183460469231731687303715884105728.0'],
  text: ['s', 't', "''", 'null'],
  boolean: ['o', 'true', 'null'],
  timestamp: ['at', 'null'],
  date: ['day', 'null'],
};

/**
 * Each function and each operator on the limits of every type, alone and inside an expression that asks whether it has a
 * value.
 */
export function everyExpression(): Derived[] {
  const { integer, fraction, text, boolean, timestamp, date } = limits;
  const number = [...integer, ...fraction];
  const all = [number, text, boolean, timestamp, date];
  const pairs = (a: readonly string[], b: readonly string[]) =>
    a.flatMap((x) => b.map((y) => [x, y] as const));
  const wholes = pairs(integer, integer).flatMap(([x, y]) =>
    ['+', '-', '*', '%'].map((o) => `(${x} ${o} ${y})`),
  );
  const reals = pairs(number, number)
    .filter(([x, y]) => fraction.includes(x) || fraction.includes(y))
    .flatMap(([x, y]) => ['+', '-', '*', '/', '%'].map((o) => `(${x} ${o} ${y})`));
  const signs = (of: readonly string[]) => of.flatMap((x) => [`(-${x})`, `abs(${x})`]);
  const comparisons = all.flatMap((of) =>
    pairs(of, of).flatMap(([x, y]) => [
      ...['=', '!=', '<', '<=', '>', '>='].map((o) => `(${x} ${o} ${y})`),
      `(${x} in (${y}, null))`,
      `(${x} not in (${x}, ${y}))`,
    ]),
  );
  const asked = [...wholes, ...reals].flatMap((e) => [`(${e} is null)`, `(${e} > 0)`]);
  const substrings = text.flatMap((t) =>
    pairs(integer, integer).map(([from, count]) => `substring(${t}, ${from}, ${count})`),
  );
  const places = integer.flatMap((x) => [
    `substring(s, ${x}, 2147483647)`,
    `substring(s, ${x}, 9223372036854775807)`,
    `coalesce(substring(t, ${x} * 3, 2147483647), s)`,
  ]);
  const typed = (type: string, expressions: readonly string[]) =>
    expressions.map((expression) => ({ type, expression }));
  return [
    ...typed('bigint', [...wholes, ...signs(integer), ...number.map((x) => `floor(${x})`)]),
    ...typed('int', [...integer, ...text.map((t) => `length(${t})`)]),
    ...typed('double', [...reals, ...signs(fraction), ...number]),
    ...typed(
      'bigint',
      wholes.map((e) => `coalesce(${e}, -1)`),
    ),
    ...typed(
      'double',
      reals.map((e) => `if(${e} is null, -1.5, ${e})`),
    ),
    ...typed('boolean', [...comparisons, ...asked]),
    ...typed(
      'boolean',
      pairs(boolean, boolean).flatMap(([x, y]) => [`(${x} and not ${y})`, `(not ${x} or ${y})`]),
    ),
    ...typed(
      'boolean',
      pairs(text, text).flatMap(([x, y]) => [`starts_with(${x}, ${y})`, `contains(${x}, ${y})`]),
    ),
    ...typed('string', [
      ...substrings,
      ...places,
      ...text.flatMap((t) => [`lower(${t})`, `upper(${t})`, `trim(${t})`]),
    ]),
    ...typed(
      'string',
      pairs(text, text).flatMap(([x, y]) => [`concat(${x}, ${y})`, `if(o, ${x}, ${y})`]),
    ),
    ...typed(
      'int',
      timestamp.flatMap((x) => ['year', 'month', 'day', 'hour'].map((f) => `${f}(${x})`)),
    ),
    ...typed(
      'date',
      timestamp.map((x) => `to_date(${x})`),
    ),
  ];
}

/** Rows in which every limit occurs once, and one row without values. */
export function everyLimit(): string[] {
  const most = Math.max(...columns.map(({ values }) => values.length));
  return Array.from(
    { length: most + 1 },
    (_, id) =>
      `{${[`"id":${id}`, ...(id === most ? [] : columns.map(({ name, values }) => `"${name}":${values[id % values.length]}`))].join(',')}}`,
  );
}
