/** The row part of a plan in DuckDB: from files to one table of rows. */
import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import {
  type DuckDBAppender,
  type DuckDBConnection,
  type DuckDBInstance,
  LIST,
  VARCHAR,
} from '@duckdb/node-api';
import { parquetVariables } from '../dialect/duckdbParquet.ts';
import type { InputFile, RowGroup } from '../model/layout.ts';
import { maxRecordBytes, type Plan, type ReasonCode } from '../model/plan.ts';
import { type Chunk, chunksOf, eachLine, readStart } from './inputFile.ts';
import { refusedSampleBytes } from './layout.ts';
import { isOutOfMemory } from './memory.ts';

/** Makes the tables `files` and `row_part`, the latter with all records. Portions are processed while others are read. */
export async function readRows(
  instance: DuckDBInstance,
  db: DuckDBConnection,
  plan: Plan,
  inputs: readonly InputFile[],
): Promise<void> {
  await db.run(`
    CREATE TABLE given (file INTEGER, object VARCHAR, version VARCHAR, member VARCHAR, header VARCHAR[], skip BIGINT, unnamed BOOLEAN, cr BOOLEAN);
    CREATE TABLE single (file INTEGER, line BIGINT, raw BLOB, fault VARCHAR)`);
  const [files, single] = (await Promise.all(
    ['given', 'single'].map((table) => db.createAppender(table)),
  )) as [DuckDBAppender, DuckDBAppender];
  for (const [file, { object, version, member, header, body }] of inputs.entries()) {
    files.appendInteger(file);
    files.appendVarchar(object);
    files.appendVarchar(version);
    if (member) files.appendVarchar(member.name);
    else files.appendNull();
    if (header === null) files.appendNull();
    else files.appendList([...header], LIST(VARCHAR));
    files.appendBigInt(BigInt(body?.skipLines ?? 0));
    files.appendBoolean(body?.hasUnnamed ?? false);
    files.appendBoolean(body?.endsInCr ?? false);
    files.endRow();
  }
  files.closeSync();
  // Every row has them, so they are numbers, in the order of the texts.
  await db.run(`
    CREATE TYPE object_name AS ENUM (SELECT DISTINCT object FROM given ORDER BY object);
    CREATE TYPE version_name AS ENUM (SELECT DISTINCT version FROM given ORDER BY version);
    CREATE TABLE files AS SELECT * REPLACE (object::object_name AS object, version::version_name AS version) FROM given`);
  // A chunk of lines is one row for DuckDB, which expects few results and would choose the wrong order of joins.
  await db.run("SET disabled_optimizers = 'build_side_probe_side'; SET threads = 1");
  await db.run('CREATE TEMP VIEW records AS FROM single');
  await db.run(`CREATE TABLE row_part AS FROM (${plan.row.records}) LIMIT 0`);
  const workers = await openWorkers(instance, plan);
  try {
    for (const [file, input] of inputs.entries()) {
      if (input.layout === 'document')
        await workers.addDocument(file, (await readFile(input.path)).subarray(input.body?.skipBytes ?? 0));
      else if (input.layout === 'table') await readTable(db, plan, file, input);
      else if (input.layout === 'refused') appendSingle(single, file, 1, await sampleOf(input), input.fault);
      else
        for await (const chunk of chunksOf(input.path, maxRecordBytes, input.body?.skipBytes))
          if (chunk.isTooLong) appendSingle(single, file, chunk.firstLine, chunk.text, 'record_too_large');
          else if (isUtf8(chunk.text)) await workers.addLines(file, chunk);
          else appendLineByLine(single, file, chunk);
    }
    single.closeSync();
    await workers.finish();
  } finally {
    await workers.close();
  }
  await db.run('DROP TABLE single; RESET disabled_optimizers; RESET threads');
}

/** The size of a worker's portion: a row group of DuckDB's tables, which is stored unchanged, and a limit in bytes. */
const portionLines = 122_880;
const portionBytes = 64 * 1024 * 1024;

/** With more columns only one worker runs, because DuckDB keeps 2,048 values of each column in each step. */
const manyColumns = 500;

/** A document of this size is parsed alone, because parsing takes about ten times its size in memory. */
const largeDocument = 16 * 1024 * 1024;

/**
 * Runs the row part in portions, one per core at a time, each on its own connection with one thread: DuckDB gives a thread at least
 * 122,880 rows of a table, but a portion has few rows with many lines. The workers take turns. An error of a worker is thrown at its
 * next turn or at the end.
 */
async function openWorkers(instance: DuckDBInstance, plan: Plan) {
  const workers = await Promise.all(
    Array.from({ length: plan.columns.length > manyColumns ? 1 : availableParallelism() }, async () => ({
      db: await instance.connect(),
      work: Promise.resolve(),
    })),
  );
  let turn = 0;
  let portion: Awaited<ReturnType<typeof openPortion>> | null = null;
  const openPortion = async () => {
    const worker = workers[turn++ % workers.length] as (typeof workers)[number];
    await worker.work;
    await worker.db.run(
      'CREATE TEMP TABLE lines (file INTEGER, first_line BIGINT, text BLOB); CREATE TEMP TABLE documents (file INTEGER, raw BLOB)',
    );
    const lines = await worker.db.createAppender('lines', null, 'temp');
    const documents = await worker.db.createAppender('documents', null, 'temp');
    return { worker, lines, documents, lineCount: 0, documentCount: 0, bytes: 0 };
  };
  const start = (
    { worker, lines, documents, documentCount }: NonNullable<typeof portion>,
    isLast = false,
  ) => {
    for (const appender of [lines, documents]) appender.closeSync();
    portion = null;
    worker.work = insertRecords(worker.db, plan, { hasDocuments: documentCount > 0, isLast });
    // The promise is awaited later. Until then, its failure must not end the process.
    worker.work.catch(() => undefined);
  };
  /** The records of a large document are found on one core, and processed on all. */
  const spread = async ({ worker, lines, documents }: NonNullable<typeof portion>) => {
    for (const appender of [lines, documents]) appender.closeSync();
    portion = null;
    await worker.db.run(
      `CREATE TABLE document_records AS ${plan.row.documents}; DROP TABLE lines; DROP TABLE documents`,
    );
    const counted = await worker.db.runAndReadAll('SELECT count(*)::DOUBLE FROM document_records');
    const size = Math.ceil(Number(counted.getRows()[0]?.[0]) / workers.length);
    for (const [i, each] of workers.entries()) {
      each.work = insertRange(each.db, plan, i * size, (i + 1) * size);
      each.work.catch(() => undefined);
    }
    await finishAll();
    await worker.db.run('DROP TABLE document_records');
  };
  const finishAll = async () => {
    if (portion) start(portion);
    await Promise.all(workers.map(({ work }) => work));
  };
  return {
    /** The lines of a chunk that is UTF-8. */
    async addLines(file: number, { firstLine, lines, text }: Chunk) {
      portion ??= await openPortion();
      portion.lines.appendInteger(file);
      portion.lines.appendBigInt(BigInt(firstLine));
      portion.lines.appendBlob(text);
      portion.lines.endRow();
      portion.lineCount += lines;
      portion.bytes += text.length;
      if (portion.lineCount >= portionLines || portion.bytes >= portionBytes) start(portion);
    },
    async addDocument(file: number, raw: Uint8Array) {
      const isLarge = raw.length >= largeDocument;
      if (isLarge) await finishAll();
      portion ??= await openPortion();
      portion.documents.appendInteger(file);
      portion.documents.appendBlob(raw);
      portion.documents.endRow();
      portion.documentCount++;
      portion.bytes += raw.length;
      if (isLarge) await spread(portion);
      else if (portion.bytes >= portionBytes) start(portion);
    },
    /** The last portion also contains everything else. */
    async finish() {
      start(portion ?? (await openPortion()), true);
      await finishAll();
    },
    async close() {
      await Promise.allSettled(workers.map(({ work }) => work));
      for (const { db } of workers) db.closeSync();
    },
  };
}

/** Reads a Parquet file, row group by row group. One that cannot be read is a refused record, which has the line of its first row. */
async function readTable(
  db: DuckDBConnection,
  { row }: Plan,
  file: number,
  { path, groups = [] }: InputFile,
): Promise<void> {
  for (const group of groups) {
    await db.run('DROP VIEW records');
    try {
      await db.run(parquetVariables(path, file, group.row, group.row + group.rows));
      const reader = (await db.runAndReadAll(row.tables ?? '')).getRows()[0]?.[0] ?? null;
      await db.run(
        `CREATE TEMP TABLE records AS ${reader === null ? brokenGroup(file, group) : String(reader)}`,
      );
      const { rows = 0n } =
        (await db.runAndReadAll('SELECT count(*) AS rows FROM records')).getRowObjects()[0] ?? {};
      if (Number(rows) !== (reader === null ? 1 : group.rows)) throw new Error('rows are missing');
    } catch (error) {
      // Otherwise it is the fault of the file.
      if (isOutOfMemory(error)) throw error;
      await db.run(`CREATE OR REPLACE TEMP TABLE records AS ${brokenGroup(file, group)}`);
    }
    await db.run(`INSERT INTO row_part ${row.records}`);
    await db.run('DROP TABLE records; CREATE TEMP VIEW records AS FROM single');
  }
}

const brokenGroup = (file: number, { row }: RowGroup): string =>
  `SELECT ${file}::INTEGER AS file, ${row + 1}::BIGINT AS line, ''::BLOB AS raw, 'invalid_document' AS fault`;

/** The part of a refused file that is kept. */
const sampleOf = async ({ path, head, member }: InputFile): Promise<Buffer> =>
  head === undefined
    ? readStart(path, Math.min(refusedSampleBytes, member?.size ?? refusedSampleBytes), member?.start)
    : Buffer.from(head, 'base64');

/** Processes a range of the records of a document. */
async function insertRange(db: DuckDBConnection, plan: Plan, from: number, to: number): Promise<void> {
  await db.run(
    `CREATE OR REPLACE TEMP VIEW records AS FROM document_records WHERE rowid >= ${from} AND rowid < ${to}`,
  );
  await db.run(`INSERT INTO row_part ${plan.row.records}`);
}

async function insertRecords(
  db: DuckDBConnection,
  plan: Plan,
  { hasDocuments, isLast }: { hasDocuments: boolean; isLast: boolean },
): Promise<void> {
  const byLine = `
    SELECT file, first_line + unnest(generate_series(0, len(lines) - 1)) AS line, encode(unnest(lines)) AS raw, NULL::VARCHAR AS fault
    FROM (SELECT file, first_line, string_split(decode(text), chr(10)) AS lines FROM lines)${isLast ? ' UNION ALL FROM single' : ''}`;
  const documents = hasDocuments ? ` UNION ALL (${plan.row.documents})` : '';
  await db.run(`CREATE OR REPLACE TEMP VIEW records AS SELECT * FROM (${byLine})${documents}`);
  await db.run(`INSERT INTO row_part ${plan.row.records}`);
  await db.run('DROP TABLE lines; DROP TABLE documents');
}

/** A chunk with invalid UTF-8 is processed line by line, so that only the invalid lines are refused. */
function appendLineByLine(single: DuckDBAppender, file: number, { firstLine, text }: Chunk): void {
  let line = firstLine;
  eachLine(text, (start, end) => appendSingle(single, file, line++, text.subarray(start, end), null));
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
