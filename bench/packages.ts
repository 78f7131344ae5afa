/** Measures the deployed functions: the size of their packages, and the time from the start of a process to the first row. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { parse } from 'yaml';
import { cacheFolder } from '../offline/setup/environments.ts';
import { generateFeed } from '../scripts/generate-feed.ts';
import { measure } from './measure.ts';

const root = resolve(import.meta.dirname, '..');

/** The functions that DuckDB runs in. */
const withEngine = new Set(['transformEmbedded', 'replaceRows', 'startRewriting']);

export interface Packages {
  /** Zipped bytes of the largest function that is not the engine, and of the engine's. */
  readonly largest: { readonly name: string; readonly bytes: number };
  readonly engine: number;
  /** Milliseconds since the process began, medians: modules loaded, plan compiled, one row written. */
  readonly cold: { readonly loaded: number; readonly compiled: number; readonly done: number };
}

/** Needs a package in the cache: the flow was deployed before. */
export async function measurePackages(): Promise<Packages> {
  const packages = join(cacheFolder(), 'packages');
  const newest = readdirSync(packages)
    .map((name) => join(packages, name))
    .filter((path) => existsSync(join(path, 'transformEmbedded.zip')))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
  if (newest === undefined) throw new Error('nothing was packaged: run the flow first');
  const zips = readdirSync(newest)
    .filter((name) => name.endsWith('.zip'))
    .map((name) => ({ name: name.slice(0, -'.zip'.length), bytes: statSync(join(newest, name)).size }));
  const [largest] = zips.filter((z) => !withEngine.has(z.name)).sort((a, b) => b.bytes - a.bytes);
  if (!largest) throw new Error(`${newest} has no function`);
  return {
    largest,
    engine: Math.max(...zips.filter((z) => withEngine.has(z.name)).map((z) => z.bytes)),
    cold: await coldStart(),
  };
}

async function coldStart(): Promise<Packages['cold']> {
  const { custom } = parse(readFileSync(join(root, 'serverless.yml'), 'utf8'), { logLevel: 'silent' }) as {
    custom: {
      esbuild: {
        mainFields: string[];
        external: string[];
        alias: Record<string, string>;
        target: string;
        banner: { js: string };
      };
    };
  };
  const { mainFields, external, alias, target, banner } = custom.esbuild;
  const folder = await mkdtemp(join(tmpdir(), 'sluice-cold-'));
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
    await build({
      entryPoints: [join(import.meta.dirname, 'coldStart.ts')],
      outfile: join(folder, 'coldStart.mjs'),
      bundle: true,
      minify: true,
      format: 'esm',
      platform: 'node',
      mainFields,
      external,
      alias,
      target,
      banner,
    });
    const [line = ''] = [...generateFeed({ rows: 1, dirt: 0 })];
    const names = [
      'STAGE',
      'RAW_BUCKET',
      'PROCESSED_BUCKET',
      'WORK_BUCKET',
      'LEDGER_TABLE',
      'DATABASE',
      'CRAWLER',
    ];
    const environment = {
      ...Object.fromEntries(names.map((name) => [name, 'none'])),
      GLUE_JOB: 'none',
      WORKGROUP: 'none',
      STATE_MACHINE_ARN: 'none',
      ENGINE: 'auto',
      EMBEDDED_LIMIT_MB: '64',
      REWRITE_LIMIT_MB: '4096',
      BATCH_FILES: '1000',
      BATCH_LIMIT_MB: '100',
      AWS_REGION: 'us-east-1',
      LAMBDA_TASK_ROOT: root,
      POWERTOOLS_TRACE_ENABLED: 'false',
    };
    const runs: Packages['cold'][] = [];
    for (let i = 0; i < 11; i++) {
      const args = [join(folder, 'coldStart.mjs'), join(root, 'datasets'), line];
      const { output } = await measure(join(root, 'node_modules/.bin/node'), args, environment);
      runs.push(JSON.parse(output) as Packages['cold']);
    }
    const median = (key: keyof Packages['cold']) => runs.map((r) => r[key]).sort((a, b) => a - b)[5] ?? 0;
    return { loaded: median('loaded'), compiled: median('compiled'), done: median('done') };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
