/** Turns events of the raw bucket into pending files in the ledger, and starts an execution for each dataset without one. */
import * as z from 'zod';
import { isFolderMarker, type ObjectVersion, type Versions } from '../aws/versions.ts';
import type { Config } from '../config.ts';
import { datasetsOfKey } from '../contract/contract.ts';
import { UnreadableEvent } from '../errors.ts';
import { tryParseJson } from '../json.ts';
import type { Noted } from '../ledger/files.ts';
import { parallel } from '../parallel.ts';
import { type RemindDeps, remindIfEarly } from './gather.ts';
import { type WakeDeps, wake } from './wake.ts';

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html */
const objectCreated = z.object({
  time: z.iso.datetime().optional(),
  detail: z.object({
    bucket: z.object({ name: z.string() }),
    object: z.object({
      key: z.string(),
      size: z.number().default(0),
      etag: z.string(),
      'version-id': z.string(),
      sequencer: z.string().default(''),
    }),
  }),
});

/** A reminder: see gather.ts. */
const reminder = z.strictObject({ due: z.string() });

export interface DispatchDeps extends WakeDeps, RemindDeps {
  readonly config: Pick<Config, 'rawBucket'>;
  readonly store: Pick<Versions, 'versionsOf'>;
}

export interface DispatchResult {
  readonly noted: number;
  readonly duplicates: number;
  /** Folder markers. */
  readonly ignored: number;
  readonly started: readonly string[];
  /** Messages that return to the queue, and after some tries go to the dead-letter queue. */
  readonly failed: readonly { id: string; error: Error }[];
}

/** A batch of queue messages. A message that fails does not affect the others. */
export async function dispatch(
  deps: DispatchDeps,
  messages: readonly { id: string; body: string }[],
): Promise<DispatchResult> {
  const failed: { id: string; error: Error }[] = [];
  let ignored = 0;
  const told = new Map<string, { id: string; file: Noted | null }[]>();
  for (const { id, body } of messages)
    try {
      const found = contentOf(deps, body);
      if (found === null) ignored++;
      else
        for (const dataset of found.datasets)
          told.set(dataset, [...(told.get(dataset) ?? []), { id, file: found.file }]);
    } catch (error) {
      failed.push({ id, error: asError(error) });
    }
  const results = await parallel([...told], 4, async ([dataset, content]) => {
    const files = content.flatMap(({ id, file }) => (file === null ? [] : [{ id, file }]));
    const noted = await note(
      deps,
      dataset,
      files.map(({ file }) => file),
    );
    const isThere = files.filter((_, i) => {
      const { [i]: result } = noted;
      if (result instanceof Error) failed.push({ id: files[i]?.id ?? '', error: result });
      return !(result instanceof Error);
    });
    const reminders = content.filter(({ file }) => file === null);
    const waking = [...isThere, ...reminders];
    let isStarted = false;
    try {
      if (waking.length > 0 && !(await remindIfEarly(deps, dataset))) isStarted = await wake(deps, dataset);
    } catch (error) {
      // The files are in the ledger. Their messages return and try the wake-up again.
      for (const { id } of waking) failed.push({ id, error: asError(error) });
    }
    const isNew = noted.filter((result) => result === true).length;
    return { dataset, isStarted, isNew, isKnown: isThere.length - isNew };
  });
  return {
    noted: results.reduce((sum, r) => sum + r.isNew, 0),
    duplicates: results.reduce((sum, r) => sum + r.isKnown, 0),
    ignored,
    started: results.flatMap((r) => (r.isStarted ? [r.dataset] : [])),
    // A message that failed for several datasets returns once.
    failed: failed.filter(({ id }, i) => failed.findIndex((one) => one.id === id) === i),
  };
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/**
 * The file of a queue message, and its datasets; for a reminder the dataset alone. Null for an object that is not a data file,
 * and for a reminder of a dataset that was removed.
 */
function contentOf(
  { contracts }: DispatchDeps,
  body: string,
): { datasets: readonly string[]; file: Noted | null } | null {
  const message = tryParseJson(body);
  if (message === undefined) throw new UnreadableEvent(`the message is not JSON: ${body.slice(0, 200)}`);
  const due = reminder.safeParse(message).data?.due;
  if (due !== undefined) return contracts.has(due) ? { datasets: [due], file: null } : null;
  const { time: landedAt, detail } = parseEvent(message);
  const { key, size, etag, sequencer, 'version-id': version } = detail.object;
  if (isFolderMarker({ key, size })) return null;
  const found = datasetsOfKey(contracts, key);
  if (found.length === 0)
    throw new UnreadableEvent(
      `no contract has a prefix for the object ${key}; the prefixes are ${[...contracts.values()].map((c) => c.source.prefix).join(', ')}`,
      { object: key },
    );
  return {
    datasets: found.map(({ dataset }) => dataset),
    file: { object: key, version, size, sequencer, landedAt, etag },
  };
}

/** A version that was found without an event. S3's list of versions orders it. */
export const listedFile = ({ key, version, size, etag }: Omit<ObjectVersion, 'isLatest'>): Noted => ({
  object: key,
  version,
  size,
  sequencer: '',
  etag,
});

/** Records versions in the ledger. If events cannot order the versions of an object, S3's list does. */
export const note = (
  { ledger, store, config }: Pick<DispatchDeps, 'ledger' | 'store' | 'config'>,
  dataset: string,
  files: readonly Noted[],
): Promise<(boolean | Error)[]> =>
  ledger.notePending(dataset, files, (object) => store.versionsOf(config.rawBucket, object));

function parseEvent(event: unknown): z.output<typeof objectCreated> {
  const parsed = objectCreated.safeParse(event);
  if (!parsed.success)
    throw new UnreadableEvent(
      `the message is no Object Created event of a versioned bucket: ${z.prettifyError(parsed.error)}`,
    );
  return parsed.data;
}
