import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import * as errors from '../../src/lib/errors.ts';

const root = resolve(import.meta.dirname, '../..');
const withoutTags = (text: string) => text.replaceAll(/!(GetAtt|Sub|Ref) /g, '');
const machine = parse(withoutTags(readFileSync(join(root, 'statemachines/ingest.yml'), 'utf8')));
type State = {
  Type: string;
  Comment?: string;
  Resource?: string;
  TimeoutSeconds?: number;
  Retry?: { ErrorEquals: string[]; JitterStrategy: string; BackoffRate: number }[];
  Catch?: { ErrorEquals: string[]; Next: string }[];
};
const states = Object.entries(machine.definition.States as Record<string, State>);
const tasks = states.filter(([, s]) => s.Type === 'Task');
const functions = parse(withoutTags(readFileSync(join(root, 'infra/functions.yml'), 'utf8')));

test('every state says what it is for', () => {
  expect(states.filter(([, s]) => !s.Comment).map(([name]) => name)).toEqual([]);
});

test('a task, its function and its handler have one name', () => {
  const handlers = readdirSync(join(root, 'src/handlers')).map((f) => f.replace('.ts', ''));
  for (const [name, state] of tasks) {
    const camel = `${name[0]?.toLowerCase()}${name.slice(1)}`;
    expect(state.Resource).toBe(`${camel}.Arn`);
    expect(functions[camel].handler).toBe(`src/handlers/${camel}.handler`);
    expect(handlers).toContain(camel);
  }
});

test('every task has a time limit, retries with jitter and backoff, and one way to fail', () => {
  for (const [name, state] of tasks) {
    expect([name, (state.TimeoutSeconds ?? 0) > 0]).toEqual([name, true]);
    for (const retry of state.Retry ?? []) {
      expect(retry.JitterStrategy).toBe('FULL');
      expect(retry.BackoffRate).toBeGreaterThan(1);
      expect(retry.ErrorEquals).not.toContain('States.ALL');
    }
    expect([name, state.Retry !== undefined]).toEqual([name, true]);
    // What the embedded engine cannot hold goes to Glue.
    const elsewhere = name === 'TransformEmbedded' ? ['StartGlueJob'] : [];
    if (name !== 'FailBatch') expect(state.Catch?.map((c) => c.Next)).toEqual([...elsewhere, 'FailBatch']);
  }
});

test("errors that the definition retries are AWS's, or stand in the catalogue of errors", () => {
  const own = tasks
    .flatMap(([, s]) => s.Retry ?? [])
    .flatMap((r) => r.ErrorEquals)
    .filter((name) => name in errors);
  expect(new Set(own)).toEqual(new Set(['EngineBusy', 'KeysUnread']));
  for (const [name, type] of Object.entries(errors))
    if (name !== 'ContractError') expect(new (type as new (m: string) => Error)('x').name).toBe(name);
});

test('Node and Spark run one version of DuckDB', async () => {
  const wheel = createRequire(import.meta.url)('../../infra/duckdbWheel.cjs') as { version: string };
  const instance = await DuckDBInstance.create(':memory:');
  const db = await instance.connect();
  const version = (await db.runAndReadAll('SELECT version()')).getRows()[0]?.[0];
  db.closeSync();
  expect(version).toBe(`v${wheel.version}`);
});
