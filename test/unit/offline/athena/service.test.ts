/** Query executions over an engine in memory: tokens, pages, states, workgroups, and statements that do not run. */
import { expect, test } from '@jest/globals';
import { ApiError } from '../../../../offline/apiError.ts';
import { done } from '../../../../offline/athena/ddlTold.ts';
import type { Engine, QueryResult } from '../../../../offline/athena/engine.ts';
import { athenaOperations } from '../../../../offline/athena/service.ts';
import { withDdl } from '../../../../offline/athena/withDdl.ts';
import { connectUpstream } from '../../../../offline/aws.ts';

type Request = Record<string, unknown>;

const numbers = (size: number): QueryResult => ({
  ...done(),
  columns: [{ name: 'n', type: 'integer', precision: 10, scale: 0 }],
  rows: Array.from({ length: size }, (_, i) => [String(i)]),
});

/** An Athena with the workgroups `primary` and `own`, whose engine answers with `result` as soon as `ready` resolves. */
function athenaOf(result: QueryResult, ready: Promise<void> = Promise.resolve()) {
  const groups = new Map(
    ['primary', 'own', 'off'].map((name) => [name, name === 'off' ? 'DISABLED' : 'ENABLED']),
  );
  const statements = new Map<string, Request>();
  const missing = (what: string) => new ApiError('ResourceNotFoundException', `${what} not found`);
  const upstream = {
    ...connectUpstream('http://127.0.0.1:9'),
    // As ministack answers.
    call: async (target: string, request: unknown): Promise<Request> => {
      const { WorkGroup, StatementName } = request as Record<string, string>;
      const key = `${WorkGroup}/${StatementName}`;
      switch (target.replace('AmazonAthena.', '')) {
        case 'GetWorkGroup': {
          const State = groups.get(WorkGroup ?? '');
          if (State === undefined)
            throw new ApiError('InvalidRequestException', `WorkGroup ${WorkGroup} not found`);
          return { WorkGroup: { State, Configuration: { EnforceWorkGroupConfiguration: false } } };
        }
        case 'ListWorkGroups':
          return { WorkGroups: [...groups.keys()].map((Name) => ({ Name })) };
        case 'DeleteWorkGroup':
          groups.delete(WorkGroup ?? '');
          return {};
        case 'ListNamedQueries':
          return { NamedQueryIds: [] };
        case 'CreatePreparedStatement':
          statements.set(key, request as Request);
          return {};
        case 'GetPreparedStatement':
          if (!statements.has(key)) throw missing(key);
          return { PreparedStatement: statements.get(key) };
        case 'DeletePreparedStatement':
          if (!statements.delete(key)) throw missing(key);
          return {};
        default:
          return { PreparedStatements: [...statements.values()].filter((s) => s.WorkGroup === WorkGroup) };
      }
    },
  };
  upstream.s3.middlewareStack.add(() => async () => ({ response: {}, output: { $metadata: {} } }), {
    step: 'initialize',
    priority: 'high',
  });
  let runs = 0;
  const engine: Engine = withDdl(upstream, {
    check: async () => {},
    run: async () => {
      runs++;
      await ready;
      return result;
    },
  });
  const operations = athenaOperations(upstream, engine);
  const ask = async (name: string, request: Request = {}): Promise<Request> => {
    const operation = operations[`AmazonAthena.${name}`];
    if (operation === undefined) throw new Error(`no ${name}`);
    return operation(request);
  };
  const start = async (request: Request = {}) =>
    String(
      (
        await ask('StartQueryExecution', {
          QueryString: 'SELECT n FROM t',
          ResultConfiguration: { OutputLocation: 's3://b/r/' },
          ...request,
        })
      ).QueryExecutionId,
    );
  const state = async (id: string) => {
    const { QueryExecution } = (await ask('GetQueryExecution', { QueryExecutionId: id })) as Record<
      string,
      Request
    >;
    return QueryExecution?.Status as Record<string, string>;
  };
  const ended = async (id: string): Promise<Record<string, string>> => {
    for (;;) {
      const status = await state(id);
      if (!['QUEUED', 'RUNNING'].includes(status.State ?? '')) return status;
      await new Promise(setImmediate);
    }
  };
  const rows = async (id: string, request: Request = {}) => {
    const answer = await ask('GetQueryResults', { QueryExecutionId: id, ...request });
    const { Rows } = answer.ResultSet as { Rows: { Data: { VarCharValue?: string }[] }[] };
    return {
      told: Rows.map(({ Data }) => Data[0]?.VarCharValue),
      token: answer.NextToken as string | undefined,
    };
  };
  return { ask, start, state, ended, rows, runs: () => runs };
}

test('a repeated request gives the same execution, also while the first is being started', async () => {
  const athena = athenaOf(numbers(1));
  const request = { ClientRequestToken: 'token' };
  const [first, second] = await Promise.all([athena.start(request), athena.start(request)]);
  await athena.ended(first);
  expect([second, await athena.start(request), athena.runs()]).toEqual([first, first, 1]);
  await expect(athena.start({ ...request, QueryExecutionContext: { Database: 'd' } })).rejects.toThrow(
    'Idempotent parameters do not match',
  );
  const other = { ClientRequestToken: 'other', WorkGroup: 'made_later' };
  await expect(athena.start(other)).rejects.toThrow('WorkGroup made_later is not found.');
  expect(await athena.start({ ClientRequestToken: 'other' })).not.toBe(first);
});

test('pages give each row once, twice alike, and a token of another result gives none', async () => {
  const athena = athenaOf(numbers(2500));
  const id = await athena.start();
  await athena.ended(id);
  const all: (string | undefined)[] = [];
  const tokens: string[] = [];
  for (let token: string | undefined; ; ) {
    const page = await athena.rows(id, token === undefined ? {} : { NextToken: token });
    expect(await athena.rows(id, token === undefined ? {} : { NextToken: token })).toEqual(page);
    all.push(...page.told);
    token = page.token;
    if (token === undefined) break;
    tokens.push(token);
  }
  expect(all).toEqual(['n', ...numbers(2500).rows.map(([n]) => n)]);
  expect(tokens).toHaveLength(2);
  const another = await athena.start();
  await athena.ended(another);
  for (const NextToken of [tokens[0], '0', '-1', 'x', `${another}:0`, `${another}:9999`])
    await expect(athena.rows(another, { NextToken })).rejects.toThrow('is not a token of this list');
});

test('a result that is not there yet, was stopped or comes in another form is refused', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const athena = athenaOf(numbers(1), promise);
  const id = await athena.start();
  await expect(athena.rows(id)).rejects.toThrow('Query has not yet finished. Current state: RUNNING');
  await athena.ask('StopQueryExecution', { QueryExecutionId: id });
  resolve();
  expect((await athena.ended(id)).State).toBe('CANCELLED');
  await expect(athena.rows(id)).rejects.toThrow('Final query state: CANCELLED');
  const finished = await athena.start();
  await athena.ended(finished);
  await expect(athena.rows(finished, { QueryResultType: 'DATA_MANIFEST' })).rejects.toThrow('NOT_SUPPORTED');
});

test('a plan has its column’s name and a row for each line', async () => {
  const athena = athenaOf({
    ...numbers(0),
    columns: [{ name: 'Query Plan', type: 'varchar', precision: 0, scale: 0 }],
    rows: [['a\n  b\n']],
  });
  const id = await athena.start({ QueryString: 'EXPLAIN SELECT n FROM t' });
  await athena.ended(id);
  expect((await athena.rows(id)).told).toEqual(['Query Plan', 'a', '  b']);
});

test.each<[string, Request, string]>([
  [
    'two statements',
    { QueryString: 'SELECT 1; SELECT 2' },
    'Only one sql statement is allowed. Got: SELECT 1; SELECT 2',
  ],
  ['a workgroup that is switched off', { WorkGroup: 'off' }, 'WorkGroup off is disabled.'],
])('%s is refused', async (_, request, message) => {
  const athena = athenaOf(numbers(1));
  await expect(athena.start(request)).rejects.toThrow(message);
  expect(athena.runs()).toBe(0);
});

test('a semicolon at the end, in a text or in a comment is one statement; a query in another catalog fails by name', async () => {
  const athena = athenaOf(numbers(1));
  for (const QueryString of ['SELECT 1;', "SELECT ';' -- ;\n", '/* a; b */ SELECT 1 ; '])
    expect((await athena.ended(await athena.start({ QueryString }))).State).toBe('SUCCEEDED');
  for (const Catalog of ['awsdatacatalog', 'AwsDataCatalog'])
    expect((await athena.ended(await athena.start({ QueryExecutionContext: { Catalog } }))).State).toBe(
      'SUCCEEDED',
    );
  expect(
    await athena.ended(await athena.start({ QueryExecutionContext: { Catalog: 'mysql' } })),
  ).toMatchObject({
    State: 'FAILED',
    StateChangeReason: expect.stringContaining('NOT_SUPPORTED'),
  });
});

test('a workgroup with statements or queries is deleted with them, or not at all', async () => {
  const athena = athenaOf(numbers(1));
  await athena.ask('CreatePreparedStatement', {
    WorkGroup: 'own',
    StatementName: 'one',
    QueryStatement: 'SELECT 1',
  });
  await athena.ask('UpdatePreparedStatement', {
    WorkGroup: 'own',
    StatementName: 'one',
    QueryStatement: 'SELECT 2',
  });
  const names = { WorkGroup: 'own', PreparedStatementNames: ['one', 'two'] };
  expect(await athena.ask('BatchGetPreparedStatement', names)).toMatchObject({
    PreparedStatements: [{ StatementName: 'one', QueryStatement: 'SELECT 2' }],
    UnprocessedPreparedStatementNames: [{ StatementName: 'two' }],
  });
  const id = await athena.start({ WorkGroup: 'own' });
  await athena.ended(id);
  await expect(athena.ask('DeleteWorkGroup', { WorkGroup: 'own' })).rejects.toThrow(
    'WorkGroup own is not empty',
  );
  await athena.ask('DeleteWorkGroup', { WorkGroup: 'own', RecursiveDeleteOption: true });
  await expect(athena.state(id)).rejects.toThrow('was not found');
  for (const name of ['DeleteWorkGroup', 'GetWorkGroup', 'ListPreparedStatements', 'ListQueryExecutions'])
    await expect(athena.ask(name, { WorkGroup: 'own' })).rejects.toThrow('WorkGroup own is not found.');
  const first = await athena.ask('ListWorkGroups', { MaxResults: 1 });
  expect(first).toEqual({ WorkGroups: [{ Name: 'off' }], NextToken: 'off' });
  expect(await athena.ask('ListWorkGroups', { NextToken: 'off' })).toEqual({
    WorkGroups: [{ Name: 'primary' }],
  });
});
