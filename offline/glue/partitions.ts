/** Partition calls of Glue that ministack does not have or answers differently. */
import { DuckDBInstance } from '@duckdb/node-api';
import * as z from 'zod';
import { duckType, identifier, literal } from '../../src/lib/dialect/duckdbNames.ts';
import { ApiError, type Operation } from '../apiError.ts';
import { checkQuery } from '../athena/guard.ts';
import type { Upstream } from '../aws.ts';

const named = { DatabaseName: z.string(), TableName: z.string() };
const anyTable = z.looseObject(named);
const deleteRequest = z.object({ ...named, PartitionValues: z.array(z.string()) });
const batchDelete = z.object({
  ...named,
  PartitionsToDelete: z.array(z.object({ Values: z.array(z.string()) })),
});
const getRequest = z.looseObject({
  ...named,
  Expression: z.string().default(''),
  MaxResults: z.number().int().min(1).max(1000).default(1000),
  NextToken: z.string().optional(),
});
const getAnswer = z.object({
  Partitions: z.array(z.looseObject({ Values: z.array(z.string()) })).default([]),
  NextToken: z.string().optional(),
});
type Partition = z.output<typeof getAnswer>['Partitions'][number];
const updateRequest = z.object({
  ...named,
  PartitionValueList: z.array(z.string()),
  PartitionInput: z.looseObject({ Values: z.array(z.string()).optional() }),
});
const keysAnswer = z.object({
  Table: z.object({
    PartitionKeys: z.array(z.object({ Name: z.string(), Type: z.string().default('string') })).default([]),
  }),
});
type Key = z.output<typeof keysAnswer>['Table']['PartitionKeys'][number];

export function partitionOperations({ call }: Upstream): Record<string, Operation> {
  const keysOf = async (DatabaseName: string, Name: string): Promise<Key[]> =>
    keysAnswer.parse(await call('AWSGlue.GetTable', { DatabaseName, Name })).Table.PartitionKeys;
  /** Glue rejects partitions of a table that does not exist; ministack accepts them. */
  const mustBeTable =
    (target: string): Operation =>
    async (request) => {
      const { DatabaseName, TableName } = anyTable.parse(request);
      await keysOf(DatabaseName, TableName);
      return call(target, request);
    };
  /** The end of the last write of each table. */
  const writes = new Map<string, Promise<unknown>>();
  /** Runs one write of a table at a time, because ministack loses one of two concurrent writes. */
  const inTurn =
    (operation: Operation): Operation =>
    (request) => {
      const { DatabaseName, TableName } = anyTable.parse(request);
      const table = JSON.stringify([DatabaseName, TableName]);
      const turn = (writes.get(table) ?? Promise.resolve()).then(() => operation(request));
      writes.set(
        table,
        turn.catch(() => {}),
      );
      return turn;
    };
  const mustExist = (table: z.output<typeof anyTable>, PartitionValues: readonly string[]) =>
    call('AWSGlue.GetPartition', { ...table, PartitionValues });
  /** UpdatePartition has no AlreadyExistsException. */
  const takeValues = async (request: Readonly<Record<string, unknown>>) => {
    try {
      await call('AWSGlue.CreatePartition', request);
    } catch (error) {
      if (!(error instanceof ApiError) || error.name !== 'AlreadyExistsException') throw error;
      throw new ApiError('InvalidInputException', error.message);
    }
  };
  return {
    'AWSGlue.CreatePartition': inTurn(mustBeTable('AWSGlue.CreatePartition')),
    'AWSGlue.BatchCreatePartition': inTurn(mustBeTable('AWSGlue.BatchCreatePartition')),

    'AWSGlue.DeletePartition': inTurn(async (request) => {
      const { PartitionValues, ...table } = deleteRequest.parse(request);
      await mustExist(table, PartitionValues);
      return call('AWSGlue.DeletePartition', request);
    }),

    // https://docs.aws.amazon.com/glue/latest/webapi/API_BatchDeletePartition.html
    'AWSGlue.BatchDeletePartition': inTurn(async (request) => {
      const { PartitionsToDelete, ...table } = batchDelete.parse(request);
      if (PartitionsToDelete.length > 25)
        throw new ApiError('InvalidInputException', 'PartitionsToDelete has at most 25 partitions');
      const Errors: unknown[] = [];
      for (const { Values } of PartitionsToDelete)
        try {
          await mustExist(table, Values);
          await call('AWSGlue.DeletePartition', { ...table, PartitionValues: Values });
        } catch (error) {
          if (!(error instanceof ApiError) || error.name !== 'EntityNotFoundException') throw error;
          Errors.push({
            PartitionValues: Values,
            ErrorDetail: { ErrorCode: error.name, ErrorMessage: error.message },
          });
        }
      return { Errors };
    }),

    // https://docs.aws.amazon.com/glue/latest/webapi/API_UpdatePartition.html
    'AWSGlue.UpdatePartition': inTurn(async (request) => {
      const { PartitionValueList, PartitionInput, ...table } = updateRequest.parse(request);
      const Values = PartitionInput.Values ?? PartitionValueList;
      const isMoved = JSON.stringify(Values) !== JSON.stringify(PartitionValueList);
      const partition = { ...PartitionInput, Values };
      await mustExist(table, PartitionValueList);
      // If the new values exist already, nothing is changed.
      if (isMoved) await takeValues({ ...table, PartitionInput: partition });
      await call('AWSGlue.DeletePartition', { ...table, PartitionValues: PartitionValueList });
      if (!isMoved) await call('AWSGlue.CreatePartition', { ...table, PartitionInput: partition });
      return {};
    }),

    // https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html
    'AWSGlue.GetPartitions': async (request) => {
      const { Expression, MaxResults, NextToken, ...table } = getRequest.parse(request);
      if (Expression.trim() === '') return call('AWSGlue.GetPartitions', request);
      const keys = await keysOf(table.DatabaseName, table.TableName);
      const all: Partition[] = [];
      let token: string | undefined;
      do {
        const page = getAnswer.parse(
          await call('AWSGlue.GetPartitions', {
            ...table,
            ...(token === undefined ? {} : { NextToken: token }),
          }),
        );
        all.push(...page.Partitions);
        token = page.NextToken;
      } while (token !== undefined);
      const chosen = await filter(all, keys, Expression);
      const from = Number(NextToken ?? 0);
      const next = from + MaxResults;
      return {
        Partitions: chosen.slice(from, next),
        ...(next < chosen.length ? { NextToken: String(next) } : {}),
      };
    },
  };
}

/** The column that names the partition of a row. */
const at = '_partition';

/** The partitions for which the expression is true. Each value has the type of its key. Throws ApiError for an invalid expression. */
async function filter(
  partitions: readonly Partition[],
  keys: readonly Key[],
  expression: string,
): Promise<Partition[]> {
  const refuse = (why: string) =>
    new ApiError('InvalidInputException', `Unsupported expression '${expression}': ${why}`);
  if (partitions.length === 0) return [];
  const instance = await DuckDBInstance.create(':memory:');
  const db = await instance.connect();
  try {
    const typed = keys.map(
      ({ Name, Type }) =>
        `${identifier(Name)}::${/^(var)?char/.test(Type) ? 'VARCHAR' : duckType(Type)} AS ${identifier(Name)}`,
    );
    const rows = partitions.map(
      ({ Values }, i) => `(${[i, ...keys.map((_, k) => literal(Values[k] ?? ''))].join(', ')})`,
    );
    const names = [at, ...keys.map((k) => identifier(k.Name))];
    await db.run(
      `CREATE TABLE partitions AS SELECT ${[at, ...typed].join(', ')} FROM (VALUES ${rows.join(', ')}) AS t(${names.join(', ')})`,
    );
    const sql = `SELECT ${at} FROM partitions WHERE ${expression} ORDER BY ${at}`;
    const { tables } = checkQuery(sql);
    if (tables.length !== 1) throw refuse('it names a table');
    const chosen = (await db.runAndReadAll(sql)).getRows();
    return chosen.flatMap(([i]) => partitions[Number(i)] ?? []);
  } catch (error) {
    throw error instanceof ApiError ? error : refuse(error instanceof Error ? error.message : String(error));
  } finally {
    db.closeSync();
    instance.closeSync();
  }
}
