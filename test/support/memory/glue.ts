/** The Glue Data Catalog in memory, with crawlers and job runs whose states a test sets. */
import {
  BatchCreatePartitionCommand,
  BatchDeletePartitionCommand,
  BatchGetPartitionCommand,
  BatchStopJobRunCommand,
  CreatePartitionCommand,
  CreateTableCommand,
  DeletePartitionCommand,
  DeleteTableCommand,
  GetCrawlerCommand,
  GetJobRunCommand,
  GetJobRunsCommand,
  GetPartitionCommand,
  GetPartitionsCommand,
  GetTableCommand,
  GetTablesCommand,
  type JobRunState,
  type PartitionInput,
  StartCrawlerCommand,
  StartJobRunCommand,
  type TableInput,
  UpdatePartitionCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-glue';
import { copied, Operations } from './clients.ts';
import { awsError } from './errors.ts';
import { isHit } from './faults.ts';
import { SortedKeys } from './sorted.ts';

export interface GlueOptions {
  readonly databases: readonly string[];
  /** The number of partitions or tables on a full page, instead of 1,000 and 100. */
  readonly pageSize?: number | undefined;
  readonly now?: () => number;
}

interface Table {
  input: TableInput;
  /** A number that grows with each update, as text. */
  versionId: number;
  readonly created: Date;
  updated: Date;
  /** By their values, as JSON. */
  readonly partitions: Map<string, PartitionInput>;
  readonly keys: SortedKeys;
}

interface Crawler {
  state: 'READY' | 'RUNNING' | 'STOPPING';
  last: { Status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED'; ErrorMessage?: string } | undefined;
}

const ok = { $metadata: { httpStatusCode: 200 } };
const failure = (name: string, message: string): Error => awsError('glue', name, message);

export class MemoryGlue {
  /** By name. A test creates them and ends their crawls. */
  readonly crawlers = new Map<string, Crawler>();
  /** By id, in the order of their start. */
  readonly jobRuns = new Map<
    string,
    { job: string; args: Record<string, string>; state: JobRunState; message?: string }
  >();
  private readonly databases = new Map<string, Map<string, Table>>();
  private readonly pageSize: number;
  private readonly now: () => number;

  constructor({ databases, pageSize = 1000, now = Date.now }: GlueOptions) {
    for (const name of databases) this.databases.set(name, new Map());
    this.pageSize = pageSize;
    this.now = now;
  }

  /** A table's partitions by values, with their locations, for tests to inspect. Empty if the table does not exist. */
  partitions(database: string, table: string): { values: string[]; location: string | undefined }[] {
    return [...(this.databases.get(database)?.get(table)?.partitions.values() ?? [])].map((p) => ({
      values: [...(p.Values ?? [])],
      location: p.StorageDescriptor?.Location,
    }));
  }

  /** The last input of a table; undefined if it does not exist. */
  tableInput(database: string, table: string): TableInput | undefined {
    const input = this.databases.get(database)?.get(table)?.input;
    return input && copied(input);
  }

  private database(name: string | undefined): Map<string, Table> {
    const tables = this.databases.get(name?.toLowerCase() ?? '');
    if (tables === undefined) throw failure('EntityNotFoundException', `Database ${name} not found.`);
    return tables;
  }

  private table(database: string | undefined, name: string | undefined): Table {
    // Glue keeps names in lower case.
    const table = this.database(database).get(name?.toLowerCase() ?? '');
    if (table === undefined) throw failure('EntityNotFoundException', `Table ${name} not found.`);
    return table;
  }

  static readonly operations = new Operations<MemoryGlue>('glue')
    .on(GetTableCommand, 'GetTable', (glue, input) => ({
      ...ok,
      Table: glue.shown(input.DatabaseName, glue.table(input.DatabaseName, input.Name)),
    }))
    .on(GetTablesCommand, 'GetTables', (glue, input, { mask }) => {
      const tables = [...glue.database(input.DatabaseName).values()].sort((a, b) =>
        (a.input.Name ?? '') < (b.input.Name ?? '') ? -1 : 1,
      );
      const { items, next } = glue.page(tables, input.MaxResults ?? 100, input.NextToken, mask);
      return { ...ok, TableList: items.map((t) => glue.shown(input.DatabaseName, t)), ...next };
    })
    .on(CreateTableCommand, 'CreateTable', (glue, input) => {
      const tables = glue.database(input.DatabaseName);
      const name = checkedName(input.TableInput);
      if (tables.has(name)) throw failure('AlreadyExistsException', 'Table already exists.');
      const at = new Date(glue.now());
      tables.set(name, {
        input: stored(input.TableInput, name),
        versionId: 0,
        created: at,
        updated: at,
        partitions: new Map(),
        keys: new SortedKeys(),
      });
      return { ...ok };
    })
    .on(UpdateTableCommand, 'UpdateTable', (glue, input, { mask }) => {
      const name = checkedName(input.TableInput);
      const table = glue.table(input.DatabaseName, name);
      if (
        mask !== undefined ||
        (input.VersionId !== undefined && input.VersionId !== String(table.versionId))
      )
        throw failure(
          'ConcurrentModificationException',
          'Update table failed due to concurrent modifications.',
        );
      table.input = stored(input.TableInput, name);
      table.versionId++;
      table.updated = new Date(glue.now());
      return { ...ok };
    })
    .on(DeleteTableCommand, 'DeleteTable', (glue, input) => {
      glue.table(input.DatabaseName, input.Name);
      glue.database(input.DatabaseName).delete(input.Name?.toLowerCase() ?? '');
      return { ...ok };
    })
    .on(GetPartitionCommand, 'GetPartition', (glue, input) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      const found = table.partitions.get(JSON.stringify(input.PartitionValues));
      if (found === undefined) throw failure('EntityNotFoundException', 'Cannot find partition.');
      return { ...ok, Partition: copied(found) };
    })
    .on(GetPartitionsCommand, 'GetPartitions', (glue, input, { mask }) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      if (input.Expression !== undefined && input.Expression !== '')
        throw new Error('the in-memory glue does not filter partitions by an expression');
      const { items, next } = glue.page(table.keys.all, input.MaxResults ?? 1000, input.NextToken, mask);
      return { ...ok, Partitions: items.map((key) => copied(table.partitions.get(key))), ...next };
    })
    .on(BatchGetPartitionCommand, 'BatchGetPartition', (glue, input, { mask }) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      const wanted = input.PartitionsToGet ?? [];
      checkCount(wanted.length, 1000);
      return {
        ...ok,
        Partitions: wanted
          .filter((_, i) => !isHit(mask, i, wanted.length))
          .map((p) => table.partitions.get(JSON.stringify(p.Values)))
          .filter((p) => p !== undefined)
          .map((p) => copied(p)),
        UnprocessedKeys: wanted.filter((_, i) => isHit(mask, i, wanted.length)),
      };
    })
    .on(CreatePartitionCommand, 'CreatePartition', (glue, input) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      if (!add(table, input.PartitionInput))
        throw failure('AlreadyExistsException', 'Partition already exists.');
      return { ...ok };
    })
    .on(UpdatePartitionCommand, 'UpdatePartition', (glue, input) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      const key = JSON.stringify(input.PartitionValueList);
      if (!table.partitions.has(key)) throw failure('EntityNotFoundException', 'Partition not found.');
      remove(table, key);
      add(table, input.PartitionInput);
      return { ...ok };
    })
    .on(DeletePartitionCommand, 'DeletePartition', (glue, input) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      if (!remove(table, JSON.stringify(input.PartitionValues)))
        throw failure('EntityNotFoundException', 'Partition not found.');
      return { ...ok };
    })
    .on(BatchCreatePartitionCommand, 'BatchCreatePartition', (glue, input, { mask }) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      const inputs = input.PartitionInputList ?? [];
      checkCount(inputs.length, 100);
      const errors = inputs.flatMap((partition, i) => {
        if (isHit(mask, i, inputs.length)) return [itemError(partition.Values, 'InternalServiceException')];
        return add(table, partition) ? [] : [itemError(partition.Values, 'AlreadyExistsException')];
      });
      return { ...ok, ...(errors.length > 0 ? { Errors: errors } : {}) };
    })
    .on(BatchDeletePartitionCommand, 'BatchDeletePartition', (glue, input, { mask }) => {
      const table = glue.table(input.DatabaseName, input.TableName);
      const wanted = input.PartitionsToDelete ?? [];
      checkCount(wanted.length, 25);
      const errors = wanted.flatMap(({ Values }, i) => {
        if (isHit(mask, i, wanted.length)) return [itemError(Values, 'InternalServiceException')];
        return remove(table, JSON.stringify(Values)) ? [] : [itemError(Values, 'EntityNotFoundException')];
      });
      return { ...ok, ...(errors.length > 0 ? { Errors: errors } : {}) };
    })
    .on(GetCrawlerCommand, 'GetCrawler', (glue, input) => {
      const { state, last } = glue.crawler(input.Name);
      return { ...ok, Crawler: { Name: input.Name, State: state, ...(last ? { LastCrawl: last } : {}) } };
    })
    .on(StartCrawlerCommand, 'StartCrawler', (glue, input) => {
      const crawler = glue.crawler(input.Name);
      if (crawler.state !== 'READY')
        throw failure('CrawlerRunningException', `Crawler with name ${input.Name} has already started`);
      crawler.state = 'RUNNING';
      return { ...ok };
    })
    .on(StartJobRunCommand, 'StartJobRun', (glue, input) => {
      const id = `jr_${glue.jobRuns.size + 1}`;
      glue.jobRuns.set(id, { job: input.JobName ?? '', args: { ...input.Arguments }, state: 'RUNNING' });
      return { ...ok, JobRunId: id };
    })
    .on(GetJobRunCommand, 'GetJobRun', (glue, input) => {
      const run = glue.jobRuns.get(input.RunId ?? '');
      if (run === undefined || run.job !== input.JobName)
        throw failure('EntityNotFoundException', 'Job run is not found.');
      return {
        ...ok,
        JobRun: {
          Id: input.RunId,
          JobName: run.job,
          JobRunState: run.state,
          ...(run.message === undefined ? {} : { ErrorMessage: run.message }),
        },
      };
    })
    .on(GetJobRunsCommand, 'GetJobRuns', (glue, input, { mask }) => {
      const runs = [...glue.jobRuns].filter(([, run]) => run.job === input.JobName).reverse();
      const { items, next } = glue.page(runs, input.MaxResults ?? 200, input.NextToken, mask);
      const shown = items.map(([Id, { job, args, state }]) => ({
        Id,
        JobName: job,
        JobRunState: state,
        Arguments: { ...args },
      }));
      return { ...ok, JobRuns: shown, ...next };
    })
    .on(BatchStopJobRunCommand, 'BatchStopJobRun', (glue, input, { mask }) => {
      const wanted = input.JobRunIds ?? [];
      checkCount(wanted.length, 25);
      const code = (id: string, i: number) => {
        if (isHit(mask, i, wanted.length)) return 'InternalServiceException';
        const run = glue.jobRuns.get(id);
        if (run?.state !== 'RUNNING') return 'InvalidInputException';
        run.state = 'STOPPING';
        return undefined;
      };
      const codes = wanted.map(code);
      return {
        ...ok,
        SuccessfulSubmissions: wanted
          .filter((_, i) => codes[i] === undefined)
          .map((JobRunId) => ({ JobName: input.JobName, JobRunId })),
        Errors: wanted.flatMap((JobRunId, i) =>
          codes[i] === undefined
            ? []
            : [
                {
                  JobName: input.JobName,
                  JobRunId,
                  ErrorDetail: { ErrorCode: codes[i], ErrorMessage: 'no' },
                },
              ],
        ),
      };
    });

  private crawler(name: string | undefined): Crawler {
    const crawler = this.crawlers.get(name ?? '');
    if (crawler === undefined)
      throw failure('EntityNotFoundException', `Crawler with name ${name} does not exist`);
    return crawler;
  }

  private page<T>(all: readonly T[], max: number, token: string | undefined, mask: number | undefined) {
    const start = token === undefined ? 0 : Number(token);
    const size = Math.min(
      max,
      this.pageSize,
      mask === undefined ? Number.POSITIVE_INFINITY : 1 + (Math.abs(mask) % 3),
    );
    const end = start + size;
    return { items: all.slice(start, end), next: end < all.length ? { NextToken: String(end) } : {} };
  }

  private shown(database: string | undefined, { input, versionId, created, updated }: Table) {
    return {
      ...copied(input),
      DatabaseName: database,
      VersionId: String(versionId),
      CreateTime: created,
      UpdateTime: updated,
    };
  }
}

const stored = (input: TableInput | undefined, name: string): TableInput => ({
  ...copied(input),
  Name: name,
});

function checkedName(input: TableInput | undefined): string {
  if (!input?.Name) throw failure('InvalidInputException', 'Table name cannot be empty');
  return input.Name.toLowerCase();
}

function checkCount(count: number, most: number): void {
  if (count > most)
    throw failure(
      'ValidationException',
      `1 validation error detected: Member must have length less than or equal to ${most}`,
    );
}

function add(table: Table, partition: PartitionInput | undefined): boolean {
  const values = partition?.Values ?? [];
  const wanted = table.input.PartitionKeys?.length ?? 0;
  if (values.length !== wanted)
    throw failure(
      'InvalidInputException',
      `The number of partition keys do not match the number of partition values: ${wanted} and ${values.length}`,
    );
  const key = JSON.stringify(values);
  if (table.partitions.has(key)) return false;
  table.partitions.set(key, copied(partition ?? {}));
  table.keys.add(key);
  return true;
}

function remove(table: Table, key: string): boolean {
  table.keys.delete(key);
  return table.partitions.delete(key);
}

const itemError = (values: string[] | undefined, code: string) => ({
  PartitionValues: values,
  ErrorDetail: { ErrorCode: code, ErrorMessage: `${code} for ${values?.join('/')}` },
});
