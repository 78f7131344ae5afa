import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a script of the project as a user would. */
const run = (script: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], {
    cwd: root,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
};
const sluice = (...args: string[]) => run('src/cli/sluice.ts', ...args);

test('transform writes partitions and prints the accounting as one JSON object', () => {
  const out = join(folder, 'out');
  const json = join(folder, 'out.json');
  const { status, stdout } = sluice(
    'transform',
    '--contract',
    'datasets/social_media.yml',
    '--out',
    out,
    '--json',
    json,
    'datasets/samples/social-media-feed-1665034800.json',
  );
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    rowsRead: 4000,
    published: 3836,
    quarantined: 100,
    duplicates: 64,
    partitions: [
      { values: ['social_media', '2025', '10', '06'], rows: 2262 },
      { values: ['social_media', '2025', '10', '07'], rows: 1574 },
    ],
  });
  expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual(JSON.parse(stdout));
  expect(sluice('transform', '--contract', 'datasets/tweets.yml', '--out', out, 'x')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('the folder is not empty'),
  });
});

test('validate names the fault and its place, and exits 1', () => {
  const bad = join(folder, 'bad.yml');
  writeFileSync(bad, 'dataset: bad\n');
  expect(sluice('validate', 'datasets/tweets.yml', bad)).toMatchObject({
    status: 1,
    stdout: 'datasets/tweets.yml: valid\n',
    stderr: expect.stringContaining(`${bad}:1:1 source:`),
  });
});

test('explain gives the plan as data', () => {
  const { status, stdout } = sluice('explain', '--json', 'datasets/tweets.yml');
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ dataset: 'tweets', set: { dedupe: { key: ['id'] } } });
});

test.each([
  [['nonsense'], 2, 'there is no command "nonsense"'],
  [['transform'], 2, '--contract, --out and at least one INPUT are needed'],
  [['transform', '--nope'], 2, "Unknown option '--nope'"],
  [['validate', 'nowhere.yml'], 2, 'nowhere.yml'],
])('sluice %j exits %i and says why', (args, status, message) => {
  const result = sluice(...args);
  expect([result.status, result.stderr]).toEqual([status, expect.stringContaining(message)]);
});

test.each([
  [
    'twitter.json',
    { rowsRead: 100, published: 100 },
    ['dedupe:', '  records: statuses', 'path: entities.hashtags'],
  ],
  [
    'social-media-feed-1665034800.json',
    { rowsRead: 4000, published: 3931 },
    ['      - epoch_ms', 'type: array<string>'],
  ],
])('a contract that infer drafts from %s runs as drafted', (sample, counts, parts) => {
  const { status, stdout } = sluice('infer', '--dataset', 'drafted', `datasets/samples/${sample}`);
  expect(status).toBe(0);
  for (const part of parts) expect(stdout).toContain(part);
  const contract = join(folder, `${sample}.yml`);
  writeFileSync(contract, stdout);
  const run = sluice(
    'transform',
    '--contract',
    contract,
    '--out',
    join(folder, sample),
    `datasets/samples/${sample}`,
  );
  expect(JSON.parse(run.stdout)).toMatchObject(counts);
});

test('every command and script has help', () => {
  for (const command of ['transform', 'validate', 'explain', 'infer'])
    expect(sluice(command, '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage: npm run sluice'),
    });
  for (const script of ['start', 'test', 'differential', 'generate-feed'])
    expect(run(`scripts/${script}.ts`, '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage:'),
    });
  expect(run('scripts/start.ts', '--engine', 'abacus')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--engine abacus: it is one of auto, embedded, glue'),
  });
});
