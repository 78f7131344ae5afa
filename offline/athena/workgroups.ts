/**
 * Workgroups and their prepared statements, as Athena has them. ministack deletes workgroups that do not exist or are not empty, keeps the
 * statements of deleted ones, takes statements for workgroups that do not exist, changes no statement, and has no pages.
 */
import * as z from 'zod';
import { ApiError, type Operation } from '../apiError.ts';
import type { Upstream } from '../aws.ts';
import { pageByName } from './pages.ts';

const pageRequest = z.object({ MaxResults: z.number().optional(), NextToken: z.string().optional() });
const groupRequest = z.object({ WorkGroup: z.string() });
const deleteRequest = groupRequest.extend({ RecursiveDeleteOption: z.boolean().default(false) });
const listRequest = groupRequest.extend(pageRequest.shape);
const statementRequest = groupRequest.extend({ StatementName: z.string() });
const updateRequest = statementRequest.extend({
  QueryStatement: z.string(),
  Description: z.string().optional(),
});
const namedRequest = z.looseObject({
  WorkGroup: z.string().default('primary'),
  ClientRequestToken: z.string().optional(),
});
const listNamedRequest = pageRequest.extend({ WorkGroup: z.string().default('primary') });
const batchRequest = groupRequest.extend({ PreparedStatementNames: z.array(z.string()) });

const groups = z.object({ WorkGroups: z.array(z.looseObject({ Name: z.string() })) });
const summaries = z.object({ PreparedStatements: z.array(z.looseObject({ StatementName: z.string() })) });
const statement = z.looseObject({ Description: z.string().optional() });
const namedQueries = z.object({ NamedQueryIds: z.array(z.string()) });

/** Query executions, which belong to a workgroup, too. */
export interface Queries {
  has(workgroup: string): boolean;
  forget(workgroup: string): void;
}

export function workgroupOperations(
  { call }: Pick<Upstream, 'call'>,
  queries: Queries,
): Record<string, Operation> {
  /** The named queries that were asked for with a token, which may be asked for again. */
  const byToken = new Map<string, { asked: string; answer: Promise<Record<string, unknown>> }>();
  const ofGroup =
    (target: string): Operation =>
    async (request) => {
      await mustExist(call, groupRequest.parse(request).WorkGroup);
      return call(target, request);
    };
  const statementsOf = async (WorkGroup: string) =>
    summaries.parse(await call('AmazonAthena.ListPreparedStatements', { WorkGroup })).PreparedStatements;
  return {
    'AmazonAthena.GetWorkGroup': ofGroup('AmazonAthena.GetWorkGroup'),
    'AmazonAthena.UpdateWorkGroup': ofGroup('AmazonAthena.UpdateWorkGroup'),
    'AmazonAthena.ListWorkGroups': async (request) => {
      const { WorkGroups } = groups.parse(await call('AmazonAthena.ListWorkGroups', {}));
      const { page, ...more } = pageByName(WorkGroups, ({ Name }) => Name, pageRequest.parse(request));
      return { WorkGroups: page, ...more };
    },
    'AmazonAthena.DeleteWorkGroup': async (request) => {
      const { WorkGroup, RecursiveDeleteOption } = deleteRequest.parse(request);
      await mustExist(call, WorkGroup);
      if (WorkGroup === 'primary') return call('AmazonAthena.DeleteWorkGroup', { WorkGroup });
      const statements = await statementsOf(WorkGroup);
      const { NamedQueryIds } = namedQueries.parse(
        await call('AmazonAthena.ListNamedQueries', { WorkGroup }),
      );
      const isEmpty = statements.length + NamedQueryIds.length === 0 && !queries.has(WorkGroup);
      if (!isEmpty && !RecursiveDeleteOption)
        throw new ApiError('InvalidRequestException', `WorkGroup ${WorkGroup} is not empty`);
      for (const { StatementName } of statements)
        await call('AmazonAthena.DeletePreparedStatement', { WorkGroup, StatementName });
      for (const NamedQueryId of NamedQueryIds) await call('AmazonAthena.DeleteNamedQuery', { NamedQueryId });
      queries.forget(WorkGroup);
      return call('AmazonAthena.DeleteWorkGroup', { WorkGroup });
    },
    'AmazonAthena.CreateNamedQuery': async (request) => {
      const { ClientRequestToken: token, ...query } = namedRequest.parse(request);
      await mustExist(call, query.WorkGroup);
      if (token === undefined) return call('AmazonAthena.CreateNamedQuery', query);
      const asked = JSON.stringify(query);
      const known = byToken.get(token);
      if (known !== undefined && known.asked !== asked)
        throw new ApiError('InvalidRequestException', 'Idempotent parameters do not match');
      const answer = known?.answer ?? call('AmazonAthena.CreateNamedQuery', query);
      byToken.set(token, { asked, answer });
      // Nothing was made, so the token stays free.
      answer.catch(() => byToken.delete(token));
      return answer;
    },
    'AmazonAthena.ListNamedQueries': async (request) => {
      const { WorkGroup, ...asked } = listNamedRequest.parse(request);
      await mustExist(call, WorkGroup);
      const { NamedQueryIds } = namedQueries.parse(
        await call('AmazonAthena.ListNamedQueries', { WorkGroup }),
      );
      const { page, ...more } = pageByName(NamedQueryIds, (id) => id, asked);
      return { NamedQueryIds: page, ...more };
    },
    'AmazonAthena.CreatePreparedStatement': ofGroup('AmazonAthena.CreatePreparedStatement'),
    'AmazonAthena.UpdatePreparedStatement': async (request) => {
      const { WorkGroup, StatementName, ...changes } = updateRequest.parse(request);
      const name = { WorkGroup, StatementName };
      const { PreparedStatement } = await call('AmazonAthena.GetPreparedStatement', name);
      const { Description = '' } = statement.parse(PreparedStatement);
      await call('AmazonAthena.DeletePreparedStatement', name);
      return call('AmazonAthena.CreatePreparedStatement', { ...name, Description, ...changes });
    },
    'AmazonAthena.BatchGetPreparedStatement': async (request) => {
      const { WorkGroup, PreparedStatementNames } = batchRequest.parse(request);
      await mustExist(call, WorkGroup);
      const known = new Set((await statementsOf(WorkGroup)).map(({ StatementName }) => StatementName));
      const PreparedStatements: unknown[] = [];
      for (const StatementName of PreparedStatementNames.filter((name) => known.has(name)))
        PreparedStatements.push(
          (await call('AmazonAthena.GetPreparedStatement', { WorkGroup, StatementName })).PreparedStatement,
        );
      return {
        PreparedStatements,
        UnprocessedPreparedStatementNames: PreparedStatementNames.filter((name) => !known.has(name)).map(
          (StatementName) => ({
            StatementName,
            ErrorCode: 'STATEMENT_NOT_FOUND',
            ErrorMessage: `PreparedStatement ${StatementName} was not found in workGroup ${WorkGroup}`,
          }),
        ),
      };
    },
    'AmazonAthena.ListPreparedStatements': async (request) => {
      const { WorkGroup, ...asked } = listRequest.parse(request);
      await mustExist(call, WorkGroup);
      const { page, ...more } = pageByName(
        await statementsOf(WorkGroup),
        ({ StatementName }) => StatementName,
        asked,
      );
      return { PreparedStatements: page, ...more };
    },
  };
}

const groupAnswer = z.object({
  WorkGroup: z.object({
    State: z.string(),
    Configuration: z.object({
      EnforceWorkGroupConfiguration: z.boolean().optional(),
      BytesScannedCutoffPerQuery: z.number().optional(),
      ResultConfiguration: z.object({ OutputLocation: z.string().optional() }).default({}),
    }),
  }),
});

/** A workgroup's state and settings. Throws ApiError if it does not exist. */
export async function mustExist(call: Upstream['call'], WorkGroup: string) {
  try {
    return groupAnswer.parse(await call('AmazonAthena.GetWorkGroup', { WorkGroup })).WorkGroup;
  } catch (error) {
    if (!(error instanceof ApiError) || error.name !== 'InvalidRequestException') throw error;
    throw new ApiError('InvalidRequestException', `WorkGroup ${WorkGroup} is not found.`);
  }
}
