/** `sluice pause` and `sluice resume`. */
import { pause as pauseDataset, resume as resumeDataset } from '../lib/flow/operate/pause.ts';
import { oneLine } from '../lib/visible.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { type Command, readOptions, UsageError } from './usage.ts';

export const pause: Command = {
  help: `Usage: npm run sluice -- pause --dataset NAME --reason TEXT [options]

Keeps the dataset from starting batches until it is resumed. A running batch goes on to its end. New files wait; none is lost.

  --dataset NAME
  --reason TEXT     status shows it
${stageHelp}

Example:
  npm run sluice -- pause --dataset social_media --reason "the feed sends yesterday's rows again"`,
  async run(args) {
    const { values, positionals } = readOptions(args, {
      ...stageOptions,
      dataset: { type: 'string' },
      reason: { type: 'string' },
    });
    if (values.dataset === undefined || values.reason === undefined || positionals.length > 0)
      throw new UsageError('--dataset and --reason are needed');
    const { deps } = await connect(values);
    const paused = await pauseDataset(deps, values.dataset, values.reason);
    if (values.json) printJson({ dataset: values.dataset, paused });
    else
      print(
        `${values.dataset} is paused since ${paused.at}: ${oneLine(paused.reason, 200)}. End it with: sluice resume --dataset ${values.dataset}`,
      );
    return 0;
  },
};

export const resume: Command = {
  help: `Usage: npm run sluice -- resume --dataset NAME [options]

Ends a pause, or the rest of a dataset after an outage of AWS: the files that wait are processed.

  --dataset NAME
${stageHelp}

Example:
  npm run sluice -- resume --dataset social_media`,
  async run(args) {
    const { values, positionals } = readOptions(args, { ...stageOptions, dataset: { type: 'string' } });
    if (values.dataset === undefined || positionals.length > 0) throw new UsageError('--dataset is needed');
    const { deps } = await connect(values);
    const started = await resumeDataset(deps, values.dataset);
    if (values.json) printJson({ dataset: values.dataset, started });
    else
      print(
        `${values.dataset}: ${started ? 'the files that wait are being processed' : 'nothing waits, or an execution runs already'}`,
      );
    return 0;
  },
};
