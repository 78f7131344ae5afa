/** The embedded engine: DuckDB in this process carries out both parts of a plan on local files. Free of AWS. */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBAppender, type DuckDBConnection, DuckDBInstance, LIST, VARCHAR } from '@duckdb/node-api';
import { hiveSegment, readSegment } from '../catalog/partitionPath.ts';
import {
  lineage,
  type Plan,
  quarantineColumns,
  type ReasonCode,
  type ReferenceData,
  type Summary,
} from '../compiler/plan.ts';
import { duckType, identifier, list, literal } from '../dialect/duckdbNames.ts';
import { type Layout, refusedSampleBytes } from './layout.ts';

/** One raw file on the local disk. */
export interface InputFile {
  readonly object: string;
  readonly version: string;
  readonly path: string;
  readonly layout: Layout;
  readonly fault: ReasonCode | null;
  /** For CSV: the names of the fields. */
  readonly header: readonly string[] | null;
}

/** The keys that stand in partitions already; see `published` in the plan. Values are texts. */
export type PublishedKeys = (
  partitions: readonly (readonly string[])[],
) => Promise<readonly Readonly<Record<string, string>>[]>;

export interface EmbeddedRun {
  readonly plan: Plan;
  readonly references: readonly ReferenceData[];
  readonly inputs: readonly InputFile[];
  readonly batch: string;
  /** An empty folder. Rows go to `data/<key>=<value>/…parquet`, quarantine to `quarantine/*.parquet`. */
  readonly outputDir: string;
  /** Asked when the plan looks for duplicates among what is published. Nothing is published by default. */
  readonly publishedKeys?: PublishedKeys;
}

/** Runs a plan. Gives the counts; the rows are in `outputDir`. Throws DuckDB's own errors for what no input may cause. */
export async function runEmbedded(run: EmbeddedRun): Promise<Summary> {
  const scratch = join(run.outputDir, 'scratch');
  await mkdir(scratch, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', {
    temp_directory: scratch,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const db = await instance.connect();
  try {
    await db.run("SET TimeZone = 'UTC'");
    for (const { name, columns, ndjson } of run.references)
      await loadRows(db, name, columns, ndjson, scratch);
    await loadRecords(db, run.plan, run.inputs);
    await rankRows(db, run, scratch);
    await writeRows(db, run);
    return await summarize(db, run.plan);
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(scratch, { recursive: true, force: true });
  }
}

async function loadRows(
  db: DuckDBConnection,
  table: string,
  columns: Readonly<Record<string, string>>,
  ndjson: string,
  scratch: string,
): Promise<void> {
  const file = join(scratch, `${table}.ndjson`);
  await writeFile(file, ndjson);
  const types = Object.entries(columns).map(([column, type]) => `${literal(column)}: ${literal(type)}`);
  await db.run(
    `CREATE TABLE ${identifier(table)} AS FROM read_json(${literal(file)}, format = 'newline_delimited', columns = {${types.join(', ')}})`,
  );
}

/** Makes the relations `records` and `files` of the row part. Lines are cut by DuckDB where the bytes are UTF-8. */
async function loadRecords(db: DuckDBConnection, plan: Plan, inputs: readonly InputFile[]): Promise<void> {
  await db.run(`
    CREATE TABLE files (file INTEGER, object VARCHAR, version VARCHAR, header VARCHAR[]);
    CREATE TABLE documents (file INTEGER, raw BLOB);
    CREATE TABLE chunks (file INTEGER, first_line BIGINT, text BLOB);
    CREATE TABLE single (file INTEGER, line BIGINT, raw BLOB, fault VARCHAR)`);
  const [files, documents, chunks, single] = (await Promise.all(
    ['files', 'documents', 'chunks', 'single'].map((table) => db.createAppender(table)),
  )) as [DuckDBAppender, DuckDBAppender, DuckDBAppender, DuckDBAppender];
  for (const [file, input] of inputs.entries()) {
    files.appendInteger(file);
    files.appendVarchar(input.object);
    files.appendVarchar(input.version);
    if (input.header === null) files.appendNull();
    else files.appendList([...input.header], LIST(VARCHAR));
    files.endRow();
    if (input.layout === 'document') {
      documents.appendInteger(file);
      documents.appendBlob(await readFile(input.path));
      documents.endRow();
    } else if (input.layout === 'lines') await appendLines(chunks, single, file, input.path);
    else appendSingle(single, file, 1, await readStart(input.path, refusedSampleBytes), input.fault);
  }
  for (const appender of [files, documents, chunks, single]) appender.closeSync();
  const withoutHeader = plan.row.headerLine ? 'WHERE line > 1 OR fault IS NOT NULL' : '';
  await db.run(`
    CREATE VIEW records AS
    SELECT * FROM (
    SELECT file, first_line + unnest(generate_series(0, len(lines) - 1)) AS line, encode(unnest(lines)) AS raw,
      NULL::VARCHAR AS fault
    FROM (SELECT file, first_line, string_split(decode(text), chr(10)) AS lines FROM chunks)
    UNION ALL FROM single) ${withoutHeader}
    UNION ALL (${plan.row.documents})`);
}

/** Cuts a file at line ends into chunks of some MB; a chunk that is not UTF-8 goes line by line, so one line is lost. */
async function appendLines(
  chunks: DuckDBAppender,
  single: DuckDBAppender,
  file: number,
  path: string,
): Promise<void> {
  let line = 1;
  let pending: Buffer = Buffer.alloc(0);
  const append = (chunk: Buffer) => {
    const isText = isUtf8(chunk);
    if (isText) {
      chunks.appendInteger(file);
      chunks.appendBigInt(BigInt(line));
      chunks.appendBlob(chunk);
      chunks.endRow();
    }
    let start = 0;
    while (start <= chunk.length) {
      const end = chunk.indexOf(newline, start);
      const stop = end < 0 ? chunk.length : end;
      if (!isText) appendSingle(single, file, line, chunk.subarray(start, stop), null);
      line++;
      start = stop + 1;
    }
  };
  for await (const data of createReadStream(path, { highWaterMark: chunkBytes })) {
    pending = pending.length === 0 ? withoutMark(data, line) : Buffer.concat([pending, data]);
    const end = pending.lastIndexOf(newline);
    if (end < 0) continue;
    append(pending.subarray(0, end));
    pending = pending.subarray(end + 1);
  }
  if (pending.length > 0) append(pending);
}

const newline = 0x0a;
const chunkBytes = 4 * 1024 * 1024;

const withoutMark = (data: Buffer, line: number): Buffer =>
  line === 1 && data[0] === 0xef && data[1] === 0xbb && data[2] === 0xbf ? data.subarray(3) : data;

function appendSingle(
  single: DuckDBAppender,
  file: number,
  line: number,
  raw: Uint8Array,
  fault: ReasonCode | null,
): void {
  single.appendInteger(file);
  single.appendBigInt(BigInt(line));
  single.appendBlob(raw);
  if (fault === null) single.appendNull();
  else single.appendVarchar(fault);
  single.endRow();
}

/** The first bytes of a file. */
export async function readStart(path: string, bytes: number): Promise<Buffer> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** The set part, first half: every row gets its fate, one of published, duplicate and quarantined. */
async function rankRows(db: DuckDBConnection, run: EmbeddedRun, scratch: string): Promise<void> {
  const { plan } = run;
  await db.run(`CREATE TABLE row_part AS ${plan.row.records}`);
  await db.run(
    'CREATE TABLE rows_read AS SELECT _object, _version, count(*)::DOUBLE AS n FROM row_part GROUP BY ALL',
  );
  if (plan.set.dedupe?.published) await loadPublishedKeys(db, run, plan.set.dedupe.key, scratch);
  await db.run(`CREATE TABLE ranked AS ${plan.set.sql.duckdb}`);
  await db.run('DROP TABLE row_part');
}

async function loadPublishedKeys(
  db: DuckDBConnection,
  { plan, publishedKeys }: EmbeddedRun,
  key: readonly string[],
  scratch: string,
): Promise<void> {
  const partitionKeys = plan.partitionKeys.map((k) => k.name);
  const touched = await db.runAndReadAll(
    `SELECT DISTINCT ${list(partitionKeys.map(identifier))} AS key_values FROM row_part WHERE _reason IS NULL`,
  );
  const partitions = touched.getRowObjectsJson().map((row) => row.key_values as string[]);
  const found = (await publishedKeys?.(partitions)) ?? [];
  const types = new Map(plan.columns.map((c) => [c.name, duckType(c.type)]));
  const columns = Object.fromEntries(
    [...key, ...partitionKeys].map((name) => [name, types.get(name) ?? 'VARCHAR']),
  );
  await loadRows(db, 'published', columns, found.map((row) => JSON.stringify(row)).join('\n'), scratch);
}

async function writeRows(db: DuckDBConnection, { plan, batch, outputDir }: EmbeddedRun): Promise<void> {
  const keys = plan.partitionKeys.map((k) => identifier(k.name));
  const lineageNames = new Set(lineage.map((c) => c.name));
  const output = plan.columns.map(({ name, type }) =>
    name === '_batch'
      ? `${literal(batch)} AS _batch`
      : lineageNames.has(name)
        ? name
        : `${identifier(name)}::${duckType(type)} AS ${identifier(name)}`,
  );
  await mkdir(join(outputDir, 'data'), { recursive: true });
  await mkdir(join(outputDir, 'quarantine'), { recursive: true });
  await db.run(`
    COPY (SELECT ${[...output, ...keys].join(', ')} FROM ranked WHERE _fate = 'published'
      ORDER BY ${[...keys, ...plan.set.sort.map(identifier)].join(', ')})
    TO ${literal(join(outputDir, 'data'))}
    (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (${keys.join(', ')}), OVERWRITE_OR_IGNORE)`);
  await renameAsHive(join(outputDir, 'data'));
  const quarantined = await db.runAndReadAll("SELECT 1 FROM ranked WHERE _fate = 'quarantined' LIMIT 1");
  if (quarantined.currentRowCount === 0) return;
  const source = ['_object', '_version', '_line', '_reason', '_column', '_value', '_raw'];
  await db.run(`
    COPY (SELECT ${source.map((name, i) => `${name} AS ${quarantineColumns[i]?.name}`).join(', ')}
      FROM ranked WHERE _fate = 'quarantined' ORDER BY _object, _version, _line)
    TO ${literal(join(outputDir, 'quarantine', 'part-0.parquet'))} (FORMAT parquet, COMPRESSION zstd)`);
}

/** DuckDB writes partition values as URLs do; Hive, Spark and Glue leave most characters as they are. */
async function renameAsHive(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const { name, value } = readSegment(entry.name);
    const wanted = hiveSegment(name, value);
    if (wanted !== entry.name) await rename(join(folder, entry.name), join(folder, wanted));
    await renameAsHive(join(folder, wanted));
  }
}

/** Rows read are counted before the set part, the others after it, so that their sum is a check. */
async function summarize(db: DuckDBConnection, plan: Plan): Promise<Summary> {
  const rows = async (sql: string) => (await db.runAndReadAll(sql)).getRowObjectsJson();
  const count = (fate: string) => `count(*) FILTER (_fate = '${fate}')::DOUBLE AS ${fate}`;
  const files = await rows(`
    WITH fates AS (
      SELECT _object, _version, ${['published', 'quarantined', 'duplicate'].map(count).join(', ')}
      FROM ranked GROUP BY ALL
    )
    SELECT f.object, f.version, coalesce(r.n, 0) AS read, coalesce(published, 0) AS published,
      coalesce(quarantined, 0) AS quarantined, coalesce(duplicate, 0) AS duplicate
    FROM files f
    LEFT JOIN rows_read r ON r._object = f.object AND r._version = f.version
    LEFT JOIN fates ON fates._object = f.object AND fates._version = f.version
    ORDER BY f.file`);
  const reasons = await rows(
    'SELECT _reason AS name, count(*)::DOUBLE AS n FROM ranked WHERE _reason IS NOT NULL GROUP BY 1 ORDER BY 1',
  );
  const nulled = await rows(
    'SELECT name, count(*)::DOUBLE AS n FROM (SELECT unnest(_nulled) AS name FROM ranked WHERE _reason IS NULL) GROUP BY 1 ORDER BY 1',
  );
  const keys = plan.partitionKeys.map((k) => identifier(k.name));
  const partitions = await rows(
    `SELECT ${list(keys)} AS key_values, count(*)::DOUBLE AS n FROM ranked WHERE _fate = 'published' GROUP BY ALL ORDER BY 1`,
  );
  const counted = files.map((f) => ({
    object: String(f.object),
    version: String(f.version),
    rowsRead: Number(f.read),
    published: Number(f.published),
    quarantined: Number(f.quarantined),
    duplicates: Number(f.duplicate),
  }));
  const total = (field: 'rowsRead' | 'published' | 'quarantined' | 'duplicates') =>
    counted.reduce((sum, f) => sum + f[field], 0);
  const byName = (counts: typeof reasons) =>
    Object.fromEntries(counts.map((c) => [String(c.name), Number(c.n)]));
  return {
    rowsRead: total('rowsRead'),
    published: total('published'),
    quarantined: total('quarantined'),
    duplicates: total('duplicates'),
    reasons: byName(reasons),
    nulled: byName(nulled),
    files: counted,
    partitions: partitions.map((p) => ({ values: p.key_values as string[], rows: Number(p.n) })),
  };
}
