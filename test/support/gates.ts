/** The programs that check packaged templates, and the checks that are disabled. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import * as z from 'zod';
import { packageStage } from '../../offline/deploy.ts';
import { ensureGates } from '../../offline/setup/environments.ts';

export const root = resolve(import.meta.dirname, '../..');
const reasons = z.record(z.string(), z.string().min(20));
const told = z
  .object({ cfnLint: reasons, checkov: reasons })
  .parse(parse(readFileSync(join(root, 'infra/gates.yml'), 'utf8')));

export interface Template {
  readonly Resources: Record<
    string,
    { Type: string; DeletionPolicy?: string; Condition?: string; Properties: Record<string, unknown> }
  >;
}

/** The template of a stage, packaged without an AWS account. Throws SetupError with the framework's message. */
export async function template(
  stage: string,
  params: Readonly<Record<string, string>> = {},
): Promise<Template> {
  const folder = await packageStage({ stage, params, report: () => {} });
  const path = join(folder, 'cloudformation-template-update-stack.json');
  return JSON.parse(readFileSync(path, 'utf8')) as Template;
}

/** A program's output. Both exit statuses are results here, not errors. */
export async function runGate(program: string, args: readonly string[], cwd = root): Promise<string> {
  const bin = await ensureGates(() => {});
  return new Promise((done, fail) => {
    execFile(
      join(bin, program),
      args,
      { maxBuffer: 64 * 1024 * 1024, cwd, env: { ...process.env, LOG_LEVEL: 'ERROR' } },
      (error, stdout, stderr) => {
        if (error && typeof error.code !== 'number') fail(error);
        else done(stdout === '' && error ? stderr : stdout);
      },
    );
  });
}

async function withFile<T>(content: unknown, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-gate-'));
  try {
    const path = join(folder, 'template.json');
    await writeFile(path, JSON.stringify(content));
    return await use(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const cfnLintOutput = z.array(z.object({ Rule: z.object({ Id: z.string() }), Message: z.string() }));

/** cfn-lint's findings, as `rule: message`. */
export const cfnLint = (content: Template): Promise<string[]> =>
  withFile(content, async (path) => {
    const ignored = Object.keys(told.cfnLint).flatMap((id) => ['--ignore-checks', id]);
    const found = cfnLintOutput.parse(
      JSON.parse(await runGate('cfn-lint', ['--format', 'json', ...ignored, '--template', path])),
    );
    return found.map(({ Rule, Message }) => `${Rule.Id}: ${Message}`);
  });

const checkovOutput = z.object({
  results: z.object({
    failed_checks: z.array(z.object({ check_id: z.string(), check_name: z.string(), resource: z.string() })),
  }),
  summary: z.object({ passed: z.int(), parsing_errors: z.literal(0) }),
});

/** Checkov's findings, as `check: resource: name`. Throws Error if it checked nothing. */
export const checkov = (content: Template): Promise<string[]> =>
  withFile(content, async (path) => {
    const skipped = Object.keys(told.checkov).join(',');
    const args = [
      '--framework',
      'cloudformation',
      '--output',
      'json',
      '--skip-check',
      skipped,
      '--file',
      path,
    ];
    const { results, summary } = checkovOutput.parse(JSON.parse(await runGate('checkov', args)));
    if (summary.passed < 100) throw new Error(`checkov passed only ${summary.passed} checks`);
    return results.failed_checks.map((c) => `${c.check_id}: ${c.resource}: ${c.check_name}`);
  });
