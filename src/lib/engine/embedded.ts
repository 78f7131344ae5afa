/** The embedded engine: DuckDB in this process carries out both parts of a plan on local files. Free of AWS. */
import { isUtf8 } from 'node:buffer';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, freemem } from 'node:os';
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
    memory_limit: `${memoryLimit()}B`,
    // Lanes are read side by side; what is written is put in order first.
    preserve_insertion_order: 'false',
    checkpoint_threshold: '1TB',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const db = await instance.connect();
  try {
    await db.run("SET TimeZone = 'UTC'");
    for (const { name, columns, ndjson } of run.references)
      await loadRows(db, name, columns, ndjson, scratch);
    await readRows(instance, db, run);
    await rankRows(db, run, scratch);
    await writeRows(db, run);
    return await summarize(db, run.plan);
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(scratch, { recursive: true, force: true });
  }
}

/** How much DuckDB holds before it writes to disk, in bytes. A Lambda has what it was given, for Node too. */
function memoryLimit(): number {
  const lambda = Number(process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE ?? 0) * 1024 * 1024;
  return Math.floor(Math.min(memoryAtMost, (lambda || freemem()) * 0.6));
}

const memoryAtMost = 2 * 1024 * 1024 * 1024;

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

/** The row part: makes `files`, and `row_part` of all records. Portions of lines are worked on while others are read. */
async function readRows(instance: DuckDBInstance, db: DuckDBConnection, run: EmbeddedRun): Promise<void> {
  await db.run(`
    CREATE TABLE files (file INTEGER, object VARCHAR, version VARCHAR, header VARCHAR[]);
    CREATE TABLE documents (file INTEGER, raw BLOB);
    CREATE TABLE single (file INTEGER, line BIGINT, raw BLOB, fault VARCHAR)`);
  const [files, documents, single] = (await Promise.all(
    ['files', 'documents', 'single'].map((table) => db.createAppender(table)),
  )) as [DuckDBAppender, DuckDBAppender, DuckDBAppender];
  for (const [file, { object, version, header }] of run.inputs.entries()) {
    files.appendInteger(file);
    files.appendVarchar(object);
    files.appendVarchar(version);
    if (header === null) files.appendNull();
    else files.appendList([...header], LIST(VARCHAR));
    files.endRow();
  }
  files.closeSync();
  // DuckDB takes a chunk of lines for one row, of which it expects little, and would build its joins the wrong way round.
  await db.run("SET disabled_optimizers = 'build_side_probe_side'; SET threads = 1");
  await db.run('CREATE TEMP VIEW records AS FROM single');
  await db.run(`CREATE TABLE row_part AS FROM (${run.plan.row.records}) LIMIT 0`);
  const rowPart = await openRowPart(instance, run.plan);
  try {
    const cut = lineCutter(single);
    for (const [file, input] of run.inputs.entries()) {
      if (input.layout === 'document') {
        documents.appendInteger(file);
        documents.appendBlob(await readFile(input.path));
        documents.endRow();
      } else if (input.layout === 'refused')
        appendSingle(single, file, 1, await readStart(input.path, refusedSampleBytes), input.fault);
      else for await (const chunk of cut(file, input.path)) await rowPart.add(chunk);
    }
    for (const appender of [documents, single]) appender.closeSync();
    await rowPart.finish(` UNION ALL (${run.plan.row.documents})`);
  } finally {
    await rowPart.close();
  }
  await db.run('DROP TABLE documents; DROP TABLE single; RESET disabled_optimizers; RESET threads');
}

/** Whole lines of a file that are UTF-8 together. `text` is only good until the next chunk is asked for. */
interface Chunk {
  readonly file: number;
  readonly firstLine: number;
  readonly lines: number;
  readonly text: Buffer;
}

/** How much a worker takes at once: a row group of DuckDB's tables, which is then stored as it is; and in bytes. */
const portionLines = 122_880;
const portionBytes = 64 * 1024 * 1024;
const chunkBytes = 1024 * 1024;

/**
 * Carries out the row part portion by portion, as many at once as there are cores, each on a connection and one thread of
 * its own: DuckDB gives a thread no less than 122,880 rows of a table, and a portion is few rows of many lines.
 */
async function openRowPart(instance: DuckDBInstance, plan: Plan) {
  const connections = await Promise.all(
    Array.from({ length: availableParallelism() }, () => instance.connect()),
  );
  const idle = [...connections];
  const working = new Set<Promise<void>>();
  let portion: { db: DuckDBConnection; appender: DuckDBAppender; lines: number; bytes: number } | null = null;
  const takeIdle = async (): Promise<DuckDBConnection> => {
    if (idle.length === 0) await Promise.race(working);
    const db = idle.pop();
    if (!db) throw new Error('a worker ended, and none is idle');
    return db;
  };
  const start = (db: DuckDBConnection, work: () => Promise<void>) => {
    const done = work().finally(() => {
      idle.push(db);
      working.delete(done);
    });
    working.add(done);
    // A failure is seen by the next await; it must not end the process before that.
    done.catch(() => undefined);
  };
  const flush = () => {
    if (portion === null) return;
    const { db, appender } = portion;
    portion = null;
    appender.closeSync();
    start(db, async () => {
      await insertRecords(db, plan, recordsOfLines);
      await db.run('DROP TABLE lines');
    });
  };
  return {
    async add({ file, firstLine, lines, text }: Chunk) {
      if (portion === null) {
        const db = await takeIdle();
        await db.run('CREATE TEMP TABLE lines (file INTEGER, first_line BIGINT, text BLOB)');
        portion = { db, appender: await db.createAppender('lines', null, 'temp'), lines: 0, bytes: 0 };
      }
      const { appender } = portion;
      appender.appendInteger(file);
      appender.appendBigInt(BigInt(firstLine));
      appender.appendBlob(text);
      appender.endRow();
      portion.lines += lines;
      portion.bytes += text.length;
      if (portion.lines >= portionLines || portion.bytes >= portionBytes) flush();
    },
    /** `more`: SQL of all that is not read by lines. */
    async finish(more: string) {
      flush();
      const db = await takeIdle();
      start(db, () => insertRecords(db, plan, 'FROM single', more));
      await Promise.all(working);
    },
    async close() {
      await Promise.allSettled(working);
      for (const db of connections) db.closeSync();
    },
  };
}

const recordsOfLines = `
  SELECT file, first_line + unnest(generate_series(0, len(lines) - 1)) AS line, encode(unnest(lines)) AS raw, NULL::VARCHAR AS fault
  FROM (SELECT file, first_line, string_split(decode(text), chr(10)) AS lines FROM lines)`;

async function insertRecords(db: DuckDBConnection, plan: Plan, records: string, more = ''): Promise<void> {
  const withoutHeader = plan.row.headerLine ? 'WHERE line > 1 OR fault IS NOT NULL' : '';
  await db.run(`CREATE OR REPLACE TEMP VIEW records AS SELECT * FROM (${records}) ${withoutHeader}${more}`);
  await db.run(`INSERT INTO row_part ${plan.row.records}`);
}

/**
 * Cuts files at line ends into chunks of about a MB. A chunk that is not UTF-8 goes to `single` line by line, so that
 * one line is lost.
 */
function lineCutter(single: DuckDBAppender) {
  return async function* (file: number, path: string): AsyncGenerator<Chunk> {
    let line = 1;
    const take = (text: Buffer): Chunk | undefined => {
      const firstLine = line;
      const isText = isUtf8(text);
      let start = 0;
      while (start <= text.length) {
        const end = text.indexOf(newline, start);
        const stop = end < 0 ? text.length : end;
        if (!isText) appendSingle(single, file, line, text.subarray(start, stop), null);
        line++;
        start = stop + 1;
      }
      return isText ? { file, firstLine, lines: line - firstLine, text } : undefined;
    };
    const handle = await open(path);
    try {
      let buffer = Buffer.allocUnsafe(chunkBytes);
      let filled = 0;
      for (let position = await lengthOfMark(handle); ; ) {
        // A line longer than the buffer makes it grow.
        if (filled === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
        const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, position);
        position += bytesRead;
        filled += bytesRead;
        const end = bytesRead === 0 ? filled : buffer.subarray(0, filled).lastIndexOf(newline);
        if (end > 0 || (end === 0 && bytesRead > 0)) {
          const chunk = take(buffer.subarray(0, end));
          if (chunk) yield chunk;
          buffer.copyWithin(0, end + 1, filled);
          filled -= end + 1;
        }
        if (bytesRead === 0) return;
      }
    } finally {
      await handle.close();
    }
  };
}

const newline = 0x0a;

/** Of a byte order mark at the start of a file, in bytes. */
async function lengthOfMark(handle: FileHandle): Promise<number> {
  const mark = Buffer.from([0xef, 0xbb, 0xbf]);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(mark.length), 0, mark.length, 0);
  return bytesRead === mark.length && buffer.equals(mark) ? mark.length : 0;
}

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
  const { dedupe, sql } = run.plan.set;
  await db.run(
    'CREATE TABLE rows_read AS SELECT _object, _version, count(*)::DOUBLE AS n FROM row_part GROUP BY ALL',
  );
  if (dedupe?.published) await loadPublishedKeys(db, run, dedupe.key, scratch);
  const { repeated, contested, ranked } = sql.duckdb;
  if (repeated !== null) await db.run(`CREATE TABLE repeated AS ${repeated}`);
  if (contested !== null) await db.run(`CREATE TABLE contested AS ${contested}`);
  // What is left is one join with few keys, which costs less each time than to keep all rows twice.
  await db.run(`CREATE VIEW ranked AS ${ranked}`);
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
  await db.run(`SET preserve_insertion_order = true;
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
