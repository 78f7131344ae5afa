/** Serverless plugin: uploads what the Glue job runs from - the script, and the wheel of DuckDB. */
import { execFile } from 'node:child_process';
import { access, mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { requireDigest } from '../digest.ts';

interface Serverless {
  readonly serviceDir: string;
  readonly service: { readonly custom: { readonly names: { readonly work: string } } };
  getProvider(name: 'aws'): {
    getStage(): string;
    getRegion(): string;
    getAccountId(): Promise<string>;
    getAwsSdkV3Config(): Promise<S3ClientConfig>;
  };
}

interface Tools {
  readonly log: { success(message: string): void };
}

const wheel = createRequire(import.meta.url)('../duckdbWheel.cjs') as {
  name: string;
  version: string;
  sha256: string;
};

export default class GlueAssets {
  readonly hooks: Readonly<Record<string, () => Promise<void>>>;

  constructor(serverless: Serverless, _options: unknown, { log }: Tools) {
    this.hooks = {
      'after:deploy:deploy': async () => {
        const provider = serverless.getProvider('aws');
        const s3 = new S3Client({ ...(await provider.getAwsSdkV3Config()), forcePathStyle: true });
        const { work } = serverless.service.custom.names;
        const Bucket = work
          .replace(/\$\{AWS::AccountId\}/, await provider.getAccountId())
          .replace(/\$\{AWS::Region\}/, provider.getRegion());
        const upload = async (key: string, path: string) => {
          await s3.send(new PutObjectCommand({ Bucket, Key: `scripts/${key}`, Body: await readFile(path) }));
          log.success(`uploaded s3://${Bucket}/scripts/${key}`);
        };
        await upload('job.py', resolve(serverless.serviceDir, 'glue/job.py'));
        // The local Spark has DuckDB in its own environment.
        if (provider.getStage() !== 'local')
          await upload(wheel.name, await downloadWheel(resolve(serverless.serviceDir, '.serverless')));
      },
    };
  }
}

async function downloadWheel(folder: string): Promise<string> {
  const path = join(folder, wheel.name);
  try {
    await access(path);
  } catch {
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
