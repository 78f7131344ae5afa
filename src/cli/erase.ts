/** `sluice erase`: takes persons out of everything that a stage keeps of a dataset. */
import { readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { createInterface } from 'node:readline/promises';
import { dedupeKey } from '../lib/contract/contract.ts';
import { counted } from '../lib/counted.ts';
import { personEngine } from '../lib/engine/personEngine.ts';
import { mentions } from '../lib/engine/sought.ts';
import { contractOf } from '../lib/flow/batch/deps.ts';
import {
  type Certificate,
  certificateAt,
  erase,
  neighboursOf,
  type Survey,
  survey,
} from '../lib/flow/erase/erase.ts';
import { soughtOf } from '../lib/flow/erase/request.ts';
import { requireReason } from '../lib/flow/operate/again.ts';
import { oneLine } from '../lib/visible.ts';
import { print, printJson, progressOn, prompt } from '../stage/terminal.ts';
import { connect, stageHelp, stageOptions } from './connect.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- erase --dataset NAME --reason TEXT (--where CONDITION | --keys FILE) [options]

Erases persons: their rows in the table and in all its earlier states, and their records in every version of the raw files, in
quarantine, tombstones, staging, reports and answers of queries. It searches first, says what it has found, and asks. At the
end it searches everything again. A certificate without values stays in the work bucket. After an interruption, the same command
continues.

  --dataset NAME
  --reason TEXT     the certificate keeps it; do not write values of the person into it
  --where CONDITION
                    who: "user_id = 42", "user_id in (42, 43)", or "tenant = 'a' and email = 'x'"
  --keys FILE       who: a CSV; its first line names columns, and each other line is a person
  --by TEXT         who orders the erasure; by default your user and machine
  --dry-run         only searches and counts
  --yes             does not ask
${stageHelp}

Example:
  npm run sluice -- erase --dataset visits --reason "request 118" --where "user_id = 42" --dry-run`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    ...stageOptions,
    dataset: { type: 'string' },
    reason: { type: 'string' },
    where: { type: 'string' },
    keys: { type: 'string' },
    by: { type: 'string', default: `${userInfo().username}@${hostname()}` },
    'dry-run': { type: 'boolean', default: false },
    yes: { type: 'boolean', default: false },
  });
  const { dataset, where, keys, by } = values;
  const isDryRun = values['dry-run'];
  const reason = values.reason ?? (isDryRun ? '' : undefined);
  if (dataset === undefined || reason === undefined || positionals.length > 0)
    throw new UsageError('--dataset and --reason are needed, and --where or --keys');
  if ((where === undefined) === (keys === undefined))
    throw new UsageError('one of --where and --keys is needed');
  requireReason(reason);
  if (!isDryRun && !values.yes && !process.stdin.isTTY)
    throw new UsageError('it asks before it erases: run it on a terminal, or give --yes');
  const given = keys === undefined ? { where: where ?? '' } : { keys: await readKeys(keys) };
  const { deps } = await connect(values);
  const sought = await soughtOf(deps, dataset, given);
  if (mentions(sought, `${reason}\n${by}`))
    throw new UsageError(
      '--reason and --by stay in the certificate, and must not have a value of the person',
    );
  const progress = progressOn(process.stderr);
  const request = {
    dataset,
    columns: sought.persons.columns,
    persons: sought.persons.conditions.length,
    plan: sought.plan,
    engine: personEngine(sought),
    onProgress: progress.now,
  };
  const found = await survey(deps, request);
  progress.now('');
  const others = neighboursOf(deps, dataset);
  if (!values.json || !isDryRun) tellFound(values.json, found, others);
  if (isDryRun) {
    if (values.json) printJson({ dataset, ...found.counts, refusals: found.refusals, alsoIn: others }, 2);
    return found.refusals.length > 0 ? 1 : 0;
  }
  if (found.refusals.length === 0 && !values.yes && !(await isConfirmed(dataset))) return 1;
  const certificate = await erase(deps, request, found, { by, reason });
  progress.now('');
  if (values.json) printJson(certificate, 2);
  else
    tellErased(deps.config, certificate, remindersOf(contractOf(deps, dataset), deps.config.stage, others));
  return 0;
}

async function readKeys(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    throw new UsageError(`--keys ${path}: the file cannot be read`);
  }
}

function tellFound(
  isJson: boolean,
  { counts: found, refusals, found: { unsearched } }: Survey,
  others: readonly string[],
): void {
  if (isJson) return;
  print(
    `found: ${counted(found.tableRows, 'row')} in ${counted(found.tableVersions, 'version')} of the table's objects, earlier states included`,
  );
  print(
    `       ${counted(found.rawRecords, 'record')} in ${counted(found.rawVersions, 'version')} of raw files`,
  );
  print(
    `       ${counted(found.quarantineRows, 'row')} in ${counted(found.quarantineVersions, 'version')} of quarantine`,
  );
  if (found.tombstoneVersions > 0)
    print(
      `       ${counted(found.tombstoneRows, 'deleted key')} in ${counted(found.tombstoneVersions, 'version')} of tombstones`,
    );
  print(`       ${counted(found.documents, 'document')}: staged objects, reports, answers of queries`);
  if (found.snapshots > 0)
    print(
      `${counted(found.snapshots, 'snapshot')} expire, and nobody can query them any more${found.tags.length === 0 ? '' : `, with the tags ${found.tags.join(', ')}`}`,
    );
  if (others.length > 0)
    print(
      `not searched: the rows of ${others.join(', ')}, which share files or the table; run it there, too`,
    );
  if (found.named > 0)
    print(
      `${counted(found.named, 'raw object')} with their records mention them in the name, which is not changed`,
    );
  for (const { object, why } of unsearched)
    print(
      `not searched: ${oneLine(object, 200)} cannot be read (${why}); if it may have their records, delete it`,
    );
  for (const refusal of refusals) print(`cannot be erased: ${refusal}`);
}

async function isConfirmed(dataset: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin });
  try {
    prompt(`This cannot be undone. Type the name of the dataset (${dataset}) to erase: `);
    for await (const line of lines) {
      if (line.trim() === dataset) return true;
      break;
    }
    print('nothing was changed');
    return false;
  } finally {
    lines.close();
  }
}

/** What Sluice cannot reach. */
function remindersOf(
  contract: Parameters<typeof dedupeKey>[0] & { readonly dataset: string },
  stage: string,
  others: readonly string[],
): string[] {
  const key = dedupeKey(contract);
  const serving =
    key === null
      ? []
      : [
          `the serving table sluice-${stage}-serving, if the stage has one: delete the items of the persons (key: ${[contract.dataset, ...key].join('#')})`,
        ];
  return [
    ...others.map((other) => `the dataset ${other}: npm run sluice -- erase --dataset ${other} …`),
    ...serving,
    'copies that consumers of BatchPublished or of the table have made, and the producer of the files',
  ];
}

function tellErased(
  config: { readonly workBucket: string },
  { dataset, id, changed, searched }: Certificate,
  reminders: readonly string[],
): void {
  print(
    `erased: ${counted(changed?.tableRows ?? 0, 'row')} and ${counted(changed?.rawRecords ?? 0, 'record')}; ${counted(changed?.rawVersionsRewritten ?? 0, 'raw version')} written anew, ${changed?.rawVersionsDeleted ?? 0} deleted; ${counted(changed?.snapshotsExpired ?? 0, 'snapshot')} expired`,
  );
  const versions = Object.values(searched).reduce((sum, n) => sum + n, 0);
  print(`searched again: nothing is left in ${counted(versions, 'version')}`);
  const { bucket, key } = certificateAt(config, dataset, id);
  print(`certificate: s3://${bucket}/${key}`);
  print("not in Sluice's reach:");
  for (const reminder of reminders) print(`  ${reminder}`);
}
