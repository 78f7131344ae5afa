/**
 * Finds persons in raw files, and takes their records out. The row part decides which records are of a person. After a cut, the row part
 * reads the rest: it must have exactly the other rows.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { DuckDBConnection } from '@duckdb/node-api';
import { explodesOf } from '../contract/documents.ts';
import { literal } from '../dialect/duckdbNames.ts';
import { ErasureRefused } from '../errors.ts';
import type { Compression, InputFile } from '../model/layout.ts';
import { type ReasonCode, skipped } from '../model/plan.ts';
import {
  concatenatedAsLines,
  withoutCsvRecords,
  withoutElements,
  withoutLines,
  withoutPieces,
} from './cut.ts';
import { localFile } from './inputFile.ts';
import { inDuckdb } from './instance.ts';
import { lengthOfMark } from './layout.ts';
import { type FileLook, looksAt } from './looks.ts';
import { isOutOfMemory } from './memory.ts';
import { readRows } from './rowPart.ts';
import { isOfPerson, loadReferences, mentions, type Sought, unreadable } from './sought.ts';
import { archiveLimits, documentLimits, type PackedInput, unpackInput } from './unpack.ts';

/** A version of a raw object, as a local file. */
export interface RawCopy {
  readonly object: string;
  readonly version: string;
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

export interface RawMatch {
  readonly object: string;
  readonly version: string;
  /** Records of persons, and records that nobody can read and that mention one. */
  readonly records: number;
  /** Rows that are left without them. */
  readonly left: number;
  /** The lines of the records, as the table has them; none if a line may have several records. */
  readonly lines: readonly number[];
}

/** Archives whose content is not unpacked. */
const unopened: readonly string[] = [
  'broken_archive',
  'encrypted_archive',
  'unsupported_archive',
  'archive_too_large',
] satisfies readonly ReasonCode[];

/** Those of them whose raw text is cut. */
const samples: readonly string[] = [
  'record_too_large',
  'invalid_document',
  'records_missing',
] satisfies readonly ReasonCode[];

/** A version of a raw object that cannot be searched, and why. */
export interface Unsearched {
  readonly object: string;
  readonly version: string;
  readonly why: string;
}

export interface RawSearch {
  readonly matches: readonly RawMatch[];
  readonly unsearched: readonly Unsearched[];
}

/** The files with records of persons, and those whose content nobody can read. */
export async function searchRaw(sought: Sought, files: readonly RawCopy[]): Promise<RawSearch> {
  const { matches, unsearched } = await find(sought, files);
  return { matches: matches.map(({ by: _, ...match }) => match), unsearched };
}

/**
 * Writes the file to `to` without the records of persons. Throws ErasureRefused, with the reason, if its other records could not be left as
 * they are.
 */
export async function eraseInRaw(sought: Sought, file: RawCopy, to: string): Promise<RawMatch> {
  const before = await find(sought, [file]);
  const [match] = before.matches;
  if (match === undefined)
    throw new ErasureRefused(`${file.object}: it has no record of these persons any more`);
  const fault = await cut(sought, file, match, to);
  if (fault !== null)
    throw new ErasureRefused(`${file.object} (version ${file.version}): ${fault}`, { object: file.object });
  const { size } = await stat(to);
  const after = await find(sought, [{ ...file, path: to, size }]);
  if (after.matches.length > 0 || JSON.stringify(after.others) !== JSON.stringify(before.others))
    throw new ErasureRefused(
      `${file.object} (version ${file.version}): without the records, its other records would not be the same; take them out by hand, or delete this version`,
      { object: file.object },
    );
  const { by: _, ...result } = match;
  return result;
}

interface Found {
  readonly matches: readonly (RawMatch & { readonly by: ReadonlySet<number> })[];
  /** Digests of all other rows, sorted. */
  readonly others: readonly string[];
  readonly unsearched: readonly Unsearched[];
}

/** Runs the row part over the files, and looks for persons in its rows. */
const find = (sought: Sought, files: readonly RawCopy[]): Promise<Found> =>
  inDuckdb('raw files that are searched', async ({ instance, db, scratch }) => {
    const { plan, references, contract } = sought;
    await loadReferences(db, references, scratch);
    const inputs: InputFile[] = [];
    for (const [i, file] of files.entries())
      for (const look of await looksOf(contract, file))
        inputs.push(await inputOf(sought, file, look, join(scratch, String(i))));
    await readRows(instance, db, plan, inputs);
    return foundIn(db, sought, files, inputs);
  });

const looksOf = (contract: Sought['contract'], { path, size }: RawCopy): Promise<FileLook[]> =>
  looksAt(contract, localFile(path, size), (look) => look);

/** Here is no Lambda: files are unpacked up to the size that Spark reads. */
const limits = { ...documentLimits, archive: archiveLimits.spark };
/** A file of so many bytes is cut in memory. */
const largestCut = 2 ** 31 - 1;

/** A file for the row part. Consecutive objects get a line each, because several may be on one. */
async function inputOf(
  { contract }: Sought,
  { object, version, path }: RawCopy,
  look: FileLook,
  scratch: string,
): Promise<InputFile> {
  const { layout, fault, header, body, compression, member, head, groups } = look;
  const packed: PackedInput = {
    ...{ object, version, path, layout, fault, header, body, compression, member },
    ...(head === undefined ? {} : { head }),
    ...(groups === undefined ? {} : { groups }),
  };
  const input = await unpackInput(packed, limits);
  if (input.layout !== 'document' || !contract.source.formats.includes('json_concatenated')) return input;
  const lines = `${scratch}-${basename(input.path)}.lines`;
  await writeFile(lines, concatenatedAsLines(await readFile(input.path)));
  return { ...input, layout: 'lines', path: lines };
}

async function foundIn(
  db: DuckDBConnection,
  sought: Sought,
  files: readonly RawCopy[],
  inputs: readonly InputFile[],
): Promise<Found> {
  const { contract } = sought;
  const isUnreadable = `_reason IN (${unreadable.map(literal).join(', ')})`;
  await db.run(
    `CREATE TABLE judged AS SELECT row_number() OVER () AS n, *,
      CASE WHEN ${sought.isAlone ? '' : `_reason = ${literal(skipped)} OR `}${isUnreadable} THEN false ELSE ${isOfPerson(sought)} END AS __is_theirs FROM row_part`,
  );
  const read = async (sql: string) => (await db.runAndReadAll(sql)).getRowObjectsJson();
  const mentioned: number[] = [];
  const unsearched: Unsearched[] = [];
  for (const row of await read(
    `SELECT n::INTEGER AS n, _object::VARCHAR AS object, _version::VARCHAR AS version, _reason AS reason, _raw AS raw FROM judged WHERE ${isUnreadable}`,
  )) {
    const isOwn = (file: { object: string; version: string }) =>
      file.object === row.object && file.version === row.version;
    const own = inputs.filter(isOwn);
    // Of others, the row part has the start only.
    const isSample = own.some(({ layout }) => layout === 'refused') || samples.includes(String(row.reason));
    const isTheirs = isSample
      ? await areMentionedIn(sought, [...own, ...files.filter(isOwn)])
      : mentions(sought, String(row.raw ?? ''));
    if (isTheirs) mentioned.push(Number(row.n));
    else if (isSample && (await areBytes(own)))
      unsearched.push({
        object: String(row.object),
        version: String(row.version),
        why: String(row.reason),
      });
  }
  if (mentioned.length > 0)
    await db.run(`UPDATE judged SET __is_theirs = true WHERE n IN (${mentioned.join(', ')})`);
  const places =
    await read(`SELECT _object::VARCHAR AS object, _version::VARCHAR AS version, _line::DOUBLE AS line, count(*)::DOUBLE AS rows, count(*) FILTER (__is_theirs)::DOUBLE AS theirs
    FROM judged GROUP BY ALL HAVING theirs > 0 ORDER BY ALL`);
  const left = await read(
    `SELECT _object::VARCHAR AS object, _version::VARCHAR AS version, count(*) FILTER (NOT __is_theirs AND _reason IS NULL)::DOUBLE AS rows FROM judged GROUP BY ALL`,
  );
  const skips = await read(
    `SELECT object::VARCHAR AS object, version::VARCHAR AS version, max(skip)::DOUBLE AS skip FROM files GROUP BY ALL`,
  );
  const hasOwnLines =
    !contract.source.formats.includes('json_concatenated') && explodesOf(contract).length === 0;
  const matches = [
    ...Map.groupBy(places, ({ object, version }) => JSON.stringify([object, version])).values(),
  ].map((of) => {
    const [{ object, version } = {}] = of;
    const ofFile = (rows: typeof left) =>
      rows.find((row) => row.object === object && row.version === version);
    const partial = of.find((place) => Number(place.theirs) < Number(place.rows));
    if (partial !== undefined)
      throw new ErasureRefused(
        `${object} (version ${version}): record ${partial.line} has rows of these persons and of others, and cannot be cut; take them out by hand, or delete this version`,
        { object: String(object) },
      );
    const skip = Number(ofFile(skips)?.skip ?? 0);
    const lines = of.map(({ line }) => Number(line));
    return {
      object: String(object),
      version: String(version),
      records: of.length,
      left: Number(ofFile(left)?.rows ?? 0),
      lines: hasOwnLines ? lines : [],
      by: new Set(lines.map((line) => line - skip)),
    };
  });
  const others = await read(
    `SELECT hash(t)::VARCHAR AS h FROM (SELECT * EXCLUDE (n, __is_theirs, _object, _version, _member, _line, _place, _digest, _raw), trim(coalesce(_raw, '')) AS raw FROM judged WHERE NOT __is_theirs) t ORDER BY h`,
  );
  for (const { object, version, fault } of inputs)
    if (fault !== null && unopened.includes(fault)) unsearched.push({ object, version, why: fault });
  const isFound = (file: Unsearched) =>
    matches.some((match) => match.object === file.object && match.version === file.version);
  return {
    matches,
    others: others.map(({ h }) => String(h)),
    unsearched: [
      ...new Map(unsearched.map((file) => [JSON.stringify([file.object, file.version]), file])).values(),
    ].filter((file) => !isFound(file)),
  };
}

async function areMentionedIn(sought: Sought, files: readonly { readonly path: string }[]): Promise<boolean> {
  for (const path of new Set(files.map((file) => file.path)))
    if (mentions(sought, (await readFile(path)).toString('utf8'))) return true;
  return false;
}

/** Whether one of the files has a NUL byte, as a damaged Parquet file or UTF-16 has. Nobody can search it as text. */
async function areBytes(files: readonly { readonly path: string }[]): Promise<boolean> {
  for (const path of new Set(files.map((file) => file.path)))
    if ((await readFile(path)).includes(0)) return true;
  return false;
}

/** Writes the rest of a file. Gives the reason if that is not possible. */
async function cut(
  { contract }: Sought,
  file: RawCopy,
  { by, ...match }: Found['matches'][number],
  to: string,
): Promise<string | null> {
  const looks = await looksOf(contract, file);
  const [look] = looks;
  const advice = 'replace it by a file without the records, or delete this version';
  if (look === undefined || looks.length > 1 || look.member !== null)
    return `it is a zip archive, which is not written anew; ${advice}`;
  if (look.layout === 'refused' || match.records === 0)
    return `it cannot be read (${look.fault}) and mentions one of these persons; ${advice}`;
  if (look.layout === 'table')
    return (await cutTable(file, by, to)) ? null : `a part of it cannot be read; ${advice}`;
  if (look.compression !== null && !(look.compression in packers))
    return `it is packed with ${look.compression}, which is not written anew; ${advice}`;
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-cut-'));
  try {
    const path = join(scratch, 'input');
    await writeFile(path, await readFile(file.path));
    const { body: _, ...plain } = look;
    // Not decoded: the bytes stay in their encoding.
    const unpacked = await unpackInput(
      {
        ...plain,
        object: file.object,
        version: file.version,
        path,
        body: null,
      },
      limits,
    );
    if ((await stat(unpacked.path)).size > largestCut)
      return `it has more than 2 GiB, and is not written anew; ${advice}`;
    const bytes = await readFile(unpacked.path);
    const isRemoved = (line: number) => by.has(line);
    const rest = restOf(contract, look, bytes, isRemoved);
    if (rest === null) return `its records cannot be told apart byte by byte; ${advice}`;
    await writeFile(to, packed(look.compression, rest));
    return null;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function restOf(
  contract: Sought['contract'],
  { layout, header, body }: FileLook,
  bytes: Buffer,
  isRemoved: (line: number) => boolean,
): Buffer | null {
  if (layout === 'lines')
    return withoutLines(bytes, Math.max(body?.skipBytes ?? 0, lengthOfMark(bytes)), isRemoved);
  if (header !== null) return body === null ? null : withoutCsvRecords(contract, bytes, body, isRemoved);
  if (contract.source.formats.includes('json_concatenated')) return withoutPieces(bytes, isRemoved);
  return withoutElements(bytes, contract.source.records, isRemoved);
}

const packers: Partial<Record<Compression, (bytes: Buffer) => Buffer>> = {
  gzip: gzipSync,
  zstd: zstdCompressSync,
};

const packed = (compression: Compression | null, bytes: Buffer): Buffer =>
  compression === null ? bytes : (packers[compression]?.(bytes) ?? bytes);

/** A Parquet file: its row groups are written anew, without rows. False if one of them cannot be read. */
async function cutTable({ path }: RawCopy, by: ReadonlySet<number>, to: string): Promise<boolean> {
  return inDuckdb('a raw file that is cut', async ({ db }) => {
    await db.run('SET preserve_insertion_order = true');
    try {
      await db.run(
        `COPY (SELECT * EXCLUDE (file_row_number) FROM read_parquet(${literal(path)}, file_row_number = true, hive_partitioning = false) WHERE file_row_number + 1 NOT IN (${[...by].join(', ')})) TO ${literal(to)} (FORMAT parquet)`,
      );
    } catch (error) {
      if (isOutOfMemory(error)) throw error;
      return false;
    }
    return true;
  });
}
