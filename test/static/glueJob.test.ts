import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ensurePythonChecks, ensureSpark } from '../../offline/setup/environments.ts';
import { sparkEnvironment } from '../../offline/spark.ts';
import { root } from '../support/gates.ts';

/** A program's output and exit status. */
const run = (program: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> =>
  new Promise((done) => {
    execFile(program, args, { cwd: join(root, 'glue'), env }, (error, stdout, stderr) =>
      done(`${stdout}${stderr}exit ${error?.code ?? 0}`),
    );
  });

test('mypy finds no fault in the types of the Glue job’s modules', async () => {
  const [checks, spark] = [await ensurePythonChecks(console.log), await ensureSpark(console.log)];
  const files = ['--python-executable', spark.python, 'job.py', 'sluice'];
  expect(await run(join(checks, 'mypy'), files, process.env)).toMatch(/^Success.*\nexit 0$/);
});

test('the tests of the Glue job’s modules pass, on a Spark whose classes come from the archive', async () => {
  const [checks, spark] = [await ensurePythonChecks(console.log), await ensureSpark(console.log)];
  const folder = await mkdtemp(join(tmpdir(), 'sluice-glue-job-'));
  try {
    const lib = join(checks, '../lib');
    const log = join(folder, 'classes.log');
    const javaOption = `${spark.javaOption} -Xlog:class+load:file=${log}`;
    const said = await run(spark.python, ['-m', 'pytest', '-c', 'pyproject.toml', '../test/glue'], {
      ...sparkEnvironment({ ...spark, javaOption }, folder),
      // pytest has its own venv, because Spark's venv has only what Glue has.
      PYTHONPATH: join(lib, readdirSync(lib)[0] ?? '', 'site-packages'),
      PYTHONDONTWRITEBYTECODE: '1',
    });
    expect(said).toMatch(/\d+ passed.*\nexit 0$/);
    const archived = (await readFile(log, 'utf8')).match(
      / org\.apache\.spark\..*shared objects file \(top\)/g,
    );
    expect(archived?.length).toBeGreaterThan(3000);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}, 1_500_000);
