/** What happens to the files of a failed batch. Pure rules, so that a poison file cannot stop a dataset. */
import { longestRest } from '../../ledger/leases.ts';

/** After this many failures a batch is split; a single file is given up. */
const triesOfBatch = 2;
const triesOfFile = 3;

/**
 * After this many failures in a row the cause is not a single file. To split on would only start thousands of executions. (To
 * find one file in 100,000 takes up to 37, if its half is always tried first.)
 */
export const failuresInARow = 40;

/** Files go back to the queue in groups, each a batch of its own; or they wait for a person. */
export type Verdict<F> =
  | { readonly kind: 'retry'; readonly groups: readonly (readonly F[])[] }
  | { readonly kind: 'fail' }
  | { readonly kind: 'hold'; readonly why: string };

/** After this many outages of one batch, further ones count as tries. So many take at least ten hours. */
const mostOutages = 150;

/**
 * Whether an attempt that one of `outageErrors` has ended is an outage of AWS, and does not count as a try. If files of the dataset were published
 * since the last attempt at these files, AWS works, and these files are the cause. `outages`: how many earlier attempts did not count.
 * `publishedBefore`: the number of published files of the dataset when the last attempt ended.
 */
export const isOutage = (
  { outages, publishedBefore }: { readonly outages: number; readonly publishedBefore?: number | undefined },
  published: number,
): boolean => outages < mostOutages && (publishedBefore === undefined || published === publishedBefore);

/** Milliseconds until the next execution of a dataset may start, after so many outages in a row. A short outage is over at once. */
export const restAfter = (outages: number): number =>
  outages < 2 ? 0 : Math.min(60_000 * 2 ** (outages - 2), longestRest);

/**
 * The groups in which files are tried again after an outage. One of several files may be too much for AWS each time: from the third outage on,
 * they are tried apart.
 */
export const afterOutage = <F>(files: readonly F[], outages: number): readonly (readonly F[])[] =>
  files.length > 1 && outages >= triesOfBatch ? halvesOf(files) : [files];

/** `attempts`: how often exactly these files failed, including this time; `inARow`: failures since the last success. */
export function afterFailure<F>(files: readonly F[], attempts: number, inARow: number): Verdict<F> {
  if (inARow >= failuresInARow)
    return { kind: 'hold', why: `the last ${inARow} batches of the dataset all failed` };
  if (files.length <= 1)
    return attempts >= triesOfFile ? { kind: 'fail' } : { kind: 'retry', groups: [files] };
  if (attempts < triesOfBatch) return { kind: 'retry', groups: [files] };
  return { kind: 'retry', groups: halvesOf(files) };
}

function halvesOf<F>(files: readonly F[]): readonly (readonly F[])[] {
  const half = Math.ceil(files.length / 2);
  return [files.slice(0, half), files.slice(half)];
}
