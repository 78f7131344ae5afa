/** `sluice transform`: runs a contract on files, on either engine, without AWS. */
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ensureSpark } from '../../offline/setup/environments.ts';
import { layOutJob, runSparkJob } from '../../offline/spark.ts';
import { compile } from '../lib/compiler/compile.ts';
import { needsCatalog } from '../lib/compiler/resolve.ts';
import { readContract } from '../lib/contract/load.ts';
import { runEmbedded } from '../lib/engine/embedded.ts';
import { fetchPublished } from '../lib/engine/publishedKeys.ts';
import { batchId } from '../lib/flow/batch/id.ts';
import type { Summary } from '../lib/model/plan.ts';
import { loadReferences } from '../lib/reference/load.ts';
import { complain, print } from '../stage/terminal.ts';
import { inputsOf, localObjects, tableOfInputs } from './inputs.ts';
import { localTables } from './lookups.ts';
import { requireFiles } from './paths.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- transform --contract FILE --out DIR [options] INPUT…

Runs a contract on files. It writes partitions to DIR/data and rejected rows to DIR/quarantine, and prints the accounting as one
JSON object.

  --contract FILE   the contract; its reference files are in the same folder
  --engine ENGINE   duckdb (the default) or spark
  --out DIR         a new or empty folder
  --json FILE       also writes the accounting to FILE
  --published DIR   published rows (an earlier DIR/data), for contracts with the scope partition or table; DIR/replaced lists
                    those that newer rows replace. Keys that were deleted before are in DIR/tombstones, next to DIR/data
  --lookup TABLE=DIR  the rows of a table that the contract looks up (an earlier DIR/data); the table's contract is next to FILE

Example:
  npm run sluice -- transform --contract datasets/tweets.yml --out /tmp/tweets datasets/samples/twitter.json`;

export const values = { '--engine': ['duckdb', 'spark'] };

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    contract: { type: 'string' },
    engine: { type: 'string', default: 'duckdb' },
    out: { type: 'string' },
    json: { type: 'string' },
    published: { type: 'string' },
    lookup: { type: 'string', multiple: true, default: [] },
  });
  const { contract: file, out, engine } = values;
  if (file === undefined || out === undefined || positionals.length === 0)
    throw new UsageError('--contract, --out and at least one INPUT are needed');
  if (engine !== 'duckdb' && engine !== 'spark')
    throw new UsageError(`--engine ${engine}: must be duckdb or spark`);
  await requireFiles([file], 'pipe');
  const contract = readContract(file);
  const outputDir = resolve(out);
  await mkdir(outputDir, { recursive: true });
  if ((await readdir(outputDir)).length > 0) throw new UsageError(`--out ${out}: the folder is not empty`);
  await requireFiles(positionals);
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-input-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const found = await Promise.all(
    positionals.map((path, i) => inputsOf(contract, path, join(scratch, String(i)))),
  );
  const inputs = found.flat();
  const references = await loadReferences(
    contract,
    dirname(file),
    localTables(file, contract, values.lookup),
  );
  const plan = compile(
    contract,
    needsCatalog(contract) ? await tableOfInputs(contract, inputs) : null,
    references,
  );
  const batch = batchId(inputs);
  const isAsked = plan.set.dedupe?.published === true && values.published !== undefined;
  const publishedDir = isAsked ? resolve(values.published ?? '') : undefined;
  const tombstones = publishedDir === undefined ? [] : await tombstonesNextTo(publishedDir);
  let summary: Summary;
  if (engine === 'duckdb')
    summary = await runEmbedded({
      plan,
      references,
      inputs,
      batch,
      outputDir,
      published: async (partitions, into) =>
        publishedDir === undefined
          ? []
          : fetchPublished(localObjects(publishedDir, plan.partitionKeys), plan, batch, partitions, into),
      tombstones: async () => tombstones,
    });
  else {
    const spark = await ensureSpark((message) => complain(`  ${message}`));
    const folder = await mkdtemp(join(tmpdir(), 'sluice-spark-'));
    try {
      const job = await layOutJob(folder, plan, references, inputs, {
        batch,
        outputDir,
        ...(publishedDir === undefined ? {} : { published: publishedDir, tombstones }),
      });
      summary = await runSparkJob(spark, folder, job);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const text = JSON.stringify(summary, null, 2);
  print(text);
  if (values.json) await writeFile(values.json, `${text}\n`);
  return 0;
}

/** The tombstones that an earlier run wrote next to its rows. */
async function tombstonesNextTo(data: string): Promise<string[]> {
  const folder = join(dirname(data), 'tombstones');
  const names = existsSync(folder) ? await readdir(folder) : [];
  return names.filter((name) => name.endsWith('.parquet')).map((name) => join(folder, name));
}
