/** `sluice backfill`: takes objects that are already in the raw bucket into the ledger. */
import { placeOf } from '../lib/aws/store.ts';
import { counted } from '../lib/counted.ts';
import { type BackfillProgress, backfill } from '../lib/flow/operate/backfill.ts';
import { complain, print, printJson, progressOn } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- backfill --dataset NAME [--prefix KEY] [--inventory ADDRESS] [options]

Puts objects that are already in the raw bucket, such as years of history, into the queue of a dataset, behind new files. The
batches begin at once, and go on after the command has ended. If it is interrupted, run the same command again: it continues where
it stopped. Files that the ledger knows change nothing.

  --dataset NAME
  --prefix KEY         only objects whose keys begin with KEY; default: the prefix of the dataset
  --inventory ADDRESS  the s3:// address of a manifest.json of S3 Inventory (CSV or Parquet, all versions); without it, the
                       bucket is listed
  --rate N             the most objects per second, up to 4000; default 1000
  --restart            starts from the beginning
${stageHelp}

Example:
  npm run sluice -- backfill --dataset social_media --prefix social-media-feed/2024/ --stage dev`;

export async function run(args: string[]): Promise<number> {
  const { values } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    prefix: { type: 'string' },
    inventory: { type: 'string' },
    rate: { type: 'string' },
    restart: { type: 'boolean' },
  });
  const { dataset, prefix } = values;
  if (dataset === undefined) throw new UsageError('--dataset is needed');
  const rate = Number(values.rate ?? 1000);
  if (!Number.isInteger(rate) || rate < 1 || rate > 4000)
    throw new UsageError(`--rate ${values.rate}: must be 1 to 4000`);
  if (values.inventory !== undefined && !/^s3:\/\/[^/]+\/.+/.test(values.inventory))
    throw new UsageError(`--inventory ${values.inventory}: must be an s3:// address of a manifest.json`);
  const inventory = values.inventory === undefined ? undefined : placeOf(values.inventory);
  const { deps } = await connect(values);
  const progress = progressOn(process.stderr);
  const startedAt = Date.now();
  let before: number | undefined;
  const result = await backfill(deps, dataset, {
    prefix,
    inventory,
    rate,
    restarts: values.restart,
    onProgress: (now) => {
      if (before === undefined && now.isContinued) complain(`continues after ${counted(now.seen, 'object')}`);
      before ??= now.seen;
      progress.now(lineOf(now, (Date.now() - startedAt) / 1000, now.seen - before));
    },
  });
  progress.now('');
  if (values.json) printJson(result);
  else {
    print(
      `${counted(result.seen, 'object')} looked at, ${counted(result.noted, 'file')} put into the queue in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
    );
    if (result.failed > 0)
      print(
        `${counted(result.failed, 'object')} could not be recorded; run the command again with --restart`,
      );
  }
  return result.failed > 0 ? 1 : 0;
}

/** `done`: objects since this call began. */
function lineOf({ seen, total }: BackfillProgress, seconds: number, done: number): string {
  const perSecond = done / Math.max(seconds, 0.001);
  const left = total === undefined || perSecond === 0 ? undefined : Math.ceil((total - seen) / perSecond);
  return `${seen}${total === undefined ? '' : ` of ${total}`} objects, ${Math.round(perSecond)} per second${left === undefined ? '' : `, ${durationOf(left)} left`}`;
}

const durationOf = (seconds: number): string =>
  seconds < 90
    ? `${seconds} s`
    : seconds < 5400
      ? `${Math.round(seconds / 60)} min`
      : `${(seconds / 3600).toFixed(1)} h`;
