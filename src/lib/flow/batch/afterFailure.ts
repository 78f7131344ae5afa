/** What happens to the files of a failed batch. Pure rules, so that a poison file cannot stop a dataset. */

/** After this many failures a batch is split; a single file is given up. */
const triesOfBatch = 2;
const triesOfFile = 3;

/**
 * After this many failures in a row the cause is not a single file. To split on would only start thousands of executions. (To
 * find one file in 1,000 takes 20.)
 */
export const failuresInARow = 25;

/** Files go back to the queue in groups, each a batch of its own; or they wait for a person. */
export type Verdict<F> =
  | { readonly kind: 'retry'; readonly groups: readonly (readonly F[])[] }
  | { readonly kind: 'fail' }
  | { readonly kind: 'hold'; readonly why: string };

/** `attempts`: how often exactly these files failed, including this time; `inARow`: failures since the last success. */
export function afterFailure<F>(files: readonly F[], attempts: number, inARow: number): Verdict<F> {
  if (inARow >= failuresInARow)
    return { kind: 'hold', why: `the last ${inARow} batches of the dataset all failed` };
  if (files.length <= 1)
    return attempts >= triesOfFile ? { kind: 'fail' } : { kind: 'retry', groups: [files] };
  if (attempts < triesOfBatch) return { kind: 'retry', groups: [files] };
  const half = Math.ceil(files.length / 2);
  return { kind: 'retry', groups: [files.slice(0, half), files.slice(half)] };
}
