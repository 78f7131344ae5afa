/**
 * `npm run mutate`: changes the sources in small ways and runs the tests that cover each change. A change that no test notices is a
 * survivor. Stryker's instrumenter makes the mutants; the runner is our own, because Stryker has none for tests in plain Node.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import * as z from 'zod';
import { ensureInstrumenter } from '../offline/setup/environments.ts';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { parallel } from '../src/lib/parallel.ts';
import { oneLine } from '../src/lib/visible.ts';
import { print } from '../src/stage/terminal.ts';

const help = `Usage: npm run mutate -- [options] [PATH…]

  PATH…          files or folders below src; default src/lib/{ledger,flow,table,compiler,dialect}
  --sample N     only N mutants of each file, spread over it
  --tests PATTERN   only test files whose path matches, for a quick look
  --workers N    default: one for each core
  --json FILE    writes every mutant with its fate
  --help

Exit status: 0 at least 90 % of the mutants are killed, and test/mutation/accepted.yml has a reason for each survivor; 1 otherwise.`;

const root = resolve(import.meta.dirname, '..');
const defaults = ['ledger', 'flow', 'table', 'compiler', 'dialect'].map((name) => `src/lib/${name}`);

/** They run in under two minutes together. */
const testFolders = [
  'aws',
  'compiler',
  'dialect',
  'engine',
  'expression',
  'flow',
  'ledger',
  'model',
  'rows',
  'table',
];

/** A test file that takes longer in the first run is left out, in milliseconds. */
const slowestFile = 60_000;

/** A mutant must be noticed by tests that take this long together, in milliseconds. */
const longestTests = 120_000;

/** The tests of a mutant may take so much longer than without it, in milliseconds: an endless loop is noticed. */
const patience = (ms: number) => 5000 + 4 * ms;

/** A process is replaced after so many mutants: each has loaded test files anew. */
const mutantsPerProcess = 150;

const wantedShare = 0.9;

interface Mutant {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly mutator: string;
  readonly source: string;
  readonly replacement: string;
}
type Fate = 'killed' | 'timeout' | 'survived' | 'uncovered';

const answerSchema = z.object({
  failed: z.string().nullable(),
  ms: z.number(),
  static: z.array(z.string()).default([]),
  perTest: z.record(z.string(), z.array(z.string())).default({}),
});
type Answer = z.output<typeof answerSchema>;

interface TestsOf {
  readonly file: string;
  /** All, if undefined. */
  readonly ids?: readonly string[];
}

const acceptedSchema = z.array(
  z.strictObject({ file: z.string(), source: z.string(), replacement: z.string(), why: z.string().min(10) }),
);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    sample: { type: 'string' },
    workers: { type: 'string', default: String(availableParallelism()) },
    tests: { type: 'string', default: '' },
    json: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  const [sample, workers] = [values.sample, values.workers].map((text) => {
    if (text !== undefined && !/^[1-9]\d{0,5}$/.test(text)) throw new UsageError(`${text}: must be a number`);
    return text === undefined ? undefined : Number(text);
  });
  const files = filesBelow(positionals.length > 0 ? positionals : defaults);
  const accepted = acceptedSchema.parse(
    parse(readFileSync(join(root, 'test/mutation/accepted.yml'), 'utf8')),
  );
  const sandbox = mkdtempSync(join(tmpdir(), 'sluice-mutate-'));
  try {
    copyTo(sandbox);
    const all = await instrument(sandbox, files);
    const mutants = sample === undefined ? all : sampleOf(all, sample);
    print(`${mutants.length} mutants of ${files.length} files`);
    const results = await judge(sandbox, mutants, workers ?? 1, new RegExp(values.tests));
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(results, null, 1));
    return report(results, accepted);
  } finally {
    rmSync(sandbox, { recursive: true, force: true });
  }
}

/** Paths relative to the root. Throws UsageError for a path without a source. */
function filesBelow(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const at = relative(root, resolve(process.env.INIT_CWD ?? root, path));
    const found = at.endsWith('.ts') ? globSync(at, { cwd: root }) : globSync(`${at}/**/*.ts`, { cwd: root });
    if (found.length === 0 || !at.startsWith('src/')) throw new UsageError(`${path}: no source below src`);
    return found.sort();
  });
}

/** Tests read sources, contracts and fixtures of the project. */
function copyTo(sandbox: string): void {
  const wanted = [
    'src',
    'test',
    'datasets',
    'docs',
    'examples',
    'infra',
    'offline',
    'scripts',
    'statemachines',
  ];
  for (const name of [...wanted, 'package.json', 'serverless.yml', 'README.md', 'CONTRIBUTING.md'])
    cpSync(join(root, name), join(sandbox, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(sandbox, 'node_modules'));
}

const silent = () => {};
const logger = {
  isTraceEnabled: () => false,
  isDebugEnabled: () => false,
  isInfoEnabled: () => false,
  isWarnEnabled: () => false,
  isErrorEnabled: () => false,
  isFatalEnabled: () => false,
  trace: silent,
  debug: silent,
  info: silent,
  warn: silent,
  error: silent,
  fatal: silent,
};

/** What Babel tells of a place in the source. */
interface Place {
  readonly node?: { readonly type: string };
  readonly listKey?: string;
  readonly parentPath?: { readonly node?: { readonly type: string } } | null;
}

/** The words of an error's message are for people: a test that repeats them says nothing. */
const messages = {
  shouldIgnore(path: Place): string | undefined {
    const isText = path.node?.type === 'StringLiteral' || path.node?.type === 'TemplateLiteral';
    const isOfError = path.parentPath?.node?.type === 'NewExpression' && path.listKey === 'arguments';
    return isText && isOfError ? 'the words of a message' : undefined;
  },
};

interface Position {
  readonly line: number;
  readonly column: number;
}

/** The part of Stryker's instrumenter that is used. It is installed apart: its types are not here. */
interface Instrumenter {
  instrument(
    files: readonly { readonly name: string; readonly mutate: boolean; readonly content: string }[],
    options: object,
  ): Promise<{
    readonly files: readonly { readonly name: string; readonly content: string }[];
    readonly mutants: readonly {
      readonly id: string;
      readonly fileName: string;
      readonly location: { readonly start: Position; readonly end: Position };
      readonly mutatorName: string;
      readonly replacement: string;
      readonly statusReason?: string;
    }[];
  }>;
}

const instrumenterSchema = z.object({
  Instrumenter: z.custom<new (log: typeof logger) => Instrumenter>((value) => typeof value === 'function'),
});

async function createInstrumenter(): Promise<Instrumenter> {
  const path = await ensureInstrumenter((message) => print(`  ${message}`));
  const loaded: unknown = await import(pathToFileURL(path).href);
  const { Instrumenter } = instrumenterSchema.parse(loaded);
  return new Instrumenter(logger);
}

/** Writes all mutants into the copies of the files, each behind a switch. */
async function instrument(sandbox: string, files: readonly string[]): Promise<Mutant[]> {
  const instrumenter = await createInstrumenter();
  const result = await instrumenter.instrument(
    files.map((name) => ({ name, mutate: true, content: readFileSync(join(root, name), 'utf8') })),
    { plugins: null, excludedMutations: [], ignorers: [messages], noHeader: false },
  );
  for (const { name, content } of result.files) writeFileSync(join(sandbox, name), content);
  const lines = new Map(files.map((name) => [name, readFileSync(join(root, name), 'utf8').split('\n')]));
  return result.mutants.flatMap(({ id, fileName, location, mutatorName, replacement, statusReason }) => {
    if (statusReason !== undefined) return [];
    const { start, end } = location;
    const cut = (lines.get(fileName) ?? []).slice(start.line, end.line + 1);
    const last = cut.length - 1;
    const source = cut
      .map((line, i) => line.slice(i === 0 ? start.column : 0, i === last ? end.column : undefined))
      .join('\n');
    return [{ id, file: fileName, line: start.line + 1, mutator: mutatorName, source, replacement }];
  });
}

/** The same number of each file, spread over it. */
function sampleOf(all: readonly Mutant[], count: number): Mutant[] {
  return [...Map.groupBy(all, ({ file }) => file).values()].flatMap((of) => {
    const step = Math.max(1, of.length / count);
    return Array.from({ length: Math.min(count, of.length) }, (_, i) => of[Math.floor(i * step)]).filter(
      (mutant) => mutant !== undefined,
    );
  });
}

/** A process that runs tests, and is replaced when it hangs or dies. */
class Worker {
  private child: ChildProcess | undefined;
  private done = 0;
  private readonly sandbox: string;

  constructor(sandbox: string) {
    this.sandbox = sandbox;
  }

  /** Null if the time was up, or the process ended. */
  async run(message: object, most: number): Promise<Answer | null> {
    if (this.done++ >= mutantsPerProcess) this.close();
    this.child ??= await this.start();
    const { child } = this;
    return new Promise((resolve) => {
      const end = (answer: Answer | null) => {
        clearTimeout(timer);
        child.off('message', hear).off('exit', gone);
        if (answer === null) this.close();
        resolve(answer);
      };
      const hear = (answer: unknown) => end(answerSchema.parse(answer));
      const gone = () => end(null);
      const timer = setTimeout(gone, most);
      child.on('message', hear).on('exit', gone);
      child.send(message);
    });
  }

  private async start(): Promise<ChildProcess> {
    this.done = 0;
    const child = fork(join(this.sandbox, 'test/mutation/worker.mjs'), {
      cwd: this.sandbox,
      execArgv: ['--disable-warning=ExperimentalWarning', '--max-old-space-size=1500'],
      stdio: ['ignore', 'ignore', process.env.SLUICE_MUTATION_DEBUG ? 'inherit' : 'ignore', 'ipc'],
    });
    await new Promise((resolve) => child.once('message', resolve).once('exit', resolve));
    return child;
  }

  /** The next run starts a new process. */
  close(): void {
    this.child?.kill('SIGKILL');
    this.child = undefined;
  }
}

type Result = Mutant & { readonly fate: Fate; readonly by: string | null };

async function judge(
  sandbox: string,
  mutants: readonly Mutant[],
  count: number,
  wanted: RegExp,
): Promise<Result[]> {
  const idle = Array.from({ length: count }, () => new Worker(sandbox));
  const every = [...idle];
  process.once('exit', () => {
    for (const worker of every) worker.close();
  });
  const withWorker = async <T>(work: (worker: Worker) => Promise<T>): Promise<T> => {
    const worker = idle.pop();
    if (!worker) throw new Error('more work than workers');
    try {
      return await work(worker);
    } finally {
      idle.push(worker);
    }
  };
  const tests = testFolders
    .flatMap((folder) => globSync(`test/unit/${folder}/**/*.test.ts`, { cwd: sandbox }))
    .filter((path) => wanted.test(path));
  const coverage = new Map<string, { ids: Map<string, string[]>; isStatic: boolean }>();
  const of = (id: string) => {
    const found = coverage.get(id) ?? { ids: new Map<string, string[]>(), isStatic: false };
    coverage.set(id, found);
    return found;
  };
  const time = new Map<string, number>();
  const begun = Date.now();
  await parallel(tests.sort(), count, (test) =>
    withWorker(async (worker) => {
      const file = join(sandbox, test);
      // Each file loads the sources anew, so that what their loading covers is seen.
      worker.close();
      const answer = await worker.run({ isDry: true, tests: [{ file }] }, slowestFile);
      if (answer === null || answer.failed !== null) {
        print(`  left out: ${test}: ${oneLine(answer?.failed ?? 'too slow', 300)}`);
        return;
      }
      time.set(file, answer.ms);
      for (const id of answer.static) {
        const found = of(id);
        found.isStatic = true;
        if (!found.ids.has(file)) found.ids.set(file, []);
      }
      for (const [testId, ids] of Object.entries(answer.perTest))
        for (const id of ids) of(id).ids.set(file, [...(of(id).ids.get(file) ?? []), testId]);
    }),
  );
  const total = [...time.values()].reduce((sum, ms) => sum + ms, 0);
  print(`  ${time.size} test files, ${(total / 1000).toFixed(0)} s of tests, in ${seconds(begun)}`);
  let judged = 0;
  const results = await parallel(mutants, count, (mutant) =>
    withWorker(async (worker): Promise<Result> => {
      const covered = coverage.get(mutant.id);
      const result = await fateOf(worker, mutant, covered, time);
      if (++judged % 100 === 0) print(`  ${judged} of ${mutants.length} in ${seconds(begun)}`);
      return result;
    }),
  );
  for (const worker of every) worker.close();
  return results;
}

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(0)} s`;

async function fateOf(
  worker: Worker,
  mutant: Mutant,
  covered: { ids: Map<string, string[]>; isStatic: boolean } | undefined,
  time: ReadonlyMap<string, number>,
): Promise<Result> {
  if (!covered) return { ...mutant, fate: 'uncovered', by: null };
  // The tests of the module itself first, then the quickest ones.
  const own = mutant.file.replace(/^src\/lib\/|\.ts$/g, '');
  const rank = (file: string) =>
    [own, dirname(own)].findIndex((name) => file.includes(`/unit/${name}`)) >>> 0;
  const all = [...covered.ids.keys()].sort(
    (a, b) => rank(a) - rank(b) || (time.get(a) ?? 0) - (time.get(b) ?? 0),
  );
  // Tests that together take longer are not for an inner loop.
  let spent = 0;
  const inOrder = all.filter((file, i) => {
    spent += time.get(file) ?? 0;
    return i === 0 || spent < longestTests;
  });
  // A source that is loaded already has evaluated what stands at its top.
  if (covered.isStatic) worker.close();
  const tests = inOrder.map((file): TestsOf => {
    const ids = covered.ids.get(file) ?? [];
    // What a hook for the whole file covers concerns each of its tests.
    const isWhole =
      covered.isStatic || ids.some((id) => id.endsWith('|(beforeAll)') || id.endsWith('|(afterAll)'));
    return isWhole ? { file } : { file, ids };
  });
  const ms = inOrder.reduce((sum, file) => sum + (time.get(file) ?? 0), 0);
  const answer = await worker.run({ mutant: mutant.id, tests }, patience(ms));
  if (covered.isStatic) worker.close();
  if (answer === null) return { ...mutant, fate: 'timeout', by: null };
  return { ...mutant, fate: answer.failed === null ? 'survived' : 'killed', by: answer.failed };
}

/** Prints a table by folder, and the survivors without a reason. */
function report(results: readonly Result[], accepted: z.output<typeof acceptedSchema>): number {
  const isAccepted = (r: Result) =>
    accepted.some((a) => a.file === r.file && a.source === r.source && a.replacement === r.replacement);
  const alive = results.filter(({ fate }) => fate === 'survived' || fate === 'uncovered');
  const folders = Map.groupBy(results, ({ file }) => dirname(file).split('/').slice(0, 3).join('/'));
  for (const [folder, of] of folders) {
    const count = (fate: Fate) => of.filter((r) => r.fate === fate).length;
    const dead = count('killed') + count('timeout');
    print(
      `${folder.padEnd(20)} ${of.length} mutants: ${count('killed')} killed, ${count('timeout')} timed out, ${count('survived')} survived, ${count('uncovered')} not covered, ${of.filter((r) => alive.includes(r) && isAccepted(r)).length} accepted: ${((100 * dead) / of.length).toFixed(1)} %`,
    );
  }
  const open = alive.filter((r) => !isAccepted(r));
  for (const { file, line, mutator, source, replacement, fate } of open)
    print(`  ${file}:${line} ${fate} ${mutator}: ${oneLine(source, 90)} → ${oneLine(replacement, 90)}`);
  const share = results.length === 0 ? 1 : 1 - alive.length / results.length;
  print(`${(100 * share).toFixed(1)} % killed, ${open.length} survivors without a reason`);
  return share >= wantedShare && open.length === 0 ? 0 : 1;
}

await runProgram(main);
process.exit();
