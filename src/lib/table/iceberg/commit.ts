/**
 * Commits a change of a table: writes new metadata, then swaps the pointer once. An unclear answer is never treated as a failure: the
 * table is read again and shows what happened. Nothing is deleted here. Files that nothing points to are orphans.
 */
import { randomUUID } from 'node:crypto';
import { again, type Patience } from '../../aws/again.ts';
import { isRefused, isUnclear, type Pointer, type Pointers, type Target } from '../../aws/pointer.ts';
import { CommitUnclear, LeaseLost, TableConflict, TableMismatch } from '../../errors.ts';
import type { Attempt } from '../../model/records.ts';
import { newMetadata, type WantedTable } from './evolve.ts';
import type { Files } from './files.ts';
import {
  formatMetadata,
  type Metadata,
  parseMetadata,
  type Snapshot,
  schemaOf,
  successor,
} from './metadata.ts';
import { metadataFolder } from './snapshot.ts';
import { type Field, hiveOf } from './types.ts';

export interface TableDeps {
  readonly files: Files;
  readonly pointers: Pointers;
  readonly now?: () => number;
  /** How often a commit is rebased on the commits of others. */
  readonly patience?: Patience;
}

export interface LoadedTable {
  readonly name: string;
  readonly pointer: Pointer;
  readonly metadata: Metadata;
}

/** The author of a commit: an attempt at a batch, or maintenance of the dataset under a lease. */
export interface Author {
  readonly dataset: string;
  readonly fence: number;
}

/** A wanted commit. */
export interface Intent {
  /** Undefined for a change that belongs to no lease, because it touches no rows: a person's tag, or an expiry. */
  readonly author: Author | undefined;
  /** Whether the table shows that this commit was made. It is made only once, even if it is asked for again. */
  isDone?(metadata: Metadata): boolean;
  /** The new metadata; the same object if there is nothing to do. Called again for each state that others have committed in the meantime. */
  apply(metadata: Metadata, now: number): Metadata | Promise<Metadata>;
}

export interface Outcome {
  /** done before: an earlier call made this commit. */
  readonly how: 'committed' | 'done before' | 'nothing to do';
  readonly metadata: Metadata;
}

/** Undefined if the table does not exist. */
export async function loadTable(
  { files, pointers }: TableDeps,
  name: string,
): Promise<LoadedTable | undefined> {
  const pointer = await pointers.read(name);
  return pointer && { name, pointer, metadata: await readMetadata(files, pointer.file) };
}

/** Throws TableMismatch if the table does not exist. */
export async function requireTable(deps: TableDeps, name: string): Promise<LoadedTable> {
  const table = await loadTable(deps, name);
  if (!table) throw new TableMismatch(`table ${name}: it does not exist; somebody has dropped it`);
  return table;
}

/**
 * The last metadata file that was read or became the current one. It never changes; one that names thousands of snapshots takes long to
 * parse, and a step looks at its table often.
 */
const lastSeen = new WeakMap<Files, { readonly file: string; readonly metadata: Metadata }>();

async function readMetadata(files: Files, file: string): Promise<Metadata> {
  const last = lastSeen.get(files);
  if (last?.file === file) return last.metadata;
  const metadata = parseMetadata(Buffer.from(await files.read(file)).toString('utf8'));
  lastSeen.set(files, { file, metadata });
  return metadata;
}

/** Creates the table if it does not exist. */
export async function createTable(deps: TableDeps, wanted: WantedTable): Promise<LoadedTable> {
  const existing = await loadTable(deps, wanted.name);
  if (existing) return existing;
  const metadata = newMetadata(wanted, (deps.now ?? Date.now)());
  const target = targetOf(metadata, metadataFile(metadata, undefined));
  await deps.files.write(target.file, formatMetadata(metadata));
  try {
    await deps.pointers.create(wanted.name, target);
  } catch (error) {
    // If the table exists now, it does not matter who created it.
    const table = await loadTable(deps, wanted.name);
    if (table) return table;
    throw error;
  }
  return requireTable(deps, wanted.name);
}

/**
 * Makes a commit. Throws LeaseLost if a later holder of the dataset's lease has written to the table, TableConflict if the change does
 * not fit the table that others have changed, CommitUnclear if it is unknown whether the commit will still take effect. The same
 * commit can then be asked for again.
 */
export async function commit(deps: TableDeps, name: string, intent: Intent): Promise<Outcome> {
  const { files, pointers, now = Date.now, patience = {} } = deps;
  /** Our metadata files. Any of them may have become the current one. */
  const tried = new Set<string>();
  let uuid: string | undefined;
  let isUnsure = false;
  const attempt = async (): Promise<Outcome> => {
    const { pointer, metadata } = await requireTable(deps, name);
    uuid ??= metadata['table-uuid'];
    if (metadata['table-uuid'] !== uuid)
      throw new TableConflict(`table ${name}: somebody has dropped it and created another one with its name`);
    if (isMade(metadata, pointer.file, tried)) return { how: 'committed', metadata };
    if (intent.isDone?.(metadata)) return { how: 'done before', metadata };
    if (intent.author) requireFence(name, metadata, intent.author);
    const applied = await intent.apply(metadata, now());
    if (applied === metadata) return { how: 'nothing to do', metadata };
    const fenced = intent.author ? withFence(applied, intent.author) : applied;
    const next = successor(pointer.file, metadata, fenced, now());
    const target = targetOf(next, metadataFile(next, pointer.file));
    await files.write(target.file, formatMetadata(next));
    tried.add(target.file);
    try {
      await pointers.swap(pointer, target);
    } catch (error) {
      if (isRefused(error)) throw error;
      isUnsure ||= isUnclear(error);
      throw new Undecided(undefined, { cause: error });
    }
    lastSeen.set(files, { file: target.file, metadata: next });
    return { how: 'committed', metadata: next };
  };
  try {
    return await again(attempt, (error) => error instanceof Undecided, patience);
  } catch (error) {
    if (!(error instanceof Undecided)) throw error;
    // The last try may have succeeded: read the table once more.
    const { pointer, metadata } = await requireTable(deps, name);
    if (isMade(metadata, pointer.file, tried) || intent.isDone?.(metadata))
      return { how: 'committed', metadata };
    if (isUnsure)
      throw new CommitUnclear(
        `table ${name}: Glue did not say whether it has taken the commit, and may still take it; ask for the same commit again`,
        { cause: error.cause },
      );
    throw error.cause;
  }
}

/** After a swap that failed or was not answered, the next try reads the table first. */
class Undecided extends Error {}

/** Whether one of our metadata files is or was the current one. */
const isMade = (metadata: Metadata, current: string, tried: ReadonlySet<string>): boolean =>
  tried.has(current) || metadata['metadata-log'].some((entry) => tried.has(entry['metadata-file']));

// ---- authors of commits

const batchProperty = 'sluice.batch';
/** In snapshots, and with the dataset in the table's properties. */
export const fenceProperty = 'sluice.fence';

/** The attempt that made a snapshot. */
export const provenance = (
  { batch, fence }: Attempt,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> => ({ [batchProperty]: batch, [fenceProperty]: String(fence), ...more });

/** The attempt that made a snapshot; undefined for maintenance and other writers. */
export const attemptOf = ({ summary }: Snapshot): Attempt | undefined => {
  const { [batchProperty]: batch, [fenceProperty]: fence } = summary;
  return batch === undefined || fence === undefined ? undefined : { batch, fence: Number(fence) };
};

/** The snapshot of an attempt's commit. Undefined if there is none or it has expired. */
export const committedBy = (metadata: Metadata, { batch, fence }: Attempt): Snapshot | undefined =>
  metadata.snapshots.find(
    ({ summary }) => summary[batchProperty] === batch && summary[fenceProperty] === String(fence),
  );

/** The table remembers the last fence that wrote for a dataset. */
export const fenceOf = (metadata: Metadata, dataset: string): number =>
  Number(metadata.properties[`${fenceProperty}.${dataset}`] ?? 0);

function requireFence(name: string, metadata: Metadata, { dataset, fence }: Author): void {
  const last = fenceOf(metadata, dataset);
  if (last > fence)
    throw new LeaseLost(
      `table ${name}: the dataset ${dataset} is written under the fence ${last} now, this execution has ${fence}`,
    );
}

const withFence = (metadata: Metadata, { dataset, fence }: Author): Metadata =>
  fenceOf(metadata, dataset) === fence
    ? metadata
    : {
        ...metadata,
        properties: { ...metadata.properties, [`${fenceProperty}.${dataset}`]: String(fence) },
      };

/**
 * Closes the table to all earlier holders of the dataset's lease, even to their calls in progress. A new holder does this before it
 * asks what earlier holders have committed. A higher fence stays.
 */
export const raiseFence = (deps: TableDeps, name: string, author: Author): Promise<Outcome> =>
  commit(deps, name, {
    author,
    isDone: (metadata) => fenceOf(metadata, author.dataset) > author.fence,
    apply: (metadata) => withFence(metadata, author),
  });

// ---- the table in Glue

/** `00003-<uuid>.metadata.json`: the number of the file before, plus one. */
const metadataFile = (metadata: Metadata, previous: string | undefined): string => {
  const before = /\/(\d+)-[^/]*\.metadata\.json$/.exec(previous ?? '')?.[1];
  const number = before === undefined ? 0 : Number(before) + 1;
  return `${metadataFolder(metadata)}${String(number).padStart(5, '0')}-${randomUUID()}.metadata.json`;
};

/** Glue takes one line of 255 characters; other writers may have written more. */
const commentOf = (doc: string): string =>
  doc
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, 255)
    .toWellFormed();

const targetOf = (metadata: Metadata, file: string): Target => ({
  file,
  location: metadata.location,
  columns: schemaOf(metadata).fields.map((field): Target['columns'][number] => ({
    Name: field.name,
    Type: hiveOf(field.type),
    ...(field.doc === undefined ? {} : { Comment: commentOf(field.doc) }),
    Parameters: parametersOf(field),
  })),
});

/** What a column of an Iceberg table has in the Data Catalog. Athena writes the same. */
export const parametersOf = ({ id, required }: Pick<Field, 'id' | 'required'>): Record<string, string> => ({
  'iceberg.field.current': 'true',
  'iceberg.field.id': String(id),
  'iceberg.field.optional': String(!required),
});
