import { expect, test } from '@jest/globals';
import { changing } from '../../../src/lib/aws/changing.ts';

test('a change is one expression; every attribute has a placeholder, those of the condition too', () => {
  expect(
    changing({
      set: { state: 'held', reason: undefined, place: 'p' },
      add: { attempts: 1 },
      remove: ['group'],
      when: '#state = :claimed AND attribute_exists(#pk)',
      values: { claimed: 'claimed' },
    }),
  ).toEqual({
    UpdateExpression: 'SET #state = :state, #place = :place ADD #attempts :attempts REMOVE #group',
    ConditionExpression: '#state = :claimed AND attribute_exists(#pk)',
    ExpressionAttributeNames: {
      '#state': 'state',
      '#place': 'place',
      '#attempts': 'attempts',
      '#group': 'group',
      '#pk': 'pk',
    },
    ExpressionAttributeValues: { ':state': 'held', ':place': 'p', ':attempts': 1, ':claimed': 'claimed' },
  });
});

test('a change without values has none, and one without a condition has no condition', () => {
  expect(changing({ remove: ['live'] })).toEqual({
    UpdateExpression: 'REMOVE #live',
    ExpressionAttributeNames: { '#live': 'live' },
  });
});

test('a value of the condition cannot stand for the new value of an attribute', () => {
  expect(() => changing({ set: { fence: 2 }, when: '#fence = :fence', values: { fence: 1 } })).toThrow(
    'the value :fence has two meanings',
  );
});
