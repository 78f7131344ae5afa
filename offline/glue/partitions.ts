/** Partition calls of Glue that ministack does not have or answers differently. */
import { randomUUID } from 'node:crypto';
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
const getRequest = z.object({
  ...named,
  Expression: z.string().default(''),
  MaxResults: z.number().int().min(1).max(1000).default(1000),
  NextToken: z.string().optional(),
  Segment: z.object({ SegmentNumber: z.number().int(), TotalSegments: z.number().int() }).optional(),
  ExcludeColumnSchema: z.boolean().default(false),
});
const partition = z.looseObject({ Values: z.array(z.string()).default([]) });
const createRequest = z.looseObject({ ...named, PartitionInput: partition });
const batchCreate = z.looseObject({ ...named, PartitionInputList: z.array(partition) });
const getAnswer = z.object({
  Partitions: z.array(z.looseObject({ Values: z.array(z.string()) })).default([]),
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
  /** Glue rejects partitions of a table that does not exist, or that have not one value for each key; ministack accepts them. */
  const mustFit =
    (target: string, partitionsOf: (request: unknown) => readonly z.output<typeof partition>[]): Operation =>
    async (request) => {
      const { DatabaseName, TableName } = anyTable.parse(request);
      const keys = await keysOf(DatabaseName, TableName);
      if (partitionsOf(request).some(({ Values }) => Values.length !== keys.length))
        throw new ApiError(
          'InvalidInputException',
          'The number of partition keys do not match the number of partition values',
        );
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
  /** Lists that clients read in pages, the one that was read last at the end: a page does not read the whole table again. */
  const lists = new Map<string, readonly Partition[]>();
  const partitionsOf = async ({
    Expression,
    Segment,
    ExcludeColumnSchema,
    ...table
  }: Omit<z.output<typeof getRequest>, 'MaxResults' | 'NextToken'>): Promise<readonly Partition[]> => {
    const keys = await keysOf(table.DatabaseName, table.TableName);
    const { Partitions } = getAnswer.parse(await call('AWSGlue.GetPartitions', table));
    // Each partition is in one segment.
    const { SegmentNumber, TotalSegments } = Segment ?? { SegmentNumber: 0, TotalSegments: 1 };
    const part = Partitions.filter((_, i) => i % TotalSegments === SegmentNumber);
    const chosen = Expression.trim() === '' ? part : await filter(part, keys, Expression);
    return ExcludeColumnSchema ? chosen.map(withoutColumns) : chosen;
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
    'AWSGlue.CreatePartition': inTurn(
      mustFit('AWSGlue.CreatePartition', (request) => [createRequest.parse(request).PartitionInput]),
    ),
    'AWSGlue.BatchCreatePartition': inTurn(
      mustFit('AWSGlue.BatchCreatePartition', (request) => batchCreate.parse(request).PartitionInputList),
    ),
    'AWSGlue.BatchUpdatePartition': inTurn((request) => call('AWSGlue.BatchUpdatePartition', request)),

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
      const { MaxResults, NextToken, ...asked } = getRequest.parse(request);
      const [id = '', offset = '0'] = (NextToken ?? randomUUID()).split('_');
      const found = NextToken === undefined ? await partitionsOf(asked) : lists.get(id);
      if (found === undefined)
        throw new ApiError('InvalidInputException', `NextToken ${NextToken} is not a token of a list`);
      const next = Number(offset) + MaxResults;
      if (found.length > MaxResults) {
        // The last page stays, too, because its answer may be lost.
        lists.delete(id);
        lists.set(id, found);
        for (const oldest of [...lists.keys()].slice(0, -20)) lists.delete(oldest);
      }
      return {
        Partitions: found.slice(Number(offset), next),
        ...(next < found.length ? { NextToken: `${id}_${next}` } : {}),
      };
    },
  };
}

const withoutColumns = ({ StorageDescriptor, ...more }: Partition): Partition => ({
  ...more,
  ...(StorageDescriptor === undefined
    ? {}
    : { StorageDescriptor: { ...z.looseObject({}).parse(StorageDescriptor), Columns: [] } }),
});

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
