/** The order of test files: those that look at what all others did come last. */
import Sequencer from '@jest/test-sequencer';

const last = ['logs.test.ts', 'permissions.test.ts'];
const rank = ({ path }) => last.findIndex((name) => path.endsWith(`/e2e/${name}`));

export default class InTurn extends Sequencer {
  sort(tests) {
    return [...super.sort(tests)].sort((a, b) => rank(a) - rank(b));
  }
}
