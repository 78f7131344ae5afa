import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { InvalidRequestException } from '@aws-sdk/client-athena';
import { TransactionCanceledException } from '@aws-sdk/client-dynamodb';
import { S3ServiceException } from '@aws-sdk/client-s3';
import { afterAll, expect, test } from '@jest/globals';
import { dropsOf } from '../../src/cli/paths.ts';
import { failureOf } from '../../src/cli/program.ts';
import { UsageError } from '../../src/cli/usage.ts';
import { loadContracts } from '../../src/lib/contract/load.ts';
import { AthenaQueryFailed, SetupError } from '../../src/lib/errors.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'sluice-program-'));
afterAll(() => rmSync(folder, { recursive: true }));

const thrown = async (act: () => Promise<unknown>): Promise<unknown> => {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const $metadata = {};

test.each<[string, unknown, number, string]>([
  ['a rejected query', new AthenaQueryFailed('FAILED: no such column'), 1, 'FAILED: no such column'],
  ['wrong usage', new UsageError('--dataset is needed'), 2, '--dataset is needed'],
  ['a missing engine', new SetupError('Maven is missing'), 2, 'Maven is missing'],
  [
    'two operators at once',
    new TransactionCanceledException({ message: 'ConditionalCheckFailed', $metadata }),
    1,
    'somebody else changed the same files or batches at the same time; look at their state, and run the command again (TransactionCanceledException: ConditionalCheckFailed)',
  ],
  [
    'a missing permission',
    new S3ServiceException({ name: 'AccessDenied', message: 'Access Denied', $fault: 'client', $metadata }),
    2,
    'AWS refused: AccessDenied: Access Denied',
  ],
  [
    'a request that AWS does not take',
    new InvalidRequestException({ message: 'too long', $metadata }),
    2,
    'AWS refused: InvalidRequestException: too long',
  ],
  [
    'missing credentials',
    Object.assign(new Error('Could not load credentials'), { tryNextLink: false }),
    2,
    'AWS cannot be asked: Could not load credentials',
  ],
  // What ListExecutions, GetObject and a proxy give when the stage that `drop` follows ends: seen with the SDK.
  ...[
    Object.assign(new Error('socket hang up'), { name: 'TimeoutError', code: 'ECONNRESET', $metadata }),
    Object.assign(new Error('aborted\n  Deserialization error: to see more'), { code: 'ECONNRESET' }),
    Object.assign(new SyntaxError("Unexpected token '<'\n  Deserialization error"), { $metadata }),
  ].map((error): [string, unknown, number, string] => [
    'a stage that ends while it is asked',
    error,
    2,
    `AWS, or the stage on this machine, gave no whole answer: ${error.message.split('\n')[0]}; look whether the stage still runs, and run the command again`,
  ]),
  ['no error at all', 'text', 70, 'a fault of Sluice: text'],
])('%s is told without a stack', (_, error, status, message) => {
  expect(failureOf(error)).toEqual({ status, message });
});

test('what this machine refuses is told with its place, and without a stack', async () => {
  const missing = await thrown(() => readFile(join(folder, 'nowhere')));
  expect(failureOf(missing)).toEqual({
    status: 2,
    message: `${folder}/nowhere: no such file or directory`,
  });
  const refused = await thrown(
    () =>
      new Promise((_, fail) => {
        createConnection(1, '127.0.0.1').on('error', fail);
      }),
  );
  expect(failureOf(refused)).toEqual({ status: 2, message: '127.0.0.1:1: connection refused' });
  expect(failureOf(new AggregateError([new Error('first'), refused]))).toEqual(failureOf(refused));
  const long = await thrown(() => readFile('x'.repeat(100_000)));
  expect(failureOf(long)).toMatchObject({
    status: 2,
    message: expect.stringMatching(/^x{299}…: .*too long$/),
  });
});

test('only a fault of our own comes with its stack', () => {
  const { status, message } = failureOf(new TypeError('x is undefined'));
  expect(status).toBe(70);
  expect(message).toMatch(
    /^this is a fault of Sluice itself; please report it.*\nTypeError: x is undefined\n +at /,
  );
});

test('two files for one key are refused by name, and --folders keeps both', () => {
  const contract = loadContracts(join(root, 'datasets')).get('tweets');
  if (!contract) throw new Error('the contract is gone');
  const keys = (paths: string[], keepFolders = false) =>
    dropsOf(contract, paths, keepFolders).map(({ key, path }) => [key, path]);
  expect(keys(['jan/feed.json', '/tmp/b.json'])).toEqual([
    [`${contract.source.prefix}feed.json`, 'jan/feed.json'],
    [`${contract.source.prefix}b.json`, '/tmp/b.json'],
  ]);
  expect(() => keys(['jan/feed.json', 'feb/feed.json'])).toThrow(
    new UsageError(
      `jan/feed.json and feb/feed.json would both be uploaded to ${contract.source.prefix}feed.json; --folders keeps their folders in the keys`,
    ),
  );
  expect(keys(['jan/feed.json', './feb//feed.json'], true)).toEqual([
    [`${contract.source.prefix}jan/feed.json`, 'jan/feed.json'],
    [`${contract.source.prefix}feb/feed.json`, './feb//feed.json'],
  ]);
  expect(() => keys(['a.json', './a.json'], true)).toThrow(/^a\.json and \.\/a\.json would both .*a\.json$/);
  for (const outside of ['/tmp/a.json', '../a.json', 'x/../../a.json'])
    expect(() => keys([outside], true)).toThrow('--folders needs paths below the folder you are in');
});

test.each([
  ['in a callback', "setTimeout(() => { throw new TypeError('\\u001b[2J'); }, 1)"],
  ['in a promise that nobody awaits', "void Promise.reject(new TypeError('\\u001b[2J'))"],
])('what is thrown %s is shown as any other error', (_, act) => {
  const program = `import { runProgram } from '${root}/src/cli/program.ts';
    await runProgram(async () => { ${act}; await new Promise((done) => setTimeout(done, 10_000)); return 0; });`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module-typescript', '-e', program], {
    encoding: 'utf8',
  });
  expect(stderr).toMatch(/^this is a fault of Sluice itself; .*\nTypeError: \\u001b\[2J\n {4}at /);
  expect(stderr).not.toMatch(/[^\P{C}\n]/u);
  expect(status).toBe(70);
});

const bomb = join(folder, 'bomb.yml');
writeFileSync(
  bomb,
  ['a: &a [x,x,x,x,x,x,x,x,x]']
    .concat([...'bcdefghi'].map((name, i) => `${name}: &${name} [${Array(9).fill(`*${'abcdefgh'[i]}`)}]`))
    .join('\n'),
);
const binary = join(folder, 'binary');
writeFileSync(
  binary,
  Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) % 256),
);
const hostile = join(folder, 'red\u001b[31m\u202e\n.yml');
writeFileSync(hostile, 'dataset: "\\e[2J\u009b"\n"\\e]0;owned\\a": 1\n');
const samples = join(folder, 'sample\u001b[2J\n.json');
writeFileSync(
  samples,
  '{"a\u200bb": "x", "c\\u001b[2J": 1, "id": 1}\n{"a\u200bb": "y", "c\\u001b[2J": 2, "id": 2}\n',
);
mkdirSync(join(folder, 'empty'));

const sluice = (...args: string[]) => {
  const { AWS_ENDPOINT_URL: _, ...env } = process.env;
  return spawnSync(process.execPath, ['src/cli/sluice.ts', ...args], { cwd: root, encoding: 'utf8', env });
};

test.each([
  [['toString'], 2],
  [['constructor', '--help'], 2],
  [['\u001b[2J'], 2],
  [['validate', 'datasets'], 2],
  [['validate', 'datasets/tweets.yml', join(folder, 'nowhere.yml')], 2],
  [['validate', bomb], 1],
  [['validate', binary], 1],
  [['validate', hostile], 1],
  [['validate', '/dev/null'], 2],
  [['explain', folder], 2],
  [['explain', bomb], 1],
  [['transform', '--contract', 'datasets', '--out', join(folder, 'o1'), 'x'], 2],
  [['transform', '--contract', 'datasets/tweets.yml', '--out', join(folder, 'o2'), folder], 2],
  [['transform', '--contract', 'datasets/tweets.yml', '--out', binary, binary], 2],
  [['transform', '--contract', 'datasets/tweets.yml', '--out', join(folder, 'o3'), samples], 0],
  [['infer', folder], 2],
  [['infer', binary], 2],
  [['infer', samples], 0],
  [['infer', '--dataset', '\u001b[2J', samples], 2],
  [['init', '--yes', '--out', binary, samples], 2],
  [['init', '--yes', '--out', join(folder, 'made.yml'), samples], 0],
  [['status'], 2],
  [['status', '--stage', '\u001b[2J', '--endpoint', 'http://127.0.0.1:1'], 2],
  [['status', '--endpoint', '\u009b'], 2],
  [['status', '--stage', 'dev', '--region', 'a/b'], 2],
  [['status', '--profile', 'p', '--endpoint', 'http://127.0.0.1:1'], 2],
  [['drop', '--dataset', 'tweets', '--endpoint', 'http://127.0.0.1:1', folder], 2],
  [['watch', '--port', '99999', '--endpoint', 'http://127.0.0.1:1'], 2],
])(
  'sluice %j ends with status %i, without a stack, and shows nothing that steers a terminal',
  (args, status) => {
    const result = sluice(...args);
    const text = result.stdout + result.stderr;
    expect([result.status, text]).toEqual([status, expect.not.stringMatching(/\n {4}at |[^\P{C}\n]/u)]);
    expect(text).not.toBe('');
  },
);

test.each([
  ['start', '--port', '99999'],
  ['start', '--dataset', 'nowhere', 'package.json'],
  ['start', '--dataset', 'tweets', 'datasets'],
  ['start', '--dataset', 'tweets', 'package.json', './package.json'],
  ['generate-feed', '--rows', '\u001b[2J'],
  ['generate-feed', '--start', 'never'],
  ['differential', '--cases', 'x'],
  ['test', '--nope'],
  ['judges', 'nobody'],
])('scripts/%s.ts with %j %j %j is refused in a line', (script, ...args) => {
  const given = args.filter((arg): arg is string => typeof arg === 'string');
  const { status, stderr } = spawnSync(process.execPath, [`scripts/${script}.ts`, ...given], {
    cwd: root,
    encoding: 'utf8',
    // If it were accepted, it would start a local AWS.
    timeout: 30_000,
  });
  expect([status === 0, stderr]).toEqual([false, expect.stringMatching(/^\P{C}+\n$/u)]);
});

test('a contract that is drafted from hostile names reads them back as they were', () => {
  const drafted = join(folder, 'drafted.yml');
  writeFileSync(drafted, sluice('infer', '--dataset', 'drafted', samples).stdout);
  expect(sluice('validate', drafted)).toMatchObject({ status: 0 });
  const { stdout } = sluice('transform', '--contract', drafted, '--out', join(folder, 'read'), samples);
  expect(JSON.parse(stdout)).toMatchObject({
    rowsRead: 2,
    published: 2,
    files: [{ object: 'sample\u001b[2J\n.json' }],
  });
});

test('--region and --profile say where a stage is, and whose credentials ask for it', async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.headers.authorization ?? '');
    response.writeHead(400, { 'content-type': 'text/xml' });
    response.end(
      '<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id sluice-dev does not exist</Message></Error></ErrorResponse>',
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  const config = join(folder, 'config');
  writeFileSync(
    config,
    `[profile theirs]\nregion = eu-west-3\naws_access_key_id = THEIRS\naws_secret_access_key = x\n`,
  );
  const status = (...args: string[]) =>
    new Promise<string>((done) => {
      const { AWS_ENDPOINT_URL: _, AWS_REGION: __, ...env } = process.env;
      const child = spawn(process.execPath, ['src/cli/sluice.ts', 'status', '--stage', 'dev', ...args], {
        cwd: root,
        env: {
          ...env,
          AWS_CONFIG_FILE: config,
          AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
          AWS_ENDPOINT_URL_CLOUDFORMATION: endpoint,
        },
      });
      let said = '';
      child.stderr.on('data', (chunk: Buffer) => {
        said += String(chunk);
      });
      child.on('close', () => done(said));
    });
  try {
    expect(await status('--endpoint', endpoint, '--region', 'eu-north-1')).toContain('does not exist');
    expect(await status('--profile', 'theirs')).toContain('does not exist');
    await status('--profile', 'theirs', '--region', 'sa-east-1');
  } finally {
    server.close();
  }
  expect(asked.map((text) => /Credential=(\w+)\/\d+\/([a-z0-9-]+)\//.exec(text)?.slice(1))).toEqual([
    ['test', 'eu-north-1'],
    ['THEIRS', 'eu-west-3'],
    ['THEIRS', 'sa-east-1'],
  ]);
});

test('a fault in native code ends a command with a named error, not with silence', () => {
  const crashing = join(folder, 'crashes.mjs');
  writeFileSync(crashing, "process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1000);");
  const { status, stderr } = spawnSync(
    process.execPath,
    ['scripts/bootstrap.mjs', relative(root, crashing)],
    {
      cwd: root,
      encoding: 'utf8',
    },
  );
  expect(status).toBe(1);
  expect(stderr).toMatch(/^EngineCrashed: \S+crashes.mjs ended with SIGSEGV/);
});

test('a script ends with the shell that npm started it in', async () => {
  const waiting = join(folder, 'waits.mjs');
  writeFileSync(
    waiting,
    "process.on('SIGTERM', () => { console.log('asked to end'); process.exit(); }); setInterval(() => {}, 1000); console.log('waits');",
  );
  // A command after it keeps the shell from becoming the script.
  const shell = spawn(
    'sh',
    ['-c', `"$0" scripts/bootstrap.mjs ${relative(root, waiting)}; true`, process.execPath],
    {
      cwd: root,
      env: { ...process.env, npm_lifecycle_event: 'test' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let said = '';
  for await (const chunk of shell.stdout) {
    said += String(chunk);
    if (said === 'waits\n') shell.kill('SIGTERM');
  }
  // Its output ends when no process has it any more.
  expect(said).toBe('waits\nasked to end\n');
});
