/**
 * AWS in memory, for property tests of the flow. The real store, catalog and ledger run on SDK clients whose calls are
 * answered from Maps: some hundred thousand calls a second, without waiting, and identical in every run.
 *
 *   const aws = createMemoryAws({ buckets: { raw: { isVersioned: true }, work: {}, processed: {} } });
 *   const a = aws.actor('publisher');
 *   const store = createStore(a.s3);
 *   const catalog = createCatalog('sluice', a.glue);
 *   const ledger = createLedger('ledger', a.documents);
 *
 * Faults. A plan is asked at every call (of every client, also those that the SDK sends again); faults.ts lists the modes:
 *
 *   aws.plan = faultAt({ mode: 'lost' }, { actor: 'publisher', operation: 'TransactWriteItems', nth: 2 });
 *   aws.plan = faultsByCall([{ actor: 'publisher', n: 17, fault: { mode: 'hang', effect: true } }]);
 *   aws.hits                       // what was hit: a plan that hits nothing proves nothing
 *   aws.runStalled();              // what was stalled takes effect now, what was frozen goes on
 *   a.kill();                      // a Lambda that timed out: its calls never come back
 *
 * A run of two actors, call by call; the integers come from fast-check and decide who goes on:
 *
 *   const { outcomes, trace } = await interleave(aws, choices, {
 *     publisher: (a) => publish(depsOf(a), run),
 *     sweep: (a) => sweep(depsOf(a), 'social_media'),
 *   });
 *
 * For fast-check: someFaults(['publisher'], 40), someChoices(60), and everyFault for "each fault at each call": a run
 * without faults says how many calls there are, and every (call, fault) is a run of its own. What holds after it is asked
 * once the dead are replaced: another actor does what the flow's retry or sweep would do.
 *
 * What is left is looked at past faults and counts:
 *
 *   aws.s3.keys('processed'); aws.s3.versions('raw', key); aws.s3.events; aws.dynamo.items('ledger');
 *   aws.glue.partitions('sluice', 'social_media'); aws.sfn.executions; aws.bus.entries; aws.athena.queries;
 *   aws.calls('dynamodb.Query');   // for "the cost does not grow": all actors' attempts
 *
 * What a test decides: aws.athena.answerOf, aws.glue.crawlers and jobRuns, aws.sfn.end(arn, status), aws.s3.expire(…),
 * aws.s3.seed(…, size) for an object that is larger than the memory, aws.dynamo.seed and remove.
 *
 * Time is `aws.clock`: it goes on by a millisecond at each call, and `clock.sleep` waits without waiting.
 */
import { AthenaClient } from '@aws-sdk/client-athena';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { GlueClient } from '@aws-sdk/client-glue';
import { S3Client } from '@aws-sdk/client-s3';
import { SFNClient } from '@aws-sdk/client-sfn';
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb';
import { MemoryAthena } from './athena.ts';
import { clientOf, type Operations } from './clients.ts';
import { Clock } from './clock.ts';
import { dynamoClientOf } from './documents.ts';
import { MemoryDynamo, type TableOptions } from './dynamo.ts';
import { MemoryEvents } from './events.ts';
import { Actor, type Call, type Fault, type Plan, type Stalled, Wire } from './faults.ts';
import { MemoryGlue } from './glue.ts';

import { type BucketOptions, MemoryS3 } from './s3.ts';
import { MemoryStepFunctions } from './sfn.ts';

export { everyFault, type PlannedFault, someChoices, someFault, someFaults } from './arbitraries.ts';
export { Clock } from './clock.ts';
export { type Explored, explore, type Stage } from './explore.ts';
export {
  allOf,
  type Call,
  type Fault,
  faultAt,
  faultsByCall,
  type Match,
  type Plan,
  type Stalled,
} from './faults.ts';
export { type Interleaving, interleave, type Outcome, type Programs } from './schedule.ts';

export interface MemoryOptions {
  /** By name. Default: `raw` with versions, `work`, `processed`. */
  readonly buckets?: Readonly<Record<string, BucketOptions>>;
  /** By name. Default: `ledger`, with the keys `pk` and `sk`, and its index `byOrder` with `ix` and `ik`. */
  readonly tables?: Readonly<Record<string, TableOptions>>;
  /** Default: `sluice`. */
  readonly databases?: readonly string[];
  /** How often the SDK sends a call, the first time included: what AWS throttles or fails with 5xx is sent again. Default 1. */
  readonly maxAttempts?: number;
  /** Sizes of pages, in place of 1,000 keys and 1 MB of items: paging shows with few. */
  readonly pages?: { readonly keys?: number; readonly items?: number; readonly partitions?: number };
  readonly plan?: Plan;
  /** Milliseconds since 1970. */
  readonly startsAt?: number;
}

/** A process that calls AWS: its clients, its life and its count of calls. */
export class MemoryActor {
  readonly name: string;
  private readonly aws: MemoryAws;
  private readonly actor: Actor;
  private readonly made: Partial<Clients> = {};

  constructor(aws: MemoryAws, actor: Actor) {
    this.name = actor.name;
    this.aws = aws;
    this.actor = actor;
  }

  get s3(): S3Client {
    this.made.s3 ??= this.client(S3Client, MemoryS3.operations, this.aws.s3);
    return this.made.s3;
  }
  get documents(): DynamoDBDocumentClient {
    this.made.documents ??= this.client(DynamoDBDocumentClient, MemoryDynamo.operations, this.aws.dynamo);
    return this.made.documents;
  }
  /** For code that makes its document client itself. Slow: it runs the SDK's middleware. */
  get dynamo(): DynamoDBClient {
    this.made.dynamo ??= dynamoClientOf(this.aws.wire, this.actor, this.aws.dynamo);
    return this.made.dynamo;
  }
  get glue(): GlueClient {
    this.made.glue ??= this.client(GlueClient, MemoryGlue.operations, this.aws.glue);
    return this.made.glue;
  }
  get athena(): AthenaClient {
    this.made.athena ??= this.client(AthenaClient, MemoryAthena.operations, this.aws.athena);
    return this.made.athena;
  }
  get events(): EventBridgeClient {
    this.made.events ??= this.client(EventBridgeClient, MemoryEvents.operations, this.aws.bus);
    return this.made.events;
  }
  get sfn(): SFNClient {
    this.made.sfn ??= this.client(SFNClient, MemoryStepFunctions.operations, this.aws.sfn);
    return this.made.sfn;
  }

  private client<C extends object, S extends object>(
    type: { readonly prototype: C },
    operations: Operations<S>,
    state: S,
  ): C {
    return clientOf(type, this.aws.wire, this.actor, operations, state);
  }

  get isDead(): boolean {
    return this.actor.isDead;
  }

  /** Ends the process: calls under way never come back, and none follows. */
  kill(): void {
    this.actor.isDead = true;
  }

  /** Attempts so far: all, or those of an operation, such as `dynamodb.Query`. */
  calls(operation?: string): number {
    return operation === undefined ? this.actor.calls : (this.actor.counts.get(operation) ?? 0);
  }

  /** Attempts by operation. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.actor.counts].sort());
  }
}

interface Clients {
  s3: S3Client;
  documents: DynamoDBDocumentClient;
  dynamo: DynamoDBClient;
  glue: GlueClient;
  athena: AthenaClient;
  events: EventBridgeClient;
  sfn: SFNClient;
}

export class MemoryAws {
  readonly wire = new Wire();
  readonly clock: Clock;
  readonly s3: MemoryS3;
  readonly dynamo: MemoryDynamo;
  readonly glue: MemoryGlue;
  readonly athena = new MemoryAthena();
  readonly bus = new MemoryEvents();
  readonly sfn: MemoryStepFunctions;
  private readonly actors = new Map<string, MemoryActor>();

  constructor(options: MemoryOptions) {
    this.clock = new Clock(options.startsAt);
    const { now } = this.clock;
    this.s3 = new MemoryS3({
      buckets: options.buckets ?? { raw: { isVersioned: true }, work: {}, processed: {} },
      pageKeys: options.pages?.keys,
      now,
    });
    this.dynamo = new MemoryDynamo({
      tables: options.tables ?? { ledger: { indexes: { byOrder: { pk: 'ix', sk: 'ik' } } } },
      pageItems: options.pages?.items,
    });
    this.glue = new MemoryGlue({
      databases: options.databases ?? ['sluice'],
      pageSize: options.pages?.partitions,
      now,
    });
    this.sfn = new MemoryStepFunctions(now);
    this.wire.maxAttempts = options.maxAttempts ?? 1;
    this.wire.plan = options.plan;
    this.wire.onCall = () => this.clock.advance(1);
  }

  /** The actor of a name; the same one each time. */
  actor(name: string): MemoryActor {
    let actor = this.actors.get(name);
    if (actor === undefined) {
      actor = new MemoryActor(this, new Actor(name));
      this.actors.set(name, actor);
    }
    return actor;
  }

  get plan(): Plan | undefined {
    return this.wire.plan;
  }
  set plan(plan: Plan | undefined) {
    this.wire.plan = plan;
  }

  /** Faults that hit a call. */
  get hits(): readonly { readonly call: Call; readonly fault: Fault }[] {
    return this.wire.hits;
  }

  /** Effects that have not happened yet and answers that nobody has heard, the oldest first. */
  get stalled(): readonly Stalled[] {
    return this.wire.stalled;
  }

  /** Lets every one of them happen or be heard, the oldest first. */
  runStalled(): void {
    for (const stalled of [...this.wire.stalled]) stalled.run();
  }

  /** Attempts of all actors: all, or those of an operation, such as `dynamodb.Query`. */
  calls(operation?: string): number {
    let sum = 0;
    for (const actor of this.actors.values()) sum += actor.calls(operation);
    return sum;
  }
}

export const createMemoryAws = (options: MemoryOptions = {}): MemoryAws => new MemoryAws(options);
