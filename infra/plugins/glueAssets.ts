/** Serverless plugin: uploads the Glue job's script, the archive of its modules, and the wheel of DuckDB before the stack is updated, under the keys that the template names. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PutObjectCommand, S3Client, type S3ClientConfig, S3ServiceException } from '@aws-sdk/client-s3';
import { zipSync } from 'fflate';
import { requireDigest } from '../digest.ts';

interface Serverless {
  readonly serviceDir: string;
  readonly service: { readonly provider: { readonly compiledCloudFormationTemplate: unknown } };
  readonly classes: { readonly Error: new (message: string) => Error };
  getProvider(name: 'aws'): {
    getStage(): string;
    getServerlessDeploymentBucketName(): Promise<string>;
    getAwsSdkV3Config(): Promise<S3ClientConfig>;
  };
}

interface Tools {
  readonly log: { success(message: string): void };
}

const require = createRequire(import.meta.url);
const wheel = require('../duckdbWheel.cjs') as { name: string; version: string; sha256: string };
const assets = require('../glueFiles.cjs') as {
  folder: string;
  imported: readonly string[];
  script: string;
  modules: string;
  wheel: string;
};

export default class GlueAssets {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless, _options: unknown, { log }: Tools) {
    const packaged = resolve(serverless.serviceDir, '.serverless');
    this.hooks = {
      // A package may be deployed later: it must contain the files that its template names.
      'after:package:createDeploymentArtifacts': async () => {
        await rm(join(packaged, 'glue'), { recursive: true, force: true });
        await mkdir(dirname(join(packaged, assets.script)), { recursive: true });
        await cp(join(assets.folder, 'job.py'), join(packaged, assets.script));
        await writeFile(join(packaged, assets.modules), await archiveOf(assets.folder, assets.imported));
      },
      'after:aws:package:finalize:mergeCustomProviderResources': async () => {
        const template = JSON.stringify(serverless.service.provider.compiledCloudFormationTemplate);
        if (!template.includes(assets.script))
          throw new serverless.classes.Error(
            'a file below glue/ was changed while it was packaged; run it again',
          );
      },
      // The bucket exists and the stack is still the old one, so no job can start before its files are there.
      'before:aws:deploy:deploy:uploadArtifacts': async () => {
        const provider = serverless.getProvider('aws');
        const s3 = new S3Client({ ...(await provider.getAwsSdkV3Config()), forcePathStyle: true });
        const Bucket = await provider.getServerlessDeploymentBucketName();
        const upload = async (Key: string, path: string) => {
          await putOnce(s3, Bucket, Key, await readFile(path));
          log.success(`the Glue job's s3://${Bucket}/${Key} is there`);
        };
        const found = await readdir(join(packaged, 'glue'), { recursive: true });
        for (const name of found.filter((file) => /\.(py|zip)$/.test(file)))
          await upload(`glue/${name}`, join(packaged, 'glue', name));
        // The local Spark has DuckDB in its own environment.
        if (provider.getStage() !== 'local') await upload(assets.wheel, await downloadWheel(packaged));
      },
    };
  }
}

/** A zip of Python modules, as Glue puts them on Python's path. Equal modules give equal bytes. */
async function archiveOf(folder: string, names: readonly string[]): Promise<Uint8Array> {
  const files = await Promise.all(
    names.map(async (name) => [name, new Uint8Array(await readFile(join(folder, name)))] as const),
  );
  // The earliest time that a zip can store.
  return zipSync(Object.fromEntries(files), { mtime: new Date(1980, 0, 1) });
}

/** A key contains the digest of its content, so an existing object is never written again. */
async function putOnce(s3: S3Client, Bucket: string, Key: string, Body: Uint8Array): Promise<void> {
  try {
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' }));
  } catch (error) {
    if (!(error instanceof S3ServiceException) || error.name !== 'PreconditionFailed') throw error;
  }
}

/** Throws SetupError for a wheel with another digest than duckdbWheel.cjs has. */
async function downloadWheel(folder: string): Promise<string> {
  const path = join(folder, wheel.name);
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true });
    const platforms = ['manylinux_2_28_x86_64', 'manylinux_2_26_x86_64', 'manylinux2014_x86_64'];
    await promisify(execFile)('python3', [
      '-m',
      'pip',
      'download',
      '--quiet',
      '--no-deps',
      '--only-binary=:all:',
      '--python-version=3.11',
      ...platforms.flatMap((platform) => ['--platform', platform]),
      `--dest=${folder}`,
      `duckdb==${wheel.version}`,
    ]);
  }
  await requireDigest(path, wheel.sha256, wheel.name);
  return path;
}
