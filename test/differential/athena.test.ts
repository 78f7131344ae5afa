/**
 * Both engines behind the local Athena: Trino gives every answer; DuckDB gives the same answer, or rejects the statement by
 * name.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GetQueryExecutionCommand,
  paginateGetQueryResults,
  StartQueryExecutionCommand,
} from '@aws-sdk/client-athena';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createDuckDbEngine } from '../../offline/athena/duckdb.ts';
import type { Engine } from '../../offline/athena/engine.ts';
import { withDdl } from '../../offline/athena/withDdl.ts';
import { connectUpstream } from '../../offline/aws.ts';
import { waitFor } from '../../src/lib/waitFor.ts';
import { fixture, type Statement, statements } from '../support/conformance.ts';
import { stage } from '../support/stage.ts';

const place = `s3://${stage.config.workBucket}/conformance/${Date.now()}`;
const all = statements(place);

interface Answer {
  readonly types?: readonly string[];
  readonly rows?: readonly (readonly (string | null)[])[];
  readonly error?: string;
  readonly isRefused?: boolean;
}

/** Through the API, as any client of Athena. */
async function askAthena({ sql, parameters }: Statement): Promise<Answer> {
  const { athena, config } = stage;
  let id: string | undefined;
  try {
    const started = await athena.send(
      new StartQueryExecutionCommand({
        QueryString: sql,
        WorkGroup: config.workgroup,
        QueryExecutionContext: { Database: 'conformance' },
        ...(parameters === undefined ? {} : { ExecutionParameters: [...parameters] }),
      }),
    );
    id = started.QueryExecutionId;
  } catch (error) {
    return { error: (error as Error).message, isRefused: true };
  }
  const execution = await waitFor(
    async () => (await athena.send(new GetQueryExecutionCommand({ QueryExecutionId: id }))).QueryExecution,
    (found) => !['QUEUED', 'RUNNING'].includes(found?.Status?.State ?? ''),
    60_000,
  );
  if (execution?.Status?.State !== 'SUCCEEDED') return { error: execution?.Status?.StateChangeReason ?? '' };
  const rows: (string | null)[][] = [];
  let types: string[] = [];
  for await (const { ResultSet, UpdateCount } of paginateGetQueryResults(
    { client: athena },
    { QueryExecutionId: id },
  )) {
    types = (ResultSet?.ResultSetMetadata?.ColumnInfo ?? []).map((c) => c.Type ?? '');
    for (const row of ResultSet?.Rows ?? []) rows.push((row.Data ?? []).map((d) => d.VarCharValue ?? null));
    if (UpdateCount) types = [];
  }
  const hasHeader = execution.StatementType === 'DML' && rows.length > 0;
  return { types, rows: hasHeader ? rows.slice(1) : rows };
}

async function askEngine(engine: Engine, { sql, parameters = [] }: Statement): Promise<Answer> {
  const statement = {
    sql,
    database: 'conformance',
    parameters,
    tables: '',
    signal: new AbortController().signal,
  };
  try {
    await engine.check(statement);
    const { columns, rows } = await engine.run(statement);
    return { types: columns.map((c) => c.type), rows };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

let folder: string;
let duckdb: Engine;

beforeAll(async () => {
  for (const sql of fixture(place)) expect(await askAthena({ sql })).not.toHaveProperty('error');
  const upstream = connectUpstream(String(stage.endpoint));
  folder = await mkdtemp(join(tmpdir(), 'sluice-conformance-'));
  duckdb = withDdl(upstream, await createDuckDbEngine(upstream, folder));
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const described = all.map(
  (statement, i) => [`${i + 1}. ${statement.sql.replaceAll(/\s+/g, ' ').slice(0, 100)}`, statement] as const,
);

test('there are enough statements to mean something', () => {
  expect(all.length).toBeGreaterThan(100);
});

test.each(described)('Trino: %s', async (_, statement) => {
  const answer = await askAthena(statement);
  if (statement.error === undefined)
    expect(answer).toEqual({ types: statement.types ?? [], rows: statement.rows });
  else {
    expect(answer.error).toMatch(startOf(statement.error));
    expect(answer.isRefused ?? false).toBe(statement.isRefused ?? false);
  }
});

test('DuckDB answers as Athena does, or refuses by name', async () => {
  const wrong: unknown[] = [];
  let answered = 0;
  for (const statement of all) {
    if (statement.isWrite) continue;
    const answer = await askEngine(duckdb, statement);
    if (/^NOT_SUPPORTED: the local Athena/.test(answer.error ?? '')) continue;
    answered++;
    const isSame =
      statement.error === undefined
        ? JSON.stringify([answer.types, answer.rows]) ===
          JSON.stringify([statement.types ?? [], statement.rows])
        : codeOf(answer.error ?? '') === (statement.isRefused ? 'SYNTAX_ERROR' : codeOf(statement.error));
    if (!isSame) wrong.push({ sql: statement.sql, wanted: statement.error ?? statement.rows, answer });
  }
  expect(wrong).toEqual([]);
  expect(answered).toBeGreaterThan(40);
});

/** Such as TABLE_NOT_FOUND: each engine words its messages differently. */
const codeOf = (message: string): string => message.split(':')[0] ?? '';

const startOf = (message: string): RegExp => new RegExp(`^${RegExp.escape(message)}`);
