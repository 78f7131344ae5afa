/** A fixed order of test files. Files that fill ledger and tables, and those that inspect what all others did, come last. */
import Sequencer from '@jest/test-sequencer';

const last = ['burst.test.ts', 'limits.test.ts', 'history.test.ts', 'logs.test.ts', 'permissions.test.ts'];
const rank = ({ path }) => last.findIndex((name) => path.endsWith(`/e2e/${name}`));

export default class InTurn extends Sequencer {
  sort(tests) {
    return [...tests].sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
  }
}
