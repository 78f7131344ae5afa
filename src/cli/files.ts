/** `sluice files`: the latest files of a dataset, with their state and counts. */
import { contractOf } from '../lib/flow/batch/deps.ts';
import type { Ledger } from '../lib/ledger/ledger.ts';
import { type FileRecord, type FileState, fileStates } from '../lib/model/records.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { accountingColumns, printReasons, printTable, reasonCell } from './table.ts';
import { readLast, readOptions, readTime, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- files --dataset NAME [--state STATE] [--last N] [--before TIME] [options]

Shows files of a dataset, the latest last: state, batch, counts, and the reason if a file is held or failed.

  --dataset NAME
  --state STATE     pending, claimed, published, rejected, held, failed, replaced or same
  --last N          the last N files; default 100
  --before TIME     only files that arrived earlier, such as 2025-10-06T05:00:00Z: pages back
${stageHelp}

Example:
  npm run sluice -- files --dataset social_media --state held`;

export const values = { '--state': fileStates };

/** The maximum number of files that are read to find those in a rare state. */
const lookedAt = 100_000;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    state: { type: 'string' },
    last: { type: 'string', default: '100' },
    before: { type: 'string' },
  });
  if (values.dataset === undefined) throw new UsageError('--dataset is needed');
  const last = readLast(values.last);
  const state = fileStates.find((s) => s === values.state);
  if (values.state !== undefined && state === undefined)
    throw new UsageError(`--state ${values.state}: must be one of ${fileStates.join(', ')}`);
  const before = values.before === undefined ? undefined : readTime(values.before);
  const { deps } = await connect(values);
  contractOf(deps, values.dataset);
  const { files, isCut } = await lastFiles(deps.ledger, values.dataset, {
    state,
    last,
    before: before?.toISOString(),
  });
  if (values.json) printJson(files, 2);
  else {
    const accounting = accountingColumns(files.map((f) => f.counts));
    printTable(
      print,
      [
        'object',
        'state',
        'bytes',
        'tries',
        'batch',
        ...accounting.heads,

        'reason',
      ],
      files.map((f) => [
        f.object,
        f.state,
        f.size,
        f.attempts,
        f.batch?.slice(0, 8) ?? '-',
        ...accounting.cells(f.counts),
        reasonCell(f.reason),
      ]),
    );
    printReasons(
      print,
      files.map((f) => ({ name: f.object, reason: f.reason })),
    );
    const [oldest] = files;
    if (isCut && oldest) print(`  There are more: --before ${oldest.notedAt}`);
  }
  return 0;
}

/**
 * The last files that arrived before a time (ISO 8601), the latest last. Files that wait for a person are found in their list. For any
 * other state, at most `looked` files are read, beginning with the latest. `isCut`: there may be more files, which arrived before the first
 * of these. Files of the same moment are never separated.
 */
export async function lastFiles(
  ledger: Ledger,
  dataset: string,
  {
    state,
    last,
    before,
    looked = lookedAt,
  }: {
    state?: FileState | undefined;
    last: number;
    before?: string | undefined;
    looked?: number;
  },
): Promise<{ files: FileRecord[]; isCut: boolean }> {
  const isBefore = (file: FileRecord) => before === undefined || file.notedAt < before;
  if (state === 'held' || state === 'failed') return lastWaiting(ledger, dataset, state, last, isBefore);
  const found: FileRecord[] = [];
  let rest = looked;
  const range = before === undefined ? {} : { to: before };
  for await (const file of ledger.files(dataset, { isBackward: true, ...range })) {
    const isEnough = found.length >= last && file.notedAt !== found.at(-1)?.notedAt;
    if (isEnough || rest-- === 0) return { files: found.reverse(), isCut: true };
    if ((state === undefined || file.state === state) && isBefore(file)) found.push(file);
  }
  return { files: found.reverse(), isCut: false };
}

/** The last files that wait for a person. Their list is sorted by batch, so all are read and the last are kept. */
async function lastWaiting(
  ledger: Ledger,
  dataset: string,
  state: 'held' | 'failed',
  last: number,
  isBefore: (file: FileRecord) => boolean,
): Promise<{ files: FileRecord[]; isCut: boolean }> {
  let found: FileRecord[] = [];
  let isCut = false;
  const cut = () => {
    found.sort((a, b) => (a.notedAt < b.notedAt ? -1 : 1));
    const first = found.at(-last)?.notedAt ?? '';
    const kept = found.filter((file) => file.notedAt >= first);
    isCut ||= kept.length < found.length;
    found = kept;
  };
  for await (const file of waitingFiles(ledger, dataset, state)) {
    if (!isBefore(file)) continue;
    found.push(file);
    if (found.length > 2 * last + 1000) cut();
  }
  cut();
  return { files: found, isCut };
}

/** Records of files that wait for a person. */
async function* waitingFiles(
  ledger: Ledger,
  dataset: string,
  state: 'held' | 'failed',
): AsyncGenerator<FileRecord> {
  for await (const page of ledger.waitingPages(dataset, state))
    for (const { file } of await ledger.read(dataset, page)) if (file?.state === state) yield file;
}
