import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  DynamoDBServiceException,
  GetItemCommand,
  TransactionCanceledException,
} from '@aws-sdk/client-dynamodb';
import {
  BatchGetCommand,
  BatchWriteCommand,
  DeleteCommand,
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  paginateQuery,
  QueryCommand,
  type QueryCommandInput,
  TransactGetCommand,
  TransactWriteCommand,
  type TransactWriteCommandInput,
  UpdateCommand,
  type UpdateCommandInput,
} from '@aws-sdk/lib-dynamodb';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { createMemoryAws, type MemoryAws } from '../../../support/memory/index.ts';

let aws: MemoryAws;
let db: DynamoDBDocumentClient;
beforeEach(() => {
  aws = createMemoryAws();
  db = aws.actor('a').documents;
});

const TableName = 'ledger';
const at = (sk: string, pk = 'd') => ({ TableName, Key: { pk, sk } });
const put = (sk: string, attributes: object = {}, pk = 'd') =>
  db.send(new PutCommand({ TableName, Item: { pk, sk, ...attributes } }));
const get = async (sk: string) => (await db.send(new GetCommand(at(sk)))).Item;
type Rest<T> = Omit<T, 'TableName' | 'Key'>;
const update = (sk: string, input: Rest<UpdateCommandInput>) =>
  db.send(new UpdateCommand({ ...at(sk), ...input }));
const validation = (message: string | RegExp) =>
  expect.objectContaining({ name: 'ValidationException', message: expect.stringMatching(message) });

/** Whether a condition holds for an item with these attributes. */
async function isTrue(
  condition: string,
  item: object | null,
  values?: object,
  names?: Record<string, string>,
) {
  if (item) await put('x', item);
  try {
    await db.send(
      new UpdateCommand({
        ...at('x'),
        UpdateExpression: 'SET checked = if_not_exists(checked, pk)',
        ConditionExpression: condition,
        ...(values ? { ExpressionAttributeValues: { ...values } } : {}),
        ...(names ? { ExpressionAttributeNames: names } : {}),
      }),
    );
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

describe('items', () => {
  test('an item comes back as it was put, and as a copy of its own', async () => {
    const item = {
      text: 'é😀',
      number: 1.5,
      yes: true,
      nothing: null,
      list: [1, 'two', { three: 3 }],
      map: { a: { b: [] } },
      set: new Set(['a', 'b']),
      bytes: new Uint8Array([1, 2]),
      empty: '',
    };
    await put('x', item);
    item.list.push('changed later');
    const first = await get('x');
    expect(first).toEqual({ pk: 'd', sk: 'x', ...item, list: [1, 'two', { three: 3 }] });
    first?.map.a.b.push(1);
    expect((await get('x'))?.map).toEqual({ a: { b: [] } });
    expect(await get('y')).toBeUndefined();
  });

  test('undefined is left out, also within lists and maps', async () => {
    await put('x', { a: undefined, list: [1, undefined, 2], map: { b: undefined, c: 1 } });
    expect(await get('x')).toEqual({ pk: 'd', sk: 'x', list: [1, 2], map: { c: 1 } });
    expect(Object.keys((await get('x')) ?? {})).toEqual(['pk', 'sk', 'list', 'map']);
  });

  test.each([
    [Number.NaN, 'Special numeric value NaN is not allowed'],
    [2 ** 53, 'greater than Number.MAX_SAFE_INTEGER'],
    [new Set(), 'Pass a non-empty set'],
    [new Date(0), 'Unsupported type passed'],
  ])('%p is refused as the SDK refuses it', async (value, message) => {
    await expect(put('x', { value })).rejects.toThrow(message);
  });

  test('keys have limits', async () => {
    await put('s'.repeat(1024), {}, 'p'.repeat(2048));
    await expect(put('é'.repeat(513))).rejects.toEqual(validation('exceeded the size limit of 1024 bytes'));
    await expect(put('x', {}, 'p'.repeat(2049))).rejects.toEqual(validation('size limit of2048 bytes'));
    await expect(put('')).rejects.toEqual(validation('cannot contain an empty string value. Key: sk'));
    await expect(db.send(new PutCommand({ TableName, Item: { pk: 'd' } }))).rejects.toEqual(
      validation('Missing the key sk in the item'),
    );
    await expect(db.send(new GetCommand({ TableName, Key: { pk: 'd' } }))).rejects.toEqual(
      validation('The provided key element does not match the schema'),
    );
    await expect(db.send(new GetCommand({ TableName, Key: { pk: 'd', sk: 1 } }))).rejects.toEqual(
      validation('The provided key element does not match the schema'),
    );
  });

  test('an item has at most 400 KB', async () => {
    await put('x', { text: 'x'.repeat(400 * 1024 - 20) });
    await expect(put('x', { text: 'x'.repeat(400 * 1024) })).rejects.toEqual(
      validation('Item size has exceeded the maximum allowed size'),
    );
    await put('y', { list: ['x'.repeat(300 * 1024)] });
    await expect(
      update('y', {
        UpdateExpression: 'SET l2 = :v',
        ExpressionAttributeValues: { ':v': 'y'.repeat(110 * 1024) },
      }),
    ).rejects.toEqual(validation('Item size'));
  });

  test('a table that is not there is named so', async () => {
    await expect(db.send(new GetCommand({ TableName: 'other', Key: { pk: 'd', sk: 'x' } }))).rejects.toThrow(
      expect.objectContaining({ name: 'ResourceNotFoundException' }),
    );
  });

  test('a projection gives nested parts', async () => {
    await put('x', { a: { b: 1, c: [10, 20, 30] }, e: 2 });
    const { Item } = await db.send(
      new GetCommand({
        ...at('x'),
        ProjectionExpression: 'a.#b, a.c[2], a.c[0], gone',
        ExpressionAttributeNames: { '#b': 'b' },
      }),
    );
    expect(Item).toEqual({ a: { b: 1, c: [10, 30] } });
  });
});

describe('conditions', () => {
  const item = {
    n: 5,
    s: 'hello',
    things: ['a', 1],
    set: new Set(['x', 'y']),
    map: { nest: { deep: 'v' }, arr: [{ k: 1 }] },
    bin: new Uint8Array([1, 2, 3]),
    bool: true,
    nil: null,
  };
  test.each<[string, object | undefined, boolean]>([
    ['n = :v', { ':v': 5 }, true],
    ['n = :v', { ':v': '5' }, false],
    ['n <> :v', { ':v': '5' }, true],
    ['n <> :v', { ':v': 5 }, false],
    ['gone = :v', { ':v': 5 }, false],
    // A missing attribute differs from every value.
    ['gone <> :v', { ':v': 5 }, true],
    ['gone < :v', { ':v': 5 }, false],
    ['NOT gone < :v', { ':v': 5 }, true],
    ['n < :v', { ':v': 6 }, true],
    ['n < :v', { ':v': 5 }, false],
    ['n <= :v', { ':v': 5 }, true],
    ['n > :v', { ':v': 4 }, true],
    ['n >= :v', { ':v': 6 }, false],
    ['s > :v', { ':v': 5 }, false],
    [':v < n', { ':v': 4 }, true],
    ['n BETWEEN :a AND :b', { ':a': 5, ':b': 6 }, true],
    ['n between :a and :b', { ':a': 6, ':b': 7 }, false],
    ['n IN (:a, :b)', { ':a': 1, ':b': 5 }, true],
    ['n in (:a)', { ':a': 1 }, false],
    ['attribute_exists(n)', undefined, true],
    ['attribute_exists(nil)', undefined, true],
    ['attribute_exists(map.nest.deep)', undefined, true],
    ['attribute_exists(map.nest.gone)', undefined, false],
    ['attribute_exists(map.arr[0].k)', undefined, true],
    ['attribute_exists(things[2])', undefined, false],
    ['attribute_not_exists(gone)', undefined, true],
    ['attribute_not_exists(n)', undefined, false],
    ['begins_with(s, :v)', { ':v': 'he' }, true],
    ['begins_with(s, :v)', { ':v': 'lo' }, false],
    ['begins_with(n, :v)', { ':v': '5' }, false],
    ['things < n', undefined, false],
    ['n BETWEEN s AND :v', { ':v': 9 }, false],
    ['gone = nothing', undefined, false],
    ['gone <> nothing', undefined, true],
    ['contains(s, :v)', { ':v': 'ell' }, true],
    ['contains(things, :v)', { ':v': 1 }, true],
    ['contains(things, :v)', { ':v': '1' }, false],
    ['contains(#set, :v)', { ':v': 'x' }, true],
    ['contains(bin, :v)', { ':v': new Uint8Array([2, 3]) }, true],
    ['size(s) = :v', { ':v': 5 }, true],
    ['size(things) > :v', { ':v': 1 }, true],
    ['size(#set) = :v', { ':v': 2 }, true],
    ['size(#map) = :v', { ':v': 2 }, true],
    ['size(n) = :v', { ':v': 1 }, false],
    ['attribute_type(n, :v)', { ':v': 'N' }, true],
    ['attribute_type(#set, :v)', { ':v': 'SS' }, true],
    ['attribute_type(nil, :v)', { ':v': 'NULL' }, true],
    ['attribute_type(n, :v)', { ':v': 'S' }, false],
    ['#map.#nest = :v', { ':v': { deep: 'v' } }, true],
    ['things = :v', { ':v': ['a', 1] }, true],
    ['things = :v', { ':v': [1, 'a'] }, false],
    ['#set = :v', { ':v': new Set(['y', 'x']) }, true],
    ['n = :a OR n = :b AND s = :c', { ':a': 5, ':b': 1, ':c': 'no' }, true],
    ['(n = :a OR n = :b) AND s = :c', { ':a': 5, ':b': 1, ':c': 'no' }, false],
    ['NOT (n = :a AND s = :b)', { ':a': 5, ':b': 'x' }, true],
    ['NOT n = :a AND s = :b', { ':a': 5, ':b': 'hello' }, false],
    ['not not n = :a', { ':a': 5 }, true],
    ['bool = :v', { ':v': true }, true],
    ['nil = :v', { ':v': null }, true],
  ])('%s with %p is %p', async (condition, values, wanted) => {
    const text = condition.replaceAll(/(?<![#\w])(set|map)(?!\w)/g, '#$1');
    const names = Object.fromEntries(
      ['set', 'map', 'nest'].filter((n) => text.includes(`#${n}`)).map((n) => [`#${n}`, n]),
    );
    expect(await isTrue(text, item, values, Object.keys(names).length > 0 ? names : undefined)).toBe(wanted);
  });

  test('an item that is not there has no attribute', async () => {
    expect(await isTrue('attribute_exists(pk)', null)).toBe(false);
    expect(await isTrue('attribute_not_exists(pk)', null)).toBe(true);
  });

  test('strings are ordered by their UTF-8 bytes', async () => {
    expect(await isTrue('s < :v', { s: '\uffee' }, { ':v': '😀' })).toBe(true);
    expect(await isTrue('s > :v', { s: '\uffee' }, { ':v': '😀' })).toBe(false);
    expect(await isTrue('s < :v', { s: 'Z' }, { ':v': 'a' })).toBe(true);
  });

  test.each([
    ['n = ', 'Syntax error'],
    ['n == :v', 'Syntax error'],
    ['n = :v)', 'Syntax error; token: "\\)"'],
    ['n & :v', 'Syntax error; token: "&"'],
    ['', 'The expression can not be empty'],
    ['state = :v', 'Attribute name is a reserved keyword; reserved keyword: state'],
    ['m.Data = :v', 'reserved keyword: Data'],
    ['((n = :v))', 'redundant parentheses'],
    ['n = :other', 'attribute value used in expression is not defined; attribute value: :other'],
    ['#n = :v', 'attribute name used in the document path is not defined; attribute name: #n'],
    ['attribute_exist(n)', 'Invalid function name; function: attribute_exist'],
    ['n = n', 'The first operand must be distinct'],
  ])('%p is refused', async (condition, message) => {
    await expect(isTrue(condition, null, { ':v': 1 })).rejects.toEqual(validation(message));
  });

  test.each<[string, object, string]>([
    ['n < :v', { ':v': [1] }, 'Incorrect operand type for operator or function; operator or function: <'],
    [':v >= n', { ':v': true }, 'Incorrect operand type'],
    ['begins_with(s, :v)', { ':v': 2 }, 'operator or function: begins_with, operand type: N'],
    ['n BETWEEN :v AND :w', { ':v': 2, ':w': 1 }, 'requires upper bound to be greater than or equal'],
    ['n BETWEEN :v AND :w', { ':v': 2, ':w': 'a' }, 'requires same data type'],
    ['attribute_type(n, :v)', { ':v': 'DOG' }, 'Invalid attribute type name found; type: DOG'],
    ['attribute_type(n, s)', {}, 'Incorrect operand type'],
  ])(
    'a constant of a wrong type is refused, whatever the item: %s with %p',
    async (condition, values, message) => {
      const given = Object.keys(values).length > 0 ? values : undefined;
      await expect(isTrue(condition, null, given)).rejects.toEqual(validation(message));
    },
  );

  test('placeholders that nothing uses are refused', async () => {
    await expect(isTrue('n = :v', null, { ':v': 1, ':w': 1 })).rejects.toEqual(
      validation('ExpressionAttributeValues unused in expressions: keys: {:w}'),
    );
    await expect(isTrue('n = :v', null, { ':v': 1 }, { '#x': 'x' })).rejects.toEqual(
      validation('ExpressionAttributeNames unused in expressions: keys: {#x}'),
    );
    await expect(isTrue('n = :v', null, { ':v': undefined })).rejects.toEqual(
      validation('ExpressionAttributeValues must not be empty'),
    );
  });

  test('a failed condition shows the item when it is asked for', async () => {
    await put('x', { n: 1 });
    const failed = db.send(
      new PutCommand({
        TableName,
        Item: { pk: 'd', sk: 'x' },
        ConditionExpression: 'attribute_not_exists(pk)',
        ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
      }),
    );
    const error = await failed.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ConditionalCheckFailedException);
    expect(error).toBeInstanceOf(DynamoDBServiceException);
    expect(error).toMatchObject({
      name: 'ConditionalCheckFailedException',
      message: 'The conditional request failed',
      // Not unmarshalled: the document client leaves errors unchanged.
      Item: { pk: { S: 'd' }, sk: { S: 'x' }, n: { N: '1' } },
    });
  });
});

describe('updates', () => {
  const updatedFrom = async (
    before: object,
    expression: string,
    values?: object,
    names?: Record<string, string>,
  ) => {
    await put('x', before);
    const { Attributes } = await update('x', {
      UpdateExpression: expression,
      ...(values ? { ExpressionAttributeValues: { ...values } } : {}),
      ...(names ? { ExpressionAttributeNames: names } : {}),
      ReturnValues: 'ALL_NEW',
    });
    const { pk, sk, ...rest } = Attributes ?? {};
    expect({ pk, sk }).toEqual({ pk: 'd', sk: 'x' });
    return rest;
  };

  test.each<[object, string, object | undefined, object]>([
    [{}, 'SET a = :v', { ':v': 1 }, { a: 1 }],
    [{ a: 1, b: 2 }, 'SET a = b, b = a', undefined, { a: 2, b: 1 }],
    [{ n: 5 }, 'SET n = n + :v', { ':v': 2 }, { n: 7 }],
    [{ n: 5 }, 'SET n = :v - n', { ':v': 2 }, { n: -3 }],
    [{}, 'SET n = if_not_exists(n, :zero) + :one', { ':zero': 0, ':one': 1 }, { n: 1 }],
    [{ n: 4 }, 'SET n = if_not_exists(n, :zero) + :one', { ':zero': 0, ':one': 1 }, { n: 5 }],
    [{ l: [1] }, 'SET l = list_append(l, :v)', { ':v': [2] }, { l: [1, 2] }],
    [{}, 'SET l = list_append(if_not_exists(l, :e), :v)', { ':e': [], ':v': [2] }, { l: [2] }],
    [{ m: { a: 1 } }, 'SET m.b = :v', { ':v': 2 }, { m: { a: 1, b: 2 } }],
    [{ l: [1, { a: 1 }] }, 'SET l[1].a = :v', { ':v': 2 }, { l: [1, { a: 2 }] }],
    [{ l: [1] }, 'SET l[7] = :v', { ':v': 2 }, { l: [1, 2] }],
    [
      { l: [] },
      'SET l[84] = :a, l[37] = :b, l[17] = :c',
      { ':a': 'a', ':b': 'b', ':c': 'c' },
      { l: ['c', 'b', 'a'] },
    ],
    [{ l: [2, 3, 4, 5, 6, 7] }, 'REMOVE l[1] SET l[3] = :v', { ':v': 17 }, { l: [2, 4, 17, 6, 7] }],
    [{ a: 1, b: 2 }, 'REMOVE a, gone', undefined, { b: 2 }],
    [{ l: [0, 1, 2, 3] }, 'REMOVE l[0], l[2], l[9]', undefined, { l: [1, 3] }],
    [
      { l: [0, { a: 1, b: 2 }, 2, [3, 4]] },
      'REMOVE l[0], l[1].a, l[2], l[3][0]',
      undefined,
      { l: [{ b: 2 }, [4]] },
    ],
    [{ m: { a: 1, b: 2 } }, 'REMOVE m.a', undefined, { m: { b: 2 } }],
    [{}, 'ADD n :v', { ':v': 3 }, { n: 3 }],
    [{ n: 1 }, 'ADD n :v', { ':v': 3 }, { n: 4 }],
    [{}, 'ADD tags :v', { ':v': new Set(['a']) }, { tags: new Set(['a']) }],
    [{ tags: new Set(['a']) }, 'ADD tags :v', { ':v': new Set(['a', 'b']) }, { tags: new Set(['a', 'b']) }],
    [
      { tags: new Set(['a', 'b']) },
      'DELETE tags :v',
      { ':v': new Set(['a', 'c']) },
      { tags: new Set(['b']) },
    ],
    [{ tags: new Set(['a']) }, 'DELETE tags :v', { ':v': new Set(['a']) }, {}],
    [{ a: 1 }, 'SET b = :v ADD n :one REMOVE a', { ':v': 1, ':one': 1 }, { b: 1, n: 1 }],
    [{ a: 1 }, 'set b = :v remove a', { ':v': 1 }, { b: 1 }],
  ])('%p: %s with %p gives %p', async (before, expression, values, wanted) => {
    expect(await updatedFrom(before, expression, values)).toEqual(wanted);
  });

  test('an item that is not there is made of its key', async () => {
    const { Attributes } = await update('new', {
      UpdateExpression: 'ADD fence :one',
      ExpressionAttributeValues: { ':one': 1 },
      ReturnValues: 'ALL_NEW',
    });
    expect(Attributes).toEqual({ pk: 'd', sk: 'new', fence: 1 });
    await update('bare', {});
    expect(await get('bare')).toEqual({ pk: 'd', sk: 'bare' });
  });

  test.each<[string, object | undefined, string]>([
    ['SET sk = :v', { ':v': 'y' }, 'Cannot update attribute sk. This attribute is part of the key'],
    ['SET a = :v, a = :v', { ':v': 1 }, 'Two document paths overlap'],
    ['SET m = :v REMOVE m.a', { ':v': 1 }, 'Two document paths overlap'],
    ['SET a = gone', undefined, 'refers to an attribute that does not exist in the item'],
    ['SET m.a.b = :v', { ':v': 1 }, 'The document path provided in the update expression is invalid'],
    ['SET text_[0] = :v', { ':v': 1 }, 'The document path provided in the update expression is invalid'],
    ['SET n = n + :v', { ':v': 'x' }, 'An operand in the update expression has an incorrect data type'],
    ['ADD text_ :v', { ':v': 1 }, 'An operand in the update expression has an incorrect data type'],
    ['ADD n :v', { ':v': 'x' }, 'Incorrect operand type for operator or function; operator: ADD'],
    ['SET a = :v SET b = :v', { ':v': 1 }, 'section can only be used once'],
    ['SET a :v', { ':v': 1 }, 'Syntax error'],
    ['SET m.a = :v, m[1] = :v', { ':v': 1 }, 'Two document paths conflict'],
    ['SET a = if_not_exists(a, :v + :v)', { ':v': 1 }, 'Syntax error'],
    ['SET a = list_append(list_append(:v, :v), :v)', { ':v': [] }, 'not allowed to be used this way'],
    ['SET status = :v', { ':v': 1 }, 'reserved keyword: status'],
    ['PUT a = :v', { ':v': 1 }, 'Syntax error'],
  ])('%s is refused', async (expression, values, message) => {
    await put('x', { n: 1, text_: 't' });
    await expect(
      update('x', {
        UpdateExpression: expression,
        ...(values ? { ExpressionAttributeValues: { ...values } } : {}),
      }),
    ).rejects.toEqual(validation(message));
    expect(await get('x')).toEqual({ pk: 'd', sk: 'x', n: 1, text_: 't' });
  });

  test('what is returned is what is asked for', async () => {
    const returned = async (ReturnValues: 'ALL_OLD' | 'ALL_NEW' | 'UPDATED_OLD' | 'UPDATED_NEW') => {
      await put('x', { a: 1, b: 1, m: { c: 1, e: 1 } });
      const { Attributes } = await update('x', {
        UpdateExpression: 'SET a = :v, m.c = :v',
        ExpressionAttributeValues: { ':v': 2 },
        ReturnValues,
      });
      return Attributes;
    };
    expect(await returned('ALL_OLD')).toEqual({ pk: 'd', sk: 'x', a: 1, b: 1, m: { c: 1, e: 1 } });
    expect(await returned('ALL_NEW')).toEqual({ pk: 'd', sk: 'x', a: 2, b: 1, m: { c: 2, e: 1 } });
    expect(await returned('UPDATED_OLD')).toEqual({ a: 1, m: { c: 1 } });
    expect(await returned('UPDATED_NEW')).toEqual({ a: 2, m: { c: 2 } });
    expect(await db.send(new DeleteCommand({ ...at('x'), ReturnValues: 'ALL_OLD' }))).toMatchObject({
      Attributes: { a: 2 },
    });
    expect(await db.send(new DeleteCommand({ ...at('x'), ReturnValues: 'ALL_OLD' }))).not.toHaveProperty(
      'Attributes',
    );
  });
});

describe('queries', () => {
  const keysOf = async (input: Omit<QueryCommandInput, 'TableName'>) =>
    (await db.send(new QueryCommand({ TableName, ...input }))).Items?.map((i) => i.sk);
  beforeEach(async () => {
    for (const sk of ['c', 'a#2', 'b', 'a#1', 'a#10', 'a']) await put(sk, { n: sk.length });
    await put('a#3', {}, 'other');
  });

  test.each<[string, object, string[]]>([
    ['pk = :pk', {}, ['a', 'a#1', 'a#10', 'a#2', 'b', 'c']],
    ['pk = :pk AND begins_with(sk, :v)', { ':v': 'a#' }, ['a#1', 'a#10', 'a#2']],
    ['begins_with(sk, :v) AND pk = :pk', { ':v': 'z' }, []],
    ['pk = :pk AND sk = :v', { ':v': 'b' }, ['b']],
    ['pk = :pk AND sk < :v', { ':v': 'a#2' }, ['a', 'a#1', 'a#10']],
    ['pk = :pk AND sk <= :v', { ':v': 'a#2' }, ['a', 'a#1', 'a#10', 'a#2']],
    ['pk = :pk AND sk > :v', { ':v': 'b' }, ['c']],
    ['pk = :pk AND sk >= :v', { ':v': 'b' }, ['b', 'c']],
    ['pk = :pk AND sk BETWEEN :v AND :w', { ':v': 'a#1', ':w': 'b' }, ['a#1', 'a#10', 'a#2', 'b']],
  ])('%s with %p gives %p', async (condition, values, wanted) => {
    const input = { KeyConditionExpression: condition, ExpressionAttributeValues: { ':pk': 'd', ...values } };
    expect(await keysOf(input)).toEqual(wanted);
    expect(await keysOf({ ...input, ScanIndexForward: false })).toEqual(wanted.toReversed());
  });

  test('pages follow from the last key, in both directions, also when a filter takes all of one', async () => {
    for (const forward of [true, false])
      for (const Limit of [1, 2, 5, 6, 7]) {
        const found: unknown[] = [];
        const pages = paginateQuery(
          { client: db },
          {
            TableName,
            KeyConditionExpression: 'pk = :pk',
            FilterExpression: 'n > :one',
            ExpressionAttributeValues: { ':pk': 'd', ':one': 1 },
            ScanIndexForward: forward,
            Limit,
          },
        );
        for await (const page of pages) {
          expect(page.ScannedCount).toBeLessThanOrEqual(Limit);
          found.push(...(page.Items ?? []).map((i) => i.sk));
        }
        const wanted = ['a#1', 'a#10', 'a#2'];
        expect(found).toEqual(forward ? wanted : wanted.toReversed());
      }
  });

  test('a full page names a next one even when nothing is left', async () => {
    const input = {
      TableName,
      KeyConditionExpression: 'pk = :pk',
      ExpressionAttributeValues: { ':pk': 'd' },
    };
    expect((await db.send(new QueryCommand({ ...input, Limit: 6 }))).LastEvaluatedKey).toEqual({
      pk: 'd',
      sk: 'c',
    });
    expect((await db.send(new QueryCommand({ ...input, Limit: 7 }))).LastEvaluatedKey).toBeUndefined();
  });

  test('pages are as small as the test says', async () => {
    aws = createMemoryAws({ pages: { items: 2 } });
    db = aws.actor('a').documents;
    for (const sk of ['a', 'b', 'c']) await put(sk);
    const page = await db.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': 'd' },
        Limit: 100,
      }),
    );
    expect(page.Items).toHaveLength(2);
    expect(page.LastEvaluatedKey).toEqual({ pk: 'd', sk: 'b' });
  });

  test('COUNT gives no items', async () => {
    const { Items, Count } = await db.send(
      new QueryCommand({
        TableName,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :v)',
        ExpressionAttributeValues: { ':pk': 'd', ':v': 'a' },
        Select: 'COUNT',
      }),
    );
    expect({ Items, Count }).toEqual({ Items: undefined, Count: 4 });
  });

  test.each<[string, object, string]>([
    ['sk = :v', { ':v': 'a' }, 'Query condition missed key schema element: pk'],
    ['pk > :v', { ':v': 'a' }, 'Query key condition not supported'],
    ['pk = :v AND n = :w', { ':v': 'a', ':w': 1 }, 'Query key condition not supported'],
    ['pk = :v AND sk BETWEEN :b AND :a', { ':v': 'd', ':a': 'a', ':b': 'b' }, 'upper bound'],
    ['pk = :v AND sk = :w', { ':v': 'd', ':w': 1 }, 'does not match schema type'],
    ['pk = :v AND sk <> :w', { ':v': 'd', ':w': 'x' }, 'Invalid operator used in KeyConditionExpression'],
  ])('%s is refused', async (condition, values, message) => {
    await expect(
      keysOf({ KeyConditionExpression: condition, ExpressionAttributeValues: { ...values } }),
    ).rejects.toEqual(validation(message));
  });

  test('a filter is not for keys', async () => {
    await expect(
      keysOf({
        KeyConditionExpression: 'pk = :v',
        FilterExpression: 'sk <> :v',
        ExpressionAttributeValues: { ':v': 'd' },
      }),
    ).rejects.toEqual(validation('Filter Expression can only contain non-primary key attributes'));
  });
});

describe('indexes', () => {
  const listed = async (condition: string, values: object, input: object = {}) => {
    const found: unknown[] = [];
    const pages = paginateQuery(
      { client: db },
      {
        TableName,
        IndexName: 'byOrder',
        KeyConditionExpression: condition,
        ExpressionAttributeValues: { ':ix': 'x', ...values },
        Limit: 2,
        ...input,
      },
    );
    for await (const { Items = [] } of pages) found.push(...Items.map((i) => i.sk));
    return found;
  };
  beforeEach(async () => {
    for (const [sk, ik] of [
      ['1', 'b'],
      ['2', 'a'],
      ['3', 'b'],
      ['4', 'bc'],
    ])
      await put(String(sk), { ix: 'x', ik });
    await put('5', { ix: 'x' });
  });

  test('items stand in the order of the index, also those with equal keys, in pages of both directions', async () => {
    expect(await listed('ix = :ix', {})).toEqual(['2', '1', '3', '4']);
    expect(await listed('ix = :ix', {}, { ScanIndexForward: false })).toEqual(['4', '3', '1', '2']);
    expect(await listed('ix = :ix AND ik BETWEEN :a AND :b', { ':a': 'a', ':b': 'b' })).toEqual([
      '2',
      '1',
      '3',
    ]);
    expect(await listed('ix = :ix AND begins_with(ik, :b)', { ':b': 'b' })).toEqual(['1', '3', '4']);
  });

  test('an item that changes its place leaves the one before, and one that goes leaves the index', async () => {
    await put('1', { ix: 'y', ik: 'b' });
    await put('3', {});
    await db.send(new DeleteCommand({ TableName, Key: { pk: 'd', sk: '4' } }));
    expect(await listed('ix = :ix', {})).toEqual(['2']);
    expect(await listed('ix = :ix', { ':ix': 'y' })).toEqual(['1']);
  });

  test('nothing reads an index consistently', async () => {
    await expect(listed('ix = :ix', {}, { ConsistentRead: true })).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });
});

describe('batches', () => {
  test('a batch of reads gives what is there, projected', async () => {
    await put('a', { n: 1 });
    const { Responses, UnprocessedKeys } = await db.send(
      new BatchGetCommand({
        RequestItems: {
          ledger: { Keys: ['a', 'b'].map((sk) => ({ pk: 'd', sk })), ProjectionExpression: 'sk' },
        },
      }),
    );
    expect(Responses).toEqual({ ledger: [{ sk: 'a' }] });
    expect(UnprocessedKeys).toEqual({});
  });

  test('a batch of reads has at most 100 keys, each once', async () => {
    const read = (sks: string[]) =>
      db.send(
        new BatchGetCommand({ RequestItems: { ledger: { Keys: sks.map((sk) => ({ pk: 'd', sk })) } } }),
      );
    await expect(read(Array.from({ length: 101 }, (_, i) => `${i}`))).rejects.toEqual(
      validation('Too many items requested for the BatchGetItem call'),
    );
    await expect(read(['a', 'a'])).rejects.toEqual(validation('contains duplicates'));
  });

  test('a batch of writes puts and deletes', async () => {
    await put('a');
    await db.send(
      new BatchWriteCommand({
        RequestItems: {
          ledger: [
            { PutRequest: { Item: { pk: 'd', sk: 'b' } } },
            { DeleteRequest: { Key: { pk: 'd', sk: 'a' } } },
          ],
        },
      }),
    );
    expect(aws.dynamo.items('ledger').map((i) => i.sk)).toEqual(['b']);
  });
});

describe('transactions', () => {
  const transact = (items: TransactWriteCommandInput['TransactItems'], token?: string) =>
    db.send(
      new TransactWriteCommand({
        TransactItems: items,
        ...(token === undefined ? {} : { ClientRequestToken: token }),
      }),
    );
  const putItem = (sk: string, more: object = {}) => ({ Put: { TableName, Item: { pk: 'd', sk }, ...more } });
  const isNew = { ConditionExpression: 'attribute_not_exists(pk)' };

  test('all of it happens', async () => {
    await put('b', { n: 1 });
    await put('c');
    await put('lease', { fence: 3 });
    await transact([
      {
        ConditionCheck: {
          ...at('lease'),
          ConditionExpression: 'fence = :f',
          ExpressionAttributeValues: { ':f': 3 },
        },
      },
      putItem('a', isNew),
      { Update: { ...at('b'), UpdateExpression: 'ADD n :one', ExpressionAttributeValues: { ':one': 1 } } },
      { Delete: at('c') },
    ]);
    expect(aws.dynamo.items('ledger')).toEqual([
      { pk: 'd', sk: 'a' },
      { pk: 'd', sk: 'b', n: 2 },
      { pk: 'd', sk: 'lease', fence: 3 },
    ]);
  });

  test('or nothing, with a reason for each item', async () => {
    await put('b', { n: 1 });
    const failed = transact([
      putItem('a'),
      putItem('b', { ...isNew, ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }),
      { ConditionCheck: { ...at('c'), ConditionExpression: 'attribute_exists(pk)' } },
      { Update: { ...at('e'), UpdateExpression: 'SET n = gone' } },
    ]);
    const error = await failed.catch((e: unknown) => e);
    expect(error).toBeInstanceOf(TransactionCanceledException);
    expect(error).toMatchObject({
      message:
        'Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, ConditionalCheckFailed, ValidationError]',
      CancellationReasons: [
        { Code: 'None' },
        {
          Code: 'ConditionalCheckFailed',
          Message: 'The conditional request failed',
          Item: { pk: { S: 'd' }, sk: { S: 'b' }, n: { N: '1' } },
        },
        { Code: 'ConditionalCheckFailed' },
        { Code: 'ValidationError' },
      ],
    });
    expect(aws.dynamo.items('ledger')).toEqual([{ pk: 'd', sk: 'b', n: 1 }]);
  });

  test('an item takes part once', async () => {
    await expect(transact([putItem('a'), { Delete: at('a') }])).rejects.toEqual(
      validation('Transaction request cannot include multiple operations on one item'),
    );
  });

  test('100 items are the most', async () => {
    await transact(Array.from({ length: 100 }, (_, i) => putItem(`${i}`)));
    await expect(transact(Array.from({ length: 101 }, (_, i) => putItem(`${i}`)))).rejects.toEqual(
      validation('less than or equal to 100'),
    );
    await expect(transact([])).rejects.toEqual(validation('greater than or equal to 1'));
  });

  test('a token makes it happen once', async () => {
    const add = {
      Update: { ...at('a'), UpdateExpression: 'ADD n :one', ExpressionAttributeValues: { ':one': 1 } },
    };
    await transact([add], 'token');
    await transact([add], 'token');
    expect(await get('a')).toMatchObject({ n: 1 });
    await expect(transact([putItem('a')], 'token')).rejects.toThrow(
      expect.objectContaining({ name: 'IdempotentParameterMismatchException' }),
    );
  });

  test('a transaction of reads keeps the order', async () => {
    await put('b', { n: 1 });
    const { Responses } = await db.send(
      new TransactGetCommand({ TransactItems: ['a', 'b'].map((sk) => ({ Get: at(sk) })) }),
    );
    expect(Responses).toEqual([{ Item: undefined }, { Item: { pk: 'd', sk: 'b', n: 1 } }]);
  });
});

describe('clients', () => {
  test('are of the classes of the SDK', () => {
    expect(db).toBeInstanceOf(DynamoDBDocumentClient);
    expect(aws.actor('a').dynamo).toBeInstanceOf(DynamoDBClient);
    expect(aws.actor('a').documents).toBe(db);
  });

  test('a document client made from the DynamoDB client reads and writes the same table', async () => {
    const made = DynamoDBDocumentClient.from(aws.actor('a').dynamo, {
      marshallOptions: { removeUndefinedValues: true },
    });
    await made.send(new PutCommand({ TableName, Item: { pk: 'd', sk: 'x', a: undefined, list: [1] } }));
    expect(await get('x')).toEqual({ pk: 'd', sk: 'x', list: [1] });
    expect((await made.send(new GetCommand(at('x')))).Item).toEqual({ pk: 'd', sk: 'x', list: [1] });
    const again = new PutCommand({
      TableName,
      Item: { pk: 'd', sk: 'x' },
      ConditionExpression: 'attribute_not_exists(pk)',
    });
    await expect(made.send(again)).rejects.toBeInstanceOf(ConditionalCheckFailedException);
    expect(aws.calls()).toBe(4);
  });

  test('a command that is not known is named', async () => {
    const command = new GetItemCommand({ TableName, Key: {} });
    await expect(db.send(new GetCommand(at('x'))).then(() => clientSend(db, command))).rejects.toThrow(
      'does not answer GetItemCommand yet',
    );
  });
});

const clientSend = (client: { send: unknown }, command: object): unknown =>
  typeof client.send === 'function' ? client.send(command) : undefined;
