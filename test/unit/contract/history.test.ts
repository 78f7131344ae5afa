/** What a contract with a history must have. */
import { expect, test } from '@jest/globals';
import { goldenColumns } from '../../../src/lib/contract/columns.ts';
import { parseContract } from '../../../src/lib/contract/load.ts';

const contract = (more: object = {}) =>
  parseContract(
    'test.yml',
    JSON.stringify({
      dataset: 'test',
      source: { prefix: 'test/', formats: ['ndjson'] },
      columns: [
        { name: 'id', path: 'id', type: 'bigint', required: true },
        { name: 'at', path: 'at', type: 'timestamp', formats: ['iso8601'], required: true },
        { name: 'n', path: 'n', type: 'double', required: true },
        { name: 'm', path: 'm', type: 'int' },
      ],
      dedupe: { key: ['id'], scope: 'table', order: [{ column: 'at', direction: 'desc' }] },
      history: { validFrom: 'since', validTo: 'until', current: 'is_current' },
      partitionBy: [],
      ...more,
    }),
  );

test('a history adds its columns once; the column of the order may be one of them', () => {
  const added = (of: ReturnType<typeof contract>) =>
    goldenColumns(of)
      .map(({ name, type }) => `${name} ${type}`)
      .slice(4, -4);
  expect(added(contract())).toEqual(['since timestamp', 'until timestamp', 'is_current boolean']);
  expect(added(parseContract('again.yml', JSON.stringify(contract())))).toEqual(added(contract()));
  const history = { validFrom: 'at', validTo: 'until', current: 'is_current' };
  expect(added(contract({ history }))).toEqual(['until timestamp', 'is_current boolean']);
});

const order = (column: string, direction = 'desc') => [{ column, direction }];
test.each<[string, object]>([
  ['history: needs dedupe', { dedupe: undefined }],
  ['history: goes without load', { dedupe: undefined, load: { replace: 'table', by: 'id' } }],
  ['dedupe.scope: must be table', { dedupe: { key: ['id'], order: order('at') } }],
  ['dedupe.order: must have one column', { dedupe: { key: ['id'], scope: 'table' } }],
  [
    'dedupe.order: must have one column',
    { dedupe: { key: ['id'], scope: 'table', order: order('at', 'asc') } },
  ],
  [
    'dedupe.order: must have one column',
    { dedupe: { key: ['id'], scope: 'table', order: [...order('at'), ...order('m')] } },
  ],
  ['the column "n" must be required', { dedupe: { key: ['id'], scope: 'table', order: order('n') } }],
  ['the column "m" must be required', { dedupe: { key: ['id'], scope: 'table', order: order('m') } }],
  [
    'must be one of columns with a history',
    {
      derive: [{ name: 'd', type: 'timestamp', expression: 'at' }],
      dedupe: { key: ['id'], scope: 'table', order: order('d') },
    },
  ],
  [
    'dedupe.truncateWhen: does not go with a history',
    {
      dedupe: {
        key: ['id'],
        scope: 'table',
        order: order('at'),
        deleteWhen: 'm = 1',
        truncateWhen: 'm = 2',
      },
    },
  ],
  ['may not be by "until"', { partitionBy: [{ name: 'day', of: 'until', part: 'day' }] }],
  [
    'the column "m" is there already',
    { history: { validFrom: 'since', validTo: 'm', current: 'is_current' } },
  ],
])('a contract with a history is refused: %s', (message, more) => {
  expect(() => contract(more)).toThrow(message);
});
