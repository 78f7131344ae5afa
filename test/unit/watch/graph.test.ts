import { expect, test } from '@jest/globals';
import { graphOf } from '../../../src/watch/graph.ts';

test('a definition is states and edges, each pair once', () => {
  const graph = graphOf(
    JSON.stringify({
      StartAt: 'A',
      States: {
        A: { Type: 'Task', Comment: 'first', Next: 'C', Catch: [{ Next: 'F' }, { Next: 'F' }] },
        C: { Type: 'Choice', Choices: [{ Next: 'A' }, { Next: 'E' }], Default: 'A' },
        E: { Type: 'Succeed' },
        F: { Type: 'Fail' },
      },
    }),
  );
  expect(graph.states[0]).toEqual({ name: 'A', type: 'Task', comment: 'first' });
  expect(graph.edges).toEqual([
    { from: 'A', to: 'C', kind: 'next' },
    { from: 'A', to: 'F', kind: 'catch' },
    { from: 'C', to: 'A', kind: 'choice' },
    { from: 'C', to: 'E', kind: 'choice' },
  ]);
});
