import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { commands } from '../../src/cli/commands.ts';

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

test('transform looks up the rows of another dataset, and validate says what a lookup needs', () => {
  const at = (name: string) => join(folder, 'lookups', name);
  mkdirSync(at(''), { recursive: true });
  const contract = (dataset: string, columns: string, more: string) =>
    writeFileSync(
      at(`${dataset}.yml`),
      `dataset: ${dataset}\nsource: { prefix: ${dataset}/, formats: [ndjson] }\ncolumns: [${columns}]\npartitionBy: []\n${more}`,
    );
  const id = '{ name: id, path: id, type: bigint, required: true }';
  contract('users', `${id}, { name: country, path: country, type: string }`, '');
  contract(
    'orders',
    id,
    'enrich: [{ kind: lookup, table: users, on: { id: id }, columns: { from_country: country }, unmatched: quarantine }]\n',
  );
  writeFileSync(at('users.json'), '{"id":1,"country":"de"}\n{"id":2,"country":null}\n');
  writeFileSync(at('orders.json'), '{"id":1}\n{"id":2}\n{"id":3}\n');
  expect(sluice('validate', at('orders.yml'), at('users.yml'))).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('the contract users needs dedupe'),
  });
  contract(
    'users',
    `${id}, { name: country, path: country, type: string }`,
    'dedupe: { key: [id], scope: table }\n',
  );
  const transform = (dataset: string, ...more: string[]) =>
    sluice(
      'transform',
      '--contract',
      at(`${dataset}.yml`),
      '--out',
      at(`${dataset}-out`),
      ...more,
      at(`${dataset}.json`),
    );
  expect(transform('users').status).toBe(0);
  expect(transform('orders')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--lookup users=DIR'),
  });
  const { status, stdout } = transform('orders', '--lookup', `users=${at('users-out/data')}`);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ rowsRead: 3, published: 2, reasons: { unmatched: 1 } });
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

test('explain --step gives the row part up to a step, and names the steps there are', () => {
  const { status, stdout } = sluice('explain', '--step', 'objects', 'datasets/tweets.yml');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^WITH decoded AS \([\s\S]*\n\)\nSELECT \*,[\s\S]*AS __doc\n {2}FROM lines\n$/);
  expect(sluice('explain', '--step', 'convertd', 'datasets/tweets.yml')).toMatchObject({
    status: 2,
    stderr: expect.stringMatching(/decoded, lines, objects, .*rows; did you mean "converted"\?/),
  });
});

test.each([
  [['nonsense'], 2, 'there is no command "nonsense"; --help lists them all\n'],
  [['statsu'], 2, 'there is no command "statsu"; did you mean "status"?\n'],
  [['transform'], 2, '--contract, --out and at least one INPUT are needed'],
  [['transform', '--nope'], 2, "Unknown option '--nope'\n"],
  [['transform', '--egnine', 'x'], 2, `Unknown option '--egnine'; did you mean "--engine"?\n`],
  [['query', '/* x */ DROP TABLE tweets'], 2, 'run it with --write'],
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
    { rowsRead: 4000, published: 3938 },
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

test.each([
  [
    'flights.csv',
    ['year,delay,plane,left', '2013,NA,NA,2013-01-01T10:00:00Z', '2013,-4,N14228,NA', '2013,2,NA,NA'],
    {
      source: { csv: { nullText: 'NA' } },
      columns: [{ type: 'bigint' }, { type: 'bigint' }, { type: 'string' }, { type: 'timestamp' }],
    },
  ],
  [
    'levels.ndjson',
    ['{"level": 1.5, "note": "-"}', '{"level": "N/A", "note": "x"}', '{"level": "null", "note": "y"}'],
    { columns: [{ type: 'double', nullValues: ['N/A', 'null'] }, { type: 'string' }] },
  ],
])('infer takes what stands for no value in %s for none', (name, lines, draft) => {
  const sample = join(folder, name);
  writeFileSync(sample, lines.join('\n'));
  const { stdout } = sluice('infer', sample);
  expect(parse(stdout)).toMatchObject(draft);
  const contract = `${sample}.yml`;
  writeFileSync(contract, stdout);
  const run = sluice('transform', '--contract', contract, '--out', join(folder, `${name}-out`), sample);
  expect(JSON.parse(run.stdout)).toMatchObject({ rowsRead: 3, published: 3, nulled: {} });
});

test('a command whose output nobody reads any more ends like one that knows nothing of it', () => {
  const { stderr } = spawnSync(
    'bash',
    ['-c', '(node src/cli/sluice.ts explain datasets/tweets.yml; echo "status $?" >&2) | true'],
    { cwd: root, encoding: 'utf8' },
  );
  expect(stderr).toBe('status 141\n');
});

test('every command and script has help, every command with an example', async () => {
  for (const [name, { load }] of Object.entries(commands))
    expect((await load()).help).toMatch(
      new RegExp(`^Usage: npm run (-s )?(sluice -- )?${name}\\s[^]*\n\nExample:\n  .*${name}`),
    );
  expect(sluice('validate', '--help')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('Usage: npm run sluice -- validate'),
  });
  for (const script of ['start', 'test', 'judges', 'differential', 'generate-feed'])
    expect(run(`scripts/${script}.ts`, '--help')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage:'),
    });
  expect(run('scripts/start.ts', '--engine', 'abacus')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--engine abacus: must be one of auto, embedded, glue'),
  });
  expect(run('scripts/start.ts', '--format', 'delta')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--format delta: must be one of hive, iceberg'),
  });
});

test('help and the version are answered in every spelling', () => {
  for (const args of [['help'], ['--help'], ['-h'], []])
    expect(sluice(...args)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('Usage: npm run sluice'),
    });
  expect(sluice('help', 'infer').stdout).toMatch(/^Usage: npm run sluice -- infer/);
  for (const word of ['version', '--version'])
    expect(sluice(word)).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
});

test('npm run sluice takes paths from where it was called, and an older Node is told in one line', () => {
  const bootstrap = (options: object, ...args: string[]) =>
    spawnSync(
      process.execPath,
      [...args, join(root, 'scripts/bootstrap.mjs'), 'src/cli/sluice.ts', 'validate', 'tweets.yml'],
      {
        cwd: root,
        encoding: 'utf8',
        ...options,
      },
    );
  const env = { ...process.env, npm_lifecycle_event: 'sluice', INIT_CWD: join(root, 'datasets') };
  expect(bootstrap({ env })).toMatchObject({ status: 0, stdout: 'tweets.yml: valid\n' });
  const older =
    "data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '18.19.0' } })";
  expect(bootstrap({}, '--import', older)).toMatchObject({
    status: 2,
    stderr: 'Sluice needs Node 20 or newer; this is Node 18.19.0\n',
  });
});

test('completion makes a function that runs from any folder, and completes commands and their options', () => {
  const script = join(folder, 'completion.sh');
  writeFileSync(script, sluice('completion').stdout);
  const complete = (...words: string[]) =>
    `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _sluice; echo "\${COMPREPLY[@]}"`;
  const { stdout, status } = spawnSync(
    'bash',
    [
      '-c',
      `source ${script}; cd /; ${complete('sluice', 'rel')}; ${complete('sluice', 'drop', '--d')}; ${complete('sluice', 'drop', '--dataset', 'tw')}; ${complete('sluice', 'files', '--state', 'h')}; ${complete('sluice', 'files', '--k')}; ${complete('sluice', 'explain', '--step', 'conv')}; ${complete('sluice', 'logs', '--step', 'Pub')}; ${complete('sluice', 'batches', '--state', 'r')}; ${complete('sluice', 'engine', '--dataset', 'tweets', 'gl')}; ${complete('sluice', 'transform', '--engine', 'sp')}; sluice validate ${root}/datasets/tweets.yml`,
    ],
    { encoding: 'utf8' },
  );
  expect(stdout).toBe(
    `release\n--dataset\ntweets\nheld\n\nconverted\nPublish\nrunning\nglue\nspark\n${root}/datasets/tweets.yml: valid\n`,
  );
  expect(status).toBe(0);
});

test('init asks what a sample cannot tell, asks again where the answer cannot be, and overwrites nothing', () => {
  const out = join(folder, 'orders.yml');
  const sample = join(folder, 'orders.csv');
  writeFileSync(
    sample,
    ['order_id,item,placed,shipped', '1,tea,2025-01-08,2025-01-09', '2,rye,2025-01-08,2025-02-01'].join('\n'),
  );
  const init = (input: string, ...args: string[]) =>
    spawnSync(process.execPath, ['src/cli/sluice.ts', 'init', '--out', out, ...args, sample], {
      cwd: root,
      encoding: 'utf8',
      input,
    });
  const asked = init(['', 'shop', 'shop/', 'order_id, item', 'item', 'shipped', ''].join('\n'));
  expect(asked).toMatchObject({ status: 0, stderr: '' });
  expect(asked.stdout).toContain('"shop": must be one folder at the top of the raw bucket');
  expect(asked.stdout).toContain('"item": must be one of placed, shipped, -');
  expect(asked.stdout).toContain(`npm run sluice -- validate ${out}`);
  expect(parse(readFileSync(out, 'utf8'))).toMatchObject({
    dataset: 'orders',
    source: { prefix: 'shop/', formats: ['csv'] },
    dedupe: { key: ['order_id', 'item'] },
    partitionBy: [{ constant: 'orders' }, { of: 'shipped', part: 'year' }],
  });
  expect(sluice('validate', out)).toMatchObject({ status: 0 });
  expect(init('', '--yes')).toMatchObject({ status: 2, stderr: expect.stringContaining('exists already') });
});
