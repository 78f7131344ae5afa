/** `sluice release` and `sluice reject`: decide about a held batch. */

import { counted } from '../lib/counted.ts';
import { decide } from '../lib/flow/operate/decide.ts';
import type { Decision } from '../lib/model/records.ts';
import { pastOf } from '../lib/model/records.ts';
import { print, printJson } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { type Command, readOptions, UsageError } from './usage.ts';

const commandFor = (kind: Decision['kind'], what: string, more = ''): Command => ({
  help: `Usage: npm run sluice -- ${kind} --dataset NAME --reason TEXT [options] BATCH

${what}

  BATCH             its id, or the beginning of it${more}
  --dataset NAME
  --reason TEXT     the ledger keeps it
${stageHelp}

Example:
  npm run sluice -- ${kind} --dataset social_media --reason "checked with the feed's owner" 4cc4b4a2`,
  async run(args) {
    const { values, positionals } = readOptions(args, {
      ...stageOptions,
      dataset: { type: 'string' },
      reason: { type: 'string' },
    });
    const [id] = positionals;
    if (
      values.dataset === undefined ||
      values.reason === undefined ||
      id === undefined ||
      positionals.length > 1
    )
      throw new UsageError('--dataset, --reason and one BATCH are needed');
    const { deps } = await connect(values);
    const decision = { kind, reason: values.reason, at: new Date().toISOString() };
    const { batch, files, kept } = await decide(deps, values.dataset, id, decision);
    if (values.json) printJson({ batch, files, kept, decision });
    else {
      if (files > kept)
        print(
          `${batch}: ${counted(files - kept, 'file')} put back into the queue, to be ${pastOf[kind]}. Follow the batch with: sluice batches --dataset ${values.dataset}`,
        );
      if (kept > 0)
        print(
          `${batch}: ${counted(kept, 'file')} published as before: what was to replace the rows is rejected`,
        );
    }
    return 0;
  },
});

export const release = commandFor(
  'release',
  'Publishes a held batch although expectations failed. It is processed again, with the current contract.',
);
export const reject = commandFor(
  'reject',
  'Moves every row of a held batch to quarantine, as `rejected`. It is processed again, and publishes nothing.',
  `;
                    "unclaimed" for all files that are held because their raw version is gone: published rows stay`,
);
