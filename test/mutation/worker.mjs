/**
 * Runs test files in plain Node, as `npm run check` does, with one mutant of the instrumented sources active. A process serves many
 * mutants: it loads the sources once, and each test file anew. Parent: scripts/mutate.ts, over IPC.
 */
import { createRequire, enableCompileCache, flushCompileCache } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// Beside the sources: another process loads them in half the time.
enableCompileCache(join(import.meta.dirname, '../../.compiled'));

const { resolve } = createRequire(import.meta.url);
const runner = join(resolve('jest-light-runner'), '..');
// The copy of jest-circus and of expect that the runner uses, too.
const own = createRequire(join(runner, 'index.js'));
const circus = await import(pathToFileURL(own.resolve('jest-circus')));
const { jestExpect } = await import(pathToFileURL(own.resolve('@jest/expect')));
await import(pathToFileURL(join(runner, 'global-setup.js')));
await import('../support/plainNode.mjs');

const state = { activeMutant: undefined, currentTestId: undefined, mutantCoverage: undefined };
globalThis.__stryker__ = state;

let loads = 0;

/** Runs a file's tests that `isMeant` names, until one fails. Gives the name of that one, or null. */
async function runFile(file, isMeant) {
  circus.resetState();
  jestExpect.setState({ testPath: file, suppressedErrors: [] });
  await import(`${pathToFileURL(file)}?${++loads}`);
  const { rootDescribeBlock, hasFocusedTests } = circus.getState();
  if (hasFocusedTests) throw new Error(`${file} has a focused test`);
  return runBlock(rootDescribeBlock, file, [], isMeant);
}

async function runBlock(block, file, names, isMeant) {
  const isAnyMeant = (of, path) =>
    of.children.some((child) => {
      const to = [...path, child.name];
      return child.type === 'test' ? isMeant(idOf(file, to)) : isAnyMeant(child, to);
    });
  if (!isAnyMeant(block, names)) return null;
  const within = async (what, of) => {
    const id = `${file}|(${what})`;
    const begun = worked();
    state.currentTestId = id;
    for (const { type, fn } of of.hooks) if (type === what) await call(fn);
    times[id] = (times[id] ?? 0) + worked() - begun;
  };
  let failed = null;
  try {
    await within('beforeAll', block);
    for (const child of block.children) {
      const path = [...names, child.name];
      if (child.type === 'describeBlock') failed = await runBlock(child, file, path, isMeant);
      else if (child.mode !== 'skip' && child.mode !== 'todo' && isMeant(idOf(file, path)))
        failed = await runTest(block, child, idOf(file, path));
      if (failed !== null) break;
    }
  } catch (error) {
    failed = `${file}: ${error}`;
  }
  try {
    await within('afterAll', block);
  } catch (error) {
    failed ??= `${file}: ${error}`;
  }
  state.currentTestId = undefined;
  return failed;
}

const idOf = (file, names) => `${file}|${names.join(' ')}`;

/** The processor time that each test has taken, in milliseconds: the same on a busy machine. */
let times = {};
const worked = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function runTest(block, { fn }, id) {
  const begun = worked();
  const blocks = [];
  for (let at = block; at; at = at.parent) blocks.unshift(at);
  const hooks = (of, type) => of.flatMap((b) => b.hooks.filter((hook) => hook.type === type));
  state.currentTestId = id;
  jestExpect.setState({ currentTestName: id, suppressedErrors: [], assertionCalls: 0 });
  let failed = null;
  try {
    for (const hook of hooks(blocks, 'beforeEach')) await call(hook.fn);
    await call(fn);
    if (jestExpect.getState().suppressedErrors.length > 0) failed = id;
  } catch (error) {
    failed = process.env.SLUICE_MUTATION_DEBUG ? `${id}: ${error?.stack}` : id;
  }
  try {
    for (const hook of hooks(blocks.reverse(), 'afterEach')) await call(hook.fn);
  } catch {
    failed ??= id;
  }
  times[id] = worked() - begun;
  return failed;
}

const call = async (fn) => {
  if (fn.length > 0) throw new Error('tests with a callback are not supported');
  await fn();
};

// A mutant may leave a promise behind that nobody awaits.
let strays = [];
for (const event of ['unhandledRejection', 'uncaughtException'])
  process.on(event, (error) => strays.push(String(error)));

process.on('message', async ({ mutant, file, ids, isDry }) => {
  strays = [];
  const wanted = new Set(ids);
  let failed = null;
  if (isDry) state.mutantCoverage = { static: {}, perTest: {} };
  times = {};
  state.activeMutant = mutant;
  try {
    failed = await runFile(file, (id) => ids === undefined || wanted.has(id));
  } catch (error) {
    failed = `${error?.stack}`;
  }
  state.activeMutant = undefined;
  if (loads === 1) flushCompileCache();
  failed ??= strays[0] ?? null;
  const evaluated = state.mutantCoverage?.perTest ?? {};
  process.send({
    failed,
    ...(isDry
      ? {
          static: Object.keys(state.mutantCoverage.static),
          perTest: Object.fromEntries(
            [...new Set([...Object.keys(times), ...Object.keys(evaluated)])].map((id) => [
              id,
              { ms: times[id] ?? 0, mutants: Object.keys(evaluated[id] ?? {}) },
            ]),
          ),
        }
      : {}),
  });
});
process.send('ready');
