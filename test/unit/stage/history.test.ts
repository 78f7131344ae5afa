/** What the watch page derives from histories and definitions. */
import type { HistoryEvent } from '@aws-sdk/client-sfn';
import { expect, test } from '@jest/globals';
import { visitsOf } from '../../../src/stage/history.ts';

const at = (second: number) => new Date(second * 1000);

const entered = (name: string, second: number, type = 'Task'): HistoryEvent => ({
  id: second,
  timestamp: at(second),
  type: `${type}StateEntered` as HistoryEvent['type'],
  stateEnteredEventDetails: { name, input: '{}' },
});

const exited = (name: string, second: number, type = 'Task'): HistoryEvent => ({
  id: second,
  timestamp: at(second),
  type: `${type}StateExited` as HistoryEvent['type'],
  stateExitedEventDetails: { name, output: '{"a":1}' },
});

const failed = (second: number, error: string): HistoryEvent => ({
  id: second,
  timestamp: at(second),
  type: 'TaskFailed',
  taskFailedEventDetails: { resourceType: 'lambda', resource: 'invoke', error, cause: 'why' },
});

const succeeded = (second: number): HistoryEvent => ({
  id: second,
  timestamp: at(second),
  type: 'TaskSucceeded',
});

test('a state that is tried again has retries, and is done when the last try was', () => {
  const [visit] = visitsOf([entered('A', 1), failed(2, 'X'), failed(3, 'Y'), succeeded(4), exited('A', 5)]);
  expect(visit).toMatchObject({
    status: 'done',
    retries: 2,
    error: null,
    startedAt: 1000,
    endedAt: 5000,
    output: '{"a":1}',
  });
});

test('a state whose error is caught is failed, and the next is another visit', () => {
  const visits = visitsOf([entered('A', 1), failed(2, 'X'), exited('A', 3), entered('B', 3), succeeded(4)]);
  expect(visits.map((v) => [v.state, v.status, v.error])).toEqual([
    ['A', 'failed', 'X'],
    ['B', 'running', null],
  ]);
});

test('an execution that is aborted ends the state that it was in', () => {
  const [visit] = visitsOf([
    entered('A', 1),
    {
      id: 2,
      timestamp: at(2),
      type: 'ExecutionAborted',
      executionAbortedEventDetails: { error: 'Mine', cause: 'so' },
    },
  ]);
  expect(visit).toMatchObject({ status: 'failed', error: 'Mine', cause: 'so', endedAt: 2000 });
});

test('a state in a loop is visited more than once', () => {
  const visits = visitsOf([entered('W', 1, 'Wait'), exited('W', 2, 'Wait'), entered('W', 3, 'Wait')]);
  expect(visits.map((v) => [v.type, v.status])).toEqual([
    ['Wait', 'done'],
    ['Wait', 'running'],
  ]);
});
