/**
 * `npm run mutate`: changes the sources in small ways and runs the tests that cover each change. A change that no test notices is a
 * survivor. Stryker's instrumenter makes the mutants; the runner is our own, because Stryker has none for tests in plain Node.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, constants, getPriority, setPriority, tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import * as z from 'zod';
import { cacheFolder, ensureInstrumenter } from '../offline/setup/environments.ts';
import { runProgram } from '../src/cli/program.ts';
import { readOptions, UsageError } from '../src/cli/usage.ts';
import { SetupError } from '../src/lib/errors.ts';
import { parallel } from '../src/lib/parallel.ts';
import { oneLine } from '../src/lib/visible.ts';
import { print } from '../src/stage/terminal.ts';

const help = `Usage: npm run mutate -- [options] [PATH…]

  PATH…          files or folders below src; default src/lib/{ledger,flow,table,compiler,dialect}
  --sample N     only N mutants of each file, drawn by --seed S (default 1): the score is an estimate
  --tests PATTERN   only test files whose path matches, for a quick look
  --seconds N    a mutant must be noticed by tests that take so long together (default 30)
  --workers N    default: one for each core
  --json FILE    writes every mutant with its fate, also while it runs
  --count        only counts the mutants of each file
  --help

A mutant is killed by a test or refused by the type checker: npm run check has both.
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
const slowestFile = 300_000;

/**
 * What the tests of a file may take with a mutant, in milliseconds. An endless loop is noticed by its work, because time passes
 * for nothing on a busy machine; loading the sources is work, too. What sleeps waits for a promise that nobody keeps.
 */
const limits = {
  work: (ms: number, isFresh: boolean) => (isFresh ? 30_000 : 5000) + 10 * ms,
  sleep: 5000,
  /** Where the system tells nothing of a process. */
  time: (ms: number) => 60_000 + 20 * ms,
} as const;

/** So many tests that have killed a mutant of the same file are tried first. */
const likely = 3;

/** A process is replaced after it has loaded so many test files: each time anew. */
const runsPerProcess = 300;

const wantedShare = 0.9;

interface Mutant {
  readonly id: string;
  readonly file: string;
  readonly line: number;
  readonly mutator: string;
  readonly source: string;
  readonly replacement: string;
  /** Where it is in the file's text. */
  readonly start: number;
  readonly end: number;
}
/** `refused`: no test notices it, but it has no valid types. */
type Fate = 'killed' | 'timeout' | 'refused' | 'survived' | 'uncovered';

const answerSchema = z.object({
  failed: z.string().nullable(),
  /** Mutants that the loading of sources evaluates. */
  static: z.array(z.string()).default([]),
  /** By test: what it took, in milliseconds, and the mutants that it evaluates. */
  perTest: z
    .record(z.string(), z.object({ ms: z.number(), mutants: z.array(z.string()).default([]) }))
    .default({}),
});
type Answer = z.output<typeof answerSchema>;

/** The tests of a file that evaluate a mutant. */
interface TestsOf {
  readonly file: string;
  /** All, if undefined. */
  readonly ids: readonly string[] | undefined;
  readonly ms: number;
}

const acceptedSchema = z.array(
  z.strictObject({ file: z.string(), source: z.string(), replacement: z.string(), why: z.string().min(10) }),
);

async function main(args: string[]): Promise<number> {
  const { values, positionals } = readOptions(args, {
    sample: { type: 'string' },
    seed: { type: 'string', default: '1' },
    seconds: { type: 'string', default: '30' },
    workers: { type: 'string', default: String(availableParallelism()) },
    tests: { type: 'string', default: '' },
    json: { type: 'string' },
    count: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h' },
  });
  if (values.help) {
    print(help);
    return 0;
  }
  const [sample, seed, longest, workers] = [values.sample, values.seed, values.seconds, values.workers].map(
    (text) => {
      if (text !== undefined && !/^[1-9]\d{0,5}$/.test(text))
        throw new UsageError(`${text}: must be a number`);
      return text === undefined ? undefined : Number(text);
    },
  );
  const wanted = filesBelow(positionals.length > 0 ? positionals : defaults);
  const accepted = acceptedSchema.parse(
    parse(readFileSync(join(root, 'test/mutation/accepted.yml'), 'utf8')),
  );
  // It takes hours, so other work goes first.
  if (getPriority() === 0) setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
  const sandbox = mkdtempSync(join(tmpdir(), 'sluice-mutate-'));
  // However it ends.
  process.once('exit', () => rmSync(sandbox, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => process.exit(130));
  copyTo(sandbox);
  // The usual files get the same numbers in each run, so that what tests cover is known from the last run.
  const files = [...new Set([...filesBelow(defaults, root), ...wanted])];
  const all = (await instrument(sandbox, files)).filter(({ file }) => wanted.includes(file));
  const mutants = sample === undefined ? all : sampleOf(all, sample, seed ?? 1);
  print(
    `${mutants.length} mutants of ${wanted.length} files${mutants.length < all.length ? `, a sample of ${all.length} (seed ${seed})` : ''}`,
  );
  if (values.count) {
    for (const [file, of] of Map.groupBy(mutants, ({ file }) => file))
      print(`${String(of.length).padStart(6)} ${file}`);
    return 0;
  }
  const isAccepted = ({ file, source, replacement }: Mutant) =>
    accepted.some((a) => a.file === file && a.source === source && a.replacement === replacement);
  const save = (results: readonly Result[]) => {
    if (values.json !== undefined)
      writeFileSync(resolve(process.env.INIT_CWD ?? root, values.json), JSON.stringify(results, null, 1));
  };
  const judged = await judge(sandbox, mutants, {
    isAccepted,
    workers: workers ?? 1,
    wanted: new RegExp(values.tests),
    longest: (longest ?? 30) * 1000,
    save,
  });
  const results = await withTypes(sandbox, judged);
  save(results);
  return report(results, isAccepted);
}

/** Paths relative to the root. Throws UsageError for a path without a source. */
function filesBelow(paths: readonly string[], from = process.env.INIT_CWD ?? root): string[] {
  return paths.flatMap((path) => {
    const at = relative(root, resolve(from, path));
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
  readonly parentPath?: {
    readonly node?: {
      readonly type: string;
      readonly callee?: { readonly property?: { readonly name?: string } };
    };
  } | null;
}

/** The words of an error's message, or of a schema's description, are for people: a test that repeats them says nothing. */
const messages = {
  shouldIgnore(path: Place): string | undefined {
    const isText = path.node?.type === 'StringLiteral' || path.node?.type === 'TemplateLiteral';
    const by = path.listKey === 'arguments' ? path.parentPath?.node : undefined;
    const isForPeople = by?.type === 'NewExpression' || by?.callee?.property?.name === 'describe';
    return isText && isForPeople ? 'words for people' : undefined;
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
  const texts = new Map(files.map((name) => [name, readFileSync(join(root, name), 'utf8')]));
  return result.mutants.flatMap(({ id, fileName, location, mutatorName, replacement, statusReason }) => {
    if (statusReason !== undefined) return [];
    const text = texts.get(fileName) ?? '';
    const [start, end] = [location.start, location.end].map((place) => offsetOf(text, place));
    const source = text.slice(start, end);
    const line = location.start.line + 1;
    return [
      {
        id,
        file: fileName,
        line,
        mutator: mutatorName,
        source,
        replacement,
        start: start ?? 0,
        end: end ?? 0,
      },
    ];
  });
}

const offsetOf = (text: string, { line, column }: Position): number =>
  text
    .split('\n')
    .slice(0, line)
    .reduce((sum, before) => sum + before.length + 1, 0) + column;

/** The same number of each file, drawn by lot. The same seed draws the same ones. */
function sampleOf(all: readonly Mutant[], count: number, seed: number): Mutant[] {
  const lotOf = ({ file, line, source, replacement }: Mutant) =>
    digestOf(String(seed), file, String(line), source, replacement);
  const lots = new Map(all.map((mutant) => [mutant, lotOf(mutant)]));
  const chosen = new Set(
    [...Map.groupBy(all, ({ file }) => file).values()].flatMap((of) =>
      of.toSorted((a, b) => ((lots.get(a) ?? '') < (lots.get(b) ?? '') ? -1 : 1)).slice(0, count),
    ),
  );
  return all.filter((mutant) => chosen.has(mutant));
}

const digestOf = (...parts: string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 20);

/** A process that runs tests, and is replaced when it hangs or dies. */
class Worker {
  private child: ChildProcess | undefined;
  private done = 0;
  private readonly sandbox: string;

  constructor(sandbox: string) {
    this.sandbox = sandbox;
  }

  /** Null if the process ended, hangs, or works for much longer than `ms` milliseconds. */
  async run(message: object, ms: number): Promise<Answer | null> {
    if (this.done++ >= runsPerProcess) this.close();
    const isFresh = this.child === undefined;
    this.child ??= await this.start();
    const { child } = this;
    const begun = { time: Date.now(), work: workOf(child)?.ms ?? 0 };
    let asleep = { since: Date.now(), work: begun.work };
    return new Promise((resolve) => {
      const end = (answer: Answer | null) => {
        clearInterval(timer);
        child.off('message', hear).off('exit', gone);
        if (answer === null) this.close();
        resolve(answer);
      };
      const hear = (answer: unknown) => end(answerSchema.parse(answer));
      const gone = () => end(null);
      const look = () => {
        const now = workOf(child);
        if (now && !(now.isAsleep && now.ms === asleep.work)) asleep = { since: Date.now(), work: now.ms };
        const isOver = now
          ? now.ms - begun.work > limits.work(ms, isFresh) || Date.now() - asleep.since > limits.sleep
          : Date.now() - begun.time > limits.time(ms);
        if (isOver) end(null);
      };
      const timer = setInterval(look, 500);
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

/** The processor time of a process. Undefined where the system does not tell. */
function workOf({ pid }: ChildProcess): { readonly ms: number; readonly isAsleep: boolean } | undefined {
  try {
    // proc(5): behind the program's name in parentheses come the state and, eleven fields later, ticks of 10 ms.
    const fields = (/^.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1] ?? '').split(' ');
    return { ms: 10 * (Number(fields[11]) + Number(fields[12])), isAsleep: fields[0] === 'S' };
  } catch {
    return undefined;
  }
}

/** Which tests have killed mutants. They are tried first for the same mutant in a later run, and for its neighbours in this one. */
class Killers {
  private readonly path = join(cacheFolder(), 'mutation-killers.json');
  private readonly sandbox: string;
  private readonly byMutant: Map<string, string>;
  private readonly recent = new Map<string, string[]>();

  constructor(sandbox: string) {
    this.sandbox = sandbox;
    const text = existsSync(this.path) ? readFileSync(this.path, 'utf8') : '{}';
    this.byMutant = new Map(Object.entries(z.record(z.string(), z.string()).parse(JSON.parse(text))));
  }

  add(mutant: Mutant, test: string): void {
    this.byMutant.set(keyOf(mutant), test.replace(this.sandbox, ''));
    const others = (this.recent.get(mutant.file) ?? []).filter((other) => other !== test);
    this.recent.set(mutant.file, [test, ...others].slice(0, 20));
  }

  /** The tests among those that evaluate the mutant which will probably notice it. */
  of(mutant: Mutant, covering: readonly TestsOf[]): TestsOf[] {
    const own = this.byMutant.get(keyOf(mutant));
    const names = [
      ...(own === undefined ? [] : [this.sandbox + own]),
      ...(this.recent.get(mutant.file) ?? []),
    ];
    return [...new Set(names)]
      .flatMap((name) => {
        const file = name.split('|', 1)[0] ?? '';
        const found = covering.find((tests) => tests.file === file);
        return found && (found.ids === undefined || found.ids.includes(name))
          ? [{ file, ids: [name], ms: found.ms }]
          : [];
      })
      .slice(0, likely);
  }

  save(): void {
    mkdirSync(dirname(this.path), { recursive: true });
    writeFileSync(this.path, JSON.stringify(Object.fromEntries(this.byMutant)));
  }
}

const keyOf = ({ file, source, replacement, mutator }: Mutant): string =>
  digestOf(file, source, replacement, mutator);

type Result = Mutant & { readonly fate: Fate; readonly by: string | null };

interface Judging {
  readonly isAccepted: (mutant: Mutant) => boolean;
  readonly workers: number;
  /** Paths of test files. */
  readonly wanted: RegExp;
  /** Tests of a mutant take at most this long together, in milliseconds. */
  readonly longest: number;
  readonly save: (results: readonly Result[]) => void;
}

async function judge(
  sandbox: string,
  mutants: readonly Mutant[],
  { isAccepted, workers, wanted, longest, save }: Judging,
): Promise<Result[]> {
  const idle = Array.from({ length: workers }, () => new Worker(sandbox));
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
  const importsOf = importReader(sandbox);
  const files = new Set(mutants.map(({ file }) => join(sandbox, file)));
  const tests = testFolders
    .flatMap((folder) => globSync(`test/unit/${folder}/**/*.test.ts`, { cwd: sandbox }))
    .filter((path) => wanted.test(path))
    .map((path) => join(sandbox, path))
    .filter((path) => !importsOf(path).isDisjointFrom(files));
  const begun = Date.now();
  const known = new Map<string, Answer>();
  await parallel(tests.sort(), workers, (test) =>
    withWorker(async (worker) => {
      const answer = await covered(worker, sandbox, test, importsOf(test));
      if (answer === null || answer.failed !== null)
        print(`  left out: ${relative(sandbox, test)}: ${oneLine(answer?.failed ?? 'too slow', 300)}`);
      else known.set(test, answer);
    }),
  );
  const coverage = coverageOf(known);
  print(`  ${known.size} test files in ${seconds(begun)}`);
  const killers = new Killers(sandbox);
  const judged: Result[] = [];
  const results = await parallel(mutants, workers, (mutant) =>
    withWorker(async (worker): Promise<Result> => {
      const result = await fateOf(worker, mutant, coverage.get(mutant.id), longest, killers);
      if (isAlive(result) && !isAccepted(result)) tell(result);
      if (judged.push(result) % 100 === 0) {
        print(`  ${judged.length} of ${mutants.length} in ${seconds(begun)}`);
        save(judged);
        killers.save();
      }
      return result;
    }),
  );
  killers.save();
  for (const worker of every) worker.close();
  return results;
}

const seconds = (since: number): string => `${((Date.now() - since) / 1000).toFixed(0)} s`;

/** Reads which sources a file loads, directly or not, itself included. */
function importReader(sandbox: string): (path: string) => ReadonlySet<string> {
  const direct = new Map<string, string[]>();
  const read = (path: string): string[] => {
    const found = [...readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)]
      .map(([, to = '']) => join(dirname(path), to))
      .filter((to) => to.startsWith(sandbox) && existsSync(to));
    direct.set(path, found);
    return found;
  };
  return (path) => {
    const seen = new Set([path]);
    for (const at of seen) for (const to of direct.get(at) ?? read(at)) seen.add(to);
    return seen;
  };
}

/** Runs a test file without a mutant, or takes what an earlier run has found, if neither it nor what it loads has changed. */
async function covered(
  worker: Worker,
  sandbox: string,
  test: string,
  loaded: ReadonlySet<string>,
): Promise<Answer | null> {
  const texts = [...loaded].sort().map((path) => readFileSync(path, 'utf8'));
  const folder = join(cacheFolder(), 'mutation-coverage');
  const path = join(folder, `${digestOf(relative(sandbox, test), ...texts)}.json`);
  const toText = (answer: Answer) => JSON.stringify(answer).replaceAll(sandbox, '<sandbox>');
  if (existsSync(path))
    return answerSchema.parse(JSON.parse(readFileSync(path, 'utf8').replaceAll('<sandbox>', sandbox)));
  // Each file loads the sources anew, so that what their loading evaluates is seen.
  worker.close();
  const answer = await worker.run({ isDry: true, file: test }, slowestFile);
  if (answer?.failed !== null) return answer;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, toText(answer));
  return answer;
}

/** By mutant: the tests that evaluate it. `isStatic`: loading its source does, too. */
interface Covered {
  readonly tests: TestsOf[];
  isStatic: boolean;
}

function coverageOf(known: ReadonlyMap<string, Answer>): Map<string, Covered> {
  const found = new Map<string, Covered>();
  const of = (id: string) => {
    const there = found.get(id) ?? { tests: [], isStatic: false };
    found.set(id, there);
    return there;
  };
  for (const [file, answer] of known) {
    const whole = Object.values(answer.perTest).reduce((sum, { ms }) => sum + ms, 0);
    for (const id of answer.static) {
      const covering = of(id);
      covering.isStatic = true;
      covering.tests.push({ file, ids: undefined, ms: whole });
    }
    const byMutant = new Map<string, string[]>();
    for (const [test, { mutants }] of Object.entries(answer.perTest))
      for (const id of mutants) byMutant.set(id, [...(byMutant.get(id) ?? []), test]);
    const isStatic = new Set(answer.static);
    for (const [id, tests] of byMutant) {
      if (isStatic.has(id)) continue;
      // What a hook for the whole file evaluates concerns each of its tests.
      const isWhole = tests.some((test) => /\|\((?:beforeAll|afterAll)\)$/.test(test));
      const ms = tests.reduce((sum, test) => sum + (answer.perTest[test]?.ms ?? 0), 0);
      of(id).tests.push(isWhole ? { file, ids: undefined, ms: whole } : { file, ids: tests, ms });
    }
  }
  return found;
}

async function fateOf(
  worker: Worker,
  mutant: Mutant,
  covering: Covered | undefined,
  longest: number,
  killers: Killers,
): Promise<Result> {
  if (!covering) return { ...mutant, fate: 'uncovered', by: null };
  // The tests of the module itself first, then the quickest ones.
  const own = mutant.file.replace(/^src\/lib\/|\.ts$/g, '');
  const rank = (file: string) =>
    [`${own}.test.ts`, dirname(own)].findIndex((name) => file.includes(`/unit/${name}`)) >>> 0;
  const inOrder = covering.tests.toSorted((a, b) => rank(a.file) - rank(b.file) || a.ms - b.ms);
  // A source that is loaded already has evaluated what stands at its top.
  if (covering.isStatic) worker.close();
  let spent = 0;
  for (const tests of [...killers.of(mutant, covering.tests), ...inOrder]) {
    if (spent > 0 && spent + tests.ms > longest) continue;
    spent += tests.ms;
    const answer = await worker.run({ mutant: mutant.id, file: tests.file, ids: tests.ids }, tests.ms);
    if (answer !== null && answer.failed === null) continue;
    if (covering.isStatic) worker.close();
    if (answer?.failed?.startsWith(`${tests.file}|`)) killers.add(mutant, answer.failed);
    return { ...mutant, fate: answer === null ? 'timeout' : 'killed', by: answer?.failed ?? tests.file };
  }
  if (covering.isStatic) worker.close();
  return { ...mutant, fate: 'survived', by: null };
}

/**
 * Asks the type checker about the survivors: one of each function at a time, because a run of it takes seconds. The same options as
 * in npm run check, except that what is unused is no fault of a mutant.
 */
async function withTypes(sandbox: string, results: readonly Result[]): Promise<Result[]> {
  const alive = results.filter(isAlive);
  if (alive.length === 0) return [...results];
  const folder = join(sandbox, 'types');
  for (const name of ['src', 'tsconfig.json', 'package.json'])
    cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const project = {
    extends: './tsconfig.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: [...new Set(alive.map(({ file }) => file))],
  };
  writeFileSync(join(folder, 'mutants.json'), JSON.stringify(project));
  const originals = new Map(project.include.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
  /** Where the checker finds a fault: files, each with the number of a function. */
  const faulty = async () => {
    const { stdout } = await promisify(execFile)(
      join(root, 'node_modules/.bin/tsc'),
      ['--noEmit', '--pretty', 'false', '-p', 'mutants.json'],
      { cwd: folder, maxBuffer: 1 << 26 },
    ).catch((error: unknown) => z.object({ stdout: z.string().min(1) }).parse(error));
    return new Set(
      [...stdout.matchAll(/^(\S+?)\((\d+),\d+\): error /gm)].map(([, file = '', line]) =>
        functionAt(file, readFileSync(join(folder, file), 'utf8').split('\n').slice(0, Number(line))),
      ),
    );
  };
  if ((await faulty()).size > 0) throw new SetupError('the sources have faults of types: run npm run check');
  const queues = Map.groupBy(alive, ({ file, line }) =>
    functionAt(file, (originals.get(file) ?? '').split('\n').slice(0, line)),
  );
  const refused = new Set<Result>();
  for (let round = 0; round < Math.max(...[...queues.values()].map((queue) => queue.length)); round++) {
    const tried = [...queues].flatMap(([at, queue]) =>
      queue.slice(round, round + 1).map((result) => ({ at, result })),
    );
    for (const [file, text] of originals) {
      const own = tried.map(({ result }) => result).filter((result) => result.file === file);
      // From the end, so that places stay right.
      const changed = own.toSorted((a, b) => b.start - a.start).reduce(applied, text);
      writeFileSync(join(folder, file), changed);
    }
    const found = await faulty();
    for (const { at, result } of tried) if (found.has(at)) refused.add(result);
  }
  print(`  ${refused.size} of ${alive.length} survivors are refused by the type checker`);
  return results.map((result) => (refused.has(result) ? { ...result, fate: 'refused' } : result));
}

/** The function of the last of these lines. What is at the top of a file begins in the first column. */
const functionAt = (file: string, lines: readonly string[]): string =>
  `${file} ${lines.filter((line) => /^[^\s)}\]]/.test(line)).length}`;

/** A part of an expression stays one, whatever it is replaced by. A statement may be replaced by nothing. */
function applied(text: string, { start, end, mutator, replacement }: Mutant): string {
  const isWhole = mutator === 'BlockStatement' || /^(;|(case|default)\b)/.test(replacement);
  return text.slice(0, start) + (isWhole ? replacement : `(${replacement})`) + text.slice(end);
}

const isAlive = ({ fate }: Result): boolean => fate === 'survived' || fate === 'uncovered';

/** Prints a survivor as soon as it is known: the whole run may take hours. */
const tell = ({ file, line, mutator, source, replacement, fate }: Result): void =>
  print(`  ${file}:${line} ${fate} ${mutator}: ${oneLine(source, 90)} → ${oneLine(replacement, 90)}`);

/** Prints a table by folder. */
function report(results: readonly Result[], isAccepted: (result: Result) => boolean): number {
  const alive = results.filter(isAlive);
  const folders = Map.groupBy(results, ({ file }) => dirname(file).split('/').slice(0, 3).join('/'));
  for (const [folder, of] of folders) {
    const count = (fate: Fate) => of.filter((r) => r.fate === fate).length;
    const dead = count('killed') + count('timeout') + count('refused');
    print(
      `${folder.padEnd(20)} ${of.length} mutants: ${count('killed')} killed, ${count('timeout')} timed out, ${count('refused')} refused by the type checker, ${count('survived')} survived, ${count('uncovered')} not covered, ${of.filter((r) => isAlive(r) && isAccepted(r)).length} accepted: ${((100 * dead) / of.length).toFixed(1)} %`,
    );
  }
  const open = alive.filter((r) => !isAccepted(r));
  const share = results.length === 0 ? 1 : 1 - alive.length / results.length;
  print(`${(100 * share).toFixed(1)} % killed, ${open.length} survivors without a reason`);
  return share >= wantedShare && open.length === 0 ? 0 : 1;
}

await runProgram(main);
process.exit();
