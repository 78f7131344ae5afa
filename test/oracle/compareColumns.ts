/** Many columns and many rows in one run of the engine. Each cell is a case, compared with the interpreter's value. */
import { parseContract } from '../../src/lib/contract/load.ts';
import type { RunEngine } from '../support/embedded.ts';
import { judge, readColumn } from './column.ts';
import { type ColumnCase, columnCases } from './columnCases.ts';
import { Dice } from './dice.ts';
import type { Difference } from './difference.ts';
import { runExactly } from './engine.ts';
import { readJson } from './json.ts';
import { shown } from './value.ts';

/** Compares about this many cells. Returns the differences. */
export async function compareColumns(
  seed: number,
  shape: { columns: number; rows: number },
  engine?: RunEngine,
): Promise<{ cases: number; differences: Difference[] }> {
  const dice = new Dice(seed);
  const cases: ColumnCase[] = Array.from({ length: shape.columns }, () => dice.pick(columnCases)(dice));
  const columns = cases.map(({ column }, i) => ({
    name: `c${i}`,
    path: `c${i}${column.type.startsWith('array<') ? '[*]' : ''}`,
    onError: 'null',
    ...column,
  }));
  const contract = parseContract(
    'oracle.yml',
    JSON.stringify({
      dataset: 'oracle',
      source: { prefix: 'x/', formats: ['ndjson'] },
      columns: [{ name: 'id', path: 'id', type: 'bigint', required: true }, ...columns],
      partitionBy: [{ name: 'source', constant: 'x' }],
    }),
  );
  const given = Array.from({ length: shape.rows }, () => cases.map(({ json }) => json(dice)));
  const lines = given.map(
    (values, id) =>
      `{${[`"id":${id}`, ...values.flatMap((json, i) => (json === '' ? [] : [`"c${i}":${json}`]))].join(',')}}`,
  );
  const { summary, rows } = await runExactly(
    contract,
    { 'x/a.json': lines.join('\n') },
    engine === undefined ? {} : { engine },
  );
  const byId = new Map(rows.map((row) => [Number(row.id), row]));
  const differences: Difference[] = [];
  const nulled = new Map<string, number>();
  lines.forEach((line, id) => {
    const row = byId.get(id);
    const document = readJson(line);
    if (document === undefined) throw new TypeError(`the generator makes no JSON: ${line}`);
    for (const column of contract.columns.slice(1)) {
      const cell = readColumn(column, document);
      if (judge(column, cell).isNulled) nulled.set(column.name, (nulled.get(column.name) ?? 0) + 1);
      const place = Number(column.name.slice(1));
      if (row === undefined || shown(cell.value) !== shown(row[column.name] ?? null))
        differences.push({
          about: cases[place]?.column,
          given: given[id]?.[place] ?? '',
          interpreter: cell.refused ?? shown(cell.value),
          engine: row === undefined ? 'no row' : shown(row[column.name] ?? null),
        });
    }
  });
  // A rejected and a missing value are both null in the row; the counts distinguish them.
  if (differences.length === 0)
    for (const { name } of contract.columns.slice(1))
      if ((nulled.get(name) ?? 0) !== (summary.nulled[name] ?? 0))
        differences.push({
          about: cases[Number(name.slice(1))]?.column,
          given: given.map((values) => values[Number(name.slice(1))]).join('\n'),
          interpreter: `${nulled.get(name) ?? 0} refused`,
          engine: `${summary.nulled[name] ?? 0} refused`,
        });
  return { cases: shape.columns * shape.rows, differences };
}
