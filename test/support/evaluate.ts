/** Expressions of a contract, evaluated by the row part. */
import { expect } from '@jest/globals';
import { contractWith, type Row, record, transform } from './embedded.ts';

/** What the expressions read. */
export const columns = `  - { name: n, path: n, type: bigint }
  - { name: x, path: x, type: double }
  - { name: s, path: s, type: string }
  - { name: ok, path: ok, type: boolean }`;

/** Values of expressions over one record; `types` say what each gives. */
export async function evaluate(
  expressions: Readonly<Record<string, [type: string, text: string]>>,
  fields: Row,
) {
  const derive = Object.entries(expressions).map(([name, [type, expression]]) => ({
    name,
    type,
    expression,
  }));
  const { rows, quarantine } = await transform(contractWith(columns, `derive: ${JSON.stringify(derive)}`), {
    'test/a.json': record({ id: 1, ...fields }),
  });
  expect(quarantine).toEqual([]);
  return Object.fromEntries(Object.keys(expressions).map((name) => [name, rows[0]?.[name] ?? null]));
}
