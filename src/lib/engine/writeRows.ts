/** Writes the decided rows of a batch: published ones as Parquet files by partition, and quarantined ones. */
import { mkdir, readdir, rename } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { hiveSegment, readSegment } from '../catalog/partitionPath.ts';
import { duckType, identifier, literal } from '../dialect/duckdbNames.ts';
import { type Plan, quarantineColumns, type Summary } from '../model/plan.ts';
import { parallel } from '../parallel.ts';
import { fieldIdsOption } from './fieldIds.ts';
import { memoryLimit } from './instance.ts';

type Partitions = Summary['partitions'];

interface Output {
  readonly plan: Plan;
  readonly batch: string;
  readonly outputDir: string;
  readonly memoryBytes?: number | undefined;
}

/** Reads the table or view `ranked`. Rows go to `data` and `quarantine` in the output folder. */
export async function writeRows(
  instance: DuckDBInstance,
  db: DuckDBConnection,
  { plan, batch, outputDir, memoryBytes }: Output,
  { partitions, quarantined }: Pick<Summary, 'partitions' | 'quarantined'>,
): Promise<void> {
  const data = join(outputDir, 'data');
  await mkdir(data, { recursive: true });
  await mkdir(join(outputDir, 'quarantine'), { recursive: true });
  const keys = plan.partitionKeys.map((k) => identifier(k.name));
  const output = plan.columns.map(({ name, type }) =>
    name === '_batch'
      ? `${literal(batch)} AS _batch`
      : `${identifier(name)}::${duckType(type)} AS ${identifier(name)}`,
  );
  const columns = [...output, ...keys].join(', ');
  const order = orderOf(plan);
  const sorted = (from: string) =>
    `SELECT ${columns} FROM ${from}${order.length === 0 ? '' : ` ORDER BY ${order.join(', ')}`}`;
  const [to, layout] =
    keys.length === 0
      ? [join(data, 'data_0.parquet'), '']
      : [data, `, PARTITION_BY (${keys.join(', ')}), OVERWRITE_OR_IGNORE`];
  const copy = (rows: string) =>
    `COPY (${rows}) TO ${literal(to)} (FORMAT parquet, COMPRESSION zstd${layout}${fieldIdsOption(plan.fieldIds)})`;
  await db.run('SET preserve_insertion_order = true');
  const workers = availableParallelism();
  const atOnce = partitionsAtOnce(output.length, memoryLimit(memoryBytes));
  const shares = partitions.length <= atOnce ? evenShares(partitions, workers) : null;
  const last = quarantined > 0 ? [copyOfQuarantine(outputDir)] : [];
  if (shares !== null) {
    const using = await makeShares(db, plan, shares);
    const copies = [...shares.keys()].map((share) =>
      copy(sorted(`ranked JOIN shares USING (${using}) WHERE _fate = 'published' AND __share = ${share}`)),
    );
    await runAtOnce(instance, db, [...copies, ...last], workers);
  } else if (partitions.length > atOnce) {
    const each = Math.max(1, Math.floor(atOnce / workers));
    const inOrder = Array.from({ length: Math.ceil(partitions.length / each) }, (_, i) =>
      partitions.slice(i * each, (i + 1) * each),
    );
    const using = await makeShares(db, plan, inOrder);
    // One pass sorts the rows by their shares, so that a share reads only its own.
    await db.run(`CREATE TABLE in_shares AS SELECT ${columns}, __share FROM ranked JOIN shares USING (${using})
        WHERE _fate = 'published' ORDER BY ${['__share', ...order].join(', ')}`);
    const copies = [...inOrder.keys()].map((share) =>
      copy(`SELECT * EXCLUDE (__share) FROM in_shares WHERE __share = ${share}`),
    );
    await runAtOnce(instance, db, [...copies, ...last], workers);
    await db.run('DROP TABLE in_shares');
  } else {
    if (partitions.length > 0) await db.run(copy(sorted("ranked WHERE _fate = 'published'")));
    for (const sql of last) await db.run(sql);
  }
  await renameAsHive(data);
}

/** With a key the order is total; without one, equal rows stay in the order of files and lines. */
function orderOf(plan: Plan): string[] {
  const file = '(SELECT min(file) FROM files WHERE object = _object AND version = _version)';
  return [
    ...(plan.set.isPartitionOrder ? [] : plan.partitionKeys.map((k) => identifier(k.name))),
    ...plan.set.sort.map(identifier),
    ...(plan.set.dedupe ? [] : [file, '_line', '_place']),
  ];
}

/**
 * The number of partitions that are written at once. DuckDB keeps 2,048 values of each of their columns in memory, about 32 KiB, even
 * if a partition has few rows. More partitions are written in several shares.
 */
const partitionsAtOnce = (columns: number, memory: number): number =>
  Math.max(1, Math.floor(memory / 8 / (columns * 32 * 1024)));

/** Fewer rows are written before a second connection pays off. */
const rowsToShare = 50_000;

/** The largest part of the rows that one of several workers may get. */
const largestShare = 0.7;

/**
 * Distributes partitions so that each worker has about as many rows. DuckDB closes the files of a partitioned COPY one after the other, and
 * a file of few rows is compressed only then, so one COPY would use one core. Null if there are few rows, or one partition has most.
 */
export function evenShares(partitions: Partitions, workers: number): Partitions[] | null {
  const shares = Array.from({ length: workers }, () => ({ rows: 0, partitions: [] as Partitions[number][] }));
  for (const partition of partitions.toSorted((a, b) => b.rows - a.rows)) {
    const least = shares.reduce((best, share) => (share.rows < best.rows ? share : best));
    least.rows += partition.rows;
    least.partitions.push(partition);
  }
  const total = shares.reduce((sum, { rows }) => sum + rows, 0);
  const isEven = shares.every(({ rows }) => rows <= total * largestShare);
  return total < rowsToShare || !isEven
    ? null
    : shares.filter(({ rows }) => rows > 0).map((share) => share.partitions);
}

/** Makes the table `shares`, and gives the columns for a join with it: the keys in which partitions differ. */
async function makeShares(db: DuckDBConnection, plan: Plan, shares: readonly Partitions[]): Promise<string> {
  const [first] = shares[0] ?? [];
  const differing = plan.partitionKeys.flatMap(({ name }, at) =>
    shares.some((share) => share.some(({ values }) => values[at] !== first?.values[at]))
      ? [{ name: identifier(name), at }]
      : [],
  );
  await db.run(
    `CREATE TABLE shares (${differing.map(({ name }) => `${name} VARCHAR, `).join('')}__share INTEGER)`,
  );
  const appender = await db.createAppender('shares');
  for (const [share, partitions] of shares.entries())
    for (const { values } of partitions) {
      for (const { at } of differing) appender.appendVarchar(values[at] ?? '');
      appender.appendInteger(share);
      appender.endRow();
    }
  appender.closeSync();
  return differing.map(({ name }) => name).join(', ');
}

/** Runs statements, each with one thread on a connection of its own, as many at once as there are workers. */
async function runAtOnce(
  instance: DuckDBInstance,
  db: DuckDBConnection,
  statements: readonly string[],
  workers: number,
): Promise<void> {
  await db.run('SET threads = 1');
  await parallel(statements, workers, async (sql) => {
    const connection = await instance.connect();
    try {
      await connection.run(sql);
    } finally {
      connection.closeSync();
    }
  });
  await db.run('RESET threads; DROP TABLE shares');
}

function copyOfQuarantine(outputDir: string): string {
  const source = [
    "_object::VARCHAR || coalesce('/' || _member, '')",
    '_version::VARCHAR',
    '_line',
    '_reason',
    '_column',
    '_value',
    '_raw',
  ];
  return `COPY (SELECT ${source.map((name, i) => `${name} AS ${quarantineColumns[i]?.name}`).join(', ')}
      FROM ranked WHERE _fate = 'quarantined' ORDER BY _object, _version, _member, _line)
    TO ${literal(join(outputDir, 'quarantine', 'part-0.parquet'))} (FORMAT parquet, COMPRESSION zstd)`;
}

/** DuckDB escapes partition values like URLs. Hive, Spark and Glue escape few characters. */
async function renameAsHive(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const { name, value } = readSegment(entry.name);
    const wanted = hiveSegment(name, value);
    if (wanted !== entry.name) await rename(join(folder, entry.name), join(folder, wanted));
    await renameAsHive(join(folder, wanted));
  }
}
