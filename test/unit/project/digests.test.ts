import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { requireDigest } from '../../../infra/digest.ts';
import { artefacts } from '../../../offline/setup/artefacts.ts';
import { fetchArtefact } from '../../../offline/setup/environments.ts';
import { SetupError } from '../../../src/lib/errors.ts';

const root = resolve(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'sluice-digest-'));
afterAll(() => rmSync(folder, { recursive: true }));

const wheel = createRequire(import.meta.url)('../../../infra/duckdbWheel.cjs') as {
  version: string;
  name: string;
  sha256: string;
};
const lists = ['offline/setup', 'bench'].flatMap((place) =>
  readdirSync(join(root, place))
    .filter((file) => file.endsWith('.in'))
    .map((file) => join(root, place, file)),
);
/** `name==version` of each package, without its marker, and its hashes. */
const packagesOf = (list: string) =>
  readFileSync(list.replace(/\.in$/, '.txt'), 'utf8')
    .replaceAll(' \\\n', ' ')
    .replaceAll(/\[[^\]]*\]/g, (extras) => extras.replaceAll(' ', ''))
    .trim()
    .split('\n')
    .map((line) => ({
      pin: line.split(/[ ;]/)[0] ?? '',
      hashes: [...line.matchAll(/--hash=sha256:([0-9a-f]{64})/g)].map(([, hash]) => hash),
    }));

test('a file that was changed is refused by its digest, and is gone', async () => {
  const path = join(folder, 'file.whl');
  writeFileSync(path, 'as it was');
  const sha256 = createHash('sha256').update('as it was').digest('hex');
  await requireDigest(path, sha256, 'a wheel');
  writeFileSync(path, 'as it was.');
  const refused = requireDigest(path, sha256, 'a wheel');
  await expect(refused).rejects.toThrow(SetupError);
  await expect(refused).rejects.toThrow(/^a wheel is not the file that is expected: its SHA-256 is /);
  expect(existsSync(path)).toBe(false);
});

test('an artefact that Maven brings with other bytes is refused, and one without a digest is not fetched', async () => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(
    join(bin, 'mvn'),
    [
      '#!/bin/sh',
      'for option in "$@"; do case $option in -DoutputDirectory=*) out=$(echo "$option" | cut -d= -f2);; esac; done',
      'mkdir -p "$out" && echo other > "$out/hadoop-aws-3.3.4.jar"',
      '',
    ].join('\n'),
  );
  chmodSync(join(bin, 'mvn'), 0o755);
  const before = process.env.PATH;
  process.env.PATH = [bin, before].join(delimiter);
  try {
    const out = join(folder, 'jars');
    await expect(fetchArtefact('org.apache.hadoop:hadoop-aws:3.3.4', out, () => {})).rejects.toThrow(
      'org.apache.hadoop:hadoop-aws:3.3.4 is not the file that is expected',
    );
    expect(readdirSync(out)).toEqual([]);
    await expect(fetchArtefact('some:thing:1', out, () => {})).rejects.toThrow(
      'has no SHA-256 of some:thing:1',
    );
  } finally {
    process.env.PATH = before;
  }
});

test('every artefact has a digest, and every Python package a version and hashes', () => {
  for (const sha256 of Object.values(artefacts)) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(lists.length).toBeGreaterThanOrEqual(8);
  for (const list of lists)
    for (const { pin, hashes } of packagesOf(list)) {
      expect(pin).toMatch(/^[A-Za-z0-9._-]+(\[[a-z0-9,-]+\])?==[A-Za-z0-9._+!-]+$/);
      expect([pin, hashes.length]).toEqual([pin, expect.any(Number)]);
      expect(hashes.length).toBeGreaterThan(0);
    }
});

test('each list has what its .in file asks for: npm run lock is due otherwise', () => {
  // A list contains the packages of an extra, not its name.
  const folded = (pin: string) =>
    pin
      .replace(/\[.*\]/, '')
      .toLowerCase()
      .replaceAll('_', '-');
  for (const list of lists) {
    const pins = packagesOf(list).map(({ pin }) => folded(pin));
    for (const asked of readFileSync(list, 'utf8').trim().split('\n')) expect(pins).toContain(folded(asked));
  }
});

test('Spark on a laptop and the Glue job install the DuckDB of the functions, the same file', () => {
  const duckdb = packagesOf(join(root, 'offline/setup/spark.in')).find(({ pin }) =>
    pin.startsWith('duckdb=='),
  );
  expect(duckdb?.pin).toBe(`duckdb==${wheel.version}`);
  expect(duckdb?.hashes).toContain(wheel.sha256);
});
