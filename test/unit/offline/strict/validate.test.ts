/** The gateway's validation: pure functions on a small model in botocore's form. */
import { describe, expect, test } from '@jest/globals';
import { checkSource, copiesTags, sourceOf } from '../../../../offline/strict/copies.ts';
import { hasDocument, readRequest } from '../../../../offline/strict/input.ts';
import { type Model, modelSchema } from '../../../../offline/strict/model.ts';
import { createTransactions } from '../../../../offline/strict/transactions.ts';
import { validate, WrongType, wording } from '../../../../offline/strict/validate.ts';

const thing: Model = modelSchema.parse({
  metadata: { protocol: 'json', jsonVersion: '1.1', targetPrefix: 'Things' },
  operations: { PutThing: { http: { method: 'POST', requestUri: '/' }, input: { shape: 'PutThing' } } },
  shapes: {
    PutThing: {
      type: 'structure',
      required: ['Name'],
      members: {
        Name: { shape: 'Name' },
        Size: { shape: 'Size' },
        Kind: { shape: 'Kind' },
        Parts: { shape: 'Parts' },
        Labels: { shape: 'Labels' },
        Values: { shape: 'Values' },
        Bytes: { shape: 'Bytes' },
        At: { shape: 'At' },
        On: { shape: 'On' },
        Any: { shape: 'Any' },
      },
    },
    Name: { type: 'string', min: 1, max: 4, pattern: '[a-z\\_]+' },
    Size: { type: 'integer', min: 1, max: 10 },
    Kind: { type: 'string', enum: ['RED', 'BLUE'] },
    Parts: { type: 'list', member: { shape: 'Part' }, max: 2 },
    Part: { type: 'structure', required: ['Name'], members: { Name: { shape: 'Name' } } },
    Labels: { type: 'map', key: { shape: 'Name' }, value: { shape: 'Kind' } },
    Values: { type: 'list', member: { shape: 'Name' } },
    Bytes: { type: 'blob', max: 3 },
    At: { type: 'timestamp' },
    On: { type: 'boolean' },
    Any: { type: 'structure', document: true, members: {} },
  },
});

const faults = (input: unknown) =>
  validate(thing, 'PutThing', input).map(({ path, constraint }) => `${path}: ${constraint}`);

describe('a request against the service model', () => {
  test('an input that fits has no violation, and unknown members are ignored', () => {
    expect(
      faults({
        Name: 'a_b',
        Size: 10,
        Kind: 'RED',
        Parts: [{ Name: 'x' }],
        Labels: { a: 'BLUE' },
        Values: ['a'],
        Bytes: 'AAAA',
        At: 1.5,
        On: false,
        Any: [1, { a: null }],
        Unknown: { at: 'all' },
        __proto__: { polluted: true },
      }),
    ).toEqual([]);
  });

  test.each<[string, unknown, string[]]>([
    ['a missing member', {}, ['name: Member must not be null']],
    ['a member that is null', { Name: null }, ['name: Member must not be null']],
    [
      'a text that is too short and not of the pattern',
      { Name: '' },
      [
        'name: Member must have length greater than or equal to 1',
        'name: Member must satisfy regular expression pattern: [a-z\\_]+',
      ],
    ],
    ['a text that is too long', { Name: 'aaaaa' }, ['name: Member must have length less than or equal to 4']],
    [
      'a pattern that only part of the text has',
      { Name: 'ab1' },
      ['name: Member must satisfy regular expression pattern: [a-z\\_]+'],
    ],
    [
      'a number out of its range',
      { Name: 'a', Size: 11 },
      ['size: Member must have value less than or equal to 10'],
    ],
    [
      'a value that is not of the enum',
      { Name: 'a', Kind: 'GREEN' },
      ['kind: Member must satisfy enum value set: [RED, BLUE]'],
    ],
    [
      'a list that is too long',
      { Name: 'a', Parts: [{ Name: 'a' }, { Name: 'b' }, { Name: 'c' }] },
      ['parts: Member must have length less than or equal to 2'],
    ],
    [
      'a fault inside a list',
      { Name: 'a', Parts: [{ Name: 'a' }, {}] },
      ['parts.2.member.name: Member must not be null'],
    ],
    [
      'a fault of a plain element',
      { Name: 'a', Values: ['a', 'toolong'] },
      ['values: Member must satisfy constraint: [Member must have length less than or equal to 4]'],
    ],
    ['an element that is null', { Name: 'a', Values: [null] }, ['values: Member must not be null']],
    [
      'a fault of a key and of a value of a map',
      { Name: 'a', Labels: { 'A.B': 'GREEN' } },
      [
        'labels: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-z\\_]+]',
        'labels: Map value must satisfy constraint: [Member must satisfy enum value set: [RED, BLUE]]',
      ],
    ],
    [
      'bytes that are too many',
      { Name: 'a', Bytes: 'AAAAAA==' },
      ['bytes: Member must have length less than or equal to 3'],
    ],
  ])('%s is a violation', (_, input, expected) => {
    expect(faults(input)).toEqual(expected);
  });

  test.each<[unknown, string]>([
    [{ Name: 5 }, 'NUMBER_VALUE cannot be converted to String'],
    [{ Name: 'a', Size: '5' }, 'STRING_VALUE cannot be converted to Integer'],
    [{ Name: 'a', Size: 1.5 }, 'DECIMAL_VALUE cannot be converted to Integer'],
    [{ Name: 'a', On: 'true' }, 'STRING_VALUE cannot be converted to Boolean'],
    [{ Name: 'a', Parts: {} }, 'START_OBJECT cannot be converted to List'],
    [{ Name: 'a', Labels: [] }, 'START_ARRAY cannot be converted to Map'],
    [{ Name: 'a', Parts: ['a'] }, 'STRING_VALUE cannot be converted to Structure'],
  ])('%j has a wrong type: %s', (input, message) => {
    expect(() => validate(thing, 'PutThing', input)).toThrow(new WrongType(message));
  });

  test('the message counts its faults and names value, member and constraint', () => {
    expect(wording(validate(thing, 'PutThing', { Size: 0 }))).toBe(
      "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; " +
        "Value '0' at 'size' failed to satisfy constraint: Member must have value greater than or equal to 1",
    );
  });

  test('a request is read once: its values are not compared with each other', () => {
    let reads = 0;
    const values = new Proxy(
      Array.from({ length: 2000 }, () => 'abc'),
      {
        get: (list, member) => {
          reads++;
          return Reflect.get(list, member);
        },
      },
    );
    expect(validate(thing, 'PutThing', { Name: 'a', Values: values })).toEqual([]);
    expect(reads).toBeLessThan(3 * 2000);
  });
});

describe('a request on the wire', () => {
  const json = (target: string, body: string) =>
    readRequest(thing, { method: 'POST', url: '/', headers: { 'x-amz-target': target } }, Buffer.from(body));

  test('JSON: the target names the operation', () => {
    expect(json('Things.PutThing', '{"Name":"a"}')).toEqual({
      operation: 'PutThing',
      shape: 'PutThing',
      input: { Name: 'a' },
    });
    expect(json('Things.constructor', '{}')).toBeUndefined();
    expect(json('Others.PutThing', '{}')).toBeUndefined();
  });

  test.each(['{', '[]', '5', 'null'])('JSON: the body %s is refused', (body) => {
    expect(() => json('Things.PutThing', body)).toThrow(WrongType);
  });

  const store: Model = modelSchema.parse({
    metadata: { protocol: 'rest-xml' },
    operations: {
      PutObject: { http: { method: 'PUT', requestUri: '/{Bucket}/{Key+}' }, input: { shape: 'Put' } },
      CopyObject: { http: { method: 'PUT', requestUri: '/{Bucket}/{Key+}' }, input: { shape: 'Copy' } },
      UploadPart: { http: { method: 'PUT', requestUri: '/{Bucket}/{Key+}' }, input: { shape: 'UploadPart' } },
      ListObjects: { http: { method: 'GET', requestUri: '/{Bucket}' }, input: { shape: 'List' } },
      ListObjectsV2: {
        http: { method: 'GET', requestUri: '/{Bucket}?list-type=2' },
        input: { shape: 'List' },
      },
      DeleteObjects: {
        http: { method: 'POST', requestUri: '/{Bucket}?delete' },
        input: { shape: 'DeleteObjects' },
      },
    },
    shapes: {
      Text: { type: 'string' },
      Number: { type: 'integer' },
      Flag: { type: 'boolean' },
      Body: { type: 'blob' },
      Metadata: { type: 'map', key: { shape: 'Text' }, value: { shape: 'Text' } },
      Put: {
        type: 'structure',
        required: ['Bucket', 'Key'],
        payload: 'Body',
        members: {
          Bucket: { shape: 'Text', location: 'uri', locationName: 'Bucket' },
          Key: { shape: 'Text', location: 'uri', locationName: 'Key' },
          Metadata: { shape: 'Metadata', location: 'headers', locationName: 'x-amz-meta-' },
          Body: { shape: 'Body' },
        },
      },
      Copy: {
        type: 'structure',
        required: ['Bucket', 'Key', 'CopySource'],
        members: {
          Bucket: { shape: 'Text', location: 'uri', locationName: 'Bucket' },
          Key: { shape: 'Text', location: 'uri', locationName: 'Key' },
          CopySource: { shape: 'Text', location: 'header', locationName: 'x-amz-copy-source' },
        },
      },
      UploadPart: {
        type: 'structure',
        required: ['Bucket', 'Key', 'PartNumber'],
        members: {
          Bucket: { shape: 'Text', location: 'uri', locationName: 'Bucket' },
          Key: { shape: 'Text', location: 'uri', locationName: 'Key' },
          PartNumber: { shape: 'Number', location: 'querystring', locationName: 'partNumber' },
        },
      },
      List: {
        type: 'structure',
        members: {
          Bucket: { shape: 'Text', location: 'uri', locationName: 'Bucket' },
          MaxKeys: { shape: 'Number', location: 'querystring', locationName: 'max-keys' },
        },
      },
      DeleteObjects: {
        type: 'structure',
        required: ['Bucket', 'Delete'],
        payload: 'Delete',
        members: {
          Bucket: { shape: 'Text', location: 'uri', locationName: 'Bucket' },
          Delete: { shape: 'Delete', locationName: 'Delete' },
        },
      },
      Delete: {
        type: 'structure',
        members: { Objects: { shape: 'Objects', locationName: 'Object' }, Quiet: { shape: 'Flag' } },
      },
      Objects: { type: 'list', member: { shape: 'ObjectId' }, flattened: true },
      ObjectId: { type: 'structure', members: { Key: { shape: 'Text' } } },
    },
  });
  const rest = (method: string, url: string, headers: Record<string, string> = {}, body = '') =>
    readRequest(store, { method, url, headers }, Buffer.from(body));

  test.each<[string, string, Record<string, string>, string, Record<string, unknown>]>([
    ['PUT', '/b/a%20b/../c+d//e?x-id=PutObject', {}, 'PutObject', { Bucket: 'b', Key: 'a b/../c+d//e' }],
    [
      'PUT',
      '/b/k',
      { 'x-amz-meta-one': '1' },
      'PutObject',
      { Bucket: 'b', Key: 'k', Metadata: { one: '1' } },
    ],
    [
      'PUT',
      '/b/k',
      { 'x-amz-copy-source': 'b/x' },
      'CopyObject',
      { Bucket: 'b', Key: 'k', CopySource: 'b/x' },
    ],
    ['PUT', '/b/k?partNumber=3', {}, 'UploadPart', { Bucket: 'b', Key: 'k', PartNumber: 3 }],
    ['GET', '/b?max-keys=5', {}, 'ListObjects', { Bucket: 'b', MaxKeys: 5 }],
    ['GET', '/b/?list-type=2', {}, 'ListObjectsV2', { Bucket: 'b' }],
    ['PUT', '/k', { host: 'my.b.localhost:4566' }, 'PutObject', { Bucket: 'my.b', Key: 'k' }],
    ['GET', '/?list-type=2', { host: 'b.localhost' }, 'ListObjectsV2', { Bucket: 'b' }],
  ])('REST: %s %s with %j is %s', (method, url, headers, operation, input) => {
    expect(rest(method, url, headers)).toMatchObject({ operation, input });
  });

  test('XML: one element or many, entities and types', () => {
    const one = rest('POST', '/b?delete', {}, '<Delete><Object><Key>a&amp;b</Key></Object></Delete>');
    expect(one?.input.Delete).toEqual({ Objects: [{ Key: 'a&b' }] });
    const two = rest(
      'POST',
      '/b?delete',
      {},
      '<Delete xmlns="x"><Quiet>true</Quiet><Object><Key>__proto__</Key></Object><Object><Key>c</Key></Object></Delete>',
    );
    expect(two?.input.Delete).toEqual({ Quiet: true, Objects: [{ Key: '__proto__' }, { Key: 'c' }] });
  });

  test.each(['<Delete><Obj', 'no XML', '<Other/>'])('XML: the body %s is refused', (body) => {
    expect(() => rest('POST', '/b?delete', {}, body)).toThrow(WrongType);
  });

  test('objects stream: only a request whose input stands in the body is read', () => {
    expect(hasDocument(store, { method: 'PUT', url: '/b/k', headers: {} })).toBe(false);
    expect(hasDocument(store, { method: 'POST', url: '/b?delete', headers: {} })).toBe(true);
    expect(hasDocument(thing, { method: 'POST', url: '/', headers: {} })).toBe(true);
  });

  test('forms: members and lists by their numbers', () => {
    const form: Model = modelSchema.parse({
      ...thing,
      metadata: { protocol: 'query' },
    });
    const body =
      'Action=PutThing&Name=a&Size=5&On=true&Parts.member.2.Name=y&Parts.member.1.Name=x&Values.member.1=v';
    expect(readRequest(form, { method: 'POST', url: '/', headers: {} }, Buffer.from(body))?.input).toEqual({
      Name: 'a',
      Size: 5,
      On: true,
      Parts: [{ Name: 'x' }, { Name: 'y' }],
      Values: ['v'],
    });
  });
});

describe('copies', () => {
  test('a source names bucket, key and version', () => {
    expect(sourceOf('/b/a%20b/%2Fc%3F?versionId=v1')).toEqual({
      Bucket: 'b',
      Key: 'a b//c?',
      VersionId: 'v1',
    });
    expect(sourceOf('b/k')).toEqual({ Bucket: 'b', Key: 'k', VersionId: undefined });
  });

  test('a source over 5 GB is refused', () => {
    const most = 5 * 1024 ** 3;
    expect(checkSource(most, most)).toBeUndefined();
    expect(checkSource(most + 1, most)).toMatchObject({
      code: 'InvalidRequest',
      status: 400,
      message: `The specified copy source is larger than the maximum allowable size for a copy source: ${most}`,
    });
  });

  test('tags are copied unless they are replaced', () => {
    expect(copiesTags({})).toBe(true);
    expect(copiesTags({ TaggingDirective: 'COPY' })).toBe(true);
    expect(copiesTags({ TaggingDirective: 'REPLACE' })).toBe(false);
  });
});

describe('transactions in flight', () => {
  const start = () => createTransactions(async (table) => (table === 'missing' ? undefined : ['pk', 'sk']));
  const key = (sk: string) => ({ TableName: 't', Key: { sk: { S: sk }, pk: { S: 'p' } } });
  const item = (sk: string) => ({
    TableName: 't',
    Item: { pk: { S: 'p' }, sk: { S: sk }, more: { N: '1' } },
  });
  const transact = (...sks: string[]) => ({ TransactItems: sks.map((sk) => ({ Put: item(sk) })) });
  const ongoing = { code: 'TransactionConflictException', message: 'Transaction is ongoing for the item' };

  test('a write on an item of an ongoing transaction is refused, and goes through after its end', async () => {
    const transactions = start();
    const end = await transactions.begin('TransactWriteItems', transact('a', 'b'));
    await expect(transactions.begin('PutItem', item('a'))).rejects.toMatchObject(ongoing);
    await expect(transactions.begin('UpdateItem', key('a'))).rejects.toMatchObject(ongoing);
    await expect(transactions.begin('DeleteItem', key('b'))).rejects.toMatchObject(ongoing);
    await transactions.begin('UpdateItem', key('c'));
    await transactions.begin('GetItem', key('a'));
    end();
    await transactions.begin('PutItem', item('a'));
  });

  test('a second transaction on one of the items is cancelled, with a reason for each item', async () => {
    const transactions = start();
    await transactions.begin('TransactWriteItems', { TransactItems: [{ ConditionCheck: key('a') }] });
    await expect(transactions.begin('TransactWriteItems', transact('x', 'a'))).rejects.toMatchObject({
      code: 'TransactionCanceledException',
      message:
        'Transaction cancelled, please refer cancellation reasons for specific reasons [None, TransactionConflict]',
      details: {
        CancellationReasons: [
          { Code: 'None' },
          { Code: 'TransactionConflict', Message: 'Transaction is ongoing for the item' },
        ],
      },
    });
    // Rejected requests hold nothing.
    await transactions.begin('TransactWriteItems', transact('x'));
  });

  test('a reading transaction meets ongoing writes, and stops none', async () => {
    const transactions = start();
    const end = await transactions.begin('PutItem', item('a'));
    const read = { TransactItems: [{ Get: key('a') }] };
    await expect(transactions.begin('TransactGetItems', read)).rejects.toMatchObject({
      code: 'TransactionCanceledException',
    });
    await transactions.begin('PutItem', item('a'));
    await transactions.begin('TransactWriteItems', transact('a'));
    end();
  });

  test('the same request token twice at once is in progress', async () => {
    const transactions = start();
    const input = { ...transact('a'), ClientRequestToken: 'token' };
    const end = await transactions.begin('TransactWriteItems', input);
    await expect(transactions.begin('TransactWriteItems', input)).rejects.toMatchObject({
      code: 'TransactionInProgressException',
    });
    end();
    await transactions.begin('TransactWriteItems', input);
  });

  test('a table that is not there conflicts with nothing', async () => {
    const transactions = start();
    const input = { TransactItems: [{ Put: { TableName: 'missing', Item: {} } }] };
    await transactions.begin('TransactWriteItems', input);
    await transactions.begin('TransactWriteItems', input);
  });
});
