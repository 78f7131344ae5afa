/** `sluice transform`: a contract on files, on either engine, without any AWS. */
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { ensureSpark } from '../../offline/setup/environments.ts';
import { layOutJob, runSparkJob } from '../../offline/spark.ts';
import { compile } from '../lib/compiler/compile.ts';
import type { Summary } from '../lib/compiler/plan.ts';
import { readContract } from '../lib/contract/load.ts';
import type { Contract } from '../lib/contract/schema.ts';
import { type InputFile, readStart, runEmbedded } from '../lib/engine/embedded.ts';
import { headBytes, lookAt } from '../lib/engine/layout.ts';
import { unpackInput } from '../lib/engine/unpack.ts';
import { batchId } from '../lib/flow/batch.ts';
import { readOptions, UsageError } from './usage.ts';

export const help = `Usage: npm run sluice -- transform --contract FILE --out DIR [options] INPUT…

Writes partitions to DIR/data and refused rows to DIR/quarantine, and prints the accounting as one JSON object.

  --contract FILE   the contract; its references are looked up beside it
  --engine ENGINE   duckdb (the default) or spark
  --out DIR         must be empty or not there
  --json FILE       writes the accounting to FILE too

  npm run sluice -- transform --contract datasets/tweets.yml --out /tmp/tweets datasets/samples/twitter.json`;

export async function run(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    contract: { type: 'string' },
    engine: { type: 'string', default: 'duckdb' },
    out: { type: 'string' },
    json: { type: 'string' },
  });
  const { contract: file, out, engine } = values;
  if (file === undefined || out === undefined || positionals.length === 0)
    throw new UsageError('--contract, --out and at least one INPUT are needed');
  if (engine !== 'duckdb' && engine !== 'spark')
    throw new UsageError(`--engine ${engine}: it is duckdb or spark`);
  const contract = readContract(file);
  const outputDir = resolve(out);
  await mkdir(outputDir, { recursive: true });
  if ((await readdir(outputDir)).length > 0) throw new UsageError(`--out ${out}: the folder is not empty`);
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-input-'));
  process.once('exit', () => rmSync(scratch, { recursive: true, force: true }));
  const inputs = await Promise.all(
    positionals.map((path, i) => inputOf(contract, path, join(scratch, String(i)))),
  );
  const { plan, references } = compile(contract, null, dirname(file));
  const batch = batchId(inputs);
  let summary: Summary;
  if (engine === 'duckdb') summary = await runEmbedded({ plan, references, inputs, batch, outputDir });
  else {
    const spark = await ensureSpark((message) => console.error(`  ${message}`));
    const folder = await mkdtemp(join(tmpdir(), 'sluice-spark-'));
    try {
      const job = await layOutJob(folder, plan, references, inputs, { batch, outputDir });
      summary = await runSparkJob(spark, folder, job);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  const text = JSON.stringify(summary, null, 2);
  console.log(text);
  if (values.json) await writeFile(values.json, `${text}\n`);
  return 0;
}

/** A file of this machine has no version; the time of its last change stands for it. `link` is a name to unpack beside. */
async function inputOf(contract: Contract, path: string, link: string): Promise<InputFile> {
  const { size, mtime } = await stat(path);
  await symlink(resolve(path), link);
  const { layout, fault, compression } = await lookAt(
    contract.source,
    await readStart(path, headBytes),
    size,
  );
  return unpackInput({
    object: basename(path),
    version: mtime.toISOString(),
    path: link,
    layout,
    fault,
    compression,
  });
}
