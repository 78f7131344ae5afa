/** The plans that pin the SQL of each feature: a contract in test/golden, next to its compiled plan. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describePlan, statements } from '../../src/cli/explain.ts';
import { compile, heldReferenceBytes } from '../../src/lib/compiler/compile.ts';
import { readContract } from '../../src/lib/contract/load.ts';
import { loadReferences, noRows } from '../../src/lib/reference/load.ts';

const folder = resolve(import.meta.dirname, '../golden');
const references = resolve(import.meta.dirname, '../fixtures/reference');

export interface Golden {
  readonly name: string;
  /** The file of the expected text. */
  readonly file: string;
  readonly text: string;
}

/** The plan of every feature, compiled now. */
export const compileGolden = (): Promise<Golden[]> =>
  Promise.all(
    readdirSync(folder)
      .filter((file) => file.endsWith('.yml'))
      .sort()
      .map(async (file) => {
        const name = file.replace('.yml', '');
        const contract = readContract(join(folder, file));
        const limits = { heldReferenceBytes: name.endsWith('in_set_part') ? 0 : heldReferenceBytes };
        const plan = compile(
          contract,
          null,
          await loadReferences(contract, references, noRows(contract)),
          limits,
        );
        const spark = `\n-- set part (Spark)\n${statements(plan.set.sql.spark)}\n`;
        return {
          name,
          file: join(folder, `${name}.sql`),
          text: describePlan(contract, plan, 'duckdb') + spark,
        };
      }),
  );

export const readGolden = ({ file }: Golden): string => readFileSync(file, 'utf8');
