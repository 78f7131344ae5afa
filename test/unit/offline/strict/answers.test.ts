/** What the gateway finds wrong with an answer. */
import { expect, test } from '@jest/globals';
import { faultsOf } from '../../../../offline/strict/answers.ts';
import { modelSchema } from '../../../../offline/strict/model.ts';

const shapes = {
  Text: { type: 'string', max: 5 },
  State: { type: 'string', enum: ['ON', 'OFF'] },
  Count: { type: 'integer' },
  When: { type: 'timestamp' },
  Content: { type: 'blob' },
  Items: { type: 'list', member: { shape: 'Item' } },
  FlatItems: { type: 'list', member: { shape: 'Item' }, flattened: true },
  Item: {
    type: 'structure',
    required: ['Name'],
    members: {
      Name: { shape: 'Text' },
      State: { shape: 'State' },
      Size: { shape: 'Count' },
      At: { shape: 'When' },
    },
  },
  Listed: { type: 'structure', members: { Items: { shape: 'Items' } } },
  FlatListed: {
    type: 'structure',
    members: {
      Items: { shape: 'FlatItems', locationName: 'Item' },
      Version: { shape: 'Text', location: 'header', locationName: 'x-amz-version' },
    },
  },
  Got: { type: 'structure', payload: 'Body', members: { Body: { shape: 'Content' } } },
  Gone: {
    type: 'structure',
    exception: true,
    members: { Message: { shape: 'Text' } },
    error: { httpStatusCode: 404 },
  },
  Broken: { type: 'structure', exception: true, fault: true, members: {} },
};
const modelOf = (protocol: string, output: object = { shape: 'Listed' }, uri = '/') =>
  modelSchema.parse({
    metadata: { protocol, targetPrefix: 'T' },
    operations: {
      List: {
        http: { method: 'GET', requestUri: uri },
        output,
        errors: [{ shape: 'Gone' }, { shape: 'Broken' }],
      },
      Get: { http: { method: 'GET', requestUri: '/{Key}' }, output: { shape: 'Got' } },
      Silent: { http: { method: 'GET', requestUri: '/' } },
    },
    shapes,
  });
const json = modelOf('json');
const answer = (body: string | object, status = 200, headers: Record<string, string> = {}) => ({
  status,
  headers,
  body: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
});
const ofItem = (item: object) => faultsOf(json, 'glue', 'List', answer({ Items: [{ Name: 'a' }, item] }));

test('an answer as the model has it is right', () => {
  expect(ofItem({ Name: 'b', State: 'ON', Size: 3, At: 1.5 })).toEqual([]);
  expect(faultsOf(json, 'glue', 'List', answer(''))).toEqual([]);
  expect(faultsOf(json, 'glue', 'Silent', answer(''))).toEqual([]);
});

test.each<[string, object, string]>([
  ['a missing member', {}, 'items.n.member.name: Member must not be null'],
  [
    'an unknown value',
    { Name: 'b', State: 'ODD' },
    'items.n.member.state: Member must satisfy enum value set: [ON, OFF] (ODD)',
  ],
  [
    'a text that is too long',
    { Name: 'abcdef' },
    'items.n.member.name: Member must have length less than or equal to 5 (abcdef)',
  ],
  [
    'another type',
    { Name: 'b', Size: '3' },
    'items.n.member.size: STRING_VALUE cannot be converted to Integer',
  ],
  ['an unknown member', { Name: 'b', Nmae: 1 }, 'items.n.member.nmae: the model does not have this member'],
  ['null', { Name: 'b', State: null }, 'items.n.member.state: null'],
  [
    'a timestamp as text',
    { Name: 'b', At: '2025-10-06' },
    'items.n.member.at: a timestamp is a number of seconds',
  ],
])('%s is a fault', (_, item, fault) => {
  expect(ofItem(item)).toEqual([fault]);
});

test.each<[string, string]>([
  ['no JSON', '{'],
  ['a list', '[]'],
])('%s is a fault of the body', (_, body) => {
  expect(faultsOf(json, 'glue', 'List', answer(body))).toEqual([expect.stringMatching(/^the body: /)]);
});

test.each<[string, object, number, Record<string, string>, string[]]>([
  ['an error of the operation', { __type: 'com.amazonaws.x#Gone', Message: 'no' }, 404, {}, []],
  ['a name in the header', { message: 'no' }, 404, { 'x-amzn-errortype': 'Gone:http://x' }, []],
  ['a fault of the service', { __type: 'Broken' }, 500, {}, []],
  ['a common error', { __type: 'ThrottlingException' }, 400, {}, []],
  ['another status', { __type: 'Gone' }, 400, {}, ['Gone has the status 400 and not 404']],
  ['an unknown error', { __type: 'Gon' }, 400, {}, ['Gon is not an error of this operation']],
  ['no name', { message: 'no' }, 400, {}, ['an error without a name']],
])('errors: %s', (_, body, status, headers, faults) => {
  expect(faultsOf(json, 'glue', 'List', answer(body, status, headers))).toEqual(faults);
});

test('XML: lists, headers, errors, and an error in a success', () => {
  const model = modelOf('rest-xml', { shape: 'FlatListed' });
  const of = (body: string, status = 200, headers = {}) =>
    faultsOf(model, 's3', 'List', answer(body, status, headers));
  expect(of('<L><Item><Name>a</Name><Size>3</Size></Item></L>', 200, { 'x-amz-version': 'v' })).toEqual([]);
  expect(of('<L><Item><Size>x</Size></Item></L>', 200, { 'x-amz-version': 'too long' })).toEqual([
    expect.stringContaining('items.n.member.size: STRING_VALUE'),
  ]);
  expect(of('<L><Item/></L>')).toEqual(['items.n.member.name: Member must not be null']);
  expect(of('<L><Item></L>')).toEqual([expect.stringMatching(/^the body/)]);
  expect(of('<Error><Code>SlowDown</Code></Error>', 503)).toEqual([]);
  expect(of('<Error><Code>InternalError</Code></Error>')).toEqual([]);
  expect(of('<Error><Code>Slow</Code></Error>', 503)).toEqual(['Slow is not an error of this operation']);
  expect(of('', 404)).toEqual([]);
});

test('forms: the result is in its wrapper', () => {
  const model = modelOf('query', { shape: 'Listed', resultWrapper: 'ListResult' });
  const of = (inner: string) =>
    faultsOf(model, 'cloudformation', 'List', answer(`<ListResponse>${inner}</ListResponse>`));
  const items = (item: string) => `<ListResult><Items><member>${item}</member></Items></ListResult>`;
  expect(of(items('<Name>a</Name>'))).toEqual([]);
  expect(of(items('<State>ON</State>'))).toEqual(['items.n.member.name: Member must not be null']);
  expect(of('<Items/>')).toEqual(['the body: the answer has no ListResult']);
});

test('the content of an object is not read', () => {
  expect(faultsOf(modelOf('rest-xml'), 's3', 'Get', answer('<not XML'))).toEqual([]);
  expect(faultsOf(modelOf('rest-json'), 'lambda', 'Get', answer('{'))).toEqual([]);
});
