/**
 * The commit of a table: new metadata, then one swap of the pointer. An answer that is not clear is never taken for a failure: the
 * table is read again and says what has happened. Nothing is deleted here; what nobody points at is an orphan.
 */
import { randomUUID } from 'node:crypto';
import {
  AlreadyExistsException,
  type Column,
  ConcurrentModificationException,
  GlueServiceException,
} from '@aws-sdk/client-glue';
import { again, type Patience } from '../../aws/again.ts';
import type { Pointer, Pointers, Target } from '../../aws/pointer.ts';
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
import { hiveOf } from './types.ts';

export interface TableDeps {
  readonly files: Files;
  readonly pointers: Pointers;
  readonly now?: () => number;
  /** How often a commit is rebased on others. */
  readonly patience?: Patience;
}

export interface LoadedTable {
  readonly name: string;
  readonly pointer: Pointer;
  readonly metadata: Metadata;
}

/** Whose commit it is: an attempt at a batch of a dataset, or the dataset's own upkeep under a lease. */
export interface Author {
  readonly dataset: string;
  readonly fence: number;
}

/** What a commit wants. */
export interface Intent {
  readonly author: Author;
  /** Whether the table tells that this commit was made: it is made once, however often it is asked for. */
  isDone?(metadata: Metadata): boolean;
  /** The metadata to be; the same object when there is nothing to do. Called again for each table that others have made meanwhile. */
  apply(metadata: Metadata, now: number): Metadata | Promise<Metadata>;
}

export interface Outcome {
  /** done before: an earlier call has made this commit. */
  readonly how: 'committed' | 'done before' | 'nothing to do';
  readonly metadata: Metadata;
}

/** Undefined for a table that is not there. */
export async function loadTable(
  { files, pointers }: TableDeps,
  name: string,
): Promise<LoadedTable | undefined> {
  const pointer = await pointers.read(name);
  return pointer && { name, pointer, metadata: await readMetadata(files, pointer.file) };
}

/** Throws TableMismatch for a table that is not there. */
export async function requireTable(deps: TableDeps, name: string): Promise<LoadedTable> {
  const table = await loadTable(deps, name);
  if (!table) throw new TableMismatch(`table ${name}: it is not there; somebody has dropped it`);
  return table;
}

const readMetadata = async (files: Files, file: string): Promise<Metadata> =>
  parseMetadata(Buffer.from(await files.read(file)).toString('utf8'));

/** Makes the table unless it is there. */
export async function createTable(deps: TableDeps, wanted: WantedTable): Promise<LoadedTable> {
  const existing = await loadTable(deps, wanted.name);
  if (existing) return existing;
  const metadata = newMetadata(wanted, (deps.now ?? Date.now)());
  const target = targetOf(metadata, metadataFile(metadata, undefined));
  await deps.files.write(target.file, formatMetadata(metadata));
  try {
    await deps.pointers.create(wanted.name, target);
  } catch (error) {
    // Whoever has made it, perhaps this very call: it is there, or the error holds.
    const made = error instanceof AlreadyExistsException || isUnclear(error);
    const table = made ? await loadTable(deps, wanted.name) : undefined;
    if (table) return table;
    throw error;
  }
  return requireTable(deps, wanted.name);
}

/**
 * Makes a commit. Throws LeaseLost when a later holder of the dataset's lease has written to the table, TableConflict when the
 * change does not fit to what others have made of the table, CommitUnclear when nobody can tell whether it will still be made:
 * the same commit can be asked for again.
 */
export async function commit(deps: TableDeps, name: string, intent: Intent): Promise<Outcome> {
  const { files, pointers, now = Date.now, patience = {} } = deps;
  /** Our metadata files: any of them may have become the table's. */
  const tried = new Set<string>();
  let uuid: string | undefined;
  let isUnsure = false;
  const attempt = async (): Promise<Outcome> => {
    const { pointer, metadata } = await requireTable(deps, name);
    uuid ??= metadata['table-uuid'];
    if (metadata['table-uuid'] !== uuid)
      throw new TableConflict(`table ${name}: somebody has dropped it and made another one of its name`);
    if (isMade(metadata, pointer.file, tried)) return { how: 'committed', metadata };
    if (intent.isDone?.(metadata)) return { how: tried.size > 0 ? 'committed' : 'done before', metadata };
    requireFence(name, metadata, intent.author);
    const applied = await intent.apply(metadata, now());
    if (applied === metadata) return { how: 'nothing to do', metadata };
    const next = successor(pointer.file, metadata, withFence(applied, intent.author), now());
    const target = targetOf(next, metadataFile(next, pointer.file));
    await files.write(target.file, formatMetadata(next));
    tried.add(target.file);
    try {
      await pointers.swap(pointer, target);
    } catch (error) {
      if (isRefused(error)) throw error;
      isUnsure ||= isUnclear(error);
      throw new Undecided(error);
    }
    return { how: 'committed', metadata: next };
  };
  try {
    return await again(attempt, (error) => error instanceof Undecided, patience);
  } catch (error) {
    if (!(error instanceof Undecided)) throw error;
    // The last try was made, or somebody's: once more, the table says.
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

/** A swap that failed, or was not answered: the next try reads the table first, and finds out. */
class Undecided extends Error {
  override readonly cause: unknown;
  constructor(cause: unknown) {
    super('the swap was not confirmed');
    this.cause = cause;
  }
}

/** What Glue has refused, without any effect. Of all other errors nobody knows. */
const refusals = new Set([
  'AccessDeniedException',
  'EntityNotFoundException',
  'GlueEncryptionException',
  'InvalidInputException',
  'ResourceNumberLimitExceededException',
  'ValidationException',
]);
const isRefused = (error: unknown): boolean =>
  error instanceof GlueServiceException && refusals.has(error.name);

/** Glue has done nothing, and may do it when asked again. */
const isPassing = (error: unknown): boolean =>
  error instanceof ConcurrentModificationException ||
  (error instanceof GlueServiceException && error.name === 'ThrottlingException');

const isUnclear = (error: unknown): boolean => !isRefused(error) && !isPassing(error);

/** Whether one of our metadata files is, or was, the table's. */
const isMade = (metadata: Metadata, current: string, tried: ReadonlySet<string>): boolean =>
  tried.has(current) || metadata['metadata-log'].some((entry) => tried.has(entry['metadata-file']));

// ---- whose commits there are

const batchProperty = 'sluice.batch';
const fenceProperty = 'sluice.fence';

/** What a snapshot says of the attempt that made it. */
export const provenance = (
  { batch, fence }: Attempt,
  more: Readonly<Record<string, string>> = {},
): Record<string, string> => ({ [batchProperty]: batch, [fenceProperty]: String(fence), ...more });

/** The snapshot of an attempt's commit. Undefined for none, and for one that was expired. */
export const committedBy = (metadata: Metadata, { batch, fence }: Attempt): Snapshot | undefined =>
  metadata.snapshots.find(
    ({ summary }) => summary[batchProperty] === batch && summary[fenceProperty] === String(fence),
  );

/** The table itself remembers who was the last to write for a dataset. */
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
 * Closes the table to all holders of the dataset's lease before `author`, and to calls of theirs that are still under way. Whoever has
 * taken over does so before it asks what the earlier ones have committed. A fence that is higher already stays.
 */
export const raiseFence = (deps: TableDeps, name: string, author: Author): Promise<Outcome> =>
  commit(deps, name, {
    author,
    isDone: (metadata) => fenceOf(metadata, author.dataset) > author.fence,
    apply: (metadata) => withFence(metadata, author),
  });

// ---- what Glue is told

/** `00003-<uuid>.metadata.json`, one more than the file before. */
const metadataFile = (metadata: Metadata, previous: string | undefined): string => {
  const before = /\/(\d+)-[^/]*\.metadata\.json$/.exec(previous ?? '')?.[1];
  const number = before === undefined ? 0 : Number(before) + 1;
  return `${metadataFolder(metadata)}${String(number).padStart(5, '0')}-${randomUUID()}.metadata.json`;
};

const targetOf = (metadata: Metadata, file: string): Target => ({
  file,
  location: metadata.location,
  columns: schemaOf(metadata).fields.map(
    (field): Column => ({
      Name: field.name,
      Type: hiveOf(field.type),
      // Glue takes 255 characters.
      ...(field.doc === undefined ? {} : { Comment: field.doc.slice(0, 255) }),
      Parameters: {
        'iceberg.field.current': 'true',
        'iceberg.field.id': String(field.id),
        'iceberg.field.optional': String(!field.required),
      },
    }),
  ),
});
