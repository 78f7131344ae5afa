/** Runs a contract on the embedded engine and reads the published rows exactly: hyparquet would turn a decimal into a double. */
import { dirname, join, relative } from 'node:path';
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBListValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import { defaultPartition, readSegment } from '../../src/lib/catalog/partitionPath.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import { runEmbedded } from '../../src/lib/engine/embedded.ts';
import type { Summary } from '../../src/lib/model/plan.ts';
import { type RunEngine, type TransformOptions, transform } from '../support/embedded.ts';
import { Day, Decimal, Moment, type Value } from './value.ts';

export interface Exact {
  readonly summary: Summary;
  readonly rows: readonly Readonly<Record<string, Value>>[];
  readonly quarantine: readonly Readonly<Record<string, Value>>[];
}

let reader: Promise<DuckDBInstance> | undefined;

/** `engine`: runs the plan; by default the embedded engine. */
export async function runExactly(
  contract: Contract,
  files: Readonly<Record<string, string | Uint8Array>>,
  { engine = runEmbedded, ...options }: TransformOptions = {},
): Promise<Exact> {
  let rows: Exact['rows'] = [];
  let quarantine: Exact['quarantine'] = [];
  const reading: RunEngine = async (run, folder) => {
    const summary = await engine(run, folder);
    reader ??= DuckDBInstance.create(':memory:', { threads: '2' });
    const db = await (await reader).connect();
    try {
      await db.run("SET TimeZone = 'UTC'");
      const read = async (part: string) => {
        const glob = join(run.outputDir, part, '**', '*.parquet').replaceAll("'", "''");
        const found = await db.runAndReadAll(`SELECT count(*) FROM glob('${glob}')`);
        if (Number(found.getRowsJS()[0]?.[0]) === 0) return [];
        const all = await db.runAndReadAll(
          // DuckDB would read the folder k=NULL as no value.
          `FROM read_parquet('${glob}', hive_partitioning = false, filename = '${fileColumn}')`,
        );
        return all.getRowObjects().map((row) => {
          const { [fileColumn]: file, ...own } = row;
          const folders = relative(join(run.outputDir, part), dirname(String(file))).split('/');
          const keys = folders.filter(Boolean).map(readSegment);
          return {
            ...Object.fromEntries(
              Object.entries(own).map(([name, v], i) => [name, exactOf(v, all.columnType(i).toString())]),
            ),
            ...Object.fromEntries(
              keys.map(({ name, value }) => [name, value === defaultPartition ? null : value]),
            ),
          };
        });
      };
      [rows, quarantine] = [await read('data'), await read('quarantine')];
    } finally {
      db.closeSync();
    }
    return summary;
  };
  const { summary } = await transform(contract, files, { ...options, engine: reading });
  return { summary, rows, quarantine };
}

/** No column of a contract begins so. */
const fileColumn = '_file_of_row';

function exactOf(v: DuckDBValue, type: string): Value {
  if (typeof v === 'number' && type.startsWith('INTEGER')) return BigInt(v);
  if (v === null || typeof v === 'string' || typeof v === 'boolean' || typeof v === 'number') return v;
  if (typeof v === 'bigint') return v;
  if (v instanceof DuckDBDecimalValue) return new Decimal(v.value, v.scale);
  if (v instanceof DuckDBDateValue) return new Day(BigInt(v.days));
  if (v instanceof DuckDBTimestampTZValue || v instanceof DuckDBTimestampValue) return new Moment(v.micros);
  if (v instanceof DuckDBListValue) return v.items.map((item) => exactOf(item, type));
  throw new TypeError(`no value of the contract's types: ${String(v)}`);
}
