/**
 * The flow in memory: real claims, profiles, validations, publishes, take-backs and sweeps, on an AWS of Maps, driven as the
 * state machine drives them. A function is an actor that may die; the execution then continues with another one, as Step
 * Functions does. Only the engines are simulated: a staged object holds its rows as JSON, Athena counts them, and a crawl
 * ends at once. With `realEngine` DuckDB transforms and merges, too.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CreateTableCommand, DeleteTableCommand } from '@aws-sdk/client-glue';
import { expect, jest } from '@jest/globals';
import { createAthena } from '../../src/lib/aws/athena.ts';
import { createCatalog } from '../../src/lib/aws/catalog.ts';
import { createAnnouncer } from '../../src/lib/aws/events.ts';
import { createExecutionStatus, createStarter } from '../../src/lib/aws/executions.ts';
import { createStore, placeOf } from '../../src/lib/aws/store.ts';
import { folderOfValues } from '../../src/lib/catalog/partitionPath.ts';
import { compile } from '../../src/lib/compiler/compile.ts';
import { parseContract } from '../../src/lib/contract/load.ts';
import type { Contract } from '../../src/lib/contract/schema.ts';
import type { Deadline } from '../../src/lib/deadline.ts';
import { isOfAttempt } from '../../src/lib/engine/publishedKeys.ts';
import { transientErrors } from '../../src/lib/errorNames.ts';
import { EngineOutOfMemory, ObjectMissing, OutOfTime } from '../../src/lib/errors.ts';
import { places } from '../../src/lib/flow/batch/addresses.ts';
import { formatOf } from '../../src/lib/flow/batch/deps.ts';
import { type Manifest, readContract, readManifest, replacesOf } from '../../src/lib/flow/batch/manifest.ts';
import { allObjectsOf, garbageOf } from '../../src/lib/flow/batch/plan.ts';
import { profileSchema } from '../../src/lib/flow/batch/profileRecord.ts';
import { type Live, liveOf } from '../../src/lib/flow/batch/published.ts';
import { crawlerOf } from '../../src/lib/flow/batch/rawTable.ts';
import { stagedBy } from '../../src/lib/flow/batch/staged.ts';
import { goldenTable } from '../../src/lib/flow/batch/tables.ts';
import { lookingBack, tombstonesFor } from '../../src/lib/flow/batch/tombstones.ts';
import { dispatch } from '../../src/lib/flow/dispatch.ts';
import type { RemindDeps } from '../../src/lib/flow/gather.ts';
import { reconcile } from '../../src/lib/flow/repair/reconcile.ts';
import { recover } from '../../src/lib/flow/repair/recover.ts';
import { type SweepDeps, sweep } from '../../src/lib/flow/repair/sweep.ts';
import { type CrawlerDeps, checkCrawler } from '../../src/lib/flow/steps/checkCrawler.ts';
import { checkGlueJob } from '../../src/lib/flow/steps/checkGlueJob.ts';
import { checkValidation } from '../../src/lib/flow/steps/checkValidation.ts';
import { claimBatch } from '../../src/lib/flow/steps/claimBatch.ts';
import { completeBatch } from '../../src/lib/flow/steps/completeBatch.ts';
import { failBatch } from '../../src/lib/flow/steps/failBatch.ts';
import { publish } from '../../src/lib/flow/steps/publish.ts';
import { repairPartitions } from '../../src/lib/flow/steps/repairPartitions.ts';
import {
  type ReplaceEngine,
  type ReplaceLimits,
  replaceLimits,
  replaceRows,
} from '../../src/lib/flow/steps/replaceRows.ts';
import { startRewriting } from '../../src/lib/flow/steps/startRewriting.ts';
import { startValidation } from '../../src/lib/flow/steps/startValidation.ts';
import { ledgerOn } from '../../src/lib/ledger/ledger.ts';
import type { Unreadable } from '../../src/lib/ledger/table.ts';
import { isUnbalanced, type Plan, type Summary, type TableFormatName } from '../../src/lib/model/plan.ts';
import { rejectsRows } from '../../src/lib/model/records.ts';
import { chunksOf } from '../../src/lib/parallel.ts';
import { hiveFormat } from '../../src/lib/table/hive/format.ts';
import { icebergFormat } from '../../src/lib/table/iceberg/format.ts';
import { describeObject } from '../../src/lib/table/iceberg/statistics.ts';
import { attemptPrefix } from '../../src/lib/table/objectName.ts';
import { testConfig } from './config.ts';
import { depsOf, fakeObject, liveDeletes, liveKeys } from './iceberg.ts';
import { awsError } from './memory/errors.ts';
import { createMemoryAws, type MemoryActor, type MemoryAws, type MemoryOptions } from './memory/index.ts';
import { type RewriteObject, runRewriting } from './rewritingJob.ts';
import { lacking } from './roles.ts';
import { formatUnderTest } from './thorough.ts';

export const dataset = 'feed';
const hiveContract = parseContract(
  'feed.yml',
  JSON.stringify({
    dataset,
    source: { prefix: 'feed/', formats: ['ndjson'] },
    columns: [
      { name: 'id', path: 'id', type: 'string', required: true },
      { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'] },
    ],
    partitionBy: [
      { name: 'source', constant: 'feed' },
      { name: 'day', of: 'at', part: 'day' },
    ],
  }),
);
export const plan = compile(hiveContract, null, []);

/** A row of the table, with its file. */
export interface Row {
  readonly id: string;
  readonly day: string;
  readonly object: string;
  readonly version: string;
  /** The row deletes its id. */
  readonly deletes?: boolean;
}

/** Lines of a raw file. `id@day` is a good row, which the file has as JSON; everything else is a bad line, written unchanged. */
const isGood = (line: string) => line.includes('@');

function toRaw(line: string): string {
  if (!isGood(line)) return line;
  const [id, day] = line.split('@');
  return JSON.stringify({ id, at: `2025-01-${day}T00:00:00Z` });
}

function fromRaw(line: string): string {
  const good = /^\{"id":"(.*)","at":"2025-01-(.*)T00:00:00Z"\}$/.exec(line);
  return good ? `${good[1]}@${good[2]}` : line;
}

/** A row in the columns of Athena's answer, named as in the SQL. */
function answer(sql: string, value: (column: string) => string) {
  const columns = [...sql.matchAll(/ AS "([a-z0-9_]+)"/g)].map(([, name = '']) => name);
  return { columns, rows: [columns.map(value)] };
}

class Died extends Error {
  override readonly name = 'States.Timeout';
}

/** Lambda lost contact with a function that still runs: Step Functions calls it again, next to it. */
class LostSight extends Error {
  override readonly name = 'Lambda.ServiceException';
}

const patience = { pause: 0 };
/** Settles when everything that does not depend on this call has finished. */
const turn = () => new Promise<void>((done) => setImmediate(done));
/** The same for work of other threads, which need the processor. */
const tick = () => new Promise<void>((done) => setTimeout(done, 1));

export type Deps = SweepDeps & CrawlerDeps & RemindDeps & { readonly actor: MemoryActor };

export interface WorldOptions extends MemoryOptions {
  /** Format of the table; default: the format under test. */
  readonly format?: TableFormatName;
  /** Differs from the usual contract in this. */
  readonly contract?: Partial<Contract>;
  readonly replaceLimits?: ReplaceLimits;
  /** Whether the Glue job rewrites objects, however small. */
  readonly isRewrittenByGlue?: boolean;
  /** Of rows with equal ids in a day, only the one with the first object stays, also among published rows. `-id@day` deletes `id`. */
  readonly isDeduped?: boolean;
  /** The same for equal ids of any days. */
  readonly isDedupedInTable?: boolean;
  /** The time that a function has, by its name. */
  readonly deadlineOf?: (name: string) => Deadline | undefined;
  /** The most files in a batch. */
  readonly batchFiles?: number;
  /** The events that a batch adds to its execution's history, and its duration in milliseconds. */
  readonly batchEvents?: number;
  readonly batchTime?: number;
  /** A frozen function is called again next to itself; otherwise its state times out. */
  readonly isRetriedWhenFrozen?: boolean;
  /** Transforms and merges in place of the simulation: see realEngine.ts. */
  readonly engine?: FlowEngine;
  /** Footers of objects say so many rows more than the objects have. */
  readonly miscounts?: bigint;
}

/** What the world simulates otherwise. */
export interface FlowEngine {
  /** Gives the run, and the published rows that leave the table. */
  transform(
    deps: Deps,
    step: { dataset: string; batch: string; fence: number },
  ): Promise<{ run: string; replaced: number }>;
  readonly replace: ReplaceEngine;
  readonly describe: Parameters<typeof startRewriting>[1];
  readonly rewriteObject: RewriteObject;
  /** The rows of an object of the table. */
  countRows(bytes: Uint8Array): number;
}

export class World {
  readonly aws: MemoryAws;
  /** Key -> what was put last. */
  readonly wanted = new Map<string, readonly string[]>();
  /** Events that were not delivered yet. */
  events: unknown[] = [];
  /** Messages that the queue delivers at a time, in milliseconds. */
  reminders: { message: unknown; at: number }[] = [];
  /** Executions that ended without `recover` being called. */
  ended: { arn: string; input: string }[] = [];
  /** The last value of each metric. */
  readonly metrics = new Map<string, number>();
  /** The numbers of files that ReplaceRows had on its disk. */
  readonly onDisk: number[] = [];
  /** Objects whose footers Publish has read for the metadata of an Iceberg table. */
  described = 0;
  /** Items of the ledger that a list skipped. */
  readonly unreadable: Unreadable[] = [];
  /** What functions have asked AWS without a permission in their role. */
  readonly denied: string[] = [];
  /** A log for whoever investigates a failed run. */
  readonly errors: string[] = [];
  private actors = 0;
  private contract: Contract;
  readonly format: TableFormatName;
  readonly isDeduped: boolean;
  readonly isDedupedInTable: boolean;
  private readonly options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.options = options;
    this.isDedupedInTable = options.isDedupedInTable ?? false;
    this.isDeduped = options.isDeduped ?? this.isDedupedInTable;
    this.format = options.format ?? formatUnderTest;
    this.contract = {
      ...hiveContract,
      table: { format: this.format },
      ...(this.isDeduped
        ? {
            dedupe: {
              key: ['id'],
              scope: this.isDedupedInTable ? 'table' : 'partition',
              order: [],
              deleteWhen: "starts_with(id, '-')",
            },
          }
        : {}),
      ...options.contract,
    };
    this.aws = createMemoryAws({ databases: ['db'], ...options });
    jest.spyOn(Date, 'now').mockImplementation(() => this.aws.clock.now());
    const { aws } = this;
    const isMissing = (bucket: string, key: string) => aws.s3.versions(bucket, key)[0]?.content === undefined;
    aws.wire.authorize = (actor, { service, name: operation }, input) => {
      const [called = ''] = actor.name.split('~');
      const name = called === 'transform' ? 'transformEmbedded' : called;
      const request = lacking(name, { service, operation }, input, isMissing);
      if (request === undefined) return;
      this.denied.push(`${name}: ${request.action} on ${request.resource}`);
      const error = service === 's3' ? 'AccessDenied' : 'AccessDeniedException';
      throw awsError(service, error, `not authorized: ${this.denied.at(-1)}`);
    };
    aws.athena.answerOf = (sql) => {
      if (sql.includes('AS rows_before')) return this.answerAround(sql);
      const [, batch, run] = /'([0-9a-f]{20})-([^']+)'/.exec(sql) ?? [];
      const inPlace = new RegExp(`^[^/]+/${batch}-f\\d+-${run}/`);
      const staged = [
        ...aws.s3
          .keys('work', `staging/${dataset}/${batch}/${run}/data/`)
          .map((key) => this.count('work', key)),
        ...aws.s3
          .keys('processed')
          .filter((key) => inPlace.test(key))
          .map((key) => this.count('processed', key)),
      ];
      const rows = staged.reduce((n, rowsOf) => n + rowsOf, 0);
      return answer(sql, (column) =>
        column === 'check_0_0' ? String(rows) : column.endsWith('_top') ? '{}' : '0',
      );
    };
    const learn = () => this.learn();
    learn();
    aws.glue.crawlers.set(crawlerOf(testConfig, dataset), {
      last: undefined,
      get state() {
        return 'READY' as const;
      },
      set state(_) {
        this.last = { Status: 'SUCCEEDED' };
        learn();
      },
    });
  }

  /** The Data Catalog loses the feed: the next batch starts a crawl, which ends at once. */
  async forget(): Promise<void> {
    await this.aws.actor('test').glue.send(new DeleteTableCommand({ DatabaseName: 'db', Name: 'raw_feed' }));
  }

  /** The result of a crawl of the feed. */
  private learn(): void {
    const columns = ['id', 'at'].map((Name) => ({ Name, Type: 'string' }));
    const { glue } = this.aws.actor('test');
    void glue
      .send(
        new CreateTableCommand({
          DatabaseName: 'db',
          TableInput: {
            Name: 'raw_feed',
            StorageDescriptor: { Location: 's3://raw/feed/', Columns: columns },
          },
        }),
      )
      .catch(() => {
        // Two crawls at once find the same.
      });
  }

  private isChanged = false;
  private changed: { from: string; contract: Contract } | undefined;
  private watched: { name: string; look: (deps: Deps) => Promise<void> } | undefined;

  /** A deployment changes the contract between two calls. */
  deploy(change: (contract: Contract) => Contract): void {
    this.contract = change(this.contract);
  }

  /** A deployment removes the contract, or adds it again. */
  isRemoved = false;

  /** The functions get another contract as soon as a function of this name is called. */
  changeContract(change: (before: Contract) => Contract, from: string): void {
    this.changed = { from, contract: change(this.contract) };
  }

  /** Inspects the stage whenever a function of this name is called. */
  watch(name: string, look: (deps: Deps) => Promise<void>): void {
    this.watched = { name, look };
  }

  /** Functions as `explore` takes them: each is a process, called by the name of its actor. */
  programs(
    works: Readonly<Record<string, (deps: Deps) => Promise<unknown>>>,
  ): Record<string, () => Promise<unknown>> {
    const started = Object.entries(works).map(([name, work]) => {
      const deps = this.deps(name);
      return [deps.actor.name, () => work(deps)] as const;
    });
    return Object.fromEntries(started);
  }

  /** A new process with clients of its own. */
  deps(name: string): Deps {
    const actor = this.aws.actor(`${name}~${++this.actors}`);
    const { stateMachineArn } = testConfig;
    const store = createStore(actor.s3, patience);
    const catalog = createCatalog('db', actor.glue, patience);
    return {
      actor,
      config: {
        ...testConfig,
        batchFiles: this.options.batchFiles ?? testConfig.batchFiles,
        rewriteLimitBytes: this.options.isRewrittenByGlue ? 0 : testConfig.rewriteLimitBytes,
      },
      contracts: new Map(
        this.isRemoved ? [] : [[dataset, (this.isChanged && this.changed?.contract) || this.contract]],
      ),
      store,
      catalog,
      formats: {
        hive: hiveFormat({ store, catalog }),
        iceberg: icebergFormat({
          ...depsOf(actor, this.aws),
          list: (bucket, prefix) => store.list(bucket, prefix),
          describe: async (object, schema) => {
            this.described++;
            const { path, size, partition } = object;
            if (this.options.engine === undefined)
              return fakeObject(path, {
                bytes: BigInt(size),
                partition,
                records: BigInt(this.count('processed', placeOf(path).key)) + (this.options.miscounts ?? 0n),
              });
            const read = (start: number, end: number) => store.readRange(placeOf(path), start, end);
            return describeObject({ ...object, read }, schema);
          },
        }),
      },
      athena: createAthena({ database: 'db', workgroup: testConfig.workgroup }, actor.athena),
      ledger: ledgerOn('ledger', actor.documents, {
        clock: () => this.aws.clock.now(),
        patience,
        onUnreadable: (item) => this.unreadable.push(item),
      }),
      measure: (_, values) => {
        for (const [metric, value] of Object.entries(values)) this.metrics.set(metric, value);
      },
      start: createStarter(stateMachineArn, actor.sfn),
      remind: async (message, seconds) => {
        this.reminders.push({ message, at: this.aws.clock.now() + seconds * 1000 });
      },
      deadline: this.options.deadlineOf?.(name),
      announce: createAnnouncer(actor.events, patience),
      executionStatus: createExecutionStatus(actor.sfn),
      // No queue tells the crawler anything here.
      crawlQueue: { tell: async () => {}, isRead: async () => true },
    };
  }

  /** Puts a raw file. Its event waits for delivery. */
  put(key: string, lines: readonly string[]): string {
    this.wanted.set(key, lines);
    return this.putText(key, lines.map(toRaw).join('\n'));
  }

  /** The same with its bytes. */
  putText(key: string, text: string): string {
    const before = this.aws.s3.events.length;
    const { id } = this.aws.s3.seed('raw', key, text);
    this.events.push(...this.aws.s3.events.slice(before));
    return id;
  }

  /** The rows of the table before and after a commit. Partitions without a changed object add to both. */
  private answerAround(sql: string) {
    const [, added = ''] = /'\/([^[]+)\[/.exec(sql) ?? [];
    const objects = this.aws.s3.keys('processed', `${dataset}/`).filter((key) => key.endsWith('.parquet'));
    const sum = (keys: readonly string[]) =>
      String(keys.reduce((total, key) => total + this.count('processed', key), 0));
    return {
      columns: ['rows_before', 'rows_after'],
      rows: [
        [
          sum(objects.filter((key) => !key.includes(`/${added}`))),
          sum(objects.filter((key) => !sql.includes(`'s3://processed/${key}'`))),
        ],
      ],
    };
  }

  /** The rows of an object. */
  private count(bucket: string, key: string): number {
    const { engine } = this.options;
    return engine === undefined
      ? (JSON.parse(this.text(bucket, key)) as Row[]).length
      : engine.countRows(this.bytes(bucket, key));
  }

  /** Runs a function until it ends or its process dies. Throws Died then. */
  async call<T>(name: string, work: (deps: Deps) => Promise<T>): Promise<T> {
    if (this.halted?.name === name) {
      this.halted.reach(work);
      return new Promise(() => {});
    }
    if (this.watched?.name === name) await this.watched.look(this.deps('test'));
    if (this.changed?.from === name) this.isChanged = true;
    const deps = this.deps(name);
    let outcome: { value: T } | { error: unknown } | undefined;
    work(deps).then(
      (value) => {
        outcome = { value };
      },
      (error: unknown) => {
        outcome = { error };
      },
    );
    // A frozen process has lost its time, like a dead one.
    while (outcome === undefined && !deps.actor.isDead && !this.frozen.has(deps.actor.name))
      await (this.options.engine === undefined ? turn() : tick());
    if (outcome !== undefined && 'error' in outcome) this.errors.push(`${name}: ${outcome.error}`);
    if (outcome === undefined && this.options.isRetriedWhenFrozen && this.frozen.has(deps.actor.name))
      throw new LostSight(`${name} gives no answer`);
    if (outcome === undefined) throw new Died(`${name} ended without an answer`);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  private halted: { name: string; reach: (work: (deps: Deps) => Promise<unknown>) => void } | undefined;

  /** Runs until a function of this name is called, and returns that call. The execution waits for it forever. */
  async until(name: string): Promise<(deps: Deps) => Promise<unknown>> {
    const reached = new Promise<(deps: Deps) => Promise<unknown>>((reach) => {
      this.halted = { name, reach };
    });
    void this.deliver().then(() => this.executeAll());
    const work = await reached;
    this.halted = undefined;
    return work;
  }

  /** Frozen processes; each continues when it is thawed. */
  readonly frozen = new Map<string, () => void>();

  /** Lets frozen processes run to their end. */
  async thaw(): Promise<void> {
    for (const [name, go] of [...this.frozen]) {
      this.frozen.delete(name);
      go();
    }
    for (let i = 0; i < 50; i++) await turn();
  }

  /** A state: retried after transient errors, as Step Functions does. */
  private async state<T>(name: string, work: (deps: Deps) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++)
      try {
        return await this.call(name, work);
      } catch (error) {
        if (attempt === 3 || !(error instanceof Error) || !transientErrors.has(error.name)) throw error;
      }
  }

  private readonly rewriteRows: ReplaceEngine['rewrite'] = async (rewritings, { origins, replaced }) => {
    const losers = losersIn(replaced);
    this.onDisk.push(readdirSync(dirname(rewritings[0]?.from ?? '')).length);
    return rewritings.map(({ from, to, replacedAt, deletes }) => {
      const rows = rowsOfFile({ path: from, deletes });
      const others = rows.filter(
        (row) => !origins.some((o) => o.object === row.object && o.version === row.version),
      );
      const kept = others.filter((row) => !losers.some((l) => l.path === replacedAt && l.id === row.id));
      writeFileSync(to, JSON.stringify(kept));
      const replaced = others.length - kept.length;
      return { kept: kept.length, removed: rows.length - kept.length, replaced };
    });
  };

  private async replace(of: { dataset: string; batch: string; run: string; fence: number }): Promise<void> {
    const { engine, replaceLimits: limits } = this.options;
    try {
      const { status } = await this.state('replaceRows', (deps) =>
        replaceRows(
          deps,
          engine?.replace ?? { rewrite: this.rewriteRows, hide: hidePositions },
          of,
          // Objects of tests have few rows.
          limits ?? { ...replaceLimits, hiddenShare: 0.7 },
        ),
      );
      if (status === 'done') return;
    } catch (error) {
      if (!(error instanceof EngineOutOfMemory || error instanceof OutOfTime)) throw error;
    }
    const describe: FlowEngine['describe'] = async ({ objects }) => ({ sql: [], of: objects.map(() => 0) });
    const { jobRun } = await this.state('startRewriting', (deps) =>
      startRewriting(deps, engine?.describe ?? describe, of),
    );
    for (;;) {
      const { status } = await this.state('checkGlueJob', (deps) =>
        checkGlueJob(deps, { ...of, jobRun, work: 'rewriting' }),
      );
      if (status === 'done') return;
      await this.runJob(jobRun);
    }
  }

  /** Runs that nobody was told of go on, too. */
  private async runJob(jobRun: string): Promise<void> {
    for (const [id, run] of this.aws.glue.jobRuns) {
      if (run.state !== 'RUNNING') continue;
      try {
        await this.call('glueJob', (deps) =>
          runRewriting(
            deps,
            run.args['--job'] ?? '',
            id,
            this.options.engine?.rewriteObject ?? this.rewriteObject,
          ),
        );
        run.state = 'SUCCEEDED';
      } catch (error) {
        run.state = 'FAILED';
        run.message = String(error);
      }
      if (id === jobRun) return;
    }
  }

  private readonly rewriteObject: RewriteObject = async ({ uri, from, to, origins, replaced, deletes }) => {
    const columns = { object: 'object', version: 'version' };
    const [rows] = await this.rewriteRows([{ from, to, columns, replacedAt: uri, deletes }], {
      origins,
      replaced,
    });
    return rows ?? { kept: 0, removed: 0, replaced: 0 };
  };

  /** Runs an execution to its end, as statemachines/ingest.yml defines. */
  async execute(arn: string): Promise<void> {
    const execution = this.aws.sfn.executions.get(arn);
    if (!execution) throw new Error(`no execution ${arn}`);
    const input = JSON.parse(execution.input) as { dataset: string; fence: number };
    const startedAt = new Date(this.aws.clock.now()).toISOString();
    try {
      for (let batches = 1; ; batches++) {
        const claim = await this.state('claimBatch', (deps) =>
          claimBatch(deps, { ...input, execution: arn }),
        );
        if (claim.outcome === 'idle') break;
        const step = { ...input, batch: claim.batch };
        let crawlStarted = false;
        for (let isReady = false; !isReady; ) {
          const { engine } = claim;
          const crawl = await this.state('checkCrawler', (deps) =>
            checkCrawler(deps, { ...step, engine, crawlStarted }),
          );
          crawlStarted = crawl.crawlStarted;
          isReady = crawl.status === 'ready';
        }
        const { run, replaced } = await this.state('transform', (deps) =>
          (this.options.engine?.transform ?? transform)(deps, step),
        );
        const of = { ...step, run };
        if (claim.replaces > 0 || replaced > 0) await this.replace(of);
        for (let broken = 0, isPassed = false; !isPassed; ) {
          const { query } = await this.state('startValidation', (deps) =>
            startValidation(deps, { ...of, broken }),
          );
          const { status } = await this.state('checkValidation', (deps) =>
            checkValidation(deps, { ...of, broken, query }),
          );
          isPassed = status === 'passed';
          if (status === 'again') broken++;
        }
        await this.state('publish', (deps) => publish(deps, of));
        await this.state('repairPartitions', (deps) => repairPartitions(deps, of));
        this.aws.clock.advance(this.options.batchTime ?? 0);
        const { morePending, fence } = await this.state('completeBatch', (deps) =>
          completeBatch(deps, {
            ...of,
            execution: arn,
            startedAt,
            events: (this.options.batchEvents ?? 60) * batches,
          }),
        );
        if (!morePending) break;
        input.fence = fence;
      }
      execution.status = 'SUCCEEDED';
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      try {
        await this.state('failBatch', (deps) =>
          failBatch(deps, { ...input, execution: arn, error: { Error: name, Cause: message } }),
        );
      } catch {
        // FailBatch itself failed: nobody has cleaned up.
      }
      execution.status = 'FAILED';
      this.ended.push({ arn, input: execution.input });
    }
  }

  /** Runs all started executions. */
  async executeAll(): Promise<void> {
    for (;;) {
      const next = [...this.aws.sfn.executions.values()].find((e) => e.status === 'RUNNING');
      if (!next) return;
      await this.execute(next.arn);
    }
  }

  /** Delivers every waiting event `times` times, up to ten at once. */
  async deliver(times = 1): Promise<void> {
    const arrived = this.reminders.filter(({ at }) => at <= this.aws.clock.now());
    this.reminders = this.reminders.filter((reminder) => !arrived.includes(reminder));
    const told = [...this.events, ...arrived.map(({ message }) => message)];
    const events = told.flatMap((event) => Array.from({ length: times }, () => event));
    this.events = [];
    for (const some of chunksOf(events, 10))
      await this.call('dispatch', async (deps) => {
        const messages = some.map((event, i) => ({ id: String(i), body: JSON.stringify(event) }));
        const { failed } = await dispatch(deps, messages);
        // The queue delivers them again.
        for (const { id } of failed) this.events.push(some[Number(id)]);
      }).catch(() => this.events.push(...some));
  }

  async sweep(isListingDue = false): Promise<void> {
    await this.call('sweep', (deps) => sweep(deps, dataset, { isListingDue })).catch(() => {});
  }

  /** Runs everything that repairs: repeated events, `recover`, sweeps. */
  async settle(): Promise<void> {
    for (let round = 0; round < 60; round++) {
      await this.deliver();
      await this.executeAll();
      const ended = this.ended;
      this.ended = [];
      for (const { arn, input } of ended)
        await this.call('recover', (deps) =>
          recover(deps, { executionArn: arn, name: arn.split(':').at(-1) ?? '', status: 'FAILED', input }),
        ).catch(() => {});
      await this.executeAll();
      this.aws.clock.advance(300_000);
      await this.sweep();
      if (await this.isQuiet()) return;
    }
    throw new Error(`the dataset does not come to rest: ${this.errors.slice(-5).join('; ')}`);
  }

  private async isQuiet(): Promise<boolean> {
    const { ledger } = this.deps('test');
    const lease = await ledger.lease(dataset);
    const isRunning = [...this.aws.sfn.executions.values()].some((e) => e.status === 'RUNNING');
    return (
      this.events.length === 0 &&
      !isRunning &&
      lease?.execution === undefined &&
      !(await ledger.hasPending(dataset)) &&
      (await ledger.openBatches(dataset)).length === 0
    );
  }

  /** The second check of what attempts left behind, and the daily comparison. */
  async cleanUp(): Promise<void> {
    this.aws.clock.advance(3 * 3_600_000);
    await this.sweep();
    await this.call('reconcile', (deps) => reconcile(deps, dataset));
  }

  /** Keys of the objects that a reader of the table finds. */
  objects(): string[] {
    return this.format === 'iceberg' ? liveKeys(this.aws, dataset) : this.aws.s3.keys('processed');
  }

  /** Keys of all objects with rows below the table, whether a reader finds them or not. */
  stored(): string[] {
    return this.aws.s3.keys('processed').filter((key) => key.endsWith('.parquet'));
  }

  /** Keys of the delete files that a reader of the table finds, by the keys of their objects. */
  deletes(): ReadonlyMap<string, string> {
    return this.format === 'iceberg' ? liveDeletes(this.aws, dataset) : new Map();
  }

  /** Rows that a reader of the table sees. */
  rows(): Row[] {
    const deletes = this.deletes();
    return this.objects().flatMap((key) => {
      const hidden = deletes.get(key);
      return withoutHidden(
        this.text('processed', key),
        hidden === undefined ? undefined : this.text('processed', hidden),
      );
    });
  }

  /** Rows of one file as its lines say them, sorted. */
  linesOf(object: string): string[] {
    const own = this.rows().filter((row) => row.object === object);
    return own.map((row) => `${row.id}@${row.day}`).sort();
  }

  /** Rows of all files, each as its file and its line, sorted. */
  lines(): string[] {
    return this.rows()
      .map((row) => `${row.object} ${row.id}@${row.day}`)
      .sort();
  }

  /** States of an object's versions, sorted. */
  async statesOf(object: string): Promise<string[]> {
    const versions = await this.deps('test').ledger.versionsOf(dataset, object);
    return versions.map((file) => file.state).sort();
  }

  /** What an operator does. */
  operate<T>(work: (deps: Deps) => Promise<T>): Promise<T> {
    return this.call('operator', work);
  }

  /** The engine fails permanently, for every file or for one. `aws.plan = undefined` ends this. */
  breakEngine(key?: string): void {
    this.aws.plan = ({ actor, operation, input }) =>
      actor.startsWith('transform') &&
      operation === 'HeadObject' &&
      (key === undefined || JSON.stringify(input).includes(JSON.stringify(key)))
        ? { mode: 'fail', error: 'AccessDenied' }
        : undefined;
  }

  /** Publish dies before its commit, and FailBatch in its first call. `aws.plan = undefined` ends this. */
  dieBeforeCommit(): void {
    this.aws.plan = ({ actor, operation }) =>
      actor.startsWith('failBatch') || (actor.startsWith('publish') && operation === 'TransactWriteItems')
        ? { mode: 'hang' }
        : undefined;
  }

  /**
   * Freezes the `nth` call of the processes that match `isMeant`, and thereby its process, until it is thawed. Returns the
   * call.
   */
  freeze(
    nth: number,
    isMeant: (actor: string, operation: string, input: object) => boolean,
  ): { hit: string } {
    let calls = 0;
    const frozen = { hit: '' };
    this.aws.wire.turn = (actor, operation, input) => {
      if (this.frozen.has(actor.name)) return new Promise(() => {});
      if (!isMeant(actor.name, operation.key, input) || ++calls !== nth) return Promise.resolve();
      frozen.hit = `${actor.name} ${operation.key}`;
      return new Promise((go) => this.frozen.set(actor.name, go));
    };
    return frozen;
  }

  /** Whether a call brings rows to where readers look: a copy into the table, or the swap of its pointer. */
  isPublishing(operation: string, input: object): boolean {
    return this.format === 'iceberg'
      ? operation.endsWith('UpdateTable')
      : operation.endsWith('CopyObject') && 'Bucket' in input && input.Bucket === 'processed';
  }

  /** The error of that call without a permission: Glue's, or S3's. */
  get publishingDenied(): string {
    return this.format === 'iceberg' ? 'AccessDeniedException' : 'AccessDenied';
  }

  /** Rows in quarantine. */
  refused(): { object: string; version: string; line: string }[] {
    return this.aws.s3
      .keys('work', 'quarantine/')
      .flatMap(
        (key) => JSON.parse(this.text('work', key)) as { object: string; version: string; line: string }[],
      );
  }

  bytes(bucket: string, key: string): Uint8Array {
    return this.aws.s3.versions(bucket, key)[0]?.content?.bytes ?? new Uint8Array();
  }

  text(bucket: string, key: string): string {
    return this.aws.s3.text(bucket, key) ?? '';
  }

  /** Keys of the table's objects that the ledger counts. */
  async counted(): Promise<string[]> {
    return (await this.live()).flatMap((live) => live.objects.map((o) => o.key)).sort();
  }

  /** The objects of all batches. */
  async live(): Promise<Live[]> {
    const deps = this.deps('test');
    const batches = (await deps.ledger.batches(dataset)).filter((b) => b.committed !== undefined);
    return Promise.all(batches.map((b) => liveOf(deps, dataset, b.batch)));
  }
}

interface Loser {
  readonly path: string;
  readonly id: string;
  readonly row: number;
}

const losersIn = (files: readonly string[]): Loser[] =>
  files.flatMap((path) => JSON.parse(readFileSync(path, 'utf8')) as Loser[]);

/** Writes delete files: lists of positions. */
const hidePositions: ReplaceEngine['hide'] = async (hidings, replaced) => {
  const losers = losersIn(replaced);
  return hidings.map(({ at, most, before, to }) => {
    const earlier = before === undefined ? [] : (JSON.parse(readFileSync(before, 'utf8')) as number[]);
    const now = losers.filter(({ path }) => path === at).map(({ row }) => row);
    const all = new Set([...earlier, ...now]);
    if (now.length === 0 || all.size !== earlier.length + now.length || all.size > most) return null;
    writeFileSync(to, JSON.stringify([...all].sort((a, b) => a - b)));
    return { removed: now.length, hidden: all.size };
  });
};

/** Merges objects as maintenance does. Their rows are JSON. */
export async function mergeRows(
  files: readonly { readonly path: string; readonly deletes?: string | undefined }[],
  folder: string,
) {
  const rows = files.flatMap(rowsOfFile);
  const path = join(folder, 'merged');
  writeFileSync(path, JSON.stringify(rows));
  return [{ of: [...files.keys()], path, rows: rows.length }];
}

/** The rows of a local object that have not left it: its delete file is a list of positions. */
const rowsOfFile = ({ path, deletes }: { path: string; deletes?: string | undefined }): Row[] =>
  withoutHidden(
    readFileSync(path, 'utf8'),
    deletes === undefined ? undefined : readFileSync(deletes, 'utf8'),
  );

function withoutHidden(rows: string, deletes: string | undefined): Row[] {
  const hidden = new Set(JSON.parse(deletes ?? '[]') as number[]);
  return (JSON.parse(rows) as Row[]).filter((_, i) => !hidden.has(i));
}

/** The rows of the files' latest versions, each as its file and its line, sorted. */
function wantedLines({ wanted, isDeduped, isDedupedInTable }: World): string[] {
  const all = [...wanted].sort(([a], [b]) => (a < b ? -1 : 1));
  const seen = new Set<string>();
  const own = all.flatMap(([object, lines]) =>
    lines.flatMap((line) => {
      if (!isGood(line)) return [];
      const [id = ''] = (isDedupedInTable ? /[^-][^@]*/ : /[^-].*/).exec(line) ?? [];
      const isDeleted = isDeduped && line.startsWith('-');
      if (isDeduped && seen.has(id)) return [];
      seen.add(id);
      return isDeleted ? [] : [`${object} ${line}`];
    }),
  );
  return own.sort();
}

/** Every row of the files' latest versions exists once, and nothing else does. */
export async function expectWhole(world: World): Promise<void> {
  expect(world.lines()).toEqual(wantedLines(world));
  const refused = [...world.wanted].flatMap(([object, lines]) =>
    lines.filter((line) => !line.includes('@')).map((line) => `${object} ${line}`),
  );
  expect(
    world
      .refused()
      .map((row) => `${row.object} ${row.line}`)
      .sort(),
  ).toEqual(refused.sort());
  expect(await world.counted()).toEqual(world.objects());
}

/** Below the table are only objects that some state of it names, and no other rows. Each tombstone is of a committed batch. */
export async function expectNoOrphans(world: World): Promise<void> {
  const graves = (await world.live()).flatMap(({ tombstones = [] }) => tombstones);
  expect(world.aws.s3.keys('work', 'tombstones/')).toEqual(graves.sort());
  const { formats, store, actor } = world.deps('test');
  if (world.format === 'hive') return expect(world.stored()).toEqual(world.objects());
  const orphans = await formats.iceberg.orphans(dataset, (...at) => store.list(...at), Infinity);
  expect([actor.isDead, world.stored().filter((key) => orphans?.has(key))]).toEqual([false, []]);
}

/** Readers find what the ledger counts, and nothing else is left below the table. */
export async function expectCounted(world: World): Promise<void> {
  expect(await world.counted()).toEqual(world.objects());
  await expectNoOrphans(world);
  // What snapshots and Athena count around a commit is what the batch says of it.
  const batches = await world.deps('test').ledger.batches(dataset);
  expect(batches.filter(({ tableRows }) => tableRows !== undefined && isUnbalanced(tableRows))).toEqual([]);
}

/** Simulates the engine: one staged object per day, one for rejected rows. */
async function transform(
  deps: Deps,
  step: { dataset: string; batch: string; fence: number },
): Promise<{ run: string; replaced: number }> {
  const { store, config } = deps;
  const manifest = await readManifest(deps, step);
  const run = `r${deps.actor.calls()}${deps.actor.name.split('~').at(-1)}`;
  const at = places(config).run(step.dataset, step.batch, run);
  const days = new Map<string, Row[]>();
  const refused: { object: string; version: string; line: string }[] = [];
  const files: Summary['files'] = [];
  const attempt = places(config).attempt(step.dataset, step);
  const profile = await store.readJson(attempt.profile, profileSchema);
  const contract = readContract(deps, step);
  let missing = 0;
  for (const { object, version, fault } of profile.files) {
    const isMissing = fault === 'object_missing';
    if (isMissing) missing++;
    const ref = { bucket: config.rawBucket, key: object, version };
    if (!isMissing && !(await store.exists(ref))) throw new ObjectMissing(`${object} is gone`);
    const text = isMissing ? 'object_missing' : await store.readText(ref);
    const lines = text
      .split('\n')
      .filter((line) => line !== '')
      .map(fromRaw);
    const good = rejectsRows(manifest.decision) ? [] : lines.filter(isGood);
    for (const line of good) {
      const [id = '', day = ''] = line.split('@');
      const rows = days.get(day) ?? [];
      const isDelete = (await contract).dedupe?.deleteWhen !== undefined && id.startsWith('-');
      const row = { id: isDelete ? id.slice(1) : id, day, object, version };
      days.set(day, [...rows, isDelete ? { ...row, deletes: true } : row]);
    }
    refused.push(...lines.filter((line) => !good.includes(line)).map((line) => ({ object, version, line })));
    files.push({
      object,
      version,
      rowsRead: lines.length,
      published: good.length,
      quarantined: lines.length - good.length,
      duplicates: 0,
    });
  }
  const described = compile(await contract, null, []);
  const fieldIds = await formatOf(deps, described).fieldIds(goldenTable(described, config));
  const compiled = lookingBack({ ...described, fieldIds }, manifest);
  if (compiled.partitionKeys.length === 0) {
    const all = [...days.values()].flat();
    days.clear();
    days.set('', all);
  }
  await store.writeOnce(attempt.plan, JSON.stringify(compiled));
  const { losers, lost } = compiled.set.dedupe?.published
    ? await compete(deps, compiled, step.batch, manifest, days)
    : { losers: [], lost: [] };
  const graves = [...days.values()].flat().filter((row) => row.deletes);
  for (const [day, rows] of days)
    days.set(
      day,
      rows.filter((row) => !row.deletes),
    );
  const deletes = compiled.set.dedupe?.deletes === true;
  for (const file of files) {
    const isOwn = (row: Row) => row.object === file.object;
    const own = [...days.values()].flat().filter(isOwn).length;
    const deleting = graves.filter(isOwn).length;
    file.duplicates = file.published - own - deleting;
    file.published = own;
    if (deletes) file.deletes = deleting;
  }
  const { data } = stagedBy(deps, compiled, step, run);
  const valuesOf = (day: string) =>
    compiled.partitionKeys.map(({ name, transform: by }) =>
      by === 'day' ? `2025-01-${day}` : name === 'day' ? day : 'feed',
    );
  const names = compiled.partitionKeys.map(({ name }) => name);
  for (const [day, rows] of days)
    if (rows.length > 0)
      await store.writeText(
        { bucket: data.bucket, key: `${data.key}${folderOfValues(names, valuesOf(day))}0.parquet` },
        JSON.stringify(rows),
      );
  if (losers.length > 0) {
    const { bucket, key } = at.replaced;
    await store.writeText(
      { bucket, key: `${key}0.parquet` },
      JSON.stringify(losers.map(({ path, id, row }) => ({ path, id, row }) satisfies Loser)),
    );
    const paths = [...new Set(losers.map(({ path }) => path))];
    await store.writeText({ bucket, key: `${key}objects.json` }, JSON.stringify(paths));
  }
  if (lost.length > 0) {
    const lines = [...Map.groupBy(lost, ([winner]) => winner)].map(([winner, pairs]) =>
      JSON.stringify({ winner, losers: [...new Set(pairs.map(([, loser]) => loser))] }),
    );
    await store.writeText({ ...at.lost, key: `${at.lost.key}0.json` }, lines.join('\n'));
  }
  if (graves.length > 0)
    await store.writeText({ ...at.tombstones, key: `${at.tombstones.key}0.parquet` }, JSON.stringify(graves));
  if (refused.length > 0)
    await store.writeText(
      { bucket: config.workBucket, key: `${at.quarantine.key}0.parquet` },
      JSON.stringify(refused),
    );
  const sum = (pick: (file: Summary['files'][number]) => number) =>
    files.reduce((total, file) => total + pick(file), 0);
  const summary: Summary = {
    rowsRead: sum((f) => f.rowsRead),
    published: sum((f) => f.published),
    quarantined: sum((f) => f.quarantined),
    duplicates: sum((f) => f.duplicates),
    replacedRows: losers.filter((loser) => !loser.isDeleted).length,
    ...(deletes
      ? { deletes: graves.length, deletedRows: losers.filter((loser) => loser.isDeleted).length }
      : {}),
    reasons: missing > 0 ? { object_missing: missing } : {},
    nulled: {},
    files,
    partitions: [...days].flatMap(([day, rows]) =>
      rows.length === 0 ? [] : [{ values: valuesOf(day), rows: rows.length }],
    ),
  };
  await store.writeText(at.summary, JSON.stringify(summary));
  return { run, replaced: losers.length };
}

/** Removes the rows that lose from each day, and gives the published rows that lose, and pairs of files: winner and loser. */
async function compete(
  deps: Deps,
  plan: Plan,
  batch: string,
  manifest: Manifest,
  days: Map<string, Row[]>,
): Promise<{
  losers: (Loser & { isDeleted: boolean })[];
  lost: (readonly [winner: string, loser: string])[];
}> {
  const places = [...days.keys()].map((day) => ['feed', day]);
  const uncommitted = await garbageOf(deps, plan);
  const garbage = uncommitted.map(attemptPrefix);
  const isWhole = plan.set.dedupe?.within !== undefined;
  const found = isWhole
    ? await allObjectsOf(deps, plan)
    : await formatOf(deps, plan).objectsIn(goldenTable(plan, deps.config), places);
  const objects = found.filter(
    ({ address }) => ![`${batch}-`, ...garbage].some((prefix) => isOfAttempt(address, prefix)),
  );
  const gone = replacesOf(manifest);
  const there: { path: string; row: Row; position: number }[] = [];
  const graves = await tombstonesFor(deps, plan, batch, uncommitted);
  for (const { address: path, deletes } of [
    ...objects,
    ...graves.map(({ address }) => ({ address, deletes: undefined })),
  ]) {
    const hidden = deletes && (await deps.store.readText(placeOf(deletes.address)));
    const isHidden = new Set(JSON.parse(hidden ?? '[]') as number[]);
    const rows = JSON.parse(await deps.store.readText(placeOf(path))) as Row[];
    for (const [position, row] of rows.entries())
      if (!isHidden.has(position) && !gone.some((g) => g.object === row.object && g.version === row.version))
        there.push({ path, row, position });
  }
  const place = ({ object, version }: Row) => `${object}\0${version}`;
  const losers: (Loser & { isDeleted: boolean })[] = [];
  const lost: (readonly [winner: string, loser: string])[] = [];
  const groups = isWhole
    ? [['', [...days.values()].flat()] as const]
    : [...days].map(([day, rows]) => [day, rows] as const);
  for (const [day, rows] of groups) {
    const first = new Map<string, Row>();
    const winners = new Map<string, string>();
    for (const row of rows) {
      const best = first.get(row.id);
      if (best === undefined || place(row) < place(best)) first.set(row.id, row);
    }
    for (const { path, row, position } of there.filter((t) => isWhole || t.row.day === day)) {
      const best = first.get(row.id);
      if (best === undefined) continue;
      if (place(best) >= place(row)) {
        first.delete(row.id);
        winners.set(row.id, row.object);
      } else if (!row.deletes) {
        losers.push({ path, id: row.id, row: position, isDeleted: best.deletes === true });
        lost.push([best.object, row.object]);
      }
    }
    const stay = new Set(first.values());
    for (const row of rows)
      if (!stay.has(row)) lost.push([first.get(row.id)?.object ?? winners.get(row.id) ?? '', row.object]);
    for (const of of isWhole ? [...days.keys()] : [day])
      days.set(
        of,
        (days.get(of) ?? []).filter((row) => stay.has(row)),
      );
  }
  return { losers, lost: lost.filter(([winner, loser]) => winner !== loser) };
}
