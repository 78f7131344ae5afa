/** Iceberg tables in memory, with objects written by DuckDB. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { createPointers } from '../../src/lib/aws/pointer.ts';
import { createStore } from '../../src/lib/aws/store.ts';
import { commit, type Outcome, requireTable, type TableDeps } from '../../src/lib/table/iceberg/commit.ts';
import type { WantedTable } from '../../src/lib/table/iceberg/evolve.ts';
import { filesOf, refOf } from '../../src/lib/table/iceberg/files.ts';
import {
  contents,
  type DataFile,
  type Partition,
  readManifest,
  readManifestList,
  statuses,
  typedFields,
  writeManifest,
  writeManifestList,
} from '../../src/lib/table/iceberg/manifest.ts';
import {
  currentSnapshot,
  parseMetadata,
  pointedTo,
  schemaOf,
  specOf,
  withSnapshot,
} from '../../src/lib/table/iceberg/metadata.ts';
import { type Change, liveEntries, manifestsOf } from '../../src/lib/table/iceberg/snapshot.ts';
import { describeObject } from '../../src/lib/table/iceberg/statistics.ts';
import type { Schema } from '../../src/lib/table/iceberg/types.ts';
import { type Answers, type Readers, startReaders } from './judges.ts';
import { createMemoryAws, type MemoryActor, type MemoryAws, type MemoryOptions } from './memory/index.ts';

export const bucket = 'processed';

/** A table with one column of each kind of evolution. */
export const wanted: WantedTable = {
  name: 't',
  location: 's3://processed/t/',
  columns: [
    { name: 'id', type: 'int', doc: 'of the post' },
    { name: 'price', type: 'decimal(10,2)' },
    { name: 'tags', type: 'array<int>' },
    { name: 'day', type: 'string' },
  ],
  partitionBy: [{ column: 'day', transform: 'identity' }],
};

export const icebergAws = (options: MemoryOptions = {}): MemoryAws =>
  createMemoryAws({ buckets: { [bucket]: {} }, databases: ['db'], ...options });

export const depsOf = (actor: MemoryActor, aws: MemoryAws): TableDeps => ({
  files: filesOf(createStore(actor.s3, { pause: 0 })),
  pointers: createPointers('db', actor.glue, actor.glue),
  now: aws.clock.now,
  patience: { attempts: 6, pause: 0 },
});

/** Rows of a statement that become one Parquet object. */
interface RowsObject {
  readonly key: string;
  readonly rows: string;
  readonly partition: Partition;
  /** More options of DuckDB's COPY. */
  readonly copy?: string;
}

/** Puts the rows of a statement as one Parquet object, and describes it. */
export const putRows = (aws: MemoryAws, schema: Schema, object: RowsObject): Promise<DataFile> =>
  writeRows(schema, object, bucket, async (bytes) => void aws.s3.seed(bucket, object.key, bytes));

/** The same in any bucket. */
export async function writeRows(
  schema: Schema,
  object: RowsObject,
  to: string,
  put: (bytes: Buffer) => Promise<void>,
): Promise<DataFile> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-iceberg-'));
  const instance = await DuckDBInstance.create();
  const db = await instance.connect();
  try {
    const path = join(folder, 'object.parquet');
    await db.run("SET TimeZone = 'UTC'");
    await db.run(
      `COPY (${object.rows}) TO '${path}' (FORMAT parquet, COMPRESSION zstd ${object.copy ?? ''})`,
    );
    const bytes = await readFile(path);
    await put(bytes);
    return describeObject(
      {
        path: `s3://${to}/${object.key}`,
        size: bytes.length,
        partition: object.partition,
        read: async (start, end) => new Uint8Array(bytes.subarray(start, end)).buffer,
      },
      schema,
    );
  } finally {
    db.closeSync();
    instance.closeSync();
    await rm(folder, { recursive: true });
  }
}

/** A folder with the table's objects, which other engines read and write. */
export class Judge {
  private readonly aws: MemoryAws;
  /** Stands for the buckets. */
  readonly folder: string;
  private readonly readers: Readers;

  private constructor(aws: MemoryAws, folder: string, readers: Readers) {
    this.aws = aws;
    this.folder = folder;
    this.readers = readers;
  }

  static async on(aws: MemoryAws): Promise<Judge> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-judge-'));
    return new Judge(aws, folder, await startReaders(folder));
  }

  async close(): Promise<void> {
    this.readers.close();
    await rm(this.folder, { recursive: true });
  }

  /** Returns the answers to the steps, and the table's metadata file after them. The memory's S3 gets what the steps wrote. */
  async ask(metadata: string, steps: readonly object[]): Promise<Answers> {
    for (const key of this.aws.s3.keys(bucket)) {
      const path = join(this.folder, bucket, key);
      await mkdir(dirname(path), { recursive: true });
      const [version] = this.aws.s3.versions(bucket, key);
      await writeFile(path, version?.content?.bytes ?? '');
    }
    const answers = await this.readers.ask(metadata, steps);
    const known = new Set(this.aws.s3.keys(bucket));
    const root = join(this.folder, bucket);
    for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      const key = path.slice(root.length + 1);
      if (entry.isFile() && !known.has(key)) this.aws.s3.seed(bucket, key, await readFile(path));
    }
    return answers;
  }

  /** Deletes objects, in the memory's S3 and in the folder. */
  async forget(paths: readonly string[]): Promise<void> {
    for (const { key } of paths.map(refOf)) {
      this.aws.s3.expire(bucket, key, 'null');
      await rm(join(this.folder, bucket, key));
    }
  }

  /** Points the Glue table to a metadata file, as the other engine's own catalog would. */
  async adopt(deps: TableDeps, name: string, metadata: string): Promise<void> {
    const pointer = await deps.pointers.read(name);
    if (!pointer) throw new Error(`there is no table ${name}`);
    const location = metadata.slice(0, metadata.indexOf('/metadata/'));
    await deps.pointers.swap(pointer, { file: metadata, location, columns: [] });
  }
}

/** What another tool does, past the ledger: the table is a kept snapshot again. */
export const rollBackTo = (deps: TableDeps, name: string, snapshotId: bigint): Promise<Outcome> =>
  commit(deps, name, {
    author: undefined,
    apply: (metadata, now) =>
      metadata['current-snapshot-id'] === snapshotId
        ? metadata
        : { ...metadata, ...pointedTo(metadata, snapshotId, Math.max(now, metadata['last-updated-ms'])) },
  });

/** A file for a manifest; nobody reads it. */
export const fakeFile = (name: string, partition: Partition = new Map(), records = 1n): DataFile =>
  fakeObject(`s3://${bucket}/t/${name}.parquet`, { partition, records });

/** The same at any address. */
export const fakeObject = (path: string, known: Partial<DataFile> = {}): DataFile => ({
  content: 0,
  path,
  format: 'PARQUET',
  partition: new Map(),
  records: 1n,
  bytes: 100n,
  columnSizes: null,
  valueCounts: null,
  nullCounts: null,
  nanCounts: null,
  lowerBounds: null,
  upperBounds: null,
  keyMetadata: null,
  splitOffsets: null,
  equalityIds: null,
  sortOrderId: null,
  referencedDataFile: null,
  ...known,
});

export const plainTable: WantedTable = {
  name: 't',
  location: `s3://${bucket}/t/`,
  columns: [{ name: 'id', type: 'bigint' }],
  partitionBy: [],
};

/** Adds and drops files by their names. */
export const changing = (add: readonly string[], drop: readonly string[] = []): Change => ({
  add: add.map((name) => ({ file: fakeFile(name), specId: 0 })),
  drop: drop.map((name) => ({ path: fakeFile(name).path })),
  dropped: 'replaced',
  summary: {},
});

/** The names of the files that a reader of the table finds, sorted; duplicates appear twice. */
export async function readable(deps: TableDeps, name = 't'): Promise<string[]> {
  const { metadata } = await requireTable(deps, name);
  const entries = await liveEntries(deps.files, metadata);
  return entries.map(({ file }) => file.path.slice(`s3://${bucket}/t/`.length, -'.parquet'.length)).sort();
}

/** Keys of the objects that a reader of a table finds now, sorted; without faults and counts. */
export const liveKeys = (aws: MemoryAws, table: string): string[] =>
  liveFiles(aws, table)
    .flatMap(({ content, path }) => (content === contents.data ? [refOf(path).key] : []))
    .sort();

/** Keys of delete files, by the keys of their objects. */
export const liveDeletes = (aws: MemoryAws, table: string): Map<string, string> =>
  new Map(
    liveFiles(aws, table).flatMap(({ path, referencedDataFile: of }) =>
      of === null ? [] : [[refOf(of).key, refOf(path).key]],
    ),
  );

function liveFiles(aws: MemoryAws, table: string): DataFile[] {
  const bytesOf = (address: string): Uint8Array => {
    const { bucket: from, key } = refOf(address);
    const [version] = aws.s3.versions(from, key);
    if (!version?.content) throw new Error(`the table cannot be read: ${address} is gone`);
    return version.content.bytes;
  };
  const file = aws.glue.tableInput('db', table)?.Parameters?.metadata_location;
  if (file === undefined) return [];
  const metadata = parseMetadata(Buffer.from(bytesOf(file)).toString());
  const snapshot = currentSnapshot(metadata);
  if (snapshot === undefined) return [];
  return readManifestList(bytesOf(snapshot['manifest-list']))
    .flatMap((manifest) =>
      readManifest(
        bytesOf(manifest.path),
        manifest,
        typedFields(specOf(metadata, manifest.specId), metadata.schemas),
      ),
    )
    .flatMap(({ status, file }) => (status === statuses.deleted ? [] : [file]));
}

/** Another engine deletes rows of an object of the table t, as Athena and Trino do: by position, in a file of its own. */
export const deleteRowsOf = (deps: TableDeps, path: string): Promise<Outcome> =>
  commit(deps, 't', {
    author: undefined,
    async apply(metadata) {
      const parent = currentSnapshot(metadata);
      const entries = await liveEntries(deps.files, metadata);
      const sequenceNumber = metadata['last-sequence-number'] + 1n;
      const [id, folder] = [sequenceNumber + 1000n, `s3://${bucket}/t/metadata/`];
      const file = fakeObject(`s3://${bucket}/t/deletes-${id}.parquet`, {
        content: contents.positionDeletes,
        partition: entries.find((entry) => entry.file.path === path)?.file.partition ?? new Map(),
        referencedDataFile: path,
      });
      const { bytes, manifest } = writeManifest(
        [
          {
            status: statuses.added,
            snapshotId: id,
            sequenceNumber: undefined,
            fileSequenceNumber: undefined,
            file,
          },
        ],
        {
          spec: specOf(metadata),
          schema: schemaOf(metadata),
          schemas: metadata.schemas,
          content: contents.positionDeletes,
          snapshotId: id,
        },
      );
      await deps.files.write(`${folder}${id}-m.avro`, bytes);
      const manifests = [
        manifest(`${folder}${id}-m.avro`, sequenceNumber),
        ...(await manifestsOf(deps.files, parent)),
      ];
      const list = `${folder}snap-${id}.avro`;
      await deps.files.write(
        list,
        writeManifestList(manifests, { id, parent: parent?.['snapshot-id'], sequenceNumber }),
      );
      return withSnapshot(metadata, {
        'snapshot-id': id,
        ...(parent ? { 'parent-snapshot-id': parent['snapshot-id'] } : {}),
        'sequence-number': sequenceNumber,
        'timestamp-ms': metadata['last-updated-ms'],
        'manifest-list': list,
        summary: { operation: 'delete', 'total-records': 'many', 'total-delete-files': '1' },
      });
    },
  });
