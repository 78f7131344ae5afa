/** `sls deploy --stage local` onto the local AWS, with the package kept while nothing that goes into it changes. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, rename, rm, utimes } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { localEnvironment } from './aws.ts';
import { cacheFolder, type Report, SetupError } from './setup/environments.ts';

const root = resolve(import.meta.dirname, '..');

/** Everything that a package is made of. */
const sources = [
  'serverless.yml',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'src',
  'infra',
  'statemachines',
  'datasets',
];

/** Deploys the checkout. `params` are the stage's parameters to override. Throws SetupError with the framework's words. */
export async function deploy(options: {
  endpoint: string;
  params: Readonly<Record<string, string>>;
  report: Report;
}): Promise<void> {
  const params = Object.entries(options.params).map(([name, value]) => `--param=${name}=${value}`);
  const packages = join(cacheFolder(), 'packages');
  const identity = fingerprint(params);
  const folder = join(packages, identity);
  if (!existsSync(folder)) {
    options.report('packaging the functions (again only when their code changes)');
    await mkdir(packages, { recursive: true });
    const draft = `${folder}.${process.pid}`;
    await sls(options.endpoint, ['package', '--stage', 'local', '--package', draft, ...params]);
    await rename(draft, folder).catch(() => rm(draft, { recursive: true, force: true }));
    await keepNewest(packages, 5);
  }
  await utimes(folder, new Date(), new Date());
  await sls(options.endpoint, ['deploy', '--stage', 'local', '--package', folder, ...params]);
}

function fingerprint(params: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify([process.version, params]));
  for (const path of sources.flatMap((source) => filesBelow(join(root, source))))
    hash.update(path.slice(root.length)).update(readFileSync(path));
  return hash.digest('hex').slice(0, 16);
}

function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

async function keepNewest(folder: string, count: number): Promise<void> {
  const byAge = readdirSync(folder)
    .map((name) => ({ path: join(folder, name), time: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path } of byAge.slice(count)) await rm(path, { recursive: true, force: true });
}

/** Runs the Serverless Framework of this project. */
async function sls(endpoint: string, args: readonly string[]): Promise<void> {
  const output: string[] = [];
  const code = await new Promise<number | null>((done, fail) => {
    const child = spawn(join(root, 'node_modules/.bin/sls'), args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        ...localEnvironment,
        PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
        AWS_ENDPOINT_URL: endpoint,
        SLS_TELEMETRY_DISABLED: '1',
        SLS_AWS_MONITORING_FREQUENCY: '200',
      },
    });
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.on('error', fail);
    child.on('close', done);
  });
  if (code !== 0) throw new SetupError(`sls ${args.join(' ')} failed:\n${output.join('').trim()}`);
}
