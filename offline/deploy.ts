/** `sls deploy --stage local` to the local AWS. The package is reused until something in it changes. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { SetupError } from '../src/lib/errors.ts';
import { localEnvironment } from '../src/stage/localEndpoint.ts';
import { cacheFolder, type Report } from './setup/environments.ts';

const root = resolve(import.meta.dirname, '..');

/** All sources of a package. */
const sources = [
  'serverless.yml',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'src',
  'glue',
  'infra',
  'statemachines',
  'datasets',
  'examples',
];

/** Deploys the checkout. `params` are the stage's parameters to override. Throws SetupError with the framework's message. */
export async function deploy(options: {
  endpoint: string;
  params: Readonly<Record<string, string>>;
  report: Report;
}): Promise<void> {
  const params = asArguments(options.params);
  const environment = { ...localEnvironment, AWS_ENDPOINT_URL: options.endpoint };
  const folder = await packageStage({ stage: 'local', environment, ...options });
  await sls(['deploy', '--stage', 'local', '--package', folder, ...params], environment);
}

/** Packages a stage, or reuses its package. Gives the folder with the template and the functions. Throws SetupError. */
export async function packageStage(options: {
  stage: string;
  params: Readonly<Record<string, string>>;
  report: Report;
  /** Of no account by default. */
  environment?: Readonly<Record<string, string>>;
}): Promise<string> {
  const { stage, report, environment = {} } = options;
  const params = ['--stage', stage, ...asArguments(options.params)];
  const packages = join(cacheFolder(), 'packages');
  const folder = join(packages, fingerprint(params));
  if (!existsSync(folder)) {
    report(`packaging the functions of stage ${stage} (again only when their code changes)`);
    await mkdir(packages, { recursive: true });
    const draft = `${folder}.${process.pid}`;
    await sls(['package', '--package', draft, ...params], environment);
    await rename(draft, folder).catch(() => rm(draft, { recursive: true, force: true }));
    await keepNewest(packages, 8);
  }
  await utimes(folder, new Date(), new Date());
  return folder;
}

const asArguments = (params: Readonly<Record<string, string>>): string[] =>
  Object.entries(params)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `--param=${name}=${value}`);

function fingerprint(params: readonly string[]): string {
  const hash = createHash('sha256').update(JSON.stringify([process.version, params]));
  for (const path of sources.flatMap((source) => filesBelow(join(root, source))))
    hash.update(path.slice(root.length)).update(readFileSync(path));
  return hash.digest('hex').slice(0, 16);
}

/** Leaves out what packaging itself writes: the checked contracts and indexed polygons. */
function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => !name.startsWith('.'))
    .sort()
    .flatMap((name) => filesBelow(join(path, name)));
}

async function keepNewest(folder: string, count: number): Promise<void> {
  // A name that begins with a point is a draft that somebody is editing.
  const byAge = readdirSync(folder)
    .filter((name) => !name.includes('.'))
    .map((name) => ({ path: join(folder, name), time: statSync(join(folder, name)).mtimeMs }))
    .sort((a, b) => b.time - a.time);
  for (const { path } of byAge.slice(count)) await rm(path, { recursive: true, force: true });
}

/** Runs the Serverless Framework of this project, without the user's own AWS settings. */
async function sls(args: readonly string[], environment: Readonly<Record<string, string>>): Promise<void> {
  const output: string[] = [];
  // serverless-esbuild leaves what it has packed there.
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-package-'));
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'));
  const code = await new Promise<number | null>((done, fail) => {
    const child = spawn(join(root, 'node_modules/.bin/sls'), args, {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...Object.fromEntries(inherited),
        ...environment,
        PATH: [join(root, 'node_modules/.bin'), process.env.PATH].join(delimiter),
        TMPDIR: scratch,
        SLS_TELEMETRY_DISABLED: '1',
        SLS_AWS_MONITORING_FREQUENCY: '200',
      },
    });
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk.toString()));
    child.on('error', fail);
    child.on('close', done);
  }).finally(() => rm(scratch, { recursive: true, force: true }));
  if (code !== 0) throw new SetupError(`sls ${args.join(' ')} failed:\n${output.join('').trim()}`);
}
