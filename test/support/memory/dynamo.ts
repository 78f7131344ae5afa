/**
 * DynamoDB in memory, as the document client sees it: tables with a partition key and a sort key, both strings.
 * Limits: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
 */
import {
  ConditionalCheckFailedException,
  type ReturnValue,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  GetCommand,
  PutCommand,
  QueryCommand,
  type QueryCommandInput,
  TransactGetCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import { Operations } from './clients.ts';
import { awsError, withoutStack } from './errors.ts';
import {
  type Action,
  type Bindings,
  type Condition,
  checkPlaceholders,
  holds,
  type Operand,
  type Parsed,
  type Path,
  parseCondition,
  parseFilter,
  parseKeyCondition,
  parseProjection,
  parseUpdate,
  project,
  updated,
} from './expressions.ts';
import { type Attempt, isHit } from './faults.ts';
import { abs, byteLength, entries, keys, max, min } from './globals.ts';
import { compareUtf8, SortedKeys } from './sorted.ts';
import {
  copyOfItem,
  type Item,
  marshalledItem,
  maxItemBytes,
  sizeOfItem,
  toItem,
  toValue,
} from './values.ts';

export interface TableOptions {
  readonly pk?: string;
  readonly sk?: string;
  /** Global secondary indexes by name. They contain only the keys of their items and are never late. */
  readonly indexes?: Readonly<Record<string, { readonly pk: string; readonly sk: string }>>;
}

interface Partition {
  readonly items: Map<string, Item>;
  readonly keys: SortedKeys;
}

const ok = { $metadata: { httpStatusCode: 200 } } as const;

const validation = (message: string): Error => awsError('dynamodb', 'ValidationException', message);

/** Index items with equal keys are in the order of their own keys. */
const placeInIndex = (ik: string, { pk, sk }: Key): string => `${ik}\0${pk}\0${sk}`;
/** After every item of an index with one key. */
const behindAll = '\0\u{10ffff}';

class Table {
  readonly partitions = new Map<string, Partition>();
  readonly pk: string;
  readonly sk: string;
  /** What each holds is as its keys are, and an item's key is in it behind the index's. */
  readonly indexes = new Map<string, Table>();

  constructor({ pk = 'pk', sk = 'sk', indexes = {} }: TableOptions) {
    this.pk = pk;
    this.sk = sk;
    for (const [name, options] of entries(indexes)) this.indexes.set(name, new Table(options));
  }

  private unlist(key: Key): void {
    const before = this.indexes.size > 0 ? this.get(key) : undefined;
    if (before === undefined) return;
    for (const index of this.indexes.values()) {
      const [ix, ik] = [before[index.pk], before[index.sk]];
      if (typeof ix === 'string' && typeof ik === 'string')
        index.delete({ pk: ix, sk: placeInIndex(ik, key) });
    }
  }

  private list(key: Key, item: Item): void {
    for (const index of this.indexes.values()) {
      const [ix, ik] = [item[index.pk], item[index.sk]];
      if (ix === undefined || ik === undefined) continue;
      const { pk, sk } = index.checkedKey(ix, ik, false);
      index.put(
        { pk, sk: placeInIndex(sk, key) },
        { [this.pk]: key.pk, [this.sk]: key.sk, [index.pk]: ix, [index.sk]: ik },
      );
    }
  }

  get({ pk, sk }: Key): Item | undefined {
    return this.partitions.get(pk)?.items.get(sk);
  }

  put({ pk, sk }: Key, item: Item): void {
    this.unlist({ pk, sk });
    this.list({ pk, sk }, item);
    let partition = this.partitions.get(pk);
    if (partition === undefined) {
      partition = { items: new Map(), keys: new SortedKeys() };
      this.partitions.set(pk, partition);
    }
    if (!partition.items.has(sk)) partition.keys.add(sk);
    partition.items.set(sk, item);
  }

  delete({ pk, sk }: Key): void {
    this.unlist({ pk, sk });
    const partition = this.partitions.get(pk);
    if (partition?.items.delete(sk)) partition.keys.delete(sk);
  }

  /** The key in a request. Throws ValidationException if it is not a key of this table. */
  keyOf(given: Readonly<Record<string, unknown>> | undefined): Key {
    const found = given ?? {};
    for (const name in found)
      if (name !== this.pk && name !== this.sk)
        throw validation('The provided key element does not match the schema');
    return this.checkedKey(found[this.pk], found[this.sk], true);
  }

  keyOfItem(item: Item): Key {
    for (const name of [this.pk, this.sk])
      if (item[name] === undefined)
        throw validation(`One or more parameter values were invalid: Missing the key ${name} in the item`);
    return this.checkedKey(item[this.pk], item[this.sk], false);
  }

  private checkedKey(pk: unknown, sk: unknown, isRead: boolean): Key {
    if (typeof pk !== 'string' || typeof sk !== 'string')
      throw validation(
        isRead
          ? 'The provided key element does not match the schema'
          : `One or more parameter values were invalid: Type mismatch for key ${typeof pk === 'string' ? this.sk : this.pk} expected: S`,
      );
    if (pk === '' || sk === '')
      throw validation(
        `One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: ${pk === '' ? this.pk : this.sk}`,
      );
    if (isLonger(pk, 2048))
      throw validation(
        'One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes',
      );
    if (isLonger(sk, 1024))
      throw validation(
        'One or more parameter values were invalid: Aggregated size of all range keys has exceeded the size limit of 1024 bytes',
      );
    return { pk, sk };
  }
}

interface Key {
  readonly pk: string;
  readonly sk: string;
}

const isLonger = (text: string, bytes: number): boolean =>
  text.length * 3 > bytes && byteLength(text) > bytes;

/** The parts of a request that its expressions refer to. */
interface Placeholders {
  readonly ExpressionAttributeNames?: Record<string, string> | undefined;
  readonly ExpressionAttributeValues?: Record<string, unknown> | undefined;
}

/** A write of one item: its condition, and the item afterwards. */
interface Write extends Placeholders {
  readonly TableName: string | undefined;
  readonly Key?: Record<string, unknown> | undefined;
  readonly Item?: Record<string, unknown> | undefined;
  readonly UpdateExpression?: string | undefined;
  readonly ConditionExpression?: string | undefined;
  readonly ReturnValuesOnConditionCheckFailure?: string | undefined;
}

type WriteKind = 'Put' | 'Update' | 'Delete' | 'ConditionCheck';

/** A write whose request is valid. */
interface Prepared {
  readonly kind: WriteKind;
  readonly table: Table;
  readonly key: Key;
  readonly item: Item | undefined;
  readonly condition: Parsed<Condition> | undefined;
  readonly update: Parsed<Action[]> | undefined;
  readonly bindings: Bindings;
  readonly returnsOld: boolean;
}

const noNames: Readonly<Record<string, string>> = {};

export interface DynamoOptions {
  /** Tables by name. */
  readonly tables: Readonly<Record<string, TableOptions>>;
  /** The number of items on a full query page, instead of 1 MB. */
  readonly pageItems?: number | undefined;
}

export class MemoryDynamo {
  private readonly tables = new Map<string, Table>();
  private readonly pageItems: number;
  /** Successful transactions by token, with their requests. */
  private readonly done = new Map<string, string>();

  constructor({ tables, pageItems = 10_000 }: DynamoOptions) {
    for (const [name, options] of entries(tables)) this.tables.set(name, new Table(options));
    this.pageItems = pageItems;
  }

  /** Every item of a table, in key order, for tests to inspect or compare. */
  items(table: string): Record<string, unknown>[] {
    const found: Record<string, unknown>[] = [];
    for (const { keys, items } of this.table(table).partitions.values())
      for (const key of keys.all) {
        const item = items.get(key);
        if (item) found.push(copyOfItem(item));
      }
    return found;
  }

  /** An item, for tests to inspect. */
  item(table: string, key: Record<string, unknown>): Record<string, unknown> | undefined {
    const found = this.table(table);
    const item = found.get(found.keyOf(key));
    return item && copyOfItem(item);
  }

  /** Puts an item without faults and counts. */
  seed(table: string, item: Record<string, unknown>): void {
    const found = this.table(table);
    const value = toItem(item);
    found.put(found.keyOfItem(value), value);
  }

  /** Removes an item, as a restore of the table to an earlier time does. */
  remove(table: string, key: Record<string, unknown>): void {
    const found = this.table(table);
    found.delete(found.keyOf(key));
  }

  private table(name: string | undefined): Table {
    const table = this.tables.get(name ?? '');
    if (table === undefined)
      throw awsError('dynamodb', 'ResourceNotFoundException', 'Requested resource not found');
    return table;
  }

  static readonly operations = new Operations<MemoryDynamo>('dynamodb')
    .on(GetCommand, 'GetItem', (dynamo, input) => {
      const table = dynamo.table(input.TableName);
      const key = table.keyOf(input.Key);
      const projection =
        input.ProjectionExpression === undefined ? undefined : parseProjection(input.ProjectionExpression);
      const bindings = bindingsOf(input);
      checkPlaceholders([projection], bindings);
      const item = table.get(key);
      return { ...ok, Item: item && copyOfItem(projected(item, projection, bindings)) };
    })
    .on(PutCommand, 'PutItem', (dynamo, input, attempt) =>
      dynamo.single('Put', input, input.ReturnValues, attempt),
    )
    .on(UpdateCommand, 'UpdateItem', (dynamo, input, attempt) =>
      dynamo.single('Update', input, input.ReturnValues, attempt),
    )
    .on(DeleteCommand, 'DeleteItem', (dynamo, input, attempt) =>
      dynamo.single('Delete', input, input.ReturnValues, attempt),
    )
    .on(QueryCommand, 'Query', (dynamo, input, attempt) => dynamo.query(input, attempt))
    .on(BatchGetCommand, 'BatchGetItem', (dynamo, input, { mask }) => {
      const requests = entries(input.RequestItems ?? {});
      const count = requests.reduce((sum, [, { Keys = [] }]) => sum + Keys.length, 0);
      if (count === 0)
        throw validation(
          '1 validation error detected: RequestItems must have length greater than or equal to 1',
        );
      if (count > 100) throw validation('Too many items requested for the BatchGetItem call');
      const responses: Record<string, Record<string, unknown>[]> = {};
      const unprocessed: Record<string, object> = {};
      let index = 0;
      for (const [name, request] of requests) {
        const table = dynamo.table(name);
        const projection =
          request.ProjectionExpression === undefined
            ? undefined
            : parseProjection(request.ProjectionExpression);
        const bindings = bindingsOf(request);
        checkPlaceholders([projection], bindings);
        const keys = (request.Keys ?? []).map((key) => table.keyOf(key));
        if (new Set(keys.map(idOf)).size < keys.length)
          throw validation('Provided list of item keys contains duplicates');
        const left: object[] = [];
        const found: Record<string, unknown>[] = [];
        for (const [i, key] of keys.entries()) {
          if (isHit(mask, index++, count)) {
            left.push({ ...request.Keys?.[i] });
            continue;
          }
          const item = table.get(key);
          if (item) found.push(copyOfItem(projected(item, projection, bindings)));
        }
        responses[name] = found;
        if (left.length > 0) unprocessed[name] = { ...request, Keys: left };
      }
      return { ...ok, Responses: responses, UnprocessedKeys: unprocessed };
    })
    .on(BatchWriteCommand, 'BatchWriteItem', (dynamo, input, { mask }) => {
      const requests = entries(input.RequestItems ?? {}).flatMap(([name, writes]) =>
        writes.map((write) => ({ name, write })),
      );
      if (requests.length === 0)
        throw validation(
          '1 validation error detected: RequestItems must have length greater than or equal to 1',
        );
      if (requests.length > 25) throw validation('Too many items requested for the BatchWriteItem call');
      const prepared = requests.map(({ name, write }) =>
        write.PutRequest
          ? dynamo.prepare('Put', { TableName: name, Item: write.PutRequest.Item })
          : dynamo.prepare('Delete', { TableName: name, Key: write.DeleteRequest?.Key }),
      );
      if (new Set(prepared.map((p, i) => `${requests[i]?.name} ${idOf(p.key)}`)).size < prepared.length)
        throw validation('Provided list of item keys contains duplicates');
      const unprocessed: Record<string, object[]> = {};
      for (const [i, write] of prepared.entries()) {
        const { name, write: request } = requests[i] ?? { name: '', write: {} };
        if (isHit(mask, i, prepared.length)) unprocessed[name] = [...(unprocessed[name] ?? []), request];
        else apply(write, itemAfter(write, write.table.get(write.key)));
      }
      return { ...ok, UnprocessedItems: unprocessed };
    })
    .on(TransactWriteCommand, 'TransactWriteItems', (dynamo, input, attempt) =>
      dynamo.transact(input, attempt),
    )
    .on(TransactGetCommand, 'TransactGetItems', (dynamo, input) => ({
      ...ok,
      Responses: (input.TransactItems ?? []).map(({ Get }) => {
        const table = dynamo.table(Get?.TableName);
        const projection =
          Get?.ProjectionExpression === undefined ? undefined : parseProjection(Get.ProjectionExpression);
        const bindings = bindingsOf(Get ?? {});
        checkPlaceholders([projection], bindings);
        const item = table.get(table.keyOf(Get?.Key));
        return { Item: item && copyOfItem(projected(item, projection, bindings)) };
      }),
    }));

  /** The parts of a write that do not depend on the current item. */
  private prepare(kind: WriteKind, input: Write): Prepared {
    const table = this.table(input.TableName);
    const condition =
      input.ConditionExpression === undefined ? undefined : parseCondition(input.ConditionExpression);
    const update = input.UpdateExpression === undefined ? undefined : parseUpdate(input.UpdateExpression);
    const bindings = bindingsOf(input);
    checkPlaceholders([condition, update], bindings);
    const item = kind === 'Put' ? toItem(input.Item ?? {}) : undefined;
    const key = item === undefined ? table.keyOf(input.Key) : table.keyOfItem(item);
    if (item) checkSize(item);
    for (const { path } of update?.ast ?? []) {
      const [first] = path;
      const name = typeof first === 'string' && first.startsWith('#') ? bindings.names[first] : first;
      if (name === table.pk || name === table.sk)
        throw validation(
          `One or more parameter values were invalid: Cannot update attribute ${name}. This attribute is part of the key`,
        );
    }
    const returnsOld = input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD';
    return { kind, table, key, item, condition, update, bindings, returnsOld };
  }

  private single(
    kind: WriteKind,
    input: Write,
    returnValues: ReturnValue | undefined,
    { mask }: Attempt,
  ): object {
    const write = this.prepare(kind, input);
    if (mask !== undefined)
      throw awsError('dynamodb', 'TransactionConflictException', 'Transaction is ongoing for the item');
    const before = write.table.get(write.key);
    if (write.condition && !holds(write.condition.ast, before, write.bindings))
      throw withoutStack(
        () =>
          new ConditionalCheckFailedException({
            message: 'The conditional request failed',
            $metadata: { httpStatusCode: 400 },
            ...(write.returnsOld && before ? { Item: marshalledItem(before) } : {}),
          }),
      );
    const after = itemAfter(write, before);
    apply(write, after);
    const returned = returnedBy(returnValues, write, before, after);
    return returned === undefined || keys(returned).length === 0
      ? ok
      : { ...ok, Attributes: copyOfItem(returned) };
  }

  /** https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html */
  private transact(input: TransactWriteCommandInput, { mask, token: made }: Attempt): object {
    const items = input.TransactItems ?? [];
    if (items.length === 0 || items.length > 100)
      throw validation(
        `1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length ${items.length === 0 ? 'greater than or equal to 1' : 'less than or equal to 100'}`,
      );
    const seen = new Set<string>();
    const writes = items.map((item) => {
      const [[kind, request] = [], ...others] = entries(item).filter(([, r]) => r !== undefined);
      if (kind === undefined || others.length > 0 || !isWriteKind(kind))
        throw validation('TransactItems can only contain one of Check, Put, Update or Delete');
      const write = this.prepare(kind, request as Write);
      const id = `${(request as Write).TableName} ${idOf(write.key)}`;
      if (seen.has(id))
        throw validation('Transaction request cannot include multiple operations on one item');
      seen.add(id);
      return write;
    });
    const token = input.ClientRequestToken ?? made;
    const known = token === undefined ? undefined : this.done.get(token);
    if (known !== undefined) {
      if (known !== JSON.stringify(items))
        throw awsError(
          'dynamodb',
          'IdempotentParameterMismatchException',
          'The request uses the same client token as a previous, but non-identical request',
        );
      return ok;
    }
    let isCancelled = false;
    const after: (Item | undefined)[] = [];
    const reasons = writes.map((write, index) => {
      const before = write.table.get(write.key);
      const reason = isHit(mask, index, writes.length)
        ? { Code: 'TransactionConflict', Message: 'Transaction is ongoing for the item' }
        : refusal(write, before);
      if (reason) {
        isCancelled = true;
        return reason;
      }
      try {
        after.push(itemAfter(write, before));
      } catch (error) {
        isCancelled = true;
        return { Code: 'ValidationError', Message: error instanceof Error ? error.message : '' };
      }
      return { Code: 'None' };
    });
    if (isCancelled)
      throw withoutStack(
        () =>
          new TransactionCanceledException({
            message: `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map((r) => r.Code).join(', ')}]`,
            $metadata: { httpStatusCode: 400 },
            CancellationReasons: reasons,
          }),
      );
    for (const [index, write] of writes.entries()) apply(write, after[index]);
    if (token !== undefined) this.done.set(token, JSON.stringify(items));
    return ok;
  }

  private query(input: QueryCommandInput, { mask }: Attempt): object {
    const base = this.table(input.TableName);
    const table = input.IndexName === undefined ? base : base.indexes.get(input.IndexName);
    if (table === undefined)
      throw validation(`The table does not have the specified index: ${input.IndexName}`);
    const isIndex = table !== base;
    if (isIndex && input.ConsistentRead)
      throw validation('Consistent reads are not supported on global secondary indexes');
    if (input.KeyConditionExpression === undefined)
      throw validation(
        'Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.',
      );
    const condition = parseKeyCondition(input.KeyConditionExpression);
    const filter = input.FilterExpression === undefined ? undefined : parseFilter(input.FilterExpression);
    const projection =
      input.ProjectionExpression === undefined ? undefined : parseProjection(input.ProjectionExpression);
    const bindings = bindingsOf(input);
    checkPlaceholders([condition, filter, projection], bindings);
    for (const root of filter?.roots ?? [])
      if ([table.pk, table.sk].includes(bindings.names[root] ?? root))
        throw validation(
          `Filter Expression can only contain non-primary key attributes: Primary key attribute: ${bindings.names[root] ?? root}`,
        );
    if (input.Limit !== undefined && input.Limit < 1)
      throw validation(
        `1 validation error detected: Value '${input.Limit}' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1`,
      );
    const { pk, range } = keyRange(condition.ast, table, bindings, isIndex ? behindAll : '');
    const isForward = input.ScanIndexForward !== false;
    const partition = table.partitions.get(pk);
    let [start, end] = partition ? range(partition.keys) : [0, 0];
    if (input.ExclusiveStartKey && partition) {
      const from = isIndex
        ? startInIndex(base, table, input.ExclusiveStartKey)
        : table.keyOf(input.ExclusiveStartKey);
      if (from.pk !== pk)
        throw validation(
          'The provided starting key is outside query boundaries based on provided conditions',
        );
      if (isForward) start = max(start, partition.keys.after(from.sk));
      else end = min(end, partition.keys.from(from.sk));
    }
    const available = max(0, end - start);
    let page = min(input.Limit ?? this.pageItems, this.pageItems);
    // A page may always be shorter than requested, but never without progress.
    if (mask !== undefined && available > 1) page = min(page, 1 + (abs(mask) % (available - 1)));
    const evaluated = min(available, page);
    const found: Record<string, unknown>[] = [];
    let last = '';
    let lastItem: Item = {};
    for (let i = 0; i < evaluated; i++) {
      last = partition?.keys.all[isForward ? start + i : end - 1 - i] ?? '';
      const item = partition?.items.get(last);
      if (item) lastItem = item;
      if (item && (!filter || holds(filter.ast, item, bindings)))
        found.push(input.Select === 'COUNT' ? {} : copyOfItem(projected(item, projection, bindings)));
    }
    return {
      ...ok,
      ...(input.Select === 'COUNT' ? {} : { Items: found }),
      Count: found.length,
      ScannedCount: evaluated,
      // A full page has a next one, even if nothing is left for it.
      ...(evaluated === page
        ? { LastEvaluatedKey: isIndex ? copyOfItem(lastItem) : { [table.pk]: pk, [table.sk]: last } }
        : {}),
    };
  }
}

const isWriteKind = (kind: string): kind is WriteKind =>
  kind === 'Put' || kind === 'Update' || kind === 'Delete' || kind === 'ConditionCheck';

const idOf = ({ pk, sk }: Key): string => `${pk.length} ${pk} ${sk}`;

function bindingsOf({
  ExpressionAttributeNames: names,
  ExpressionAttributeValues: given,
}: Placeholders): Bindings {
  const values: Record<string, NonNullable<ReturnType<typeof toValue>> | null> = {};
  for (const name in given) {
    const value = toValue(given[name]);
    if (value !== undefined) values[name] = value;
  }
  if (given !== undefined && keys(values).length === 0)
    throw validation('ExpressionAttributeValues must not be empty');
  if (names !== undefined && keys(names).length === 0)
    throw validation('ExpressionAttributeNames must not be empty');
  return { names: names ?? noNames, values };
}

const projected = (item: Item, projection: Parsed<Path[]> | undefined, bindings: Bindings): Item =>
  projection === undefined ? item : project(item, projection.ast, bindings);

function checkSize(item: Item): void {
  let characters = 0;
  for (const name in item) {
    const value = item[name];
    if (typeof value === 'string') characters += name.length + value.length;
    else if (typeof value === 'object' && value !== null) characters = Number.POSITIVE_INFINITY;
  }
  if (characters * 3 + 1000 < maxItemBytes) return;
  if (sizeOfItem(item) > maxItemBytes) throw validation('Item size has exceeded the maximum allowed size');
}

/** Why a condition rejects a write of a transaction; undefined if none does. */
function refusal({ condition, bindings, returnsOld }: Prepared, before: Item | undefined) {
  if (!condition || holds(condition.ast, before, bindings)) return undefined;
  return {
    Code: 'ConditionalCheckFailed',
    Message: 'The conditional request failed',
    ...(returnsOld && before ? { Item: marshalledItem(before) } : {}),
  };
}

/** The item after a write; undefined for none. */
function itemAfter(write: Prepared, before: Item | undefined): Item | undefined {
  switch (write.kind) {
    case 'Put':
      return write.item;
    case 'Delete':
      return undefined;
    case 'ConditionCheck':
      return before;
    case 'Update': {
      const { table, key } = write;
      const base = before ?? { [table.pk]: key.pk, [table.sk]: key.sk };
      const after = write.update ? updated(base, write.update.ast, write.bindings) : base;
      if (write.update) checkSize(after);
      return after;
    }
  }
}

function apply({ kind, table, key }: Prepared, after: Item | undefined): void {
  if (kind === 'ConditionCheck') return;
  if (after === undefined) table.delete(key);
  else table.put(key, after);
}

function returnedBy(
  returnValues: ReturnValue | undefined,
  write: Prepared,
  before: Item | undefined,
  after: Item | undefined,
): Item | undefined {
  switch (returnValues) {
    case undefined:
    case 'NONE':
      return undefined;
    case 'ALL_OLD':
      return before;
  }
  if (write.kind !== 'Update') throw validation('Return values set to invalid value');
  if (returnValues === 'ALL_NEW') return after;
  const item = returnValues === 'UPDATED_NEW' ? after : before;
  const paths = (write.update?.ast ?? []).map((action) => action.path);
  return item && project(item, paths, write.bindings);
}

// ---- queries

/** The partition of a key condition, and its sort keys: from one index to before another. */
function keyRange(
  condition: Condition,
  table: Table,
  bindings: Bindings,
  /** The first position after the last key of a range that includes its end. */
  behind: string,
): { pk: string; range: (keys: SortedKeys) => [number, number] } {
  const parts = condition.kind === 'and' ? [condition.left, condition.right] : [condition];
  const pkPart = parts.find((p) => attribute(p, bindings) === table.pk);
  const skPart = parts.find((p) => attribute(p, bindings) === table.sk);
  if (!pkPart || (parts.length === 2 && !skPart))
    throw validation(
      pkPart ? 'Query key condition not supported' : `Query condition missed key schema element: ${table.pk}`,
    );
  if (pkPart.kind !== 'compare' || pkPart.op !== '=') throw validation('Query key condition not supported');
  const pk = keyValue(pkPart.right, table.pk, bindings);
  if (!skPart) return { pk, range: (keys) => [0, keys.all.length] };
  if (skPart.kind === 'beginsWith') {
    const prefix = keyValue(skPart.with, table.sk, bindings);
    return {
      pk,
      range: (keys) => {
        const start = keys.from(prefix);
        return [start, keys.behindPrefix(prefix, start)];
      },
    };
  }
  if (skPart.kind === 'between') {
    const [low, high] = [skPart.low, skPart.high].map((v) => keyValue(v, table.sk, bindings));
    if (low === undefined || high === undefined || compareUtf8(low, high) > 0)
      throw validation(
        'Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to lower bound',
      );
    return { pk, range: (keys) => [keys.from(low), keys.after(high + behind)] };
  }
  if (skPart.kind !== 'compare' || skPart.op === '<>')
    throw validation('Invalid operator used in KeyConditionExpression');
  const sk = keyValue(skPart.right, table.sk, bindings);
  switch (skPart.op) {
    case '=':
      return { pk, range: (keys) => [keys.from(sk), keys.after(sk + behind)] };
    case '<':
      return { pk, range: (keys) => [0, keys.from(sk)] };
    case '<=':
      return { pk, range: (keys) => [0, keys.after(sk + behind)] };
    case '>':
      return { pk, range: (keys) => [keys.after(sk + behind), keys.all.length] };
    default:
      return { pk, range: (keys) => [keys.from(sk), keys.all.length] };
  }
}

/** Where a page of an index continues: named by the item's own key and the index's. */
function startInIndex(base: Table, index: Table, given: Readonly<Record<string, unknown>>): Key {
  const { [index.pk]: ix, [index.sk]: ik, ...own } = given;
  if (typeof ix !== 'string' || typeof ik !== 'string')
    throw validation('The provided starting key is invalid');
  return { pk: ix, sk: placeInIndex(ik, base.keyOf(own)) };
}

/** The attribute of a part of a key condition. */
function attribute(part: Condition, { names }: Bindings): string | undefined {
  const operand: Operand | undefined =
    part.kind === 'compare'
      ? part.left
      : part.kind === 'between' || part.kind === 'beginsWith'
        ? part.of
        : undefined;
  if (operand?.kind !== 'path' || operand.path.length !== 1) return undefined;
  const name = String(operand.path[0]);
  return name.startsWith('#') ? names[name] : name;
}

function keyValue(operand: Operand, name: string, { values }: Bindings): string {
  const value = operand.kind === 'value' ? values[operand.name] : undefined;
  if (typeof value !== 'string')
    throw validation(
      `One or more parameter values were invalid: Condition parameter type does not match schema type`,
    );
  if (value === '')
    throw validation(
      `One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: ${name}`,
    );
  return value;
}
